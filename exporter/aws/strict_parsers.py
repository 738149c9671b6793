"""Checks that a response is one: botocore reads what it does not understand as an empty list, and jobs would vanish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from aiobotocore.parsers import AioResponseParserFactory
from botocore.model import StructureShape
from botocore.parsers import ResponseParserError

from exporter.aws.items import at, text
from exporter.aws.poll_error import KNOWN_CODES

_ERRORS = 301
"""The first HTTP status that botocore reads as an error; errors may have any form."""

_REFUSED = 400
"""The HTTP status of an error that came with that of a success: its code says more."""

_ANYWHERE = {"Message", "RequestId", "Status", "message"}
"""Members that some shapes have, and that errors have, too."""

_OF_ERRORS = {"__type", "code", "error", "errorcode", "errormessage", "errors", "message"}
"""Names of the members of errors, in lower case."""

_FOREIGN = {"Error", "ErrorResponse", "Response", "html"}
"""The roots of errors, and of pages: what is in them is no member of a shape."""

_MOST = 500_000
"""Values that a body may have: 250 for each item of the largest page, where real items have less than 50.

A body can be within the limit on its size and still take a hundred times its size once it is read.
"""

_BEFORE_JSON, _BEFORE_XML = b",[{", b"<="
"""What stands before each value. Texts have some of it, too: the limit leaves room for them."""

_EMPTY = {"DeleteMessageBatch": {"Failed", "Successful"}}
"""Lists that a model requires and a response may leave out where they are empty, by operation: SQS's of messages."""

_IsAnswer = Callable[[str, StructureShape, Mapping[str, Any], bytes], bool]
"""Whether the body of a success is an operation's response, given its shape and what botocore read of it."""


class StrictParserFactory(AioResponseParserFactory):  # type: ignore[misc] # aiobotocore has no types
    """Makes parsers that raise ResponseParserError for a response that does not fit its model."""

    def create_parser(self, protocol_name: str) -> _StrictParser:
        """Return the parser of a protocol."""
        parser = super().create_parser(protocol_name)
        if "json" in protocol_name:
            parser._parse_body_as_json = _quickly(parser._parse_body_as_json)  # noqa: SLF001 - botocore has no setting
        return _StrictParser(parser, _XML.get(protocol_name, _is_json))


def restate(response: tuple[Any, Mapping[str, Any]] | None, **_: Any) -> None:
    """Give a response the HTTP status of the error that it was read as (botocore's `needs-retry`)."""
    if response is not None:
        http_response, parsed = response
        http_response.status_code = parsed["ResponseMetadata"].get("HTTPStatusCode", http_response.status_code)


