"""By how much all intervals are longer so that the requests of all sources together keep to a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from exporter.jobs import SourceKey

_NEWEST = 0.25
"""How much the last poll counts in the average of a source's requests. What one costs more, the next ones save."""

_USED = 0.9
"""The part of the limit that is planned for. The rest lets polls come together by chance without waiting."""


@dataclass
class Stretch:
    """What the polls of all sources request, as they would be polled without a limit.

    It is an estimate, so that intervals grow and shrink smoothly; that no more is sent, the aws room sees to.
    """

    most: float = math.inf
    """Requests per second that may be sent."""
    _requests: dict[SourceKey, float] = field(default_factory=dict)
    """Of one poll, on average."""
    _rates: dict[SourceKey, float] = field(default_factory=dict)
    """Requests per second."""
    _sum: float = 0.0

    @property
    def rate(self) -> float:
        """The requests per second of all sources, without a limit."""
        return self._sum

    @property
    def factor(self) -> float:
        """By how much each interval is longer, at least 1."""
        return max(1.0, self.rate / (self.most * _USED))

    def begin(self, key: SourceKey, interval: float) -> None:
        """Expect the polls of a source that was not polled yet: one request each, which is the least that one takes."""
        self._requests.setdefault(key, 1.0)
        self._plan(key, interval)

    def polled(self, key: SourceKey, requests: int, interval: float) -> None:
        """Note what a poll requested, and how many seconds later the next one would start without a limit."""
        before = self._requests.get(key, 1.0)
        self._requests[key] = before + _NEWEST * (requests - before)
        self._plan(key, interval)

    def end(self, key: SourceKey) -> None:
        """Forget a source that is not polled any more."""
        self._requests.pop(key, None)
        self._sum -= self._rates.pop(key, 0.0)

    def _plan(self, key: SourceKey, interval: float) -> None:
        rate = self._requests[key] / interval
        self._sum += rate - self._rates.get(key, 0.0)
        self._rates[key] = rate
