"""The command that shows the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import yaml

from exporter.catalog import Kind
from exporter.catalog.spelling import did_you_mean
from exporter.cli.invocation import Invocation, table
from exporter.settings import ConfigurationError

_COLUMNS = ("SERVICE", "KIND", "TITLE", "SCOPE", "REASON FROM", "FILTERS")


async def kinds(invocation: Invocation) -> int:
    """Print the catalog, or the part of it that is named."""
    names = invocation.options.names
    chosen = [kind for kind in invocation.catalog.kinds() if not names or {kind.service, str(kind)} & set(names)]
    for name in names:
        if not any(name in (kind.service, str(kind)) for kind in chosen):
            known = {*invocation.catalog.names, *map(str, invocation.catalog.kinds())}
            raise ConfigurationError([f"kinds: the catalog has no {name!r}{did_you_mean(name, known)}"])
    if invocation.options.output == "yaml":
        print("---\n".join(_entries(kinds) for _, kinds in groupby(chosen, key=lambda kind: kind.service)), end="")
    else:
        print(table(_COLUMNS, map(_row, chosen)))
    return 0


def _row(kind: Kind) -> Sequence[str]:
    reason = kind.details.operation if kind.details else "list" if kind.reason else ""
    filters = ", ".join(name for name, path in kind.filters.model_dump().items() if path)
    return kind.service, kind.key, kind.title, " / ".join(name for name, _ in kind.scopes), reason, filters


def _entries(kinds: Iterable[Kind]) -> str:
    """Return kinds as they can stand under `kinds` in a configuration."""
    return "\n".join(yaml.safe_dump({kind.key: _entry(kind)}, sort_keys=False, width=100) for kind in kinds)


def _entry(kind: Kind) -> dict[str, Any]:
    unsaid = {"service", "key", "scopes", "permissions", "end_of_life", "opt_in"}
    entry = kind.model_dump(mode="json", exclude=unsaid, exclude_defaults=True)
    entry["id"] = entry["id"][0] if len(kind.id) == 1 else entry["id"]
    scopes = {name: scope.model_dump(mode="json", exclude_defaults=True) for name, scope in kind.scopes}
    return {"service": kind.service, **entry, **({"scopes": scopes} if scopes else {})}
