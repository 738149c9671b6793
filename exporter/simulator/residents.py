"""What lives in the made-up AWS: accounts' regions, the scopes in them and the jobs in those."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.model import Shape

from exporter.catalog import Kind
from exporter.jobs import State
from exporter.simulator.responses import Encoded
from exporter.simulator.shapes import Owner, at
from exporter.simulator.shelf import Key, Shelf


class Form(Protocol):
    """How a job or a scope looks in what AWS lists."""

    @property
    def shape(self) -> Shape:
        """The shape of an item."""

    def owner(self, resident: Any) -> Owner:
        """Return whose values are made up."""

    def item(self, resident: Any, now: float) -> Any:
        """Return a resident as the operation's output has it, at a time in seconds."""


class FormOfScopes(Form, Protocol):
    """How a scope looks."""

    @property
    def sort(self) -> str:
        """What tells a sort of scope from others."""

    def value(self, scope: SimulatedScope, member: str) -> Any:
        """Return one member of a scope's item, None where its shape has no such member."""


class FormOfJobs(Form, Protocol):
    """How a job looks."""

    def identity(self, job: SimulatedJob) -> tuple[Any, ...]:
        """Return what tells a job from others, in the order of the catalog; a time in seconds."""

    def swept(self, job: SimulatedJob, argument: str, now: float) -> str:
        """Return the value of a swept argument under which a job is listed."""


