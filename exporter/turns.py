"""Turns on the event loop: long work is split, and what is ready at once is done one by one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
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


class Turnstile:
    """Lets one task through in each step of the event loop.

    Many tasks whose responses arrive together would be one step, and whoever else waits would wait for all of them.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def passed(self) -> None:
        """Return when it is the caller's turn."""
        turn = asyncio.get_running_loop().create_future()
        if not self._waiting:
            turn.get_loop().call_soon(self._next)
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        turn = self._waiting.popleft()
        if not turn.done():
            turn.set_result(None)
        if self._waiting:
            turn.get_loop().call_soon(self._next)
