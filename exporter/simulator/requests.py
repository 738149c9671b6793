"""Which operation a request asks for, and with which arguments, in each of AWS's protocols."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from exporter.simulator import values
from exporter.simulator.aws_error import invalid


class Request(NamedTuple):
    """A request as it came; the path is raw, because a label may hold an ARN with its slashes percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the query string, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)


class RequestReader(ABC):
    """Reads the requests for some operations of one service."""

    def __init__(self, service: ServiceModel, operations: Iterable[str]) -> None:
        self.service = service
        self.operations = {name: service.operation_model(name) for name in operations}

    @abstractmethod
    def find(self, request: Request) -> OperationModel | None:
        """Return the operation that a request asks for, None if it is no operation of this service."""

    def arguments(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments of a request; raises AwsError where the operation's shape does not allow them."""
        if operation.input_shape is None:
            return {}
        found: dict[str, Any] = values.read(operation.input_shape, self.raw(operation, request), "")
        return found

    @abstractmethod
    def raw(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments as JSON values, not yet held to the operation's shape."""


class JsonReader(RequestReader):
    """json 1.0 and 1.1: the operation stands in a header, the arguments in the body."""

    def find(self, request: Request) -> OperationModel | None:
        """Return the operation that a request asks for, None if it is no operation of this service."""
        prefix, _, name = request.headers.get("X-Amz-Target", "").rpartition(".")
        return self.operations.get(name) if prefix == self.service.metadata.get("targetPrefix") else None

    def raw(self, operation: OperationModel, request: Request) -> dict[str, Any]:  # noqa: ARG002 - the same for each
        """Return the arguments as JSON values, not yet held to the operation's shape."""
        return _json(request.body)


class RestReader(RequestReader):
    """rest-json and rest-xml: method and path tell the operation; arguments stand in path, query, headers and body."""

    def find(self, request: Request) -> OperationModel | None:
        """Return the operation that a request asks for, None if it is no operation of this service."""
        matching = (
            name
            for name, (method, pattern) in self._routes.items()
            if method == request.method and pattern.fullmatch(request.path)
        )
        return self.operations.get(next(matching, ""))

    def raw(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments as JSON values, not yet held to the operation's shape."""
        shape = operation.input_shape
        payload = shape.serialization.get("payload")
        body = _json(request.body) if request.body else {}
        arguments: dict[str, Any] = {payload: body} if payload else _renamed(shape, body)
        for name, member in shape.members.items():
            if place := member.serialization.get("location"):
                found = self._located(operation, request, place, member.serialization.get("name", name))
                arguments[name] = _texts(member, found, name) if found else None
        return arguments

    def _located(self, operation: OperationModel, request: Request, place: str, name: str) -> list[str]:
        if place == "uri":
            match = self._routes[operation.name][1].fullmatch(request.path)
            labels = [label.rstrip("+") for label in _LABEL.findall(operation.http["requestUri"].partition("?")[0])]
            return [unquote(match[labels.index(name) + 1])] if match else []
        if place == "header":
            return [request.headers[name]] if name in request.headers else []
        return [value for key, value in request.parameters if key == name]

    @cached_property
    def _routes(self) -> Mapping[str, tuple[str, re.Pattern[str]]]:
        """Method and path of each operation; paths with more fixed text first: `/jobs/summary`, then `/jobs/{id}`."""
        paths = {name: model.http["requestUri"].partition("?")[0] for name, model in self.operations.items()}
        names = sorted(paths, key=lambda name: -len(_LABEL.sub("", paths[name])))
        return {name: (self.operations[name].http["method"], _pattern(paths[name])) for name in names}


class QueryReader(RequestReader):
    """query: a form with the operation as `Action`."""

    def find(self, request: Request) -> OperationModel | None:
        """Return the operation that a request asks for, None if it is no operation of this service."""
        form = self._form(request)
        if form.get("Version", self.service.api_version) != self.service.api_version:
            return None
        return self.operations.get(form.get("Action", ""))

    def raw(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments as JSON values, not yet held to the operation's shape."""
        found = _nested(operation.input_shape, "", self._form(request))
        return found if isinstance(found, dict) else {}

    def _form(self, request: Request) -> dict[str, str]:
        return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)) | dict(request.parameters)


def reader(service: ServiceModel, operations: Iterable[str]) -> RequestReader:
    """Return the reader for a service's protocol; raises LookupError for a protocol that no catalog has needed yet."""
    return READERS[service.resolved_protocol](service, operations)


READERS: Mapping[str, type[RequestReader]] = {
    "json": JsonReader,
    "query": QueryReader,
    "rest-json": RestReader,
    "rest-xml": RestReader,
}

_LABEL = re.compile(r"{([^}]+)}")


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for a path of a model; a label such as `{key+}` takes slashes too."""
    pieces = _LABEL.split(path)
    labels = ["(.+)" if label.endswith("+") else "([^/]+)" for label in pieces[1::2]]
    fixed = [re.escape(piece) for piece in pieces[::2]]
    return re.compile("".join(piece + label for piece, label in zip(fixed, [*labels, ""], strict=True)))


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid("The request body is not a JSON object")
    return found


def _renamed(shape: StructureShape, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body's members under their own names instead of those on the wire."""
    return {name: body.get(member.serialization.get("name", name)) for name, member in shape.members.items()}


def _texts(shape: Shape, texts: list[str], where: str) -> Any:
    if isinstance(shape, ListShape):
        return [values.from_text(shape.member, text, where) for text in texts]
    return values.from_text(shape, texts[0], where)


def _nested(shape: Shape, prefix: str, form: Mapping[str, str]) -> Any:
    """Return what a form says under a prefix: `Tags.member.1.Key`."""
    if isinstance(shape, StructureShape):
        found = {name: _nested(member, _under(prefix, member, name), form) for name, member in shape.members.items()}
        known = {name: value for name, value in found.items() if value is not None}
        return known or None
    if isinstance(shape, ListShape):
        flat = shape.serialization.get("flattened")
        inner = prefix if flat else f"{prefix}.{shape.member.serialization.get('name', 'member')}"
        return _numbered(shape.member, inner, form)
    if isinstance(shape, MapShape) or prefix not in form:
        return None
    return values.from_text(shape, form[prefix], prefix)


def _numbered(shape: Shape, prefix: str, form: Mapping[str, str]) -> list[Any] | None:
    found: list[Any] = []
    while (value := _nested(shape, f"{prefix}.{len(found) + 1}", form)) is not None:
        found.append(value)
    return found or None


def _under(prefix: str, member: Shape, name: str) -> str:
    return f"{prefix}.{member.serialization.get('name', name)}".lstrip(".")
