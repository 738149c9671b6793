"""From a listed item to a job: the catalog's description of a kind, turned into a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
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
"""Separates the two units: seconds stay below it until the year 5138, milliseconds have been above it since 1973."""

_NEVER = 253_402_300_800
"""The end of the year 9999, the last that a datetime can hold."""

_LONGEST_ID = 8192
"""Characters of an id: four times the longest ARN, because some ids consist of several parts."""

_MOST = 1 << 40
"""The first count out of range: nothing checks a response, and the sum of a million jobs must fit into 64 bits."""

_NO_RECORDS: Mapping[str, int] = MappingProxyType({})


def at(item: Any, path: str) -> Any:
    """Return the value at a path of the catalog; None if the item has none there."""
    return getter(path)(item) if isinstance(item, dict) else None


@cache
def getter(path: str) -> Callable[[Item], Any]:
    """Return a function that finds the value at a path."""
    if path.isalnum():  # most paths; called for every item
        return lambda item: item.get(path)
    steps = [_step(step) for step in path.split(".")]

    def get(item: Any) -> Any:
        for step in steps:
            item = step(item)
        return item

    return get


def _step(step: str) -> Callable[[Any], Any]:
    """Return a function that takes one step of a path: to a member, or to the first element of a list."""
    name, bracket, _ = step.partition("[")

    def member(item: Any) -> Any:
        return item.get(name) if isinstance(item, dict) else None

    def first(item: Any) -> Any:
        found = member(item)
        return found[0] if isinstance(found, list) and found else None

    return first if bracket else member


def resolve(arguments: Arguments, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with each `$name` replaced by its value; arguments whose value is missing are left out."""
    resolved = {
        name: values.get(argument[1:]) if isinstance(argument, str) and argument.startswith("$") else argument
        for name, argument in arguments.items()
    }
    return {name: value for name, value in resolved.items() if value is not None}


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return the parameter at a path, with the structures around it: `Filter.Status` is within `Filter`."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def seconds(value: Any) -> float | None:
    """Return a time as seconds since 1970-01-01 UTC, from a datetime, epoch seconds or milliseconds, or an ISO string.

    None if it cannot be the time of a job, such as `0001-01-01T00:00:00Z`, which is Go's zero value.
    """
    time: float | None = None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, datetime):
        time = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # Clamped first: an integer of any length may be too large for a float.
        time = min(value, _NEVER * 1000) / 1000 if value > _MILLISECONDS else float(max(value, -1))
    return time if time is not None and 0 <= time < _NEVER else None


def scope_of(scope: Scope, item: Any) -> tuple[str, str] | None:
    """Return the id and the name of a listed scope; None if the catalog ignores it.

    Raises BadResponseError for an item without an id.
    """
    if any(text(at(item, path)) != value for path, value in scope.where.items()):
        return None
    identifier = text(item if scope.id == BARE else at(item, scope.id))
    if not identifier:
        raise BadResponseError(f"{scope.operation} listed an item without {scope.id}")
    return identifier, text(at(item, scope.name)) if scope.name else identifier


def text(value: Any) -> str:
    """Return a value as text: times in ISO form, None as the empty string, lone surrogates as `?`.

    JSON can hold lone surrogates, but neither UTF-8 nor an exposition can. Raises BadResponseError for a value that is
    nested too deeply to be printed.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if value is None:
        return ""
    try:
        return value.isoformat() if isinstance(value, datetime) else str(value)
    except RecursionError:
        raise BadResponseError("a value is nested too deeply") from None


def cut(words: str, longest: int) -> str:
    """Return a text of at most `longest` characters: the start and the end of a longer one."""
    if len(words) <= longest:
        return words
    mark = f" [... {len(words) - longest} characters ...] "
    head = (longest - len(mark)) // 2
    # AWS puts the cause at the start of a message, and programs put it at the end.
    return words[:head] + mark + words[head + len(mark) - longest :]


def job_reader(
    kind: Kind, dimensions: Iterable[str] = (), longest: int = sys.maxsize
) -> Callable[[Item, Mapping[str, str]], Job]:
    """Return a function that reads an item of a kind, listed in the given scopes, with these of its dimensions.

    Messages, names and dimensions are cut to `longest` characters. The function raises BadResponseError for an item
    that is not a structure or has no id.
    """
    # A poll calls the function for each of a hundred thousand items, so whatever is the same for all is computed here.
    identity, status_at, state, records = _identity(kind), getter(kind.status), _state(kind), _records(kind)
    name, reason, code = (getter(path) if path else _nothing for path in (kind.name, kind.reason, kind.code))
    # In the order of a job's fields.
    paths = (kind.times.created, kind.times.started, kind.times.ended, kind.times.updated, kind.times.deadline)
    times = [getter(path) if path else None for path in paths]
    labels = [getter(kind.dimensions[dimension]) for dimension in dimensions]
    details, failed = kind.details, State.FAILED

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


def _nothing(_: Item) -> None:
    """Stand in for a path that a kind does not have."""


def _identity(kind: Kind) -> Callable[[Item], str]:
    """Return a function that joins the parts of an item's id; it raises BadResponseError if there are none."""
    getters = [getter(path) for path in kind.id]

    def identity(item: Item) -> str:
        parts = [text(get(item)) for get in getters] if isinstance(item, dict) else []
        found = parts[0] if len(parts) == 1 else "/".join(filter(None, parts))
        if not found:
            raise BadResponseError(f"{kind.operation} listed an item without {' and '.join(kind.id)}")
        # Cut alone, two ids could become one.
        return found if len(found) <= _LONGEST_ID else f"{found[:_LONGEST_ID]}#{sha256(found.encode()).hexdigest()}"

    return identity


def _state(kind: Kind) -> Callable[[str, Item], State]:
    """Return a function that maps a status to a state, corrected by the first refinement that applies."""
    state_of, unknown = kind.state_of, State.UNKNOWN
    refinements = [(rule.from_, getter(rule.when), rule.to) for rule in kind.refine]

    def state(status: str, item: Item) -> State:
        meant = state_of.get(status, unknown)
        for refined, when, to in refinements:
            if refined is meant:
                value = when(item)
                if isinstance(value, bool | int | float) and value > 0:
                    return to
        return meant

    return state


def _records(kind: Kind) -> Callable[[Item], Mapping[str, int]]:
    """Return a function that reads the counts of a job's records, as far as an item has them."""
    getters: list[tuple[str, Callable[[Item], Any]]] = [(name, getter(path)) for name, path in kind.records.items()]

    def records(item: Item) -> Mapping[str, int]:
        counts = {name: get(item) for name, get in getters}
        # `type`, because a boolean is an `int`, too.
        return {name: count for name, count in counts.items() if type(count) is int and 0 <= count < _MOST}

    # One mapping for all jobs: most kinds have no counts.
    return records if getters else lambda _: _NO_RECORDS
