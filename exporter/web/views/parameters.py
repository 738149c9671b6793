"""What a request asks for, by the parameters of its URL: checked, and explained where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from exporter.jobs import State
from exporter.reasons import Reason
from exporter.store import JobFilter
from exporter.store.search import Places, Position
from exporter.text.durations import parse_duration
from exporter.text.problems import in_words
from exporter.text.spelling import did_you_mean

Health = Literal["up", "down", "unknown"]
"""How a source goes, in the words of Prometheus' own API; unknown until it was polled."""

_LATEST = datetime.max.replace(tzinfo=UTC).timestamp()


def _as_time(value: object, info: ValidationInfo) -> object:
    """Return a time as seconds since 1970-01-01 UTC; raises ValueError."""
    if value is None or isinstance(value, float):
        return value
    now = (info.context or {}).get("now", 0.0)
    for read in (float, _parsed, lambda text: now - parse_duration(text)):
        try:
            seconds = read(str(value))
        except ValueError:
            continue
        if 0 <= seconds <= _LATEST:
            return seconds
    raise ValueError(
        "must be a time: 2026-11-21T08:30:00Z, seconds since 1970-01-01 UTC, or a duration before now such as 6h"
    )


def _parsed(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


Time = Annotated[float | None, BeforeValidator(_as_time)]

_CURSOR = re.compile(r"([af])(-?\d{1,12}\.\d{1,9})-([0-9a-f]{12})")


def _as_position(value: object) -> object:
    if isinstance(value, str) and (match := _CURSOR.fullmatch(value)):
        return Position(match[1] == "f", -float(match[2]), match[3])
    if value is None or isinstance(value, Position):
        return value
    raise ValueError("is no cursor: take it from the answer before, as it stands there")


def cursor(position: Position) -> str:
    """Return a position as it stands in a URL."""
    return f"{'f' if position.is_finished else 'a'}{-position.age!r}-{position.digest}"


Given = Mapping[str, Sequence[str]]
"""The parameters of an address, each with its values."""


def given(request: web.Request) -> Given:
    """Return the parameters of a request."""
    return {name: request.query.getall(name) for name in request.query}


class ParameterError(Exception):
    """A request asks for something that cannot be: names the parameter, the value and what is allowed."""


class Parameters(BaseModel):
    """What a request may ask for; this one takes nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: Given, now: float) -> Self:
        """Return what a request asks for; raises ParameterError."""
        values = {name: _value(cls, name, values) for name, values in given.items()}
        try:
            return cls.model_validate(values, context={"now": now})
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise ParameterError(_explained(problem, cls)) from None


class PlaceParameters(Parameters):
    """Which sources are asked for, by the labels of the metrics; each may be given several times."""

    account_id: tuple[str, ...] = ()
    region: tuple[str, ...] = ()
    aws_service: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()

    @property
    def places(self) -> Places:
        """The sources that are asked for."""
        return Places(**{name: frozenset(getattr(self, name)) for name in Places.__dataclass_fields__})


class JobParameters(PlaceParameters):
    """What a list of jobs may be asked for."""

    state: tuple[State, ...] = ()
    status: tuple[str, ...] = ()
    reason: tuple[Reason, ...] = ()
    name: str = ""
    """A part of the name or the id."""
    created_since: Time = None
    created_until: Time = None
    finished_since: Time = None
    finished_until: Time = None
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Annotated[Position | None, BeforeValidator(_as_position)] = None

    @property
    def wanted(self) -> JobFilter:
        """The jobs that are asked for."""
        return JobFilter(
            states=frozenset(self.state),
            statuses=frozenset(self.status),
            reasons=frozenset(self.reason),
            text=self.name.strip().lower(),
            created_since=self.created_since,
            created_until=self.created_until,
            finished_since=self.finished_since,
            finished_until=self.finished_until,
        )


class SourceParameters(PlaceParameters):
    """What a list of sources may be asked for."""

    health: tuple[Health, ...] = ()
    limit: int = Field(default=500, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10**9)
    """How many sources come before."""


def _value(model: type[Parameters], name: str, values: Sequence[str]) -> Any:
    """Return what was given for a parameter, as the model wants it; raises ParameterError where it was too much."""
    field = model.model_fields.get(name)
    if field is None or isinstance(field.default, tuple):
        return tuple(values)
    if len(values) > 1:
        raise ParameterError(f"{name}: given {len(values)} times, takes one value")
    return values[0]


def _explained(problem: Mapping[str, Any], model: type[Parameters]) -> str:
    """Return one line that names the parameter, what is allowed and the value."""
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return f"{name[:100]}: unknown parameter{did_you_mean(name, model.model_fields)}"
    return f"{name}: {in_words(problem)}"
