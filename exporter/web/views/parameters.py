"""The parameters of a request's URL, checked, with an explanation of what is wrong."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, cast

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo

from exporter.jobs import Reason, SourceKey, State
from exporter.store import JobFilter
from exporter.store.inventory import Places
from exporter.store.search import USUAL, Order, Position, Sort
from exporter.telemetry import PollErrorReason
from exporter.text.durations import parse_duration
from exporter.text.problems import in_words
from exporter.text.spelling import did_you_mean

Health = Literal["up", "down", "unknown"]
"""The health of a source, in the words of Prometheus's own API; unknown until it was polled."""

_LATEST = datetime.max.replace(tzinfo=UTC).timestamp()


def _as_time(text: str, info: ValidationInfo) -> float:
    """Return a time as seconds since 1970-01-01 UTC; raises ValueError."""
    now = (info.context or {})["now"]
    # A number first: `fromisoformat` takes eight digits for a date without hyphens.
    for read in (float, _rfc3339, lambda text: now - parse_duration(text)):
        try:
            seconds = read(text)
        except ValueError:
            continue
        if 0 <= seconds <= _LATEST:
            return seconds
    raise ValueError(
        "must be a time: 2026-11-21T08:30:00Z, seconds since 1970-01-01 UTC, or a duration before now such as 6h"
    )


def _rfc3339(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


Time = Annotated[float | None, BeforeValidator(_as_time)]

SortParameter = Literal[
    "name", "-name", "status", "-status", "created", "-created", "started", "-started",
    "finished", "-finished", "duration", "-duration", "reason", "-reason",
]  # fmt: skip
"""A column, with a hyphen for descending order."""

SourceSort = Literal[
    "last_success", "-last_success", "next_poll", "-next_poll", "duration", "-duration",
    "calls", "-calls", "jobs", "-jobs", "failures", "-failures",
]  # fmt: skip
"""What to sort sources by, with a hyphen for descending order."""

_Whole = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
_POSITION = TypeAdapter(tuple[_Whole, _Whole | Annotated[str, Field(strict=True)], _Whole])


def _as_position(text: str, info: ValidationInfo) -> Position:
    """Return the position that a cursor of this order stands for; raises ValueError."""
    try:
        position = Position(*_POSITION.validate_json(urlsafe_b64decode(text + "=" * (-len(text) % 4))))
    except ValueError:
        position = None
    # Decoding ignores some characters, so only what comes out the same is what was given.
    if position and _order(info.data.get("sort")).has(position) and cursor(position) == text:
        return position
    raise ValueError("must be the `next` of the previous response, unchanged")


def cursor(position: Position) -> str:
    """Return a position as a URL has it."""
    text = json.dumps(position, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _order(sort: str | None) -> Order:
    """Return the order that a value of `sort` stands for."""
    if sort is None:
        return USUAL
    return Order(cast("Sort", sort.removeprefix("-")), sort.startswith("-"))


_MOST_VALUES = 200
"""Parameters of one URL. A line of a request has room for two thousand."""

Given = Mapping[str, Sequence[str]]
"""The parameters of a URL, each with its values."""


def given(request: web.Request) -> Given:
    """Return the parameters of a request."""
    return {name: request.query.getall(name) for name in request.query}


class ParameterError(Exception):
    """A parameter is wrong: names it, what is allowed, and the value."""


class Parameters(BaseModel):
    """The parameters that a request may have; here, none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: Given, now: float) -> Self:
        """Return the parameters of a request; raises ParameterError."""
        if sum(map(len, given.values())) > _MOST_VALUES:
            raise ParameterError(f"more than {_MOST_VALUES} parameters")
        values: dict[str, Any] = {}
        for name, texts in given.items():
            field = cls.model_fields.get(name)
            if field is None or isinstance(field.default, tuple):
                values[name] = tuple(texts)
            elif len(texts) == 1:
                values[name] = texts[0]
            else:
                raise ParameterError(f"{name}: given {len(texts)} times but takes one value")
        try:
            return cls.model_validate(values, context={"now": now})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            name = str(problem["loc"][0])
            if problem["type"] == "extra_forbidden":
                explained = f"{name[:100]}: unknown parameter{did_you_mean(name, cls.model_fields)}"
            else:
                explained = f"{name}: {in_words(problem)}"
            raise ParameterError(explained) from None


class PlaceParameters(Parameters):
    """Filters for sources, by the labels of the metrics; each may be given several times."""

    account_id: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    aws_service: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()

    @property
    def places(self) -> Places:
        """The sources that pass these filters."""
        return Places(**{name: frozenset(getattr(self, name)) for name in Places.__dataclass_fields__})


class OverviewParameters(Parameters):
    """The parameters of the first page."""

    account_id: tuple[str, ...] = ()
    all_services: bool = False
    """Whether to show services without jobs, too."""


class JobAddress(Parameters):
    """The parameters that identify one job: those of its source, and its id."""

    account_id: str
    region: str
    aws_service: str
    kind: str
    scope: str = ""
    id: str

    @property
    def source(self) -> SourceKey:
        """The key of its source."""
        return SourceKey(self.account_id, self.region, self.aws_service, self.kind, self.scope)


class JobParameters(PlaceParameters):
    """The parameters of a list of jobs."""

    state: tuple[State, ...] = ()
    status: tuple[str, ...] = ()
    reason: tuple[Reason, ...] = ()
    name: str = ""
    """Part of the name or the id, in any case."""
    group: str = ""
    """The group that they are in."""
    created_since: Time = None
    created_until: Time = None
    finished_since: Time = None
    finished_until: Time = None
    longer_than_usual: bool = False
    """Whether to show only those that have been active for longer than usual."""
    sort: SortParameter | None = None
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Annotated[Position | None, BeforeValidator(_as_position)] = None

    @property
    def order(self) -> Order:
        """The order to show them in."""
        return _order(self.sort)

    def job_filter(self, now: float) -> JobFilter:
        """Return the jobs that pass these filters."""
        return JobFilter(
            states=frozenset(self.state),
            statuses=frozenset(self.status),
            reasons=frozenset(self.reason),
            text=self.name.strip().lower(),
            group=self.group,
            created_since=self.created_since,
            created_until=self.created_until,
            finished_since=self.finished_since,
            finished_until=self.finished_until,
            longer_than_usual_at=now if self.longer_than_usual else None,
        )


class SourceParameters(PlaceParameters):
    """The parameters of a list of sources."""

    health: tuple[Health, ...] = ()
    reason: tuple[PollErrorReason, ...] = ()
    overdue: bool = False
    """Whether to show only those whose next poll is late by more than one interval."""
    sort: SourceSort | None = None
    limit: int = Field(default=500, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10**9)
    """The number of sources on the pages before."""


class SourcePageParameters(SourceParameters):
    """The parameters of the page of sources, which can be folded."""

    by: Literal["source", "service", "reason"] | None = None
    """What has a row; left out: each source if one page has room for all, else each service of an account."""
    limit: int = Field(default=100, ge=1, le=1000)
