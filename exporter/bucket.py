"""A token bucket: a steady rate, and a burst after a pause."""

from __future__ import annotations

from collections.abc import Callable

_TOLERANCE = 1e-6
"""Seconds that arithmetic on the clock may lose: a sleep that short might never end, and is not worth a timer."""


class Bucket:
    """Holds up to `capacity` tokens, starts full, and gains `rate` tokens per second."""

    def __init__(self, capacity: float, rate: float, monotonic: Callable[[], float]) -> None:
        self._capacity = self._tokens = float(capacity)
        self._rate = rate
        self._monotonic = monotonic
        self._filled = monotonic()

    @property
    def rate(self) -> float:
        """The tokens that come in per second, from now on."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._fill()
        self._rate = rate

    def resize(self, capacity: float, rate: float) -> None:
        """Hold and gain as much from now on; what was saved up and still fits stays."""
        self._fill()
        self._tokens, self._capacity, self._rate = min(self._tokens, capacity), float(capacity), rate

    def take(self) -> float:
        """Take a token and return 0; if there is none, take nothing and return the seconds until there may be one."""
        self._fill()
        wait = (1 - self._tokens) / self._rate
        # A bucket smaller than a token never has one, however fast it fills.
        if wait > _TOLERANCE or self._capacity < 1:
            return wait
        self._tokens -= 1
        return 0.0

    def drain(self) -> None:
        """Drop the tokens that were saved up."""
        self._fill()
        # Not 0: within the tolerance, the last token was taken before it was complete, and that stays owed.
        self._tokens = min(self._tokens, 0.0)

    def _fill(self) -> None:
        """Add what came in since the last time, at the rate of that time."""
        now = self._monotonic()
        self._tokens = min(self._tokens + (now - self._filled) * self._rate, self._capacity)
        self._filled = now
