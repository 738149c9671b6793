"""What there is in the simulated AWS: the regions of accounts, the scopes in them, and the jobs in those."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from exporter.catalog import Kind
from exporter.jobs import State
from exporter.simulator.responses import Encoded

Key = tuple[float, str]
"""The creation time in seconds and the token: lists are in this order, and no two keys are the same."""

KEY = attrgetter("key")


class Location:
    """A region of an account: where scopes are, and jobs without a scope."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.ids: Mapping[str, str] = {"account_id": account}
        """What the catalog's arguments may refer to: the account's id, and those of the scopes down to here."""
        self.added: defaultdict[str, list[SimulatedJob]] = defaultdict(list)
        """Every job that was ever added to the region, by kind."""
        self._listed: defaultdict[str, list[Any]] = defaultdict(list)

    @property
    def root(self) -> Location:
        """The region."""
        return self

    @property
    def exists(self) -> bool:
        """Whether it has not been removed."""
        return True

    def listed(self, type_: str) -> list[Any]:
        """Return the jobs of a kind or the scopes of a type that are directly in here, sorted by key."""
        return self._listed[type_]

    def scopes(self, type_: str, identifier: str | None = None) -> list[SimulatedScope]:
        """Return the scopes of a type that are directly in here, or only the one with this id."""
        return [scope for scope in self._listed[type_] if identifier in (None, scope.id)]

    def add(self, type_: str, resource: SimulatedJob | SimulatedScope) -> None:
        """Add a job or a scope; raises ValueError for a scope whose id is taken."""
        if isinstance(resource, SimulatedScope) and self.scopes(type_, resource.id):
            raise ValueError(f"{resource.scope_name} {resource.id!r} exists")
        insort(self._listed[type_], resource, key=KEY)

    def remove(self, type_: str, resource: SimulatedJob | SimulatedScope) -> None:
        """Remove a job, or a scope with everything in it; raises ValueError for one that is not here."""
        self._listed[type_].remove(resource)
        resource.removed = True


class SimulatedScope(Location):
    """A resource that jobs are listed in: a membership, an inference scheduler."""

    def __init__(  # noqa: PLR0913 - a value object
        self,
        parent: Location,
        type_: str,
        scope_name: str,
        key: Key,
        *,
        id: str,  # noqa: A002 - what AWS and the catalog call it
        name: str,
        fields: Mapping[str, Any],
    ) -> None:
        super().__init__(parent.account, parent.region)
        self.parent = parent
        self.type = type_
        self.scope_name = scope_name
        self.key = key
        self.id = id
        self.name = name
        self.ids = {**parent.ids, scope_name: id}
        self.fields = fields
        """Members of the item, whatever else would be in their place."""
        self.removed = False
        self.encoded: tuple[object, Encoded] | None = None
        """See `SimulatedJob.encoded`."""

    @property
    def token(self) -> str:
        """What its made-up values are derived from."""
        return self.key[1]

    @property
    def created(self) -> float:
        """When it was created, in seconds."""
        return self.key[0]

    @property
    def root(self) -> Location:
        """The region that it is in."""
        return self.parent.root

    @property
    def exists(self) -> bool:
        """Whether neither it nor a scope around it has been removed."""
        return not self.removed and self.parent.exists


