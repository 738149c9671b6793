"""Which operation a request is for, and with which arguments, in each of AWS's protocols."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StructureShape

from exporter.simulator import values
from exporter.simulator.aws_error import invalid


class Request(NamedTuple):
    """An HTTP request; the path is raw, because a label may hold an ARN whose slashes are percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the query string, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form in the body, and the parameters of the query string."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True)) | dict(self.parameters)


class RequestReader:
    """Reads the requests for some operations of one service, by the service's protocol."""

    def __init__(self, service: ServiceModel, operations: Iterable[str]) -> None:
        self._protocol: str = service.resolved_protocol
        self._target_prefix = service.metadata.get("targetPrefix")
        self._operations = {name: service.operation_model(name) for name in operations}

    def find(self, request: Request) -> OperationModel | None:
        """Return the operation that a request is for, None if it is not one of these."""
        if self._protocol == "json":
            prefix, _, name = request.headers.get("X-Amz-Target", "").rpartition(".")
            return self._operations.get(name) if prefix == self._target_prefix else None
        if self._protocol in _FORMS:
            return self._operations.get(request.form.get("Action", ""))
        for name, (method, pattern, _) in self._routes.items():
            if method == request.method and pattern.fullmatch(request.path):
                return self._operations[name]
        return None

    def arguments(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments of a request; raises AwsError where the operation's shape does not allow them."""
        if self._protocol == "json":
            raw = _json(request.body)
        elif self._protocol in _FORMS:
            raw = _from_form(operation.input_shape, "", request.form) or {}
        else:
            raw = self._rest_arguments(operation, request)
        found: dict[str, Any] = values.read(operation.input_shape, raw, "")
        return found

    def _rest_arguments(self, operation: OperationModel, request: Request) -> dict[str, Any]:
        """Return the arguments in path, headers, query string and body as JSON values."""
        _, pattern, labels = self._routes[operation.name]
        match = pattern.fullmatch(request.path)
        path = dict(zip(labels, map(unquote, match.groups()), strict=True)) if match else {}
        body = _json(request.body)
        arguments: dict[str, Any] = {}
        for name, member in operation.input_shape.members.items():
            location, wire_name = member.serialization.get("location"), member.serialization.get("name", name)
            if location is None:
                arguments[name] = body.get(wire_name)
                continue
            if location == "querystring":
                texts = [value for key, value in request.parameters if key == wire_name]
            else:
                source = path if location == "uri" else request.headers
                texts = [source[wire_name]] if wire_name in source else []
            if isinstance(member, ListShape):
                arguments[name] = [values.from_text(member.member, text, name) for text in texts] or None
            elif texts:
                arguments[name] = values.from_text(member, texts[0], name)
        return arguments

    @cached_property
    def _routes(self) -> Mapping[str, tuple[str, re.Pattern[str], list[str]]]:
        """Method, path and labels by operation, most fixed text first: `/jobs/latest` comes before `/jobs/{id}`."""
        routes = {}
        for name, model in self._operations.items():
            path = model.http["requestUri"].partition("?")[0]
            labels = [label.rstrip("+") for label in _LABEL.findall(path)]
            routes[name] = len(_LABEL.sub("", path)), (model.http["method"], _pattern(path), labels)
        return {name: route for name, (_, route) in sorted(routes.items(), key=lambda item: -item[1][0])}


_FORMS = ("query", "ec2")
"""The protocols whose requests are forms."""

_LABEL = re.compile(r"{([^}]+)}")


def _pattern(path: str) -> re.Pattern[str]:
    """Return a pattern for a path of a model; a greedy label such as `{key+}` matches slashes too."""
    # Splitting by a pattern with a group gives fixed text and labels by turns.
    fixed, *rest = _LABEL.split(path)
    pattern = re.escape(fixed)
    for label, fixed in zip(rest[::2], rest[1::2], strict=True):
        pattern += ("(.+)" if label.endswith("+") else "([^/]+)") + re.escape(fixed)
    return re.compile(pattern)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid("The request body is not a JSON object")
    return found


def _from_form(shape: Shape, prefix: str, form: Mapping[str, str]) -> Any:
    """Return what a form has under a prefix, such as `Tags.member.1.Key`; None if that is nothing."""
    if isinstance(shape, StructureShape):
        found = {
            name: _from_form(member, f"{prefix}.{name}".lstrip("."), form) for name, member in shape.members.items()
        }
        return {name: value for name, value in found.items() if value is not None} or None
    if isinstance(shape, ListShape):
        elements: list[Any] = []
        while (element := _from_form(shape.member, f"{prefix}.member.{len(elements) + 1}", form)) is not None:
            elements.append(element)
        return elements or None
    return values.from_text(shape, form[prefix], prefix) if prefix in form else None
