"""What Alertmanager would send for alerts that fire over time, by the configuration that we ship."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "config" / "alertmanager" / "alertmanager.yml"
CONFIGURATION: Mapping[str, Any] = yaml.safe_load(FILE.read_text())

Labels = frozenset[tuple[str, str]]
"""An alert by its labels."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def matches(matchers: Iterable[str], labels: Mapping[str, str]) -> bool:
    """Return whether labels satisfy matchers such as `alertname=~"AwsJob.+"`."""
    for matcher in matchers:
        ((name, operator, value),) = re.findall(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
        found = bool(re.fullmatch(value, labels.get(name, ""))) if "~" in operator else labels.get(name, "") == value
        if found is operator.startswith("!"):
            return False
    return True


def routed(labels: Mapping[str, str], route: Mapping[str, Any] = CONFIGURATION["route"]) -> Mapping[str, Any]:
    """Return the route of an alert, with all that it inherits."""
    for child in route.get("routes", ()):
        if matches(child["matchers"], labels):
            return routed(labels, {**{key: value for key, value in route.items() if key != "routes"}, **child})
    return route


def audible(firing: Iterable[Labels]) -> set[Labels]:
    """Return the alerts that no other inhibits."""
    alerts = {labels: dict(labels) for labels in firing}
    heard = set(alerts)
    for rule in CONFIGURATION["inhibit_rules"]:
        causes = {
            (tuple(alert.get(name, "") for name in rule["equal"]))
            for alert in alerts.values()
            if matches(rule["source_matchers"], alert)
        }
        heard -= {
            labels
            for labels, alert in alerts.items()
            if matches(rule["target_matchers"], alert)
            and not matches(rule["source_matchers"], alert)
            and tuple(alert.get(name, "") for name in rule["equal"]) in causes
        }
    return heard


@dataclass
class _Group:
    interval: int
    repeat: int
    told: set[Labels] = field(default_factory=set)
    """What the last message said that fires."""
    flushed: float = 0
    sent: float = 0


def notifications(timeline: Sequence[Iterable[Labels]], step: int) -> list[tuple[float, str]]:
    """Return when which alerts are sent, given what fires at each step of so many seconds.

    Nothing is muted, and every receiver is told of what is over: what Alertmanager sends is that or less.
    """
    groups: dict[tuple[Any, ...], _Group] = {}
    found: list[tuple[float, str]] = []
    for number, firing in enumerate(timeline):
        now = number * step
        grouped: defaultdict[tuple[Any, ...], set[Labels]] = defaultdict(set)
        for labels in audible(firing):
            alert = dict(labels)
            route = routed(alert)
            key = (str(route.get("matchers")), *(alert.get(label, "") for label in route["group_by"]))
            groups.setdefault(
                key, _Group(_seconds(route["group_interval"]), _seconds(route["repeat_interval"]), flushed=-1e9)
            )
            grouped[key].add(labels)
        for key, group in list(groups.items()):
            if now - group.flushed < group.interval:
                continue
            firing_now, group.flushed = grouped[key], now
            if firing_now != group.told or (firing_now and now - group.sent >= group.repeat):
                group.told, group.sent = firing_now, now
                found.append((now, " ".join(key)))
            if not firing_now:
                del groups[key]
    return found


def _seconds(text: str) -> int:
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))
