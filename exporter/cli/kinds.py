"""The command that lists the kinds of the catalog, and drafts new ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import yaml

from exporter.catalog import Catalog, Kind, Service
from exporter.catalog.models import Models
from exporter.cli.draft import draft
from exporter.cli.invocation import Invocation, table
from exporter.settings import ConfigurationError
from exporter.text.durations import format_duration
from exporter.text.spelling import did_you_mean

HEADER = ("service", "kind", "title", "scope", "reason from", "filters", "retention", "polled only")

Row = tuple[str, ...]
"""One kind, with a text for each column of `HEADER`."""


async def kinds(invocation: Invocation) -> int:
    """Print the catalog or the named part of it, or draft a new entry."""
    names = invocation.options.names
    if names[:1] == ["new"]:
        print(_draft(names[1:]), end="")
        return 0
    catalog = invocation.settings().catalog(invocation.catalog)
    known = {*catalog.names, *map(str, catalog.kinds())}
    if unknown := [name for name in names if name not in known]:
        raise ConfigurationError([f"kinds: the catalog has no {name!r}{did_you_mean(name, known)}" for name in unknown])
    if invocation.options.output == "yaml":
        named = (kind for kind in catalog.kinds() if not names or {kind.service, str(kind)} & set(names))
        print("---\n".join(_entries(kinds) for _, kinds in groupby(named, key=lambda kind: kind.service)), end="")
    else:
        chosen = [row for row in rows(catalog) if not names or {row[0], "/".join(row[:2])} & set(names)]
        print(table([title.upper() for title in HEADER], chosen))
        shown = {row[:2] for row in chosen} if names else set()
        if open_ := [f"{name}: {doubt}" for name, doubt in doubts(catalog) if tuple(name.split("/")) in shown]:
            print("", "What AWS's documentation leaves open:", *open_, sep="\n")
    return 0


def doubts(catalog: Catalog) -> list[Row]:
    """Return the name of each kind of which AWS's documentation leaves something open, and what that is."""
    return [(str(kind), kind.doubt) for kind in catalog.kinds() if kind.doubt]


def rows(catalog: Catalog) -> list[Row]:
    """Return a row for each kind of the catalog."""
    services = [catalog[name] for name in catalog.names]
    return [_row(service, kind) for service in services for kind in service.kinds.values()]


def _row(service: Service, kind: Kind) -> Row:
    scope = " > ".join(name for name, _ in kind.scopes)
    filters = (" and " if kind.filters.combined else ", ").join(key for key, _ in kind.filters.paths())
    reason = "list" if kind.reason else kind.details.operation if kind.details else ""
    return kind.service, kind.key, kind.title, scope, reason, filters, retention(kind), _polled(service, kind)


def retention(kind: Kind) -> str:
    """Return how long AWS lists a job that has ended; empty where no source says."""
    kept = kind.retention
    if kept is None:
        return ""
    return f"{format_duration(kept.period)} from its {'creation' if kept.since == 'created' else 'end'}"


def _polled(service: Service, kind: Kind) -> str:
    """Return where a kind is polled, nothing for one that is polled without being named."""
    if kind.end_of_life:
        return f"if named (ended {kind.end_of_life})"
    if kind.closed:
        return f"if the service is named (closed to new customers {kind.closed})"
    if kind.opt_in:
        return "if the kind is named"
    return "if the service is named" if service.opt_in else ""


def _draft(words: Sequence[str]) -> str:
    if len(words) != len(("SERVICE", "OPERATION")):
        raise ConfigurationError(
            ["kinds new: takes a service and a list operation, such as kinds new bedrock ListModelImportJobs"]
        )
    try:
        return draft(Models(), *words)
    except LookupError as error:
        raise ConfigurationError([f"kinds new: {error.args[0]}"]) from None


def _entries(kinds: Iterable[Kind]) -> str:
    """Return kinds as YAML that can be used under `kinds` in a configuration."""
    return "\n".join(yaml.safe_dump({kind.key: _entry(kind)}, sort_keys=False, width=100) for kind in kinds)


def _entry(kind: Kind) -> dict[str, Any]:
    unsaid = {"service", "key", "scopes", "permissions", "end_of_life", "closed", "opt_in"}
    entry = kind.model_dump(mode="json", exclude=unsaid, exclude_defaults=True)
    entry["id"] = entry["id"][0] if len(kind.id) == 1 else entry["id"]
    scopes = {name: scope.model_dump(mode="json", exclude_defaults=True) for name, scope in kind.scopes}
    return {"service": kind.service, **entry, **({"scopes": scopes} if scopes else {})}