@dataclass(slots=True, eq=False, kw_only=True)
class SimulatedJob:
    """A job whose status at any time follows from its path alone; times are in seconds since 1970-01-01 UTC."""

    kind: Kind
    scope: Location
    token: str
    created: float
    offsets: tuple[float, ...]
    """Seconds after `created` at which the job enters each of its statuses."""
    statuses: tuple[str, ...]
    name: str
    message: str = ""
    code: str = ""
    records: Mapping[str, int] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Members of the item, whatever the catalog reads from them; None leaves one out."""
    refined: int | None = None
    """The number of the kind's refinement that applies wherever a status means the state that it corrects."""
    waits: int | None = None
    """The number of the kind's rule that tells why it waits, while it is pending."""
    as_scope: SimulatedScope | None = None
    """The scope that the job is at the same time, where one operation lists both."""
    removed: bool = False
    encoded: tuple[object, Encoded] | None = None
    """What the item depends on, such as its phase, and the item as text: most are listed often and change no more."""

    @property
    def key(self) -> Key:
        """The job's place in a list."""
        return self.created, self.token

    @property
    def account(self) -> str:
        """The account that the job runs in."""
        return self.scope.account

    @property
    def region(self) -> str:
        """The region that the job runs in."""
        return self.scope.region

    @property
    def exists(self) -> bool:
        """Whether neither it nor the scope that it is or is in has been removed."""
        return not self.removed and (self.as_scope or self.scope).exists

    def phase_at(self, now: float) -> int:
        """Return how many statuses the job has left."""
        # In milliseconds, as the offsets are: 0.3 - 0.1 is a little less than 0.2.
        return max(0, bisect_right(self.offsets, round(now - self.created, 3)) - 1)

    def changed_at(self, now: float) -> float:
        """Return when the job last started, ended or ran again."""
        return round(self.created + self.offsets[self.phase_at(now)], 3)

    def status_at(self, now: float) -> str:
        """Return the job's status, in AWS's words."""
        return self.statuses[self.phase_at(now)]

    def is_forgotten_at(self, now: float) -> bool:
        """Return whether it ended so long ago that AWS no longer lists it."""
        kept = self.kind.retention
        # Most jobs are too young, whenever they ended.
        if kept is None or now < self.created + kept.period:
            return False
        times = self.times(self.phase_at(now))
        return "ended" in times and now >= times[kept.since] + kept.period

    def times(self, phase: int) -> dict[str, float]:
        """Return the job's times in a phase by the catalog's names, as far as they have been reached.

        Of a job that runs again after its end, the end is that of the last run.
        """
        entered = [round(self.created + offset, 3) for offset in self.offsets]
        times = {"created": self.created, "updated": entered[phase], "deadline": self.created + _DEADLINE}
        for moment, state in zip(entered[: phase + 1], self._states, strict=False):
            if state.is_active:
                # It runs again: AWS lists no end until there is another one.
                for name in ("ended", "duration"):
                    times.pop(name, None)
            if state is State.RUNNING:
                times.setdefault("started", moment)
            elif state.is_final:
                times.setdefault("ended", moment)
                times.setdefault("duration", round(moment - self.created, 3))
        return times

    def facts(self, phase: int) -> dict[str, Any]:
        """Return what is known of the job in a phase, under the keys of `Kind.paths`."""
        is_over = self._states[phase].is_final
        is_last = phase == len(self.statuses) - 1
        return {
            "name": self.name,
            "status": self.statuses[phase],
            "reason": self.message if is_over else "",
            "code": self.code if is_over else "",
            **{f"times.{key}": time for key, time in self.times(phase).items()},
            **{f"records.{key}": count if is_last or key == "total" else 0 for key, count in self.records.items()},
            f"refine.{self.refined}.when": self.is_refined(phase),
            **self._why_it_waits(phase),
            **{f"dimensions.{key}": value for key, value in self.dimensions.items()},
        }

    def is_refined(self, phase: int) -> bool:
        """Return whether the refinement applies in a phase."""
        return self.refined is not None and self.kind.refine[self.refined].from_ is self._states[phase]

    def _why_it_waits(self, phase: int) -> dict[str, str]:
        """Return what the list says in a phase of why it waits."""
        if self.waits is None or self._states[phase] is not State.PENDING:
            return {}
        rule = self.kind.waits[self.waits]
        return {f"waits.{self.waits}.when": rule.is_[0]} if rule.is_ else {f"waits.{self.waits}.text": _LACKS}

    @property
    def _states(self) -> list[State]:
        """What the statuses mean, before the kind's refinements."""
        return [self.kind.state_of.get(status, State.UNKNOWN) for status in self.statuses]


_LACKS = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - There is no capacity"
"""What a waiting job's text says."""

_DEADLINE = 24 * 3600.0
"""Seconds from its creation to a job's deadline."""
