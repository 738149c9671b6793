"""The simulated AWS at any time: the scopes and jobs in each account and region."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any

from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.models import Models
from exporter.jobs import State
from exporter.simulator.item_builders import JobItemBuilder, ScopeItemBuilder, scope_type
from exporter.simulator.quirks import ALWAYS, Quirk
from exporter.simulator.resources import Location, SimulatedJob, SimulatedScope
from exporter.simulator.shapes import at

ACCOUNT = "111122223333"
REGION = "us-east-1"

Arrival = tuple[float, Callable[[], object]]
"""When something happens in the world, in seconds, and what."""


class World:
    """Accounts, and the scopes and jobs in them.

    `accounts` maps access keys to accounts; every other key belongs to `account`.
    """

    def __init__(self, catalog: Catalog | None = None, *, account: str = ACCOUNT, region: str = REGION) -> None:
        self.catalog = catalog or Catalog()
        self.models = _MODELS
        self.account = account
        self.region = region
        self.accounts: dict[str, str] = {}
        self.quirks: frozenset[Quirk] = frozenset()
        """What holds for every kind, beyond what is known of some."""
        self.tags: Callable[[str], Mapping[str, str]] = lambda _: {}
        """Returns the tags of the resource with an ARN."""
        self._locations: dict[tuple[str, str], Location] = {}
        self._job_items: dict[str, JobItemBuilder] = {}
        self._scope_items: dict[str, ScopeItemBuilder] = {}
        self._arrivals: list[tuple[float, int, Callable[[], object], Iterator[Arrival]]] = []
        """A heap: when something happens, a number because functions do not compare, what, and what happens next."""
        self._feeds = count()
        self._numbers = count(1)

    def location(self, account: str | None = None, region: str | None = None) -> Location:
        """Return a region of an account, by default the world's own."""
        key = (account or self.account, region or self.region)
        return self._locations.setdefault(key, Location(*key))

    def has(self, quirk: Quirk, *kinds: Kind) -> bool:
        """Return whether AWS answers so about everything, or about one of these kinds."""
        return quirk in self.quirks.union(*(ALWAYS.get(str(kind), ()) for kind in kinds))

    def account_of(self, access_key: str) -> str:
        """Return the account that an access key belongs to."""
        return self.accounts.get(access_key, self.account)

    def add_scope(  # noqa: PLR0913 - each by its name
        self,
        service: str,
        scope_name: str,
        *,
        id: str | None = None,  # noqa: A002 - what AWS and the catalog call it
        name: str = "",
        within: SimulatedScope | None = None,
        passed_over: bool = False,
        account: str | None = None,
        region: str | None = None,
    ) -> SimulatedScope:
        """Add a scope of a type from a service's file of the catalog.

        `passed_over` adds one that the catalog's `where` leaves out. A scope that AWS lists as a job too is added with
        that job. Raises LookupError for a type that the file lacks, ValueError for a scope in the wrong place or with
        an id that is taken.
        """
        scopes = self.catalog[service].scopes
        if scope_name not in scopes:
            raise LookupError(f"{service} has no scope {scope_name!r}")
        scope, parent = scopes[scope_name], within or self.location(account, region)
        self._check_parent(parent, service, scope.within, scope_name)
        number = next(self._numbers)
        created, token = _FIRST_CREATED + number, _token(number)
        builder = self._scope_builder(service, scope)
        fields = builder.filter_fields(passed_over=passed_over)
        kinds = self.catalog[service].kinds
        if key := _with_operation(kinds, service, scope):
            kind = kinds[key]
            path, fields = [(0.0, _status_of(kind, scope))], fields | ({scope.id: id} if id else {})
            job = self.add_job(
                kind,
                created=created,
                path=path,
                name=name or None,
                fields=fields,
                scope=within,
                account=account,
                region=region,
            )
            assert job.as_scope is not None  # noqa: S101 - the same operation lists both
            return job.as_scope
        seed = builder.seed(parent, created, token)
        identifier, name = builder.id_and_name(seed, scope_name, id, name)
        made = SimulatedScope(
            parent, builder.type, scope_name, (created, token), id=identifier, name=name, fields=fields
        )
        parent.add(builder.type, made)
        return made

    def add_job(  # noqa: PLR0913 - each by its name
        self,
        kind: Kind,
        *,
        created: float,
        path: Sequence[tuple[float, str]],
        scope: SimulatedScope | None = None,
        name: str | None = None,
        message: str = "",
        code: str = "",
        records: Mapping[str, int] | None = None,
        dimensions: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
        account: str | None = None,
        region: str | None = None,
        refined: int | None = None,
        waits: int | None = None,
        token: str | None = None,
    ) -> SimulatedJob:
        """Add a job with its creation time and its whole life, a path of (seconds after creation, status).

        `message` and `code` appear once its status is final; `records` are the counts at the end of the path; `fields`
        are members of the item, None for one that is left out; `refined` is the number of the kind's refinement that
        applies, `waits` that of the rule that tells why it waits. The job's ids are derived from `token`, 32
        hexadecimal digits. Raises ValueError where `scope` is not the innermost one of the kind.
        """
        parent = scope or self.location(account, region)
        self._check_parent(parent, kind.service, kind.scope, str(kind))
        token = token or _token(next(self._numbers))
        if self.has(Quirk.RESTARTS, kind):
            path = [*path, *_again(kind, path)]
        offsets, statuses = zip(*path, strict=True)
        job = SimulatedJob(
            kind=kind,
            scope=parent,
            token=token,
            created=round(created, 3),
            offsets=tuple(round(offset, 3) for offset in offsets),
            statuses=statuses,
            name=f"{kind.key.replace('_', '-')}-{token[:6]}" if name is None else name,
            message=message,
            code=code,
            records=records or {},
            dimensions=dimensions or {},
            fields=fields or {},
            refined=refined,
            waits=waits,
        )
        parent.add(str(kind), job)
        parent.root.added[str(kind)].append(job)
        scopes = self.catalog[kind.service].scopes
        if scope_name := _with_operation(scopes, kind.service, kind):
            self._add_as_scope(job, scope_name, scopes[scope_name])
        return job

    def _add_as_scope(self, job: SimulatedJob, scope_name: str, scope: Scope) -> None:
        """Add the scope that a job is at the same time."""
        type_, item = scope_type(job.kind.service, scope), self.job_items(job.kind).item(job, job.created)
        identifier, name = str(at(item, scope.id)), str(at(item, scope.name or scope.id))
        job.as_scope = SimulatedScope(job.scope, type_, scope_name, job.key, id=identifier, name=name, fields={})
        job.scope.add(type_, job.as_scope)

    def feed(self, arrivals: Iterator[Arrival]) -> None:
        """Let things happen in the world, in the order of their times, each when the clock reaches it."""
        if (first := next(arrivals, None)) is not None:
            heapq.heappush(self._arrivals, (first[0], next(self._feeds), first[1], arrivals))

    def advance(self, now: float) -> None:
        """Let everything happen that is due by now."""
        while self._arrivals and self._arrivals[0][0] <= now:
            _, _, happen, later = heapq.heappop(self._arrivals)
            happen()
            self.feed(later)

    def job_items(self, kind: Kind) -> JobItemBuilder:
        """Return what builds the items of a kind of job."""
        if str(kind) not in self._job_items:
            scope = self._scope_builder(kind.service, kind.scopes[-1][1]) if kind.scopes else None
            self._job_items[str(kind)] = JobItemBuilder(self.models, kind, scope)
        return self._job_items[str(kind)]

    def scope_items(self, type_: str) -> ScopeItemBuilder:
        """Return what builds the items of a type of scope that was added."""
        return self._scope_items[type_]

    def _scope_builder(self, service: str, scope: Scope) -> ScopeItemBuilder:
        builder = ScopeItemBuilder(self.models, service, scope)
        self._scope_items.setdefault(builder.type, builder)
        return builder

    def _check_parent(self, parent: Location, service: str, scope_name: str | None, what: str) -> None:
        """Raise ValueError where a resource cannot be in a location."""
        # Two scopes of one type may differ in what `where` asks for: Batch lists queues of jobs and of service jobs.
        expected = (scope_name, scope_type(service, self.catalog[service].scopes[scope_name])) if scope_name else None
        found = (parent.scope_name, parent.type) if isinstance(parent, SimulatedScope) else None
        if found != expected:
            raise ValueError(f"{what} belongs in {scope_name or 'no scope'}, not in {found[0] if found else 'none'}")


