"""Turns on the event loop: long work is split, and what is ready at once is done one by one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, TypeVar

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


_SLICE = 500
"""Items that a step of a millisecond or so can look at."""


def slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield many items in parts that are each fast to look at, for `in_turns`: one by one costs more than a look."""
    return (items[start : start + _SLICE] for start in range(0, len(items), _SLICE))


async def first_in_turns(items: Sequence[T], count: int, key: Callable[[T], Any]) -> list[T]:
    """Return the first items in the order of a key, yielding to the event loop as `in_turns` does.

    They are sorted in slices, which are then merged: sorting all of them is one step that nothing can interrupt.
    """
    parts = await in_turns(sorted(part, key=key) for part in slices(items))
    return await in_turns(islice(merge(*parts, key=key), count))


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
