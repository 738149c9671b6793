"""The settings as dotted flags: `--poll.interval`, as Prometheus writes them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.settings.model import Settings
from exporter.settings.sections import Section


class _Setting(NamedTuple):
    """A single setting: the path to it, its field, and its default as a person writes it."""

    path: tuple[str, ...]
    field: FieldInfo
    default: Any


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give a parser a flag for every setting. What is not given stays out of what it parses."""
    for name, settings in groupby(_settings(), key=lambda setting: setting.path[0]):
        group = parser.add_argument_group(f"{name} settings")
        for setting in settings:
            dest = ".".join(setting.path)
            group.add_argument(_flag(setting.path), dest=dest, default=argparse.SUPPRESS, **_form(setting))


def paths() -> frozenset[tuple[str, ...]]:
    """Return the path of each setting that has a flag."""
    return frozenset(setting.path for setting in _settings())


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the flags that were given, as settings in sections."""
    settings: dict[str, Any] = {}
    for path in paths():
        if (value := getattr(options, ".".join(path), None)) is not None:
            section = settings
            for step in path[:-1]:
                section = section.setdefault(step, {})
            section[path[-1]] = value
    return settings


def _form(setting: _Setting) -> dict[str, Any]:
    """Return how argparse reads a flag and explains it."""
    kind = str(setting.field.annotation)
    text = (setting.field.description or "").replace("%", "%%")
    if setting.field.annotation is bool:
        return {"action": argparse.BooleanOptionalAction, "help": text}
    if len(setting.path) == 1:
        return {"type": _json, "metavar": "JSON", "help": text}
    metavar = _metavar(setting)
    shown = ", ".join(map(str, setting.default)) if isinstance(setting.default, list) else setting.default
    form = {"metavar": metavar, "help": text if shown is None else f"{text} (default: {shown})"}
    return {**form, "action": "append"} if kind.startswith("tuple") else form


def _metavar(setting: _Setting) -> str:
    """Return what a person calls the value of a flag."""
    annotation, example = setting.field.annotation, setting.default
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    if "float" in str(annotation):
        # Durations are numbers inside and text outside.
        return "NUMBER" if isinstance(example, float) else "DURATION"
    names = {"Path": "FILE", "int": "NUMBER"}
    return next((word for part, word in names.items() if part in str(annotation)), "TEXT")


def _json(text: str) -> Any:
    """Return what a JSON text says, and any other text as it stands: the settings say what is wrong with it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _flag(path: tuple[str, ...]) -> str:
    return f"--{'.'.join(path).replace('_', '-')}"


def _settings(section: type[BaseModel] = Settings, within: tuple[str, ...] = ()) -> Iterator[_Setting]:
    """Yield each single setting, of sections within sections too."""
    defaults = section().model_dump(mode="json") if within else {}
    for name, field in section.model_fields.items():
        inner, path = field.annotation, (*within, name)
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from _settings(inner, path)
        else:
            yield _Setting(path, field, defaults.get(name))
