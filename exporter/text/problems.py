"""The errors of pydantic in words for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, get_args

from pydantic import BaseModel

from exporter.text.redaction import redacted
from exporter.text.spelling import did_you_mean

_IN_OUR_WORDS = {
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "missing": "is missing",
    "model_attributes_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}

_ACCOUNT_ID = 12
"""Digits of the id of an account."""

_LONG = 200
"""Characters of a value to show."""


def in_words(problem: Mapping[str, Any], model: type[BaseModel] | None = None) -> str:
    """Return what is wrong with a value, and the value unless the words include it.

    For an unknown key of a `model`, the nearest known keys are suggested instead.
    """
    if problem["type"] == "extra_forbidden" and model:
        return f"unknown key{did_you_mean(str(problem['loc'][-1]), _keys_beside(problem['loc'], model))}"
    message = _IN_OUR_WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
    message = redacted(message).replace("Input should be", "must be")
    message = message.replace("String should match pattern", "must match")
    value = shown(problem["input"])
    # Our own validators name the value where it helps; pydantic's messages do not.
    is_shown = problem["type"] == "missing" or (problem["type"] == "value_error" and value.strip('"') in message)
    return message if is_shown else f"{message}, not {value}{_quoted(problem)}"


def _quoted(problem: Mapping[str, Any]) -> str:
    """Return a hint if a value that must be text is one only in quotes, as an id of an account that starts with 0."""
    value = problem["input"]
    if problem["type"] != "string_type" or not isinstance(value, bool | int | float | date):
        return ""
    octal = f"0{value:o}" if type(value) is int else ""
    if len(octal) == _ACCOUNT_ID:
        return f'; without quotes, YAML reads {octal} as an octal number: write "{octal}"'
    return "; write it in quotes"


def shown(value: Any) -> str:
    """Return a value of a configuration as JSON, cut if it is long."""
    try:
        text = json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        text = _represented(value)
    text = redacted(text)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _represented(value: Any) -> str:
    """Return a value that JSON does not have: YAML has keys such as dates, and numbers without a limit."""
    try:
        return repr(value)
    except (ValueError, RecursionError):
        return "what is too large to show"


def tag(model: type[BaseModel]) -> str:
    """Return the step that stands for a model of a union in the location of a problem, in brackets unlike any key."""
    return f"[{model.__name__}]"


def _keys_beside(location: tuple[str | int, ...], model: type[BaseModel]) -> set[str]:
    """Return the keys that are allowed where the last step of a location is."""
    models = [model]
    for step in location[:-1]:
        fields = [model.model_fields[step] for model in models if step in model.model_fields]
        inner = [inner for field in fields for inner in _models(field.annotation)]
        # pydantic puts the tag of the chosen member of a union into the location, as if it were a key.
        tagged = [model for model in models if step == tag(model)]
        # An index is a step, too; it stays within the same models.
        models = inner or tagged or models
    return {name for model in models for name in model.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within an annotation: that of `tuple[Account, ...]`, both of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
