"""Hints: which sources are to be polled because something told that they changed, and when.

A hint is worth a poll at once, and another one a moment later: AWS may tell of a change before its lists show it. Hints
that come together are one, and no hint makes a source be polled more often than every five seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from exporter.clock import Clock
from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus, Telemetry

_PAUSE = 5.0
"""Seconds between two polls because of hints, and after which a list shows what AWS has told."""

_SETTLED = 60.0
"""Seconds from an event to a poll that certainly shows it: AWS's clock and this one may differ."""


class HintResult(StrEnum):
    """What becomes of a hint, the best of which counts where one is about several sources."""

    NOTED = "noted"
    LATE = "late"
    UNWATCHED = "unwatched"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"


@dataclass
class _Hint:
    """What is pending of one source; moments are on the monotonic clock."""

    last: float
    """When the last hint came."""
    first: float | None = None
    """When the first one came that no poll has followed yet."""
    happened: float = 0.0
    """The time of its event."""


class Hints:
    """The hints that are pending."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._pending: dict[SourceKey, _Hint] = {}
        self._polled: dict[SourceKey, float] = {}
        """When the last poll of a source began that had a hint."""

    def add(self, key: SourceKey, happened: float) -> None:
        """Note that a source changed at a time."""
        now = self._clock.monotonic()
        hint = self._pending.setdefault(key, _Hint(now))
        hint.last = now
        if hint.first is None:
            hint.first, hint.happened = now, happened

    def wait(self, key: SourceKey) -> float:
        """Return the seconds until a source is to be polled because of a hint; infinity if there is none."""
        if key not in self._pending:
            return math.inf
        due = self._polled.get(key, -math.inf) + _PAUSE
        return max(0.0, due - self._clock.monotonic())

    def polled(self, status: SourceStatus, began: float) -> None:
        """Note a poll that is over, and when it began."""
        hint = self._pending.get(status.key)
        if hint is None:
            return
        self._polled[status.key] = began
        if hint.first is not None and hint.first <= began and status.is_up:
            lag = max(0.0, self._clock.time() - hint.happened)
            self._telemetry.hints_lag.labels(status.key.aws_service).observe(lag)
            hint.first = None
        if began >= hint.last + _PAUSE:
            del self._pending[status.key]

    def forget(self, key: SourceKey) -> None:
        """Forget the hints of a source that is gone."""
        self._pending.pop(key, None)
        self._polled.pop(key, None)


def is_late(status: SourceStatus, happened: float) -> bool:
    """Return whether a source was polled long enough after an event to show what that told."""
    return status.is_up and (status.last_success or 0.0) - status.last_duration >= happened + _SETTLED
