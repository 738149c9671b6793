"""The settings as dotted flags, like those of Prometheus: `--poll.interval`.

pydantic-settings has a command line too (`CliSettingsSource`), but it splits lists at `[`, so that `[::1]:10058` is an
invalid address, takes an organization for an element of the list of accounts, and reports an error without its flag.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from itertools import groupby
from operator import getitem
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.jobs import State
from exporter.settings.model import Settings
from exporter.settings.sections import Section
from exporter.text.durations import Duration

KeyPath = tuple[str, ...]
"""The steps to a setting: `("poll", "interval")`."""


def fields(model: type[BaseModel] = Settings, within: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Yield the path and the field of each setting that has a flag, those of sections within sections included."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields(field.annotation, (*within, name))
        else:
            yield (*within, name), field


@cache
def paths() -> frozenset[KeyPath]:
    """Return the path of each setting that has a flag."""
    return frozenset(path for path, _ in fields())


def flag(path: KeyPath) -> str:
    """Return the flag of a setting."""
    return f"--{'.'.join(path).replace('_', '-')}"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting to a parser. Flags that are not given are absent from what it parses."""
    for title, settings in groupby(fields(), key=lambda setting: setting[0][0] if len(setting[0]) > 1 else "other"):
        group = parser.add_argument_group(f"{title} settings")
        for path, field in settings:
            # A command has all flags of the main parser, and argparse lets the command's values win, its defaults
            # included. So a flag before the command would be lost if there were defaults.
            group.add_argument(flag(path), dest=".".join(path), default=argparse.SUPPRESS, **_form(path, field))


def given(options: argparse.Namespace) -> dict[KeyPath, Any]:
    """Return the settings whose flags were given, by their paths."""
    return {path: getattr(options, name) for path in paths() if (name := ".".join(path)) in options}


def json_or_text(text: str) -> Any:
    """Return the value of a JSON text; any other text as it is, because validation explains better what is wrong."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def help_text(field: FieldInfo) -> str:
    """Return the description of a setting on one line."""
    return " ".join((field.description or "").split())


@cache
def _defaults() -> dict[str, Any]:
    """Return all defaults as they are written in the file: a duration is `1m`."""
    return Settings.model_construct().model_dump(mode="json")


def _form(path: KeyPath, field: FieldInfo) -> dict[str, Any]:
    """Return how argparse reads a flag and explains it."""
    text = help_text(field).replace("%", "%%").replace("`", "")
    if field.annotation is bool:
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if len(path) == 1:
        return {"type": json_or_text, "metavar": "JSON", "help": text}
    default: Any = reduce(getitem, path, _defaults())
    is_list = isinstance(default, list)
    shown = ", ".join(default) if is_list else default
    return {
        "action": "append" if is_list else "store",
        "metavar": _metavar(field.rebuild_annotation()),
        "help": text if default is None else f"{text} (default: {shown})",
    }


_METAVARS: Mapping[Any, str] = {
    Duration: "DURATION",
    Path: "FILE",
    State: "STATE",
    int: "NUMBER",
    float: "NUMBER",
    str: "TEXT",
}


def _metavar(annotation: Any) -> str:
    """Return what to call a value of a type, or an element of a list of them."""
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return _METAVARS.get(annotation) or _metavar(get_args(annotation)[0])
