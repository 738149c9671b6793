"""What pydantic says of a wrong value, in words for a person."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from typing import Any

from exporter.text.redaction import redacted

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
    message = redacted(message).replace("Input should be", "must be")
    message = message.replace("String should match pattern", "must match")
    value = shown(problem["input"])
    told = problem["type"] == "missing" or value.strip('"') in message
    return message if told else f"{message}, not {value}"


def shown(value: Any) -> str:
    """Return a value of a configuration as JSON, cut where it is long."""
    try:
        text = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        # YAML has keys that JSON has not, such as dates.
        text = reprlib.repr(value)
    text = redacted(text)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


_LONG = 200
