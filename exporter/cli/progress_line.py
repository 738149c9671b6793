"""How far long work is, on a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from exporter.text.printable import printable

_PATIENCE, _PAUSE = 2.0, 0.2
"""Seconds for which nobody wonders, and between two texts."""

_CLEAR = "\r\x1b[K"


@asynccontextmanager
async def progress_line(text: Callable[[], str]) -> AsyncIterator[None]:
    """Show what `text` returns on stderr while the block runs, if it is a terminal and the block takes its time."""
    if not sys.stderr.isatty():
        yield
        return

    async def show() -> None:
        await asyncio.sleep(_PATIENCE)
        while True:
            print(f"{_CLEAR}{printable(text())[:120]}", end="", file=sys.stderr, flush=True)
            await asyncio.sleep(_PAUSE)

    showing = asyncio.create_task(show())
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.wait([showing])
        print(_CLEAR, end="", file=sys.stderr, flush=True)
