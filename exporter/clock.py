"""Time as an argument: the system's, which tests replace by a clock that they turn by hand."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """The system's time."""

    def time(self) -> float:
        """Return the seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump, for durations."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
