"""Responses and errors as bytes, in each of AWS's protocols."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from exporter.simulator.aws_error import AwsError


class Response(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Encoded(str):
    """Text in the service's protocol, which goes into a response unchanged."""

    __slots__ = ()


class ResponseWriter:
    """Writes the responses of one service, in the service's protocol.

    Members that are not in the body are left out: no operation of the catalog has one that a client looks at.
    Raises LookupError for a protocol that the catalog has not needed yet.
    """

    def __init__(self, service: ServiceModel) -> None:
        self._protocol: str = service.resolved_protocol
        version = service.metadata.get("jsonVersion", "1.0")
        self._content_type = {
            "json": f"application/x-amz-json-{version}",
            "rest-json": "application/json",
            "query": "text/xml",
            "ec2": "text/xml",
            "rest-xml": "text/xml",
        }[self._protocol]

    def encode(self, shape: Shape, value: Any) -> Encoded:
        """Return a part of a response as text."""
        return Encoded(_xml(shape, value) if self._content_type == "text/xml" else _json(shape, value))

    def output(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Response:
        """Return the response with an operation's output."""
        body: str = self.encode(operation.output_shape, output)
        if self._protocol == "rest-xml":
            body = _tagged(operation.output_shape.serialization.get("name", operation.output_shape.name), body)
        elif self._protocol == "query":
            result = _tagged(operation.output_shape.serialization["resultWrapper"], body)
            metadata = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            body = _tagged(f"{operation.name}Response", result + metadata)
        elif self._protocol == "ec2":
            body = _tagged(f"{operation.name}Response", _tagged("requestId", request_id) + body)
        return self._response(operation.http.get("responseCode", 200), body, request_id)

    def error(self, operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
        """Return the response for an error; `operation` is None where the request was for no operation."""
        status = error.status_of(operation)
        if self._content_type != "text/xml":
            return json_error(error, status, request_id, self._content_type)
        fault = "Receiver" if error.code.startswith("Internal") else "Sender"
        text = f"<Type>{fault}</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        body = f"<ErrorResponse><Error>{text}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        return self._response(status, body, request_id)

    def _response(self, status: int, body: str, request_id: str) -> Response:
        headers = {"Content-Type": self._content_type, "x-amzn-RequestId": request_id}
        return Response(status, headers, body.encode(errors="replace"))


def json_error(error: AwsError, status: int, request_id: str, content_type: str = "application/json") -> Response:
    """Return an error as JSON, with its code where json has it and where rest-json has it."""
    headers = {"Content-Type": content_type, "x-amzn-RequestId": request_id, "x-amzn-errortype": error.code}
    return Response(status, headers, json.dumps({"__type": error.code, "message": error.message}).encode())


def iso(seconds: float) -> str:
    """Return a time as `2026-11-20T22:41:05.250Z`."""
    return datetime.fromtimestamp(round(seconds, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(shape: Shape, value: Any) -> str:
    if isinstance(value, Encoded):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        members = ((shape.members.get(name, _UNKNOWN), name, member) for name, member in value.items())
        fields = (
            f'"{inner.serialization.get("name", name)}":{_json(inner, member)}'
            for inner, name, member in members
            if "location" not in inner.serialization
        )
        return "{" + ",".join(fields) + "}"
    if isinstance(shape, ListShape) and isinstance(value, list):
        return "[" + ",".join([_json(shape.member, member) for member in value]) + "]"
    return json.dumps(_scalar(shape, value, "unixtimestamp"))


def _xml(shape: Shape, value: Any) -> str:
    """Return what is between an element's tags; lists are never flattened in the catalog's operations."""
    if isinstance(value, Encoded):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        given = ((name, member) for name, member in value.items() if member is not None)
        members = ((shape.members.get(name, _UNKNOWN), name, member) for name, member in given)
        return "".join(
            _tagged(inner.serialization.get("name", name), _xml(inner, member))
            for inner, name, member in members
            if "location" not in inner.serialization
        )
    if isinstance(shape, ListShape) and isinstance(value, list):
        tag = shape.member.serialization.get("name", "member")
        return "".join(_tagged(tag, _xml(shape.member, member)) for member in value)
    text = str(_scalar(shape, value, "iso8601"))
    return escape(_UNPRINTABLE.sub("\ufffd", text.lower() if isinstance(value, bool) else text))


def _tagged(tag: str, content: str) -> str:
    return f"<{tag}>{content}</{tag}>"


def _scalar(shape: Shape, value: Any, time_format: str) -> Any:
    if shape.type_name == "timestamp" and isinstance(value, int | float):
        return _TIME[shape.serialization.get("timestampFormat", time_format).lower()](value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_TIME: Mapping[str, Callable[[float], str | float]] = {
    "iso8601": iso,
    "unixtimestamp": lambda seconds: round(seconds, 3),
}

_UNKNOWN = StringShape("Unknown", {"type": "string"})
"""The shape of a member that the model does not have."""

_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot represent."""