def _status_of(kind: Kind, scope: Scope) -> str:
    """Return the status of a job that is listed as a scope: one that the request asks for, or that of a success."""
    asked = at(scope.arguments, kind.filters.status or "") or ()
    return next((each for each in asked if kind.state_of[each] is State.RUNNING), kind.states[State.SUCCEEDED][0])


def _with_operation(
    entries: Mapping[str, Kind] | Mapping[str, Scope], service: str, listed: Kind | Scope
) -> str | None:
    """Return the name of the entry that is listed by the operation of another entry of the service's file."""
    operation = (listed.service or service, listed.operation)
    matching = (name for name, entry in entries.items() if (entry.service or service, entry.operation) == operation)
    return next(matching, None)


def _again(kind: Kind, path: Sequence[tuple[float, str]]) -> Sequence[tuple[float, str]]:
    """Return how a job's path goes on if it runs once more after its end, with the same result."""
    ended, final = path[-1]
    active = [status for _, status in path if kind.state_of.get(status, State.UNKNOWN).is_active]
    if not active or final not in kind.state_of or not kind.state_of[final].is_final:
        return ()
    return (ended + _PAUSE, active[-1]), (ended + _PAUSE + _SECOND_RUN, final)


def _token(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


_MODELS = Models()
"""The models are the same for every world, and slow to load."""

_PAUSE, _SECOND_RUN = 200.0, 300.0
"""Seconds from a job's end until it runs again, and those that it runs then."""

_FIRST_CREATED = 1_735_689_600.0
"""When the first scope was created: 2025-01-01."""
