"""What a client sent, read by its shape and checked against the limits of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.model import ListShape, Shape, StringShape, StructureShape

from exporter.simulator.aws_error import AwsError, invalid

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "structure": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "timestamp": (int, float, str),
}
"""What JSON has for a type of shape. The others, such as maps, are taken as they come: no list operation reads them."""

_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def read(shape: Shape, value: Any, where: str) -> Any:
    """Return a JSON value as the shape means it, times in seconds.

    Raises AwsError (ValidationException) for a wrong type, a missing member, or a value outside the limits.
    """
    # Python's booleans are integers, JSON's are not.
    is_bool = isinstance(value, bool) and shape.type_name != "boolean"
    expected: Any = _TYPES.get(shape.type_name, object)
    if is_bool or not isinstance(value, expected):
        raise _wrong_type(shape, where)
    if isinstance(shape, StructureShape):
        inside = f"{where}." if where else ""
        for name in shape.required_members:
            if value.get(name) is None:
                raise _violated(f"{inside}{name}", "null", "Member must not be null")
        given = {name: member for name, member in shape.members.items() if value.get(name) is not None}
        return {name: read(member, value[name], f"{inside}{name}") for name, member in given.items()}
    if isinstance(shape, ListShape):
        _check_limits(shape, value, len(value), where)
        return [read(shape.member, element, f"{where}.{number}") for number, element in enumerate(value, 1)]
    if isinstance(shape, StringShape):
        if shape.enum and value not in shape.enum:
            raise _violated(where, value, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
        _check_limits(shape, value, len(value), where)
    elif shape.type_name == "timestamp":
        try:
            return seconds(value)
        except ValueError:
            raise _wrong_type(shape, where) from None
    else:
        _check_limits(shape, value, value, where)
    return value


def from_text(shape: Shape, text: str, where: str) -> Any:
    """Return the JSON value of a text in a path, a query string or a header."""
    try:
        return _FROM_TEXT.get(shape.type_name, str)(text)
    except (KeyError, ValueError):
        raise _wrong_type(shape, where) from None


def seconds(value: str | float) -> float:
    """Return a time in seconds from any of AWS's formats; raises ValueError for anything else."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        time = parsedate_to_datetime(str(value))
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _check_limits(shape: Shape, value: Any, size: Any, where: str) -> None:
    limits, quantity = shape.metadata, "value" if size is value else "length"
    if "min" in limits and size < limits["min"]:
        raise _violated(where, value, f"Member must have {quantity} greater than or equal to {limits['min']}")
    if "max" in limits and size > limits["max"]:
        raise _violated(where, value, f"Member must have {quantity} less than or equal to {limits['max']}")


def _violated(where: str, value: Any, constraint: str) -> AwsError:
    return invalid(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: {constraint}"
    )


def _wrong_type(shape: Shape, where: str) -> AwsError:
    return invalid(f"Value at '{where}' is not of type {shape.type_name}")
