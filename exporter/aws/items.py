"""One listed item to one job: what the catalog says of a kind, turned into a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from exporter.aws.poll_error import BadResponseError
from exporter.catalog import Kind, Scope
from exporter.catalog.kind import BARE, Arguments
from exporter.jobs import Job, State

Item = Mapping[str, Any]

_MILLISECONDS = 1e11
"""Seconds stay below it until the year 5138; epoch milliseconds have been above it since 1973."""

_NEVER = 253_402_300_800
"""The end of the year 9999, the last that a datetime can hold."""


def at(item: Any, path: str) -> Any:
    """Return what stands at a path of the catalog, None where the item has nothing there."""
    return getter(path)(item) if isinstance(item, dict) else None


@cache
def getter(path: str) -> Callable[[Item], Any]:
    """Return the function that finds what stands at a path."""
    if path.isalnum():
        return lambda item: item.get(path)
    steps = [_step(step) for step in path.split(".")]

    def get(item: Any) -> Any:
        for step in steps:
            item = step(item)
        return item

    return get


def _step(step: str) -> Callable[[Any], Any]:
    """Return the function that takes one step of a path: to a member, or to the first element of that."""
    name, bracket, _ = step.partition("[")

    def member(item: Any) -> Any:
        return item.get(name) if isinstance(item, dict) else None

    def first(item: Any) -> Any:
        found = member(item)
        return found[0] if isinstance(found, list) and found else None

    return first if bracket else member


def resolve(arguments: Arguments, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with each `$name` replaced by its value; those whose value is missing are left out."""
    resolved = {name: _value(argument, values) for name, argument in arguments.items()}
    return {name: value for name, value in resolved.items() if value is not None}


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a parameter that stands at a path: `Filter.Status` within a structure."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def _value(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, str) and argument.startswith("$"):
        return values.get(argument[1:])
    return argument


def seconds(value: Any) -> float | None:
    """Return a time as seconds since 1970-01-01 UTC: AWS writes datetimes, epoch milliseconds and ISO strings.

    None for what is no time of a job: `0001-01-01T00:00:00Z` is how Go writes that there is none.
    """
    time = _seconds(value)
    return time if time is not None and 0 <= time < _NEVER else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return min(value, _NEVER * 1000) / 1000 if value > _MILLISECONDS else float(max(value, -1))
    return None


def containers(scope: Scope, item: Any) -> Iterator[tuple[str, str]]:
    """Yield the id and the name of a listed container, unless the catalog passes over its like.

    Raises BadResponseError for a container that nothing identifies.
    """
    if any(text(at(item, path)) != value for path, value in scope.where.items()):
        return
    identifier = text(item if scope.id == BARE else at(item, scope.id))
    if not identifier:
        raise BadResponseError(f"{scope.operation} listed an item without {scope.id}")
    yield identifier, text(at(item, scope.name)) if scope.name else identifier


def text(value: Any) -> str:
    """Return a value as text: times in ISO form, nothing as the empty string, what UTF-8 cannot hold as `?`.

    Raises BadResponseError for what is nested too deeply to be shown.
    """
    if isinstance(value, str):
        return value if value.isascii() else _encodable(value)
    if value is None:
        return ""
    try:
        return value.isoformat() if isinstance(value, datetime) else str(value)
    except RecursionError:
        raise BadResponseError("a value is nested too deeply") from None


def _encodable(value: str) -> str:
    """Return a text without lone surrogates: JSON can hold them, no exposition and no page can."""
    return value.encode(errors="replace").decode()


def cut(words: str, longest: int) -> str:
    """Return a text with its begin and its end, if it has more than `longest` characters."""
    if len(words) <= longest:
        return words
    mark = f" [... {len(words) - longest} characters ...] "
    begin = (longest - len(mark)) // 2
    # A cause stands at the begin of what AWS says, and at the end of what a program says.
    return words[:begin] + mark + words[begin + len(mark) - longest :]


