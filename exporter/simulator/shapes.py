"""Values for botocore's shapes: plausible ones out of nothing, and given ones put where they belong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose values are made up: the same owner gets the same value for the same member, always.

    `created` is in seconds; `prefix` is how the service signs, the third part of its ARNs.
    """

    token: str
    account: str
    region: str
    prefix: str
    created: float

    def digest(self, member: str) -> str:
        """Return 32 hexadecimal digits of its own for each member."""
        return blake2b(f"{self.token}/{member}".encode(), digest_size=16).hexdigest()

    def arn(self, resource: str, name: str) -> str:
        """Return the ARN of a resource in the owner's account and region."""
        return f"arn:aws:{self.prefix}:{self.region}:{self.account}:{resource}/{name}"


def example(shape: Shape, member: str, owner: Owner, around: tuple[str, ...] = ()) -> Any:
    """Return a plausible value of a shape; `around` names the shapes that it stands in."""
    around = (*around, shape.name)
    if isinstance(shape, StructureShape):
        return {name: example(shape.members[name], name, owner, around) for name in _needed(shape, around)}
    if isinstance(shape, ListShape):
        return [example(shape.member, member, owner, around)] if shape.metadata.get("min") else []
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return text(shape, member, owner)
    values = {"boolean": False, "timestamp": owner.created, "blob": b"", "float": 1.0, "double": 1.0}
    return values.get(shape.type_name, max(1, shape.metadata.get("min", 1)))


def text(shape: Shape, member: str, owner: Owner) -> str:
    """Return a plausible text for a member: its own for each owner unless the shape enumerates its values."""
    if enum := getattr(shape, "enum", None):
        return str(enum[0])
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", _LONG)
    return _text(member, owner, low, high).ljust(low, "0")[:high]


def _text(member: str, owner: Owner, low: int, high: int) -> str:
    digest = owner.digest(member)
    if member.lower().endswith("arn"):
        return _arn(kebab(member[:-3]), owner, digest[:12])
    if low == high == _ACCOUNT or member.lower().endswith("accountid"):
        return owner.account
    if low <= _UUID <= high and member.lower().endswith(("id", "identifier")):
        return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    if "s3" in member.lower():
        return f"s3://example-bucket/{digest[:8]}"
    return f"{kebab(member)}-{digest[:8]}" if len(member) + 9 <= high else digest


def _arn(resource: str, owner: Owner, name: str) -> str:
    if resource.endswith("role"):
        return f"arn:aws:iam::{owner.account}:role/{name}"
    return owner.arn(resource or "resource", name)


def kebab(name: str) -> str:
    """Return `trainedModel` as `trained-model`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-")


def complete(shape: Shape, value: Any, owner: Owner) -> Any:
    """Give structures, down to the innermost, those required members that they lack; returns `value`."""
    if isinstance(value, dict) and isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                value[name] = example(shape.members[name], name, owner)
        for name, member in value.items():
            complete(shape.members[name], member, owner)
    elif isinstance(value, list) and isinstance(shape, ListShape):
        for member in value:
            complete(shape.member, member, owner)
    return value


def project(shape: Shape, source: Shape, value: Any) -> Any:
    """Return as much of a value of the shape `source` as `shape` has members of the same names and types for."""
    if not isinstance(shape, StructureShape) or not isinstance(source, StructureShape):
        return value
    common = [
        name
        for name in value
        if name in shape.members and shape.members[name].type_name == source.members[name].type_name
    ]
    return {name: project(shape.members[name], source.members[name], value[name]) for name in common}


def put(value: dict[str, Any], path: str, leaf: Any) -> None:
    """Set what a path of the catalog leads to, and make the structures on the way."""
    *outer, last = path.split(".")
    for step in outer:
        name, bracket, _ = step.partition("[")
        found = value.setdefault(name, [{}] if bracket else {})
        value = found[0] if bracket else found
    name, bracket, _ = last.partition("[")
    value[name] = [leaf] if bracket else leaf


def at(value: Any, path: str) -> Any:
    """Return what a path of the catalog leads to, None where that is nothing."""
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        value = value.get(name) if isinstance(value, Mapping) else None
        if bracket:
            value = value[0] if value else None
    return value


def _needed(shape: StructureShape, around: tuple[str, ...]) -> list[str]:
    """Return the members that a structure cannot be without: of a union one, and not what it stands in."""
    if not shape.is_tagged_union:
        return list(shape.required_members)
    return [name for name, member in shape.members.items() if member.name not in around][:1]


_ACCOUNT, _UUID, _LONG = 12, 36, 10**6
"""Lengths: of an account's number, of a UUID, and of more than any text here."""
