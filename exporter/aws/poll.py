"""What one poll hands down to its requests: how long it may take, and the count of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext


class PollRun:
    """One poll of a source: its time limit, which is for AWS alone, and the requests that it sent, retries included."""

    def __init__(
        self,
        released: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Start a poll; its slot is left to others while `released()` is entered, and `note` is told what is listed."""
        self.requests: Counter[tuple[str, str]] = Counter()
        """By service and operation, retries included."""
        self.is_denied_details = False
        """Whether AWS refused to say why a job failed."""
        self.is_denied_tags = False
        """Whether AWS refused to tell tags."""
        self._released = released
        self._note = note
        self._seconds = 0.0
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Raise TimeoutError if the block takes longer without progress. A limit within another one takes its place."""
        if self._timeout:
            # It is not set again afterward: once the inner block is over, the poll asks AWS for nothing more.
            self._timeout.reschedule(None)
        self._seconds = seconds
        try:
            async with asyncio.timeout(seconds) as self._timeout:
                yield
        finally:
            self._timeout = None

    def beside(self) -> PollRun:
        """Return a run with a time limit of its own, for requests that are counted here and cannot fail the poll."""
        run = PollRun()
        run.requests = self.requests
        return run

    def progressed(self, items: int) -> None:
        """Note a page with so many items: the time limit starts anew."""
        self._note(items)
        if self._timeout and self._timeout.when() is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)

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
