"""AWS's responses built from botocore's shapes: the structure that the catalog reads, wild values, and damage."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, OperationModel, Shape, StructureShape
from hypothesis import strategies as st

from exporter.aws.loader import LANDSCAPE
from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.kind import BARE
from exporter.catalog.models import Models, shape_at
from tests.support.wild import anything, numbers, rarely, texts, times

MODELS = Models()


def operations(catalog: Catalog) -> set[tuple[str, str]]:
    """Return every operation whose responses the exporter reads, with its service."""
    found = {("sts", "GetCallerIdentity"), ("sts", "AssumeRole"), *LANDSCAPE}
    for kind in catalog.kinds():
        found.add((kind.service, kind.operation))
        found.update((scope.service or kind.service, scope.operation) for _, scope in kind.scopes)
        if kind.details:
            found.add((kind.service, kind.details.operation))
        if kind.describe:
            found.add((kind.service, kind.describe.operation))
    return found


Tree = dict[str, Any]


def tree(paths: Iterable[str]) -> Tree:
    """Return dotted paths as nested keys."""
    root: Tree = {}
    for path in paths:
        level = root
        for step in path.replace("[0]", "").split("."):
            level = level.setdefault(step, {})
    return root


@st.composite
def values(draw, shape: Shape, members: Tree) -> Any:
    """Draw a value of a shape, with these members; now and then it is missing, null, or something else."""
    if rarely(draw, 12):
        return draw(anything)
    if isinstance(shape, StructureShape):
        return draw(structures(shape, members))
    if isinstance(shape, ListShape):
        return [draw(values(shape.member, members)) for _ in range(draw(st.integers(0, 2)))]
    if getattr(shape, "enum", None) and not rarely(draw, 4):
        return draw(st.sampled_from(shape.enum))
    return draw(SCALARS.get(shape.type_name, texts))


SCALARS: Mapping[str, st.SearchStrategy[Any]] = {
    "timestamp": times,
    "boolean": st.booleans(),
    **dict.fromkeys(("integer", "long", "float", "double"), numbers),
}


@st.composite
def structures(draw, shape: StructureShape, members: Tree) -> dict[str, Any]:
    """Draw a structure, its members under their names on the wire."""
    found = {}
    for name, inner in members.items():
        if name in shape.members and not rarely(draw, 8):
            member = shape.members[name]
            found[member.serialization.get("name", name)] = draw(values(member, inner))
    if rarely(draw, 8):
        found[draw(texts)] = draw(anything)
    return found


@st.composite
def items(draw, operation: OperationModel, path: str, paths: Iterable[str], ids: Iterable[str]) -> list[Any]:
    """Draw the items of a list: few or many, some of them twice, most of them with unique ids."""
    shape = shape_at(operation.output_shape, path)
    member, members = getattr(shape, "member", shape), tree(paths)
    listed = [draw(values(member, members)) for _ in range(draw(st.integers(0, 3)))]
    for number, item in enumerate(listed):
        if isinstance(item, dict) and not rarely(draw, 6):
            put(item, member, ids, f"{draw(texts)}{draw(st.integers(0, 3))}-{number // 2}")
    if listed and rarely(draw, 20) and isinstance(listed[0], dict):
        listed = [dict(listed[0]) for _ in range(2_000)]
        for number, item in enumerate(listed):
            put(item, member, ids, f"job-{number}")
    return listed


def put(item: dict[str, Any], shape: Any, paths: Iterable[str], value: str) -> None:
    """Set the values at some paths of an item."""
    for path in paths:
        level, inner = item, shape
        *steps, last = path.split(".")
        for step in steps:
            inner = inner.members[step]
            name = inner.serialization.get("name", step)
            level[name] = level = level[name] if isinstance(level.get(name), dict) else {}
        level[inner.members[last].serialization.get("name", last)] = value


def wire_path(shape: Any, path: str) -> list[str]:
    """Return a path's names on the wire."""
    names = []
    for step in path.split("."):
        shape = shape.members[step]
        names.append(shape.serialization.get("name", step))
    return names


def wrapped(operation: OperationModel, path: str, listed: Any) -> dict[str, Any]:
    """Return a response with a list where the operation puts it."""
    value: dict[str, Any] = listed
    for name in reversed(wire_path(operation.output_shape, path)):
        value = {name: value}
    return value


def job_paths(kind: Kind) -> list[str]:
    """Return every path into an item of a kind that the exporter reads."""
    arguments = (kind.details.arguments if kind.details else {}).values()
    fields = [value[1:] for value in arguments if isinstance(value, str) and value.startswith("$")]
    return [*(path for _, path in kind.paths()), *fields]


def listing(kind: Kind) -> st.SearchStrategy[list[Any]]:
    """Return items of a kind."""
    operation, path = kind.described
    return items(MODELS.operation(kind.service, operation), path, job_paths(kind), kind.id)


def scopes(operation: OperationModel, scope: Scope) -> st.SearchStrategy[list[Any]]:
    """Draw the scopes that a discovery lists."""
    ids = () if scope.id == BARE else (scope.id,)
    return items(operation, scope.items, [path for _, path in scope.paths()], ids)


@st.composite
def responses(draw, operation: OperationModel, content: st.SearchStrategy[Any]) -> Any:
    """Draw the body of a response as a value, with a page token now and then."""
    response = draw(content)
    paging = MODELS.paging(operation.service_model.service_name, operation.name)
    if isinstance(response, dict) and paging.output_token and rarely(draw, 6):
        response[wire_path(operation.output_shape, paging.output_token)[0]] = draw(anything)
    if isinstance(response, dict) and rarely(draw, 8):
        response[draw(texts)] = draw(anything)
    return response


def encoded(operation: OperationModel, response: Any) -> bytes:
    """Return a response in the protocol of its service."""
    protocol = operation.service_model.resolved_protocol
    if protocol not in ("query", "rest-xml"):
        return json.dumps(response).encode()
    content = xml(response)
    if wrapper := operation.output_shape.serialization.get("resultWrapper"):
        content = f"<{wrapper}>{content}</{wrapper}>"
    root = operation.output_shape.name if protocol == "rest-xml" else f"{operation.name}Response"
    return f"<{root}>{content}</{root}>".encode(errors="replace")


def xml(value: Any) -> str:
    """Return a value as XML, as far as XML can represent it."""
    if isinstance(value, Mapping):
        named = ((name, inner) for name, inner in value.items() if name.isalnum() and name.isascii() and name[0] > "9")
        return "".join(f"<{name}>{xml(inner)}</{name}>" for name, inner in named)
    if isinstance(value, list):
        return "".join(f"<member>{xml(inner)}</member>" for inner in value)
    return escape(str(value))


DAMAGE = {
    "cut off": lambda body: body[: len(body) // 2],
    "the last byte lost": lambda body: body[:-1],
    "empty": lambda _: b"",
    "blank": lambda _: b"  \n",
    "a page": lambda _: b"<!DOCTYPE html><html><body>Please log in</body></html>",
    "a list": lambda body: b"[" + body + b"]",
    "null": lambda _: b"null",
    "a number": lambda _: b"1e999",
    "a text": lambda _: b'"ok"',
    "not UTF-8": lambda body: body + b"\xff\xfe",
    "nested": lambda _: b'{"a":' * 50_000,
    "nested and closed": lambda _: b'{"message":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "twice": lambda body: body + body,
    "a long number": lambda _: b'{"a": ' + b"9" * 5_000 + b"}",
}
"""Ways to break a body, each applied to a valid one."""
