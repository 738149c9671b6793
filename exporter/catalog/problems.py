"""What pydantic says of a wrong value, in words for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from exporter.redaction import redacted

_IN_OUR_WORDS = {
    "dict_type": "must be keys and values",
    "mapping_type": "must be keys and values",
    "missing": "is missing",
    "model_attributes_type": "must be keys and values",
    "model_type": "must be keys and values",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


def in_words(problem: Mapping[str, Any]) -> str:
    """Return what is wrong with one value, and the value where the words do not show it."""
    message = _IN_OUR_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    message = (
        redacted(message).replace("Input should be", "must be").replace("String should match pattern", "must match")
    )
    value = redacted(json.dumps(problem["input"], default=str))
    shown = "" if problem["type"] == "missing" or value.strip('"') in message else f", not {_short(value)}"
    return f"{message}{shown}"


def _short(value: str) -> str:
    return value if len(value) <= _LONG else f"{value[:_LONG]}..."


_LONG = 200
