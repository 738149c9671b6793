"""One line of the event log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from exporter.catalog import Kind
from exporter.jobs import FINAL, State, duration
from exporter.store import LATE, MISSED, Transition
from exporter.text.redaction import redacted

_LONGEST = 1_000
"""Characters of a text: with all of them escaped, a line is still shorter than what collectors take."""

_GAP = " [...] "


class Configured(NamedTuple):
    """What the configuration tells of a source, and of a group."""

    kind: Kind | None = None
    """None if neither the catalog nor the configuration has it any more."""
    dimensions: Sequence[str] = ()
    """The names of its dimensions."""
    labels: Mapping[str, str] = MappingProxyType({})
    """The labels of the group."""


def line(log: str, transition: Transition, configured: Configured) -> bytes:
    """Return the line of a transition: ASCII, whatever AWS says, without what is not known.

    The same transition gives the same line, so that one that was written by half can be continued.
    """
    job, is_end = transition.record.job, transition.event in FINAL
    kind, times = configured.kind, _times(transition)
    values: dict[str, Any] = {
        "time": _moment(times.get(transition.event) or transition.seen),
        "event": transition.event,
        **transition.source._asdict(),
        "id": job.id,
        "name": job.name,
        "group": transition.group,
        "group_labels": dict(configured.labels),
        "status": job.status,
        # What was missed is no job.
        "state": job.state if job.id else None,
        **{name: _moment(time) for name, time in times.items() if name in {"created", "started"}},
        "dimensions": dict(zip(configured.dimensions, job.dimensions, strict=False)),
        **(_end(transition, kind) if is_end else {}),
        "console_url": _link(kind.console_url(transition.source, transition.record.job) if kind else None),
        "log_url": _link(kind.log_url(transition.source, transition.record.job) if kind else None),
        "seen": _moment(transition.seen),
        "log": log,
        "sequence": transition.number,
    }
    told = {name: _short(value) for name, value in values.items() if value not in (None, "", {})}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _times(transition: Transition) -> dict[str, float]:
    """Return when a job was created, has started, and has ended or was late, by the event; only what is known."""
    record = transition.record
    times = {"created": record.job.created, "started": record.job.started}
    if transition.event in {*FINAL, LATE, MISSED} and record.is_dated:
        times[transition.event] = record.finished
    return {event: time for event, time in times.items() if time is not None}


def _end(transition: Transition, kind: Kind | None) -> dict[str, Any]:
    record = transition.record
    job = record.job._replace(state=State(transition.event))
    return {
        "finished": _moment(record.finished) if record.finished is not None and record.is_dated else None,
        "duration_seconds": duration(job, has_starts=kind.has_starts) if kind else None,
        "reason": record.reason,
        "code": job.code,
        "message": redacted(job.message),
    }


def _link(link: str | None) -> str | None:
    """Return an address; None if it would have to be cut."""
    return link if link and len(link) <= _LONGEST else None


def _moment(seconds: float) -> str:
    """Return a time as RFC 3339 has it, in milliseconds; what no calendar has, as its nearest end."""
    moment = datetime.fromtimestamp(min(max(seconds, 0.0), _LAST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_LAST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    if not isinstance(value, str) or len(value) <= _LONGEST:
        return value
    half = (_LONGEST - len(_GAP)) // 2
    return f"{value[:half]}{_GAP}{value[-half:]}"
