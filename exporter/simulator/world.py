"""The made-up AWS as it is at any time: scopes and jobs by account and region."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any

from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.models import Models
from exporter.simulator.items import JobForm, ScopeForm
from exporter.simulator.residents import Place, SimulatedJob, SimulatedScope

ACCOUNT = "111122223333"
REGION = "us-east-1"

Arrival = tuple[float, Callable[[], object]]
"""When something happens in the world, in seconds, and what."""


class World:
    """Accounts, the scopes and the jobs in them.

    `accounts` maps access keys to accounts; every other key belongs to `account`.
    """

    def __init__(self, catalog: Catalog | None = None, *, account: str = ACCOUNT, region: str = REGION) -> None:
        self.catalog = catalog or Catalog()
        self.models = Models()
        self.account = account
        self.region = region
        self.accounts: dict[str, str] = {}
        self._places: dict[tuple[str, str], Place] = {}
        self._forms: dict[str, JobForm | ScopeForm] = {}
        self._arrivals: list[tuple[Arrival, Iterator[Arrival]]] = []
        self._numbers = count(1)

    def place(self, account: str | None = None, region: str | None = None) -> Place:
        """Return a region of an account, the world's own if none is named."""
        key = (account or self.account, region or self.region)
        return self._places.setdefault(key, Place(*key))

    def add_scope(  # noqa: PLR0913 - the words of a scope, each by its name
        self,
        service: str,
        scope_name: str,
        *,
        id: str | None = None,  # noqa: A002 - what AWS and the catalog call it
        name: str = "",
        within: SimulatedScope | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> SimulatedScope:
        """Make a container of the sort that a service's file of the catalog names so.

        Raises LookupError for a sort that the file does not have, ValueError where it does not stand in `within`.
        """
        scopes = self.catalog[service].scopes
        if scope_name not in scopes:
            raise LookupError(f"{service} has no scope {scope_name!r}")
        scope = scopes[scope_name]
        parent: Place = within or self.place(account, region)
        _require(parent, sort_of(service, scopes[scope.within]) if scope.within else "", scope_name)
        number = next(self._numbers)
        form = ScopeForm(self.models, scope.service or service, scope)
        made = SimulatedScope(parent, sort_of(service, scope), scope_name, (_OPENED + number, _token(number)))
        made.form = self._forms.setdefault(made.sort, form)
        form.name(made, id, name)
        parent.add(made)
        return made

    def remove_scope(self, scope: SimulatedScope) -> None:
        """Remove a scope and all that it contains; raises KeyError where that was done before."""
        scope.within.remove(scope)

    def scopes(self, service: str, scope_name: str, within: Place | None = None) -> list[SimulatedScope]:
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
        token: str | None = None,
    ) -> SimulatedJob:
        """Make a job that was created at a time and then walks a path of (seconds after it, status).

        `message` and `code` show once its status is final; `records` are the counts at the end of the path; `fields`
        are members of the item that stand there as they are given, None for one that is left out. What the job's ids
        are made of is `token`. Raises ValueError where `scope` is not the innermost one of the kind.
        """
        parent: Place = scope or self.place(account, region)
        _require(parent, sort_of(kind.service, kind.scopes[-1][1]) if kind.scopes else "", str(kind))
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
        )
        parent.shelf(str(kind)).add(job)
        parent.place.arrivals[str(kind)].append(job)
        return job

    def delete_job(self, job: SimulatedJob) -> None:
        """Remove a job as if it had never been; raises KeyError where that was done before."""
        job.scope.shelf(str(job.kind)).remove(job)
        job.deleted = True

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
        place: Place = scope or self.place(account, region)
        jobs = [job for job in place.place.arrivals[str(kind)] if job.exists and job.created <= at]
        return sorted((job for job in jobs if _stands_in(job, place)), key=lambda job: job.key, reverse=True)

    def feed(self, arrivals: Iterator[Arrival]) -> None:
        """Let things happen in the world, in the order of their times, each when the clock reaches it."""
        if (first := next(arrivals, None)) is not None:
            self._arrivals.append((first, arrivals))

    def advance(self, now: float) -> None:
        """Let everything happen that was to happen until now."""
        due, self._arrivals = self._arrivals, []
        for (moment, happen), later in due:
            while moment <= now:
                happen()
                moment, happen = next(later, (math.inf, _nothing))
            if moment < math.inf:
                self._arrivals.append(((moment, happen), later))

    def account_of(self, access_key: str) -> str:
        """Return the account that an access key belongs to."""
        return self.accounts.get(access_key, self.account)

    def assume_role(self, arn: str) -> str:
        """Return a new access key for the account that a role stands in."""
        key = f"ASIA{_token(next(self._numbers))[:16].upper()}"
        self.accounts[key] = arn.split(":")[4]
        return key

    def _job_form(self, kind: Kind) -> JobForm:
        form = self._forms.get(str(kind))
        if not isinstance(form, JobForm):
            form = self._forms[str(kind)] = JobForm(self.models, kind)
        return form


def sort_of(service: str, scope: Scope) -> str:
    """Return what tells a sort of scope from others: two services may list their jobs in the same scopes."""
    listed = (scope.service or service, scope.operation, scope.id, dict(scope.arguments))
    return repr(listed)


def _require(parent: Place, sort: str, what: str) -> None:
    """Raise ValueError where a thing cannot stand in a place."""
    found = parent.sort if isinstance(parent, SimulatedScope) else ""
    if found != sort:
        raise ValueError(f"{what} stands in {sort or 'no scope'}, not in {found or 'none'}")


def _stands_in(job: SimulatedJob, place: Place) -> bool:
    around = job.scope
    while around is not place and isinstance(around, SimulatedScope):
        around = around.within
    return around is place


def _token(number: int) -> str:
    return blake2b(str(number).encode(), digest_size=16).hexdigest()


def _nothing() -> None:
    """Happen after everything else."""


_OPENED = 1_735_689_600.0
"""When the first scope was made: 2025-01-01."""
