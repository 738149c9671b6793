"""AWS's answers, read strictly: what is not the answer that was asked for fails, it does not count as an empty one.

botocore takes a body that is no JSON for a structure without members, so a proxy's page would say: there are no jobs.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from aiobotocore.parsers import AioResponseParser, AioResponseParserFactory
from botocore.parsers import ResponseParserError

_ERRORS = 301
"""From this HTTP status on botocore reads an answer as an error; those may be in any form."""


class StrictParserFactory(AioResponseParserFactory):  # type: ignore[misc] # botocore has no types
    """Makes botocore's parsers for one answer each; whatever they cannot read is a ResponseParserError."""

    def create_parser(self, protocol_name: str) -> Any:
        """Return a parser for one answer in a protocol."""
        parser = super().create_parser(protocol_name)
        parser.__class__ = _strict(parser.__class__)
        return parser


class _Strict(AioResponseParser):  # type: ignore[misc] # botocore has no types
    """Stands before a parser of botocore's and lets it read what it should."""

    _is_error = False

    async def parse(self, response: Any, shape: Any) -> Any:
        self._is_error = response["status_code"] >= _ERRORS
        try:
            return await super().parse(response, shape)
        except ResponseParserError:
            raise
        except Exception as error:
            # What a parser stumbles over is as manifold as what can stand in an answer.
            raise ResponseParserError(f"unreadable answer: {type(error).__name__}: {error}") from error

    def _parse_body_as_json(self, body: bytes) -> Any:
        if self._is_error:
            content = super()._parse_body_as_json(body)
            return content if isinstance(content, dict) else {}
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ResponseParserError(f"unreadable answer: JSON, but no object: {body[:80]!r}")
        return content

    def _parse_xml_string_to_dom(self, body: bytes) -> Any:
        root = super()._parse_xml_string_to_dom(body)
        if not self._is_error and root.tag.lower() == "html":
            raise ResponseParserError("unreadable answer: a page of HTML")
        return root

    def _initial_body_parse(self, body: bytes) -> Any:
        if not body and not self._is_error:
            raise ResponseParserError("unreadable answer: it is empty")
        return super()._initial_body_parse(body)


@cache
def _strict(lenient: Any) -> Any:
    """Return a class of parsers that read as `lenient` does, but strictly."""
    return type(f"Strict{lenient.__name__}", (_Strict, lenient), {})
