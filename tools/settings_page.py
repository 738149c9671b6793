"""Writes the table of docs/configuration.md from the fields of the settings: `make docs`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from exporter.settings import Account, EventQueue, Group, Organization, ServiceSettings, Settings
from exporter.settings.flags import help_text

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

_TABLE = re.compile(r"^(\| key \| flag \| default \| meaning \|\n\|[-|]+\|\n)((?:\|.*\n)*)", re.MULTILINE)

INNER: dict[str, list[tuple[type[BaseModel], str]]] = {
    "accounts": [(Account, "[]"), (Organization, ".organization")],
    "events": [(EventQueue, "[]")],
    "groups": [(Group, "[]")],
    "services": [(ServiceSettings, ".SERVICE")],
}
"""The models within settings that are lists or mappings, which have no flags."""

MORE = {
    "web.config.file": "See [web.md](web.md).",
    "web.disable_pages": "See [pages.md](pages.md).",
    "metrics.families.include": "See [metrics.md](metrics.md#choosing-families).",
    "limits.series": "See [metrics.md](metrics.md#bounds).",
    "accounts.organization.role_name": "See [iam.md](iam.md#an-organization).",
    "services": "See [catalog.md](catalog.md).",
    "events": "See [events.md](events.md).",
    "groups": "See [groups.md](groups.md).",
    "kinds": "See [below](#kinds-of-your-own).",
    "reasons": "See [below](#reasons-of-your-own).",
    "log.events": "See [event-log.md](event-log.md).",
    "shard.count": "See [scaling.md](scaling.md).",
    "storage.path": "See [storage.md](storage.md).",
}
"""Where the documentation says more."""

END = "...\n"
"""What YAML appends to a scalar that is a whole document."""

SCOPES = (
    "| `services.SERVICE.SCOPES` | | | Ids of the [scopes](#scopes) to read, such as `memberships: [...]`, or patterns "
    "on the names of those that are discovered: `memberships: {include: [prod-*], exclude: ['*-test']}`. If unset, all "
    "that are discovered. |\n"
)
"""The row of the keys that only the catalog knows."""


def written(text: str) -> str:
    """Return the page with its table as the code has it."""
    return _TABLE.sub(lambda found: found[1] + "".join(rows()), text)


def rows() -> Iterator[str]:
    """Yield the row of each setting, in the order of the code."""
    for key, field, has_flag in _settings(Settings):
        flag = f"`--{key.replace('_', '-')}`" if has_flag else ""
        form = "The flag takes JSON." if has_flag and "." not in key else _choices(field)
        meaning = " ".join(filter(None, (help_text(field), form, MORE.get(key))))
        yield "|".join(
            ["", *(f" {cell} " if cell else " " for cell in (f"`{key}`", flag, _default(field), meaning)), "\n"]
        )
        if key == "services.SERVICE.dimensions":
            yield SCOPES


def _settings(
    model: type[BaseModel], prefix: str = "", *, has_flag: bool = True
) -> Iterator[tuple[str, FieldInfo, bool]]:
    """Yield the key and the field of each setting, and whether it has a flag."""
    required_first = sorted(model.model_fields.items(), key=lambda item: not item[1].is_required())
    for name, field in required_first:
        key = f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{key}.", has_flag=has_flag)
            continue
        yield key, field, has_flag
        for inner, step in INNER.get(key, ()):
            yield from _settings(inner, f"{key}{step}.", has_flag=False)


def _default(field: FieldInfo) -> str:
    """Return a default as YAML writes it, empty if there is none."""
    if field.is_required() or field.default is None:
        return ""
    if field.annotation == Settings.model_fields["accounts"].annotation:
        return "`[{}]`"
    default = TypeAdapter(field.rebuild_annotation()).dump_python(
        field.get_default(call_default_factory=True), mode="json"
    )
    return f"`{yaml.safe_dump(default, default_flow_style=True, width=math.inf).removesuffix(END).strip()}`"


def _choices(field: FieldInfo) -> str:
    """Return the allowed values of a setting."""
    if get_origin(field.annotation) is not Literal:
        return ""
    *words, last = (f"`{word}`" for word in get_args(field.annotation))
    return f"One of {', '.join(words)} and {last}."


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
