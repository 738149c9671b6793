"""Answers and errors as bytes, in each of AWS's protocols."""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from exporter.simulator.aws_error import AwsError


class Response(NamedTuple):
    """What goes back to the client."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Encoded(str):
    """Text that was encoded before and goes out as it stands."""

    __slots__ = ()


class Writer(ABC):
    """Writes the answers of one service."""

    def __init__(self, service: ServiceModel) -> None:
        self.service = service

    @abstractmethod
    def encode(self, shape: Shape, value: Any) -> Encoded:
        """Return a part of an answer as text."""

    @abstractmethod
    def answer(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return what an operation found."""

    @abstractmethod
    def error(self, operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
        """Return what went wrong."""


class JsonWriter(Writer):
    """json 1.0 and 1.1."""

    def encode(self, shape: Shape, value: Any) -> Encoded:
        """Return a part of an answer as text."""
        return Encoded(_json(shape, value))

    def answer(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return what an operation found."""
        body = _json(operation.output_shape, output) if operation.output_shape else "{}"
        return Response(operation.http.get("responseCode", 200), self._headers(request_id), body.encode())

    def error(self, operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
        """Return what went wrong."""
        body = json.dumps({"__type": error.code, "message": error.message})
        return Response(error.status_of(operation), self._headers(request_id), body.encode())

    def _headers(self, request_id: str) -> dict[str, str]:
        version = self.service.metadata.get("jsonVersion", "1.0")
        return {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-RequestId": request_id}


class RestJsonWriter(JsonWriter):
    """rest-json: some members of an answer stand in headers, and one may be the whole body."""

    def answer(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return what an operation found."""
        response = super().answer(operation, output, request_id)
        shape, headers = operation.output_shape, {**response.headers, **_in_headers(operation.output_shape, output)}
        if payload := shape and shape.serialization.get("payload"):
            return response._replace(headers=headers, body=_json(shape.members[payload], output[payload]).encode())
        return response._replace(headers=headers)

    def error(self, operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
        """Return what went wrong."""
        headers = {**self._headers(request_id), "x-amzn-errortype": error.code}
        return Response(error.status_of(operation), headers, json.dumps({"message": error.message}).encode())

    def _headers(self, request_id: str) -> dict[str, str]:
        return {"Content-Type": "application/json", "x-amzn-RequestId": request_id}


class RestXmlWriter(Writer):
    """rest-xml: as rest-json, in XML."""

    def encode(self, shape: Shape, value: Any) -> Encoded:
        """Return a part of an answer as text."""
        return Encoded(_content(shape, value))

    def answer(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return what an operation found."""
        shape = operation.output_shape
        headers = _in_headers(shape, output)
        root = shape.serialization.get("name", f"{operation.name}Result") if shape else f"{operation.name}Result"
        body = f"<{root}>{_content(shape, output) if shape else ''}</{root}>"
        return _xml(operation.http.get("responseCode", 200), body, request_id, headers)

    def error(self, operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
        """Return what went wrong."""
        return _xml(error.status_of(operation), _error_xml(error, request_id), request_id)


class QueryWriter(RestXmlWriter):
    """query: the answer is wrapped twice."""

    def answer(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return what an operation found."""
        shape = operation.output_shape
        content = _content(shape, output) if shape else ""
        if wrapper := shape and shape.serialization.get("resultWrapper"):
            content = f"<{wrapper}>{content}</{wrapper}>"
        name = f"{operation.name}Response"
        metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        return _xml(200, f"<{name}>{content}{metadata}</{name}>", request_id)


WRITERS: Mapping[str, type[Writer]] = {
    "json": JsonWriter,
    "query": QueryWriter,
    "rest-json": RestJsonWriter,
    "rest-xml": RestXmlWriter,
}


def writer(service: ServiceModel) -> Writer:
    """Return the writer for a service's protocol; raises LookupError for a protocol that no catalog has needed yet."""
    return WRITERS[service.resolved_protocol](service)


def iso(seconds: float) -> str:
    """Return a time as `2026-11-20T22:41:05.250Z`."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(shape: Shape, value: Any) -> str:
    if isinstance(value, Encoded):
        return value
    if value is None:
        return "null"
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return "{" + ",".join(_json_members(shape, value)) + "}"
    if isinstance(shape, ListShape) and isinstance(value, list):
        return "[" + ",".join([_json(shape.member, member) for member in value]) + "]"
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(shape.value, member)}" for key, member in value.items()) + "}"
    return json.dumps(_scalar(shape, value, "unixtimestamp"))


def _json_members(shape: StructureShape, value: Mapping[str, Any]) -> Iterator[str]:
    for name, member in value.items():
        inner = shape.members[name]
        if inner.serialization.get("location") is None:
            yield f'"{inner.serialization.get("name", name)}":{_json(inner, member)}'


def _scalar(shape: Shape, value: Any, time_format: str) -> Any:
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return _TIME[shape.serialization.get("timestampFormat", time_format).lower()](value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_TIME: Mapping[str, Callable[[float], str | float]] = {
    "iso8601": iso,
    "rfc822": lambda seconds: formatdate(seconds, usegmt=True),
    "unixtimestamp": lambda seconds: round(seconds, 3),
}


def _in_headers(shape: StructureShape | None, output: Mapping[str, Any]) -> dict[str, str]:
    """Return the members of an answer that stand in headers."""
    members = shape.members.items() if shape else ()
    placed = {name: member for name, member in members if member.serialization.get("location") == "header"}
    return {
        member.serialization.get("name", name): str(_scalar(member, output[name], "rfc822"))
        for name, member in placed.items()
        if name in output
    }


def _content(shape: Shape, value: Any) -> str:
    """Return what stands between an element's tags."""
    if isinstance(value, Encoded):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        return "".join(_element(shape.members[name], name, member) for name, member in value.items())
    if isinstance(shape, ListShape) and isinstance(value, list):
        return "".join(_tagged(shape.member.serialization.get("name", "member"), shape.member, one) for one in value)
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return "".join(
            f"<entry>{_tagged('key', shape.key, key)}{_tagged('value', shape.value, member)}</entry>"
            for key, member in value.items()
        )
    scalar = _scalar(shape, value, "iso8601")
    return escape(_UNPRINTABLE.sub("\ufffd", str(scalar).lower() if isinstance(value, bool) else str(scalar)))


def _element(shape: Shape, name: str, value: Any) -> str:
    if value is None or shape.serialization.get("location"):
        return ""
    tag = shape.serialization.get("name", name)
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        tag = shape.member.serialization.get("name", tag)
        return "".join(_tagged(tag, shape.member, member) for member in value)
    return _tagged(tag, shape, value)


def _tagged(tag: str, shape: Shape, value: Any) -> str:
    return f"<{tag}>{_content(shape, value)}</{tag}>"


def _error_xml(error: AwsError, request_id: str) -> str:
    kind = "Receiver" if error.code.startswith("Internal") else "Sender"
    text = f"<Type>{kind}</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    return f"<ErrorResponse><Error>{text}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"


def _xml(status: int, body: str, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    headers = {"Content-Type": "text/xml", "x-amzn-RequestId": request_id, **(headers or {})}
    return Response(status, headers, body.encode(errors="replace"))


_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML has no way to write."""
