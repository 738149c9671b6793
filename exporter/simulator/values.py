"""What a client sent, read by its shape and held to the limits of the model."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from exporter.simulator.aws_error import invalid


def read(shape: Shape, value: Any, where: str) -> Any:
    """Return a JSON value as the shape means it, times in seconds.

    Raises AwsError (ValidationException) for a wrong type, a missing member, or what stands outside of the limits.
    """
    reader = _READERS.get(shape.type_name)
    return reader(shape, value, where) if reader else value


def from_text(shape: Shape, text: str, where: str) -> Any:
    """Return the JSON value that a text in a path, a query or a header stands for."""
    try:
        return _FROM_TEXT.get(shape.type_name, str)(text)
    except (KeyError, ValueError):
        raise _wrong_type(shape, where) from None


def seconds(value: str | float) -> float:
    """Return a time in seconds from any of AWS's formats; raises ValueError for what is none."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        time = parsedate_to_datetime(str(value))
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _structure(shape: Shape, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(shape, StructureShape) or not isinstance(value, Mapping):
        raise _wrong_type(shape, where)
    for name in shape.required_members:
        if value.get(name) is None:
            raise _violated(f"{where}.{name}".lstrip("."), None, "Member must not be null")
    known = (name for name in value if name in shape.members and value[name] is not None)
    return {name: read(shape.members[name], value[name], f"{where}.{name}".lstrip(".")) for name in known}


def _list(shape: Shape, value: Any, where: str) -> list[Any]:
    if not isinstance(shape, ListShape) or not isinstance(value, list):
        raise _wrong_type(shape, where)
    _within_limits(shape, value, len(value), where)
    return [read(shape.member, member, f"{where}.{number}") for number, member in enumerate(value, 1)]


def _map(shape: Shape, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(shape, MapShape) or not isinstance(value, Mapping):
        raise _wrong_type(shape, where)
    return {key: read(shape.value, member, f"{where}.{key}") for key, member in value.items()}


def _string(shape: Shape, value: Any, where: str) -> str:
    if not isinstance(shape, StringShape) or not isinstance(value, str):
        raise _wrong_type(shape, where)
    if shape.enum and value not in shape.enum:
        raise _violated(where, value, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    _within_limits(shape, value, len(value), where)
    return value


def _number(shape: Shape, value: Any, where: str) -> float:
    allowed = (int,) if shape.type_name in ("integer", "long") else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise _wrong_type(shape, where)
    _within_limits(shape, value, value, where)
    return value


def _boolean(shape: Shape, value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(shape, where)
    return value


def _timestamp(shape: Shape, value: Any, where: str) -> float:
    try:
        return seconds(value)
    except (TypeError, ValueError):
        raise _wrong_type(shape, where) from None


def _blob(shape: Shape, value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, binascii.Error):
        raise _wrong_type(shape, where) from None


def _within_limits(shape: Shape, value: Any, size: float, where: str) -> None:
    quantity = "Member must have value" if size is value else "Member must have length"
    if size < shape.metadata.get("min", size):
        raise _violated(where, value, f"{quantity} greater than or equal to {shape.metadata['min']}")
    if size > shape.metadata.get("max", size):
        raise _violated(where, value, f"{quantity} less than or equal to {shape.metadata['max']}")


def _violated(where: str, value: Any, constraint: str) -> Exception:
    shown = "null" if value is None else value
    return invalid(
        f"1 validation error detected: Value '{shown}' at '{where}' failed to satisfy constraint: {constraint}"
    )


def _wrong_type(shape: Shape, where: str) -> Exception:
    return invalid(f"Value at '{where}' is not of type {shape.type_name}")


_READERS: Mapping[str, Callable[[Shape, Any, str], Any]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}

_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}