def _quickly(slow: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a function that reads JSON in less than half the time; what is not strictly JSON is read as before."""

    def read(body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            # Nothing, NaN, half a character: what Python accepts, and what botocore makes an error of.
            return slow(body)

    return read


class _StrictParser:
    def __init__(self, parser: Any, is_answer: _IsAnswer) -> None:
        self._parser = parser
        self._is_answer = is_answer

    async def parse(self, response: Mapping[str, Any], shape: StructureShape | None) -> dict[str, Any]:
        """Return a response in the form of `shape`; raises ResponseParserError if it does not fit."""
        overload = _overload(response["body"], is_xml=self._is_answer is not _is_json)
        if response["status_code"] >= _ERRORS:
            error = None if overload else await self._error(response, shape)
            # A page may be XML as well, and then says nothing as an error. The members of one are parsed apart.
            if error is not None and (at(error, "Error.Code") or (shape and shape.metadata.get("exception"))):
                return error
            return _unreadable(response)
        if overload:
            raise ResponseParserError(f"a response with {overload}: {_shortened(response['body'])}")
        try:
            return await self._answer(response, shape)
        except ResponseParserError:
            # An error may come with the status of a success; see `restate`.
            error = await self._error({**response, "status_code": _REFUSED}, shape)
            if error is None or text(at(error, "Error.Code")) not in KNOWN_CODES:
                raise
            return error

    async def _error(self, response: Mapping[str, Any], shape: StructureShape | None) -> dict[str, Any] | None:
        """Return the error that a response is; None if it cannot be read as one."""
        try:
            return {**await self._parser.parse(response, shape)}
        except Exception:  # noqa: BLE001 - of any kind, because botocore's parsers take the form of a body for granted
            return None

    async def _answer(self, response: Mapping[str, Any], shape: StructureShape | None) -> dict[str, Any]:
        body = response["body"]
        try:
            parsed: dict[str, Any] = {**await self._parser.parse(response, shape)}
        # Of any kind, as above.
        except Exception as error:
            raise ResponseParserError(f"a response that cannot be read: {_shortened(body)}") from error
        if shape is None:
            return parsed
        operation = response["context"]["operation_name"]
        may_lack = _EMPTY.get(operation, ())
        required = [name for name in shape.required_members if name in shape.members and name not in may_lack]
        missing = [name for name in required if parsed.get(name) is None]
        # Whatever its model says, AWS leaves out a value that does not apply, such as the reason of a job that did not
        # fail (DescribeCompilationJob): no list, though, and never all.
        if len(missing) < len(required):
            missing = [name for name in missing if shape.members[name].type_name in {"list", "structure"}]
        if missing:
            raise ResponseParserError(f"a response without {', '.join(missing)}: {_shortened(body)}")
        if shape.members and not self._is_answer(operation, shape, parsed, body):
            raise ResponseParserError(f"a response with none of the expected members: {_shortened(body)}")
        return parsed


def _is_json(_: str, shape: StructureShape, parsed: Mapping[str, Any], body: bytes) -> bool:
    """Return whether a body has a member of its shape, or nothing: some services omit a list that would be empty."""
    if parsed.keys() & shape.members.keys() - _ANYWHERE:
        return True
    try:
        content = json.loads(body)
    except ValueError:
        return False
    names = {member.serialization.get("name", name) for name, member in shape.members.items()}
    if not isinstance(content, dict) or (content and names.isdisjoint(content)):
        return False
    return not any(value for name, value in content.items() if name.lower() in _OF_ERRORS)


def _is_query(operation: str, _: StructureShape, __: Mapping[str, Any], body: bytes) -> bool:
    """Return whether a body is the document that the protocols `query` and `ec2` have for an operation."""
    return _root(body) == f"{operation}Response"


def _is_rest_xml(_: str, shape: StructureShape, parsed: Mapping[str, Any], body: bytes) -> bool:
    """Return whether a body is the document of its shape, by the name of its root or by a member.

    The root has the name of the shape in the body, but some services have another (S3, of its oldest operations).
    """
    body_shape = shape.members.get(shape.serialization.get("payload"), shape)
    # The loader puts a dot and a number behind the name of a shape that it cut.
    name = body_shape.serialization.get("name", body_shape.name.partition(".")[0])
    root = _root(body)
    return root == name or (root not in _FOREIGN and not parsed.keys().isdisjoint(shape.members))


_XML: Mapping[str, _IsAnswer] = {"query": _is_query, "ec2": _is_query, "rest-xml": _is_rest_xml}


def _root(body: bytes) -> str:
    """Return the name of a document's root, without its namespace; empty if it has none."""
    if not body:
        return ""
    _, root = next(ET.iterparse(BytesIO(body), ("start",)))  # noqa: S314 - botocore's parser has read it, too
    return str(root.tag).rpartition("}")[2]


def _overload(body: bytes, *, is_xml: bool) -> str:
    """Return what makes a body too costly to read; empty if nothing does."""
    # Entities are short names for long texts, within one another; AWS has none.
    if is_xml and b"<!ENTITY" in body:
        return "XML entities"
    # A count takes a millisecond for each megabyte, and most bodies are too short for so many values.
    marks = _BEFORE_XML if is_xml else _BEFORE_JSON
    if len(body) > _MOST and _count(body, marks) > _MOST and (is_xml or _count(_TEXT.sub(b"", body), marks) > _MOST):
        return f"more than {_MOST:,} values"
    return ""


_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
"""A string of JSON. Anybody may have written a megabyte of commas into a message: no reason to read no other."""


def _count(body: bytes, marks: bytes) -> int:
    return sum(map(body.count, marks))


def _unreadable(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error of which only the HTTP status is known."""
    status = response["status_code"]
    return {
        "Error": {"Code": str(status), "Message": _shortened(response["body"])},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": dict(response["headers"])},
    }


def _shortened(body: bytes) -> str:
    """Return the start of a body, for people."""
    return repr(body[:80].decode(errors="replace"))
