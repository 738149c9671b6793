"""The language of the catalog: what an entry may say, and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from exporter.jobs import State

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name of ours: a kind, a scope, a dimension."""

Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+(\[0\])?(\.[A-Za-z0-9]+(\[0\])?)*$")]
"""Where a value stands in what AWS answered: `status`, `Status.State`, `errorDetails[0]`."""

Arguments = Mapping[str, Any]
"""Arguments of an operation. `$name` stands for a scope's id (`$membership`) or a field of the job (`$jobArn`)."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Entry(BaseModel):
    """Base of everything in the catalog: immutable, and every unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(Entry):
    """Where a job's times stand. What AWS does not tell is left out."""

    created: Path | None = None
    started: Path | None = None
    ended: Path | None = None
    updated: Path | None = None
    deadline: Path | None = None


class Filters(Entry):
    """Parameters by which the operation itself narrows the list; dotted where they stand in a structure."""

    created_after: Path | None = None
    status: Path | None = None


class Details(Entry):
    """The operation that tells why one job failed, for kinds whose list does not."""

    operation: str
    arguments: Arguments
    reason: Path
    code: Path | None = None


class Scope(Entry):
    """A sort of container that jobs are listed in, and how to find all of them."""

    operation: str
    items: Path
    id: Path
    name: Path | None = None
    """Where a name that people know stands."""
    service: str | None = None
    """The service that lists the containers, where it is not the service of the jobs."""
    arguments: Arguments = Field(default_factory=dict)
    within: Word | None = None
    """The scope that contains this one."""


class Kind(Entry):
    """One sort of job: the operation that lists it and how to read what it lists.

    `service`, `key`, `scopes` and `end_of_life` come from the file that the entry stands in.
    """

    service: str
    key: Word
    title: str
    operation: str
    items: Path
    id: Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """One field, or several that identify a job together."""
    status: Path
    states: Mapping[State, tuple[str, ...]]
    """Every status that AWS knows, under the state that it means."""
    times: Times
    name: Path | None = None
    arguments: Arguments = Field(default_factory=dict)
    scope: Word | None = None
    """The innermost container of the jobs; left out where an account and region have just one list."""
    reason: Path | None = None
    code: Path | None = None
    details: Details | None = None
    filters: Filters = Filters()
    dimensions: Mapping[Word, Path] = Field(default_factory=dict)
    records: Mapping[Literal["total", "processed", "succeeded", "failed"], Path] = Field(default_factory=dict)
    end_of_life: date | None = None
    """The day from which AWS no longer runs the service."""
    scopes: tuple[tuple[str, Scope], ...] = ()
    """The containers from the outermost to the innermost, by name."""

    @model_validator(mode="after")
    def _states_are_a_partition(self) -> Self:
        if State.UNKNOWN in self.states:
            raise ValueError("states: `unknown` is for what AWS adds later, no status is mapped to it")
        statuses = [status for words in self.states.values() for status in words]
        if twice := sorted({status for status in statuses if statuses.count(status) > 1}):
            raise ValueError(f"states: mapped more than once: {', '.join(twice)}")
        return self

    def __str__(self) -> str:
        return f"{self.service}/{self.key}"

    @cached_property
    def state_of(self) -> Mapping[str, State]:
        """The state that each status means."""
        return {status: state for state, statuses in self.states.items() for status in statuses}

    @property
    def outer_scope(self) -> str:
        """The name of the outermost container, empty where there is none."""
        return self.scopes[0][0] if self.scopes else ""

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield every path into a listed item with the key that it stands under."""
        yield from ((f"id.{number}", path) for number, path in enumerate(self.id))
        named = {"name": self.name, "status": self.status, "reason": self.reason, "code": self.code}
        yield from ((key, path) for key, path in named.items() if path)
        groups: dict[str, Mapping[Any, str | None]]
        groups = {"times": self.times.model_dump(), "dimensions": self.dimensions, "records": self.records}
        for group, paths in groups.items():
            yield from ((f"{group}.{key}", path) for key, path in paths.items() if path)


def plural(scope: str) -> str:
    """Return the configuration's key for a sort of scope: `membership` gives `memberships`."""
    return f"{scope[:-1]}ies" if scope.endswith("y") else f"{scope}s"
