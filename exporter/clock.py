"""Time, as an argument: the system's here, one that is turned by hand in the tests."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the exporter asks of time."""

    def time(self) -> float:
        """Return the seconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The real time."""

    def time(self) -> float:
        """Return the seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump, for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
