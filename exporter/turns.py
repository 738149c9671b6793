"""Long work on the event loop, done in turns with everything else that the loop has to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

_TURN = 0.005
"""Seconds of work after which it is others' turn."""


async def in_turns(work: Iterable[T]) -> list[T]:
    """Return the items of `work`, having let the loop turn between those that took long to make."""
    done: list[T] = []
    began = time.perf_counter()
    for item in work:
        done.append(item)
        if time.perf_counter() - began > _TURN:
            await asyncio.sleep(0)
            began = time.perf_counter()
    return done
