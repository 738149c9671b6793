"""The limit on requests."""

from __future__ import annotations

from collections.abc import Callable


class RateLimiter:
    """A bucket of tokens, full at first; each request takes one, and one falls in at each interval."""

    def __init__(self, interval: float, burst: int, monotonic: Callable[[], float]) -> None:
        """Limit to `burst` requests at once and one every `interval` seconds; not at all if that is 0."""
        self._interval = interval
        self._burst = burst
        self._tokens = float(burst)
        self._monotonic = monotonic
        self._last = monotonic()

    def allows(self) -> bool:
        """Take a token if there is one, and tell whether there was."""
        if not self._interval:
            return True
        now = self._monotonic()
        self._tokens = min(float(self._burst), self._tokens + (now - self._last) / self._interval)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
