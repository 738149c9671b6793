"""A counter whose series begin with their first event: at 0, until everyone who scrapes has read that.

PromQL's `increase()` misses the first event of a series that appears at 1, and a 0 for all that might ever go wrong
would be most of what a quiet exporter exports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable

from prometheus_client import Counter, Metric
from prometheus_client.registry import Collector

Show = Callable[[], Awaitable[None]]
"""Lets new series rise."""

Announce = Callable[[Hashable, Show], None]
"""Takes what has new series, as they are being read for the first time, with what lets them rise."""


class LateCounter(Collector):
    """Holds back the first events of a series until these may be shown; counts at once if nobody comes to see."""

    def __init__(self, counter: Counter, announce: Announce | None) -> None:
        """Collect for a registry in which `counter` itself is not."""
        self.counter = counter
        self._announce = announce
        self._shown: set[Counter] = set()
        self._held: dict[Counter, float] = {}
        """What new series have counted so far."""
        self._read: set[Counter] = set()
        """Those of them that somebody has read, or is about to."""

    def begin(self, *labels: str) -> None:
        """Expose a series before its first event, which is then never held back."""
        self._shown.add(self.counter.labels(*labels))

    def inc(self, *labels: str, amount: float = 1) -> None:
        """Count in the series with these labels."""
        series = self.counter.labels(*labels)
        if self._announce is None or series in self._shown:
            series.inc(amount)
        else:
            self._held[series] = self._held.get(series, 0) + amount

    def describe(self) -> Iterable[Metric]:
        """Return the family without samples."""
        return self.counter.describe()

    def collect(self) -> Iterable[Metric]:
        """Return the family; whoever asks is taken for somebody who reads it."""
        # Series that come later wait for their own turn, and do not delay those that are being waited for.
        if self._announce and self._held and not self._read:
            self._read = set(self._held)
            self._announce(self, self._show)
        return self.counter.collect()

    async def _show(self) -> None:
        """Let the series rise that have been read."""
        for series in self._read:
            series.inc(self._held.pop(series))
        self._shown |= self._read
        self._read = set()
