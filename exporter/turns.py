"""Long work on the event loop, split so that other tasks run in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

_TURN = 0.005
"""Seconds of work after which other tasks get a turn."""


async def in_turns(work: Iterable[T]) -> list[T]:
    """Return the items of `work`, yielding to the event loop whenever producing them has taken a while."""
    # Measured by real time, not by a `Clock`: a clock that a test turns by hand stands still while the CPU works.
    done: list[T] = []
    started = time.perf_counter()
    for item in work:
        done.append(item)
        if time.perf_counter() - started > _TURN:
            await asyncio.sleep(0)
            started = time.perf_counter()
    return done