def job_reader(
    kind: Kind, dimensions: Iterable[str] = (), longest: int = sys.maxsize
) -> Callable[[Item, Mapping[str, str]], Job]:
    """Return the function that reads an item of a kind, listed in the given scopes, and these of its dimensions.

    Messages, names and dimensions are cut to `longest` characters.
    It raises BadResponseError for an item that is no structure, or that nothing identifies.
    """
    # A poll calls it for each of a hundred thousand items: whatever is the same for all of them is found out here.
    identity, status_at, state = _identity(kind), getter(kind.status), _state(kind)
    name, reason, code = (getter(path) if path else _nothing for path in (kind.name, kind.reason, kind.code))
    times = [getter(path) if path else None for path in (getattr(kind.times, time) for time in _TIMES)]
    labels = [getter(kind.dimensions[dimension]) for dimension in dimensions]
    records, details, failed = _records(kind), kind.details, State.FAILED

    def read(item: Item, scopes: Mapping[str, str]) -> Job:
        identifier, status = identity(item), cut(text(status_at(item)), longest)
        message = cut(text(reason(item)), longest)
        created, started, ended, updated, deadline = [time and seconds(time(item)) for time in times]
        job = Job(
            identifier,
            status,
            state(status, item),
            cut(text(name(item)), longest),
            created,
            started,
            ended,
            updated,
            deadline,
            message,
            cut(text(code(item)), longest),
            records(item),
            tuple([cut(text(label(item)), longest) for label in labels]) if labels else (),
        )
        if details and job.state is failed and not message:
            return job._replace(details=resolve(details.arguments, {**scopes, **item}))
        return job

    return read


_TIMES = ("created", "started", "ended", "updated", "deadline")
"""A job's times in the order of its fields."""


def _nothing(_: Item) -> None:
    """Stand in for a path that a kind does not have."""


def _identity(kind: Kind) -> Callable[[Item], str]:
    """Return the function that joins what identifies an item; it raises BadResponseError where nothing does."""
    getters = [getter(path) for path in kind.id]

    def identity(item: Item) -> str:
        parts = [text(get(item)) for get in getters] if isinstance(item, dict) else []
        found = parts[0] if len(parts) == 1 else "/".join(filter(None, parts))
        if not found:
            raise BadResponseError(f"{kind.operation} listed an item without {' and '.join(kind.id)}")
        # Not just cut, because two would become one.
        return found if len(found) <= _LONGEST_ID else f"{found[:_LONGEST_ID]}#{sha256(found.encode()).hexdigest()}"

    return identity


_LONGEST_ID = 8192
"""Four times the characters of the longest ARN: some ids are made of several parts."""


def _state(kind: Kind) -> Callable[[str, Item], State]:
    """Return the function that tells what a status means, corrected by the first refinement that holds."""
    state_of, unknown = kind.state_of, State.UNKNOWN
    refinements = [(rule.from_, getter(rule.when), rule.to) for rule in kind.refine]

    def state(status: str, item: Item) -> State:
        meant = state_of.get(status, unknown)
        for refined, when, to in refinements:
            if refined is meant and _holds(when(item)):
                return to
        return meant

    return state


def _holds(value: Any) -> bool:
    return isinstance(value, bool | int | float) and value > 0


def _records(kind: Kind) -> Callable[[Item], Mapping[str, int]]:
    """Return the function that counts the records of a job, those of them that an item tells."""
    getters: list[tuple[str, Callable[[Item], Any]]] = [(name, getter(path)) for name, path in kind.records.items()]

    def records(item: Item) -> Mapping[str, int]:
        counts = {name: count for name, get in getters if type(count := get(item)) is int and 0 <= count < _MOST}
        return counts or _NO_RECORDS

    return records


_MOST = 1 << 63
"""No list of AWS's has so many records: a `long` ends below it."""

_NO_RECORDS: Mapping[str, int] = MappingProxyType({})
