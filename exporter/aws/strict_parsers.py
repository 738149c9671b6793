"""Checks that a response is one: botocore reads what it does not understand as an empty list, and jobs would vanish."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import orjson
from aiobotocore.parsers import AioResponseParserFactory
from botocore.model import StructureShape
from botocore.parsers import ResponseParserError

_ERRORS = 301
"""The first HTTP status that botocore reads as an error; errors may have any form."""


class StrictParserFactory(AioResponseParserFactory):  # type: ignore[misc] # aiobotocore has no types
    """Makes parsers that raise ResponseParserError for a response that does not fit its model."""

    def create_parser(self, protocol_name: str) -> _StrictParser:
        """Return the parser of a protocol."""
        parser, is_json = super().create_parser(protocol_name), "json" in protocol_name
        if is_json:
            parser._parse_body_as_json = _quickly(parser._parse_body_as_json)  # noqa: SLF001 - botocore has no setting
        return _StrictParser(parser, is_json=is_json)


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
    def __init__(self, parser: Any, *, is_json: bool) -> None:
        self._parser = parser
        self._is_empty = _is_empty_json if is_json else _is_empty_xml

    async def parse(self, response: Mapping[str, Any], shape: StructureShape | None) -> dict[str, Any]:
        """Return a response in the form of `shape`; raises ResponseParserError if it does not fit."""
        is_success = response["status_code"] < _ERRORS
        try:
            parsed: dict[str, Any] = {**await self._parser.parse(response, shape)}
        # Of any kind, because botocore's parsers take the form of a body for granted.
        except Exception as error:
            if not is_success:
                return _unreadable(response)
            raise ResponseParserError(f"a response that cannot be read: {_shortened(response['body'])}") from error
        if is_success and shape is not None:
            self._check(parsed, response["body"], shape)
        return parsed

    def _check(self, parsed: Mapping[str, Any], body: bytes, shape: StructureShape) -> None:
        """Raise ResponseParserError if a body has not what its shape promises."""
        missing = [name for name in shape.required_members if name in shape.members and parsed.get(name) is None]
        if missing:
            raise ResponseParserError(f"a response without {', '.join(missing)}: {_shortened(body)}")
        # Either there is nothing to list, and some services then omit the list, or this is not a response of AWS.
        if shape.members and not parsed.keys() & shape.members.keys() and not self._is_empty(body, shape):
            raise ResponseParserError(f"a response with none of the expected members: {_shortened(body)}")


def _is_empty_json(body: bytes, shape: StructureShape) -> bool:
    """Return whether a body is a response whose members are all missing or null."""
    try:
        content = json.loads(body)
    except ValueError:
        return False
    names = {member.serialization.get("name", name) for name, member in shape.members.items()}
    return isinstance(content, dict) and (not content or not names.isdisjoint(content))


def _is_empty_xml(body: bytes, _: StructureShape) -> bool:
    """Return whether a body, which is XML or empty, is a document other than a page of HTML."""
    return bool(body) and ET.fromstring(body).tag.lower() != "html"  # noqa: S314 - botocore's parser has read it, too


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
