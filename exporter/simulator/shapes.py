"""Values for botocore's shapes: plausible ones that are made up, and given ones put where the catalog's paths lead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape


@dataclass(frozen=True, slots=True)
class Seed:
    """What made-up values are derived from: equal seeds give equal values for a member.

    `created` is in seconds; `service` is the signing name, the third part of ARNs.
    """

    token: str
    account: str
    region: str
    service: str
    created: float

    def digest(self, member: str) -> str:
        """Return 32 hexadecimal digits, different for each member."""
        return blake2b(f"{self.token}/{member}".encode(), digest_size=16).hexdigest()


def example(shape: Shape, member: str, seed: Seed, outer: tuple[str, ...] = ()) -> Any:
    """Return a plausible value of a shape; `outer` names the shapes that it is part of."""
    outer = (*outer, shape.name)
    if isinstance(shape, StructureShape):
        names = list(shape.required_members)
        if shape.is_tagged_union:
            # Exactly one member, and not one that nests forever.
            names = [name for name, inner in shape.members.items() if inner.name not in outer][:1]
        return {name: example(shape.members[name], name, seed, outer) for name in names}
    if isinstance(shape, ListShape):
        return [example(shape.member, member, seed, outer)] if shape.metadata.get("min") else []
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return text(shape, member, seed)
    values = {"boolean": False, "timestamp": seed.created, "blob": b"", "float": 1.0, "double": 1.0}
    return values.get(shape.type_name, max(1, shape.metadata.get("min", 1)))


def text(shape: Shape, member: str, seed: Seed) -> str:
    """Return a plausible string for a member: different for each seed unless the shape enumerates its values."""
    if enum := getattr(shape, "enum", None):
        return str(enum[0])
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", _LONG)
    digest, name = seed.digest(member), member.lower()
    if name.endswith("arn"):
        found = _arn(kebab(member[:-3]).rstrip("-") or "resource", seed, digest[:12])
    elif low == high == _ACCOUNT or name.endswith("accountid"):
        found = seed.account
    elif low <= _UUID <= high and name.endswith(("id", "identifier")):
        found = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
    elif "s3" in name:
        found = f"s3://example-bucket/{digest[:8]}"
    else:
        found = f"{kebab(member)}-{digest[:8]}" if len(member) + 9 <= high else digest
    return found.ljust(low, "0")[:high]


def _arn(resource: str, seed: Seed, name: str) -> str:
    if resource.endswith("role"):
        return f"arn:aws:iam::{seed.account}:role/{name}"
    return f"arn:aws:{seed.service}:{seed.region}:{seed.account}:{resource}/{name}"


def kebab(name: str) -> str:
    """Return `trainedModel` as `trained-model`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().replace("_", "-")


def complete(shape: Shape, value: Any, seed: Seed) -> Any:
    """Add the required members that structures lack, at every depth; returns `value`."""
    if isinstance(value, dict) and isinstance(shape, StructureShape):
        for name in shape.required_members:
            if name not in value:
                value[name] = example(shape.members[name], name, seed)
        for name, member in value.items():
            complete(shape.members[name], member, seed)
    elif isinstance(value, list) and isinstance(shape, ListShape):
        for member in value:
            complete(shape.member, member, seed)
    return value


def project(shape: Shape, source: Shape, value: Any) -> Any:
    """Return the part of a value of the shape `source` for which `shape` has members of the same names and types."""
    if not isinstance(shape, StructureShape) or not isinstance(source, StructureShape):
        return value
    common = [
        name
        for name in value
        if name in shape.members and shape.members[name].type_name == source.members[name].type_name
    ]
    return {name: project(shape.members[name], source.members[name], value[name]) for name in common}


def put(value: dict[str, Any], path: str, leaf: Any) -> None:
    """Set what a path of the catalog leads to, and create the structures on the way."""
    *outer, last = path.split(".")
    for step in outer:
        name, bracket, _ = step.partition("[")
        found = value.setdefault(name, [{}] if bracket else {})
        value = found[0] if bracket else found
    name, bracket, _ = last.partition("[")
    value[name] = [leaf] if bracket else leaf


def drop(value: dict[str, Any], path: str) -> None:
    """Remove what a path of the catalog leads to."""
    outer, _, _ = path.rpartition(".")
    inside = at(value, outer) if outer else value
    if isinstance(inside, dict):
        inside.pop(last_name(path), None)


def at(value: Any, path: str) -> Any:
    """Return what a path of the catalog leads to, None where there is nothing."""
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        value = value.get(name) if isinstance(value, Mapping) else None
        if bracket:
            value = value[0] if value else None
    return value


def last_name(path: str) -> str:
    """Return the name of the member that a path of the catalog leads to."""
    return path.rpartition(".")[2].partition("[")[0]


def leaves(template: Any, actual: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each value in the catalog's arguments with the one in its place in a request, None where there is none."""
    if isinstance(template, Mapping):
        for name, inner in template.items():
            yield from leaves(inner, actual.get(name) if isinstance(actual, Mapping) else None)
    elif isinstance(template, list | tuple):
        for number, inner in enumerate(template):
            has_one = isinstance(actual, list) and number < len(actual)
            yield from leaves(inner, actual[number] if has_one else None)
    else:
        yield template, actual


def references(template: Any, actual: Any) -> dict[str, Any]:
    """Return the names behind `$` in the catalog's arguments, each with the value in its place in a request."""
    return {leaf[1:]: found for leaf, found in leaves(template, actual) if is_reference(leaf)}


def is_reference(value: Any) -> bool:
    """Whether a value in the catalog's arguments refers to another: `$membership`."""
    return isinstance(value, str) and value.startswith("$")


_ACCOUNT, _UUID, _LONG = 12, 36, 10**6
"""Lengths: of an account's number, of a UUID, and of more than any string here."""