class Residence:
    """One region of one account: what scopes and jobs without a scope stand in."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.ids: Mapping[str, str] = {"account_id": account}
        """What the catalog's arguments may refer to: the ids of the scopes around, and the account's."""
        self.arrivals: defaultdict[str, list[SimulatedJob]] = defaultdict(list)
        """Every job that was ever added, by kind."""
        self._shelves: defaultdict[str, Shelf[Any]] = defaultdict(Shelf)
        self._scopes: defaultdict[str, dict[str, SimulatedScope]] = defaultdict(dict)

    @property
    def place(self) -> Residence:
        """The region of the account."""
        return self

    @property
    def exists(self) -> bool:
        """Whether it was not removed."""
        return True

    def shelf(self, sort: str) -> Shelf[Any]:
        """Return all of one sort that stand directly in here."""
        return self._shelves[sort]

    def scopes(self, sort: str, identifier: str | None = None) -> list[SimulatedScope]:
        """Return the scopes of a sort that stand directly in here, or the one with this id."""
        found = self._scopes[sort]
        if identifier is None:
            return list(found.values())
        return [found[identifier]] if identifier in found else []

    def add(self, scope: SimulatedScope) -> None:
        """Take in a scope; raises ValueError where its id is taken."""
        if scope.id in self._scopes[scope.sort]:
            raise ValueError(f"{scope.scope_name} {scope.id!r} exists")
        self._scopes[scope.sort][scope.id] = scope
        self.shelf(scope.sort).add(scope)

    def remove(self, scope: SimulatedScope) -> None:
        """Take a scope away with all that it contains; raises KeyError where it is not here."""
        del self._scopes[scope.sort][scope.id]
        self.shelf(scope.sort).remove(scope)
        scope.removed = True


class SimulatedScope(Residence):
    """A container of jobs: a membership, an inference scheduler."""

    def __init__(self, within: Residence, form: FormOfScopes, scope_name: str, key: Key) -> None:
        super().__init__(within.account, within.region)
        self.within = within
        self.form = form
        self.sort = form.sort
        self.scope_name = scope_name
        self.key = key
        self.id = ""
        self.name = ""
        self.fields: Mapping[str, Any] = {}
        """Members of the item as they shall stand there."""
        self.removed = False
        self.written: tuple[int, Encoded] | None = None
        """The item as it was sent last, and the phase that it showed."""

    @property
    def token(self) -> str:
        """What is its alone."""
        return self.key[1]

    @property
    def created(self) -> float:
        """When it was made, in seconds."""
        return self.key[0]

    @property
    def place(self) -> Residence:
        """The region of the account that it stands in."""
        return self.within.place

    @property
    def exists(self) -> bool:
        """Whether neither it nor what it stands in was removed."""
        return not self.removed and self.within.exists

    def phase_at(self, now: float) -> int:  # noqa: ARG002 - a scope does not change
        """Return how many statuses the scope has left behind: it has none."""
        return 0

    def named(self, identifier: str, name: str) -> None:
        """Give the scope its id and its name."""
        self.id, self.name = identifier, name
        self.ids = {**self.within.ids, self.scope_name: identifier}


@dataclass(slots=True, eq=False, kw_only=True)
class SimulatedJob:
    """A job whose status at any time follows from its path alone; every time in seconds since 1970-01-01 UTC."""

    kind: Kind
    scope: Residence
    form: FormOfJobs
    token: str
    created: float
    offsets: tuple[float, ...]
    """Seconds after `created` at which the job takes each of its statuses."""
    statuses: tuple[str, ...]
    name: str
    message: str = ""
    code: str = ""
    records: Mapping[str, int] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Members of the item as they shall stand there, whatever the catalog means by them; None leaves one out."""
    refined: int | None = None
    """The number of the kind's refinement that holds in the end."""
    container: SimulatedScope | None = None
    """The scope that the job is too: AWS lists both as one."""
    deleted: bool = False
    written: tuple[int, Encoded] | None = None
    """The item as it was sent last, and the phase that it showed."""

    @property
    def key(self) -> Key:
        """The job's place in a list."""
        return self.created, self.token

    @property
    def id(self) -> tuple[Any, ...]:
        """What tells the job from others, as the kind's `id` lists it; a time in seconds."""
        return self.form.identity(self)

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
        """Whether it was not deleted, nor the scope that it is, nor one around it removed."""
        return not self.deleted and (self.container or self.scope).exists

    def phase_at(self, now: float) -> int:
        """Return how many statuses the job has left behind."""
        return max(0, bisect_right(self.offsets, round(now - self.created, 3)) - 1)

    def status_at(self, now: float) -> str:
        """Return AWS's word for the job at a time."""
        return self.statuses[self.phase_at(now)]

    def state_at(self, now: float) -> State:
        """Return what the job's item means at a time."""
        return self.state(self.phase_at(now))

    def state(self, phase: int) -> State:
        """Return what the job's item means in a phase: its status, corrected by the kind's refinements."""
        state = self._unrefined(phase)
        rules = [rule for rule in self.kind.refine if rule.from_ is state]
        item = self.form.item(self, self.created + self.offsets[phase]) if rules else {}
        return next((rule.to for rule in rules if (at(item, rule.when) or 0) > 0), state)

    def _unrefined(self, phase: int) -> State:
        return self.kind.state_of.get(self.statuses[phase], State.UNKNOWN)

    def times_at(self, now: float) -> dict[str, float]:
        """Return the job's times by the catalog's names, as far as they have come to pass."""
        return self.times(self.phase_at(now))

    def times(self, phase: int) -> dict[str, float]:
        """Return the times as a phase has them."""
        moments = [round(self.created + offset, 3) for offset in self.offsets]
        states = [self._unrefined(number) for number in range(phase + 1)]
        times = {"created": self.created, "updated": moments[phase], "deadline": self.created + DEADLINE}
        if State.RUNNING in states:
            times["started"] = moments[states.index(State.RUNNING)]
        if final := [number for number, state in enumerate(states) if state.is_final]:
            times["ended"] = moments[final[0]]
        return times

    def facts(self, phase: int) -> dict[str, Any]:
        """Return what a phase knows, under the keys that `Kind.paths` gives."""
        over = self._unrefined(phase).is_final
        last = phase == len(self.statuses) - 1
        records = {key: count if last or key == "total" else 0 for key, count in self.records.items()}
        return {
            "name": self.name,
            "status": self.statuses[phase],
            "reason": self.message if over else "",
            "code": self.code if over else "",
            **{f"times.{key}": time for key, time in self.times(phase).items()},
            **{f"records.{key}": count for key, count in records.items()},
            f"refine.{self.refined}.when": last,
            **{f"dimensions.{key}": value for key, value in self.dimensions.items()},
        }


DEADLINE = 24 * 3600.0
"""Seconds after its creation at which a job that is not over runs out of time."""
