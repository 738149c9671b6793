"""Writes exporter/settings/readership.yaml from the families in the code, the rules and the dashboards: `make docs`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter.settings.readership import FILE
from tools.exported import families

CONFIG = Path(__file__).parents[1] / "config"

_HEAD = "# Written by `make docs`: the metric families, and what reads them, through recording rules as well.\n"

_QUERIES = {"expr", "query", "definition"}
"""The keys of a dashboard that hold PromQL."""


def written() -> str:
    """Return the file as the code, the rules and the dashboards have it."""
    names = sorted(family.name for family in families())
    recorded, alerts = _rules()
    sources = {"alert": alerts, "recording rule": recorded, "dashboard": dict(_dashboards())}
    readers = {
        sort: {name: sorted(_read(text, names, recorded, set())) for name, text in sorted(texts.items())}
        for sort, texts in sources.items()
    }
    return _HEAD + yaml.safe_dump({"families": names, "readers": readers}, sort_keys=False, width=120)


def _rules() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the expressions of recording rules and of alerts by their names."""
    groups = [
        group
        for file in sorted(CONFIG.glob("prometheus/rules/*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    rules = [rule for group in groups for rule in group["rules"]]
    recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
    return recorded, {rule["alert"]: rule["expr"] for rule in rules if "alert" in rule}


def _dashboards() -> Iterator[tuple[str, str]]:
    """Yield the title of each dashboard with all of its queries."""
    for file in CONFIG.glob("grafana/dashboards/*.json"):
        dashboard = json.loads(file.read_text())
        yield dashboard["title"], "\n".join(_queries(dashboard))


def _queries(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key in _QUERIES and isinstance(value, str) else _queries(value)
    elif isinstance(node, list):
        for each in node:
            yield from _queries(each)


def _read(text: str, names: Collection[str], recorded: Mapping[str, str], seen: Collection[str]) -> set[str]:
    """Return the families that PromQL reads, those that the recording rules in it read included."""
    words = set(re.findall(r"[\w:]+", text))
    found = {name for word in words for name in {word, re.sub(r"_(bucket|count|sum)$", "", word)} if name in names}
    # A rule may read what it recorded before.
    for rule in words & recorded.keys() - set(seen):
        found |= _read(recorded[rule], names, recorded, {*seen, rule})
    return found


if __name__ == "__main__":
    FILE.write_text(written())
    sys.stdout.write(f"{FILE}\n")
