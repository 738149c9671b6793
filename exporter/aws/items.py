"""One listed item to one job: what the catalog says of a kind, turned into a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.aws.errors import BadResponseError
from exporter.catalog import Kind, Scope
from exporter.catalog.kind import BARE, Arguments
from exporter.jobs import Job, State

Item = Mapping[str, Any]

_MILLISECONDS = 1e11
"""Seconds stay below it until the year 5138; epoch milliseconds have been above it since 1973."""


def at(item: Any, path: str) -> Any:
    """Return what stands at a path of the catalog, None where the item has nothing there."""
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        item = item.get(name) if isinstance(item, Mapping) else None
        if bracket:
            item = item[0] if isinstance(item, list) and item else None
    return item


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
    """Return a time as seconds since 1970-01-01 UTC: AWS writes datetimes, epoch milliseconds and ISO strings."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000 if value > _MILLISECONDS else float(value)
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            return None
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
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
    """Return a value as text: times in ISO form, nothing as the empty string."""
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def job_reader(kind: Kind, dimensions: Iterable[str] = ()) -> Callable[[Item, Mapping[str, str]], Job]:
    """Return the function that reads an item of a kind, listed in the given scopes, and these of its dimensions.

    It raises BadResponseError for an item that nothing identifies.
    """
    labels = [kind.dimensions[name] for name in dimensions]
    times = {name: path for name, path in kind.times.model_dump().items() if path}

    def read(item: Item, scopes: Mapping[str, str]) -> Job:
        parts = [text(at(item, path)) for path in kind.id]
        if not any(parts):
            raise BadResponseError(f"{kind.operation} listed an item without {' and '.join(kind.id)}")
        status = text(at(item, kind.status))
        state = _state(kind, status, item)
        message = text(at(item, kind.reason)) if kind.reason else ""
        details = kind.details if state is State.FAILED and not message else None
        return Job(
            id="/".join(filter(None, parts)),
            name=text(at(item, kind.name)) if kind.name else "",
            status=status,
            state=state,
            message=message,
            code=text(at(item, kind.code)) if kind.code else "",
            records=_counts(kind, item),
            dimensions=tuple(text(at(item, path)) for path in labels),
            details=resolve(details.arguments, {**scopes, **item}) if details else None,
            **{name: seconds(at(item, path)) for name, path in times.items()},
        )

    return read


def _state(kind: Kind, status: str, item: Item) -> State:
    """Return what a status means, corrected by the first of the kind's refinements that holds."""
    state = kind.state_of.get(status, State.UNKNOWN)
    for refinement in kind.refine:
        if refinement.from_ is state and _holds(at(item, refinement.when)):
            return refinement.to
    return state


def _holds(value: Any) -> bool:
    return isinstance(value, bool | int | float) and value > 0


def _counts(kind: Kind, item: Item) -> dict[str, int]:
    counts = {result: at(item, path) for result, path in kind.records.items()}
    return {result: count for result, count in counts.items() if isinstance(count, int)}
