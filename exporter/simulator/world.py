"""The made-up AWS as it is at any time: scopes and jobs by account and region."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import Any

from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.models import Models
from exporter.jobs import State
from exporter.simulator.job_items import JobForm, ScopeForm, sort_of
from exporter.simulator.residents import Residence, SimulatedJob, SimulatedScope
from exporter.simulator.shapes import at

ACCOUNT = "111122223333"
REGION = "us-east-1"

Arrival = tuple[float, Callable[[], object]]
"""When something happens in the world, in seconds, and what."""


@dataclass(order=True)
class _Pending:
    """What happens next of a row of things, and the row."""

    moment: float
    happen: Callable[[], object] = field(compare=False)
    later: Iterator[Arrival] = field(compare=False)


class World:
    """Accounts, the scopes and the jobs in them.

    `accounts` maps access keys to accounts; every other key belongs to `account`.
    """

    def __init__(self, catalog: Catalog | None = None, *, account: str = ACCOUNT, region: str = REGION) -> None:
        self.catalog = catalog or Catalog()
        self.models = _MODELS
        self.account = account
        self.region = region
        self.accounts: dict[str, str] = {}
        self.members: dict[str, str] = {}
        """The accounts of the organisation with their names, none where there is no organisation."""
        self._places: dict[tuple[str, str], Residence] = {}
        self._job_forms: dict[str, JobForm] = {}
        self._scope_forms: dict[tuple[str, str], ScopeForm] = {}
        self._arrivals: list[_Pending] = []
        self._numbers = count(1)

    def place(self, account: str | None = None, region: str | None = None) -> Residence:
        """Return a region of an account, the world's own if none is named."""
        key = (account or self.account, region or self.region)
        return self._places.setdefault(key, Residence(*key))

    def add_scope(  # noqa: PLR0913 - the words of a scope, each by its name
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
        """Make a container of the sort that a service's file of the catalog names so.

        `passed_over` makes one that the catalog's `where` leaves out. What AWS lists as a job too comes with that job.
        Raises LookupError for a sort that the file does not have, ValueError where it does not stand in `within`.
        """
        scopes = self.catalog[service].scopes
        if scope_name not in scopes:
            raise LookupError(f"{service} has no scope {scope_name!r}")
        scope = scopes[scope_name]
        parent: Residence = within or self.place(account, region)
        self._require(parent, service, scope.within, scope_name)
        number, form = next(self._numbers), self._scope_form(service, scope_name)
        fields = form.where(passed_over=passed_over)
        if key := _listed_alike(self.catalog[service].kinds, service, scope):
            kind = self.catalog[service].kinds[key]
            created, path = _OPENED + number, [(0.0, kind.states[State.SUCCEEDED][0])]
            fields |= {scope.id: id} if id else {}
            job = partial(self.add_job, kind, created=created, path=path, name=name or None, fields=fields)
            job(scope=within, account=account, region=region)
            return parent.scopes(form.sort)[-1]
        made = SimulatedScope(parent, form, scope_name, (_OPENED + number, _token(number)))
        made.fields = fields
        form.name(made, id, name)
        parent.add(made)
        return made

    def remove_scope(self, scope: SimulatedScope) -> None:
        """Remove a scope and all that it contains; raises KeyError where that was done before."""
        scope.within.remove(scope)

    def scopes(self, service: str, scope_name: str, within: Residence | None = None) -> list[SimulatedScope]:
        """Return all scopes of a sort, oldest first: those that stand directly in `within`, else in the own region."""
        sort = sort_of(service, self.catalog[service].scopes[scope_name])
        return (within or self.place()).scopes(sort)

    def add_job(  # noqa: PLR0913 - the words of a job, each by its name
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
        token: str | None = None,
    ) -> SimulatedJob:
        """Make a job that was created at a time and then walks a path of (seconds after it, status).

        `message` and `code` show once its status is final; `records` are the counts at the end of the path; `fields`
        are members of the item that stand there as they are given, None for one that is left out; `refined` is the
        number of the kind's refinement that holds at the end. The job's ids are made of `token`, 32 hexadecimal digits.
        Raises ValueError where `scope` is not the innermost one of the kind.
        """
        parent: Residence = scope or self.place(account, region)
        self._require(parent, kind.service, kind.scope, str(kind))
        token = token or _token(next(self._numbers))
        offsets, statuses = zip(*path, strict=True)
        job = SimulatedJob(
            kind=kind,
            scope=parent,
            form=self._job_form(kind),
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
        )
        parent.shelf(str(kind)).add(job)
        parent.place.arrivals[str(kind)].append(job)
        job.container = self._container(job)
        return job

    def delete_job(self, job: SimulatedJob) -> None:
        """Remove a job as if it had never been; raises KeyError where that was done before."""
        job.scope.shelf(str(job.kind)).remove(job)
        job.deleted = True
        if job.container:
            self.remove_scope(job.container)

    def jobs(
        self,
        kind: Kind,
        *,
        scope: SimulatedScope | None = None,
        account: str | None = None,
        region: str | None = None,
        at: float = math.inf,
    ) -> list[SimulatedJob]:
        """Return the jobs of a kind that exist at a time, newest first: those within `scope`, else of the region."""
        if at < math.inf:
            self.advance(at)
        place: Residence = scope or self.place(account, region)
        jobs = [job for job in place.place.arrivals[str(kind)] if job.exists and job.created <= at]
        return sorted((job for job in jobs if _stands_in(job, place)), key=lambda job: job.key, reverse=True)

    def feed(self, arrivals: Iterator[Arrival]) -> None:
        """Let things happen in the world, in the order of their times, each when the clock reaches it."""
        if (first := next(arrivals, None)) is not None:
            heapq.heappush(self._arrivals, _Pending(*first, arrivals))

    def advance(self, now: float) -> None:
        """Let everything happen that was to happen until now."""
        while self._arrivals and self._arrivals[0].moment <= now:
            arrival = heapq.heappop(self._arrivals)
            arrival.happen()
            self.feed(arrival.later)

    def account_of(self, access_key: str) -> str:
        """Return the account that an access key belongs to."""
        return self.accounts.get(access_key, self.account)

    def assume_role(self, arn: str) -> str:
        """Return a new access key for the account that a role stands in."""
        key = f"ASIA{_token(next(self._numbers))[:16].upper()}"
        self.accounts[key] = arn.split(":")[4]
        return key

    def _require(self, parent: Residence, service: str, scope_name: str | None, what: str) -> None:
        """Raise ValueError where a thing cannot stand in a place."""
        wanted = (scope_name, self._scope_form(service, scope_name).sort) if scope_name else (None, "")
        found = (parent.scope_name, parent.sort) if isinstance(parent, SimulatedScope) else (None, "")
        if found != wanted:
            raise ValueError(f"{what} stands in {wanted[0] or 'no scope'}, not in {found[0] or 'none'}")

    def _container(self, job: SimulatedJob) -> SimulatedScope | None:
        """Return the container that a job is too, None for a kind of job that is none."""
        service = job.kind.service
        scopes = self.catalog[service].scopes
        name = _listed_alike(scopes, service, job.kind)
        if name is None:
            return None
        scope, item = scopes[name], job.form.item(job, job.created)
        made = SimulatedScope(job.scope, self._scope_form(service, name), name, job.key)
        made.named(str(at(item, scope.id)), str(at(item, scope.name or scope.id)))
        job.scope.add(made)
        return made

    def _scope_form(self, service: str, name: str) -> ScopeForm:
        if (service, name) not in self._scope_forms:
            self._scope_forms[service, name] = ScopeForm(self.models, service, self.catalog[service].scopes[name])
        return self._scope_forms[service, name]

    def _job_form(self, kind: Kind) -> JobForm:
        if str(kind) not in self._job_forms:
            self._job_forms[str(kind)] = JobForm(self.models, kind)
        return self._job_forms[str(kind)]


def _listed_alike(entries: Mapping[str, Kind] | Mapping[str, Scope], service: str, listed: Kind | Scope) -> str | None:
    """Return the name of an entry that the same operation lists as another entry of the service's file."""
    operation = (listed.service or service, listed.operation)
    alike = (name for name, entry in entries.items() if (entry.service or service, entry.operation) == operation)
    return next(alike, None)


def _stands_in(job: SimulatedJob, place: Residence) -> bool:
    around = job.scope
    while around is not place and isinstance(around, SimulatedScope):
        around = around.within
    return around is place


def _token(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


_MODELS = Models()
"""The models are the same for every world, and slow to load."""

_OPENED = 1_735_689_600.0
"""When the first scope was made: 2025-01-01."""
