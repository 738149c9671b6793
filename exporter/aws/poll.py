"""What one poll hands down to its requests: how long it may take, and the count of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext


class PollRun:
    """One poll of a source: its time limit, which is for AWS alone, and the requests that it sent, retries included."""

    def __init__(self, released: Callable[[], AbstractAsyncContextManager[None]] = nullcontext) -> None:
        """Start a poll; its slot is left to others while `released()` is entered."""
        self.requests: Counter[tuple[str, str]] = Counter()
        """By service and operation, retries included."""
        self.is_denied_details = False
        """Whether AWS refused to say why a job failed."""
        self._released = released
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Raise TimeoutError if the block takes longer. A limit within another one takes its place."""
        if self._timeout:
            # It is not set again afterward: once the inner block is over, the poll asks AWS for nothing more.
            self._timeout.reschedule(None)
        try:
            async with asyncio.timeout(seconds) as self._timeout:
                yield
        finally:
            self._timeout = None

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Stop the time limit, and leave the slot to others, while the block runs."""
        with self.paused():
            async with self._released():
                yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the time limit while the block runs."""
        timeout = self._timeout
        when = timeout.when() if timeout else None
        if timeout is None or when is None:
            yield
            return
        loop = asyncio.get_running_loop()
        left = when - loop.time()
        timeout.reschedule(None)
        try:
            yield
        finally:
            # A limit that ran out just before the block cannot be set again.
            if not timeout.expired():
                timeout.reschedule(loop.time() + left)
