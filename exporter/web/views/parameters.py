"""The parameters of a request's URL, checked, with an explanation of what is wrong."""

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

_CURSOR = re.compile(r"([af])(-?\d{1,12}\.\d{1,9})-([0-9a-f]{12})")


def _as_position(text: str) -> Position:
    match = _CURSOR.fullmatch(text)
    if not match:
        raise ValueError("must be the `next` of the previous response, unchanged")
    return Position(match[1] == "f", -float(match[2]), match[3])


def cursor(position: Position) -> str:
    """Return a position as a URL has it."""
    return f"{'f' if position.is_finished else 'a'}{-position.age!r}-{position.digest}"


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


class JobParameters(PlaceParameters):
    """The parameters of a list of jobs."""

    state: tuple[State, ...] = ()
    status: tuple[str, ...] = ()
    reason: tuple[Reason, ...] = ()
    name: str = ""
    """Part of the name or the id, in any case."""
    created_since: Time = None
    created_until: Time = None
    finished_since: Time = None
    finished_until: Time = None
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: Annotated[Position | None, BeforeValidator(_as_position)] = None

    @property
    def job_filter(self) -> JobFilter:
        """The jobs that pass these filters."""
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
    """The parameters of a list of sources."""

    health: tuple[Health, ...] = ()
    limit: int = Field(default=500, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10**9)
    """The number of sources on the pages before."""
