"""Writes the transitions of jobs as they come; while they cannot be written, they wait in the database."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from exporter.event_log.line import Configured, line
from exporter.event_log.sink import Sink
from exporter.jobs import SourceKey
from exporter.store import Database, Outbox, StorageLostError, Transition
from exporter.telemetry import Telemetry
from exporter.threads import EVENT_LOG
from exporter.turns import in_turns

log = structlog.get_logger(__name__)

_BATCH = 100
"""Lines that are written together: reading them holds the event loop for about 2 ms."""

_MOST = 100_000
"""Lines that wait while they cannot be written: about 50 MB. The oldest go first."""

_RETRY = 5.0
"""Seconds between two attempts."""

_SLOW = 10.0
"""Seconds after which a write that is not done counts as failed: a file system of another machine may hang."""

_LAST = 1.0
"""Seconds that the last lines have in the end."""

Configure = Callable[[SourceKey, str | None], Configured]
"""Returns what the configuration in effect tells of a source, and of a group."""


class EventLog:
    """Takes what the database notes, and writes it in a thread, so that neither a poll nor a scrape waits for it."""

    def __init__(
        self,
        database: Database,
        telemetry: Telemetry,
        configured: Configure,
        *,
        retry: float = _RETRY,
        most: int = _MOST,
    ) -> None:
        """Write nothing until a file is chosen (`choose`)."""
        self.waiting = 0
        """Lines that could not be written yet, as of the last attempt."""
        self._database = database
        self._outbox = Outbox(database)
        self._telemetry = telemetry
        self._configured = configured
        self._retry, self._most = retry, most
        self._sink: Sink | None = None
        self._work: asyncio.Future[None] | None = None
        """The write under way."""
        self._is_failing = False
        self._must_clear = False
        """Whether transitions may be left that an exporter with an event log has noted."""

    def choose(self, path: Path | None) -> None:
        """From now on, note transitions and write them to this file; without one, drop what was noted."""
        self._database.keeps_events = path is not None
        self._must_clear = path is None
        if path != (self._sink and self._sink.path):
            self._sink = None if path is None else Sink(path)
            self._is_failing = False
        self._database.written.set()

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._database.written.wait()
            self._database.written.clear()
            try:
                while await self._write_some():
                    pass
            except StorageLostError:
                # What waits was copied to memory, and what is in the file already is not written again.
                self._database.written.set()
            except (OSError, sqlite3.Error) as error:
                await self._fail(error)
                # By real time, as whatever is in the way takes it.
                await asyncio.sleep(self._retry)
                self._database.written.set()

    async def finish(self) -> None:
        """Write what is left, as far as it can be written within a second; the rest waits in the storage, if any."""
        with suppress(TimeoutError, OSError, sqlite3.Error, StorageLostError):
            async with asyncio.timeout(_LAST):
                if self._work and not self._work.done():
                    await asyncio.wait([self._work])
                while await self._write_some():
                    pass

    async def _write_some(self) -> bool:
        """Write the next lines; return whether there may be more."""
        sink = self._sink
        if sink is None:
            if self._must_clear:
                await self._outbox.clear()
                self._must_clear = False
            self.waiting = 0
            return False
        name, transitions = await self._outbox.take(_BATCH)
        if not transitions:
            self.waiting = 0
            return False
        lines = await in_turns((each.number, line(name, each, self._about(each))) for each in transitions)
        await self._written(sink, name, lines)
        await self._outbox.done(transitions[-1].number)
        self._telemetry.event_log_lines.inc("written", amount=len(lines))
        if self._is_failing:
            self._is_failing = False
            log.info("The event log can be written again", file=str(sink.path))
        return True

    def _about(self, transition: Transition) -> Configured:
        return self._configured(transition.source, transition.group)

    async def _written(self, sink: Sink, name: str, lines: list[tuple[int, bytes]]) -> None:
        """Write lines in the thread; raises OSError."""
        self._work = asyncio.ensure_future(EVENT_LOG.run(sink.write, name, lines))
        while not (await asyncio.wait([self._work], timeout=_SLOW))[0]:
            await self._fail(TimeoutError(errno.ETIMEDOUT, "the file system does not respond"))
        self._work.result()

    async def _fail(self, error: OSError | sqlite3.Error) -> None:
        """Note that lines have to wait, and drop those that are too many."""
        number = getattr(error, "errno", None)
        self._telemetry.event_log_errors.inc(errno.errorcode.get(number or 0, "storage"))
        if not self._is_failing:
            self._is_failing = True
            file, text = str(self._sink and self._sink.path), getattr(error, "strerror", None) or str(error)
            log.error("The event log cannot be written: its lines wait", file=file, err=text)
        with suppress(StorageLostError, sqlite3.Error):
            if dropped := await self._outbox.trim(self._most):
                self._telemetry.event_log_lines.inc("dropped", amount=dropped)
            self.waiting = await self._outbox.size()
