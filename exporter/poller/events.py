"""An event of EventBridge: which list of jobs it is about, and when it happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from exporter.catalog import Kind

_LONGEST = 1 << 20
"""Characters that a message may have: SQS takes no longer ones."""


class Event(NamedTuple):
    """What the exporter reads of an event; anybody who may write into the queue may have made it up."""

    account_id: str
    region: str
    source: str
    detail_type: str
    time: float
    """In seconds since 1970-01-01 UTC."""
    content: Mapping[str, Any]

    @classmethod
    def read(cls, message: str) -> Event:
        """Return the event that a message is, also one that came through SNS; raises ValueError if it is none."""
        content = _mapping(message)
        if content.get("Type") == "Notification":
            content = _mapping(content.get("Message"))
        account_id, region, source, detail_type, time = (_text(content, name) for name in _NAMES)
        happened = datetime.fromisoformat(time)
        moment = (happened if happened.tzinfo else happened.replace(tzinfo=UTC)).timestamp()
        return cls(account_id, region, source, detail_type, moment, content)

    def scope_of(self, kind: Kind) -> str:
        """Return the id of the scope that the jobs of a kind are in; empty if the event does not tell."""
        value: Any = self.content
        for step in kind.events.scope.split(".") if kind.events and kind.events.scope else ("nothing",):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else ""


_NAMES = ("account", "region", "source", "detail-type", "time")
"""What every event has."""


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise ValueError(f"an event without {name}")
    return value


def _mapping(message: object) -> Mapping[str, Any]:
    if not isinstance(message, str) or len(message) > _LONGEST:
        raise ValueError("not a text, or too long a one")
    content = orjson.loads(message)
    if not isinstance(content, dict):
        raise ValueError("not an object")
    return content


def by_event(kinds: Iterable[Kind]) -> Mapping[tuple[str, str], list[Kind]]:
    """Return the kinds that each sort of event is about, by its source and its detail-type."""
    found: defaultdict[tuple[str, str], list[Kind]] = defaultdict(list)
    for kind in kinds:
        if kind.events:
            for detail_type in kind.events.detail_type:
                found[kind.events.source, detail_type].append(kind)
    return found
