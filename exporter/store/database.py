"""The embedded database: its connection, who may use it when, its thread, and its transactions."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import structlog

from exporter.store import tables
from exporter.store.directory import Directory
from exporter.threads import start

log = structlog.get_logger(__name__)

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Any]

PAGE = 1000
"""Rows that a statement handles on the event loop; one with more of them runs in the thread."""

_BREATH, _BETWEEN_BREATHS = 0.0001, 0.002
"""Seconds for which the event loop really sleeps, and between such sleeps, while the thread works."""

_WORDS = 10_000
"""Words that may pile up, at least, before those that no row uses are dropped."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_STORAGE_FAULTS = _DAMAGED | {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
"""Errors that are the disk's, not the statement's."""


class GroupRow(NamedTuple):
    """A group as the database has it."""

    n: int
    pattern: str
    """What took its name from that of a job; empty where the configuration says it."""


class StorageLostError(Exception):
    """The storage failed, and with it what the poll had listed: from now on everything is kept in memory."""


class Database:
    """One connection, used by one poll or one question at a time.

    What is bounded by a page runs on the event loop. What grows with a source runs in a thread, as a single statement:
    sqlite3 asks for Python's lock again at every row that it hands over, and a busy event loop lets it wait each time.
    """

    def __init__(self, connection: sqlite3.Connection, directory: Directory | None = None) -> None:
        """Use a connection with all tables; `memory` and `stored` open one."""
        self.connection = connection
        self.generation = 0
        """Rises when the database is replaced: what was staged counts no more."""
        self.epoch = 0
        """Rises when it is started over: the numbers of rows count no more."""
        self.numbering = 0
        """Rises when searches cover another source, or one under another number."""
        self.has_failed = False
        """Whether it should be stored and no longer is."""
        self.keeps_events = False
        """Whether transitions of jobs are noted for the event log."""
        self.written = asyncio.Event()
        """Set after each transaction that has written something, by which there may be such transitions."""
        self._directory = directory
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._reader = directory.reader() if directory else None
        self._read_lock = asyncio.Lock()
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._words: dict[str, int] = {}
        self._most_words = _WORDS
        rows = connection.execute("SELECT name, n, pattern FROM job_group")
        self.groups: dict[str, GroupRow] = {name: GroupRow(n, pattern) for name, n, pattern in rows}
        """The groups that jobs have been in, by name."""
        self._polls = 0
        self._rows = 0
        self._abandoned: list[tuple[int, bool]] = []
        self.touched_groups: set[int] = set()
        """Groups that have changed since whoever shows them last looked."""
        self.polled: dict[int, int] = {}
        """When sources were last read, in milliseconds; written once a minute, so that a quiet poll writes nothing."""

    def begin(self) -> None:
        """Start its threads, so that they are not lacking later; raises NoThreadError."""
        for thread in (self._thread, self._read_thread):
            start(thread, 1)

    @classmethod
    def memory(cls) -> Database:
        """Return a database that ends with the process."""
        connection = tables.connected(":memory:")
        tables.create(connection)
        return cls(connection)

    @classmethod
    def stored(cls, path: Path) -> Database:
        """Return the database that a directory holds, or start one there; raises StorageError."""
        directory = Directory.locked(path)
        try:
            return cls(directory.opened(), directory)
        except BaseException:
            directory.close()
            raise

    @property
    def size(self) -> int:
        """The bytes on disk; 0 in memory."""
        return self._directory.size if self._directory else 0

    def close(self) -> None:
        """Write what is still to be written, and close."""
        self._thread.shutdown()
        self._read_thread.shutdown()
        with suppress(sqlite3.Error):
            self.connection.execute(NOTE_SUCCESSES, (json.dumps(self.polled),))
        if self._reader:
            self._reader.close()
        self.connection.close()
        if self._directory:
            self._directory.close()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[sqlite3.Connection]:
        """Have the connection to oneself. No statement runs outside of it: it would wait for the thread, on the loop.

        Raises StorageLostError if the disk fails.
        """
        async with self._lock:
            try:
                yield self.connection
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if self._directory is None or code not in _STORAGE_FAULTS:
                    raise
                await self._move_to_memory(error, is_damaged=code in _DAMAGED)
                raise StorageLostError(str(error)) from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[sqlite3.Connection]:
        """Have a connection for questions: in a file, one that waits for no poll, and that no poll waits for."""
        async with self._read_lock:
            if self._reader is not None:
                yield self._reader
                return
        async with self.exclusive() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Write all of the block or nothing, within `exclusive`."""
        self.connection.execute("BEGIN IMMEDIATE")
        before = self.connection.total_changes
        try:
            yield
            has_written = self.connection.total_changes != before
            # Waits for the disk if something was written.
            await self.run("COMMIT", is_long=has_written and self._directory is not None)
            if has_written:
                self.written.set()
        except BaseException:
            self.connection.rollback()
            raise

    async def run(self, sql: str, parameters: Parameters = (), *, is_long: bool = False) -> int:
        """Run one statement within `exclusive`, in the thread if it may take long; return how many rows it changed."""
        if not is_long:
            return self.connection.execute(sql, parameters).rowcount
        connection = self.connection
        return await self._in_thread(self._thread, connection, lambda: connection.execute(sql, parameters).rowcount)

    async def value(self, connection: sqlite3.Connection, sql: str, parameters: Parameters = ()) -> Any:
        """Return the first value of the only row that a long statement finds, within `exclusive` or `reading`."""
        thread = self._read_thread if connection is self._reader else self._thread
        return await self._in_thread(thread, connection, lambda: connection.execute(sql, parameters).fetchone()[0])

    def next_poll(self) -> int:
        """Return the number of a poll, by which its listing is known."""
        self._polls += 1
        return self._polls

    async def numbers(self, words: Iterable[str]) -> Mapping[str, int]:
        """Return a mapping that has the number of each of these words, within `exclusive`.

        They are committed at once: a number that a rollback took back would mean nothing, or another word.
        """
        if new := [word for word in words if word not in self._words]:
            async with self.transaction():
                self.connection.executemany("INSERT OR IGNORE INTO word (text) VALUES (?)", [(word,) for word in new])
            for word in new:
                (self._words[word],) = self.connection.execute("SELECT n FROM word WHERE text = ?", (word,)).fetchone()
        return self._words

    async def group_numbers(self, patterns: Mapping[str, str]) -> Mapping[str, int]:
        """Return the numbers of groups by name, within `exclusive`.

        Each comes with the pattern that took its name from that of a job, or nothing. Committed at once, like words.
        """
        known = self.groups
        if new := [each for each in patterns.items() if each[0] not in known or known[each[0]].pattern != each[1]]:
            async with self.transaction():
                self.connection.executemany(_NOTE_GROUP, new)
            for name, pattern in new:
                (number,) = self.connection.execute("SELECT n FROM job_group WHERE name = ?", (name,)).fetchone()
                known[name] = GroupRow(number, pattern)
        return {name: known[name].n for name in patterns}

    def next_rows(self, count: int) -> int:
        """Return the first of so many numbers of rows of `listed`, which rise and are never used again."""
        first, self._rows = self._rows + 1, self._rows + count
        return first

    def abandon(self, poll: int, rows: int) -> None:
        """Drop what a poll has listed, after the next one."""
        self._abandoned.append((poll, rows > PAGE))

    async def sweep(self) -> None:
        """Drop what polls that are over have listed, within `exclusive`."""
        while self._abandoned:
            poll, is_long = self._abandoned.pop()
            await self.run("DELETE FROM listed WHERE poll = ?", (poll,), is_long=is_long)

    async def drop_words(self, connection: sqlite3.Connection) -> None:
        """Drop the words that no row uses, once there may be many, within `exclusive`."""
        if len(self._words) > self._most_words:
            await self.run(_UNUSED_WORDS, is_long=True)
            self._words.clear()
            # All of them may be in use, and looking for others takes long.
            self._most_words = max(_WORDS, 2 * await self.value(connection, "SELECT count(*) FROM word"))

    async def _move_to_memory(self, error: sqlite3.Error, *, is_damaged: bool) -> None:
        """Go on with a copy in memory, within `exclusive`: the disk costs durability, not service."""
        directory, before = self._directory, self.connection
        assert directory  # noqa: S101 - for the type checker: without storage nothing can fail
        log.error("Storage failed: a restart will lose what is known", directory=str(directory.path), err=str(error))
        memory = None if is_damaged else await self._copy(before)
        if memory is None:
            memory = tables.connected(":memory:")
            tables.create(memory)
            self.epoch += 1
            self.polled.clear()
            self.groups.clear()
        reader, self._reader = self._reader, None
        self.connection, self._directory, self.has_failed = memory, None, True
        self.generation += 1
        self._words.clear()
        self._abandoned.clear()
        async with self._read_lock:
            for connection in filter(None, (reader, before)):
                with suppress(sqlite3.Error):
                    connection.close()
        # The counters in the file are behind those that were exported: at the next start they must not be gone on with.
        with suppress(OSError):
            directory.set_aside(str(error))
        directory.close()

    async def _copy(self, connection: sqlite3.Connection) -> sqlite3.Connection | None:
        """Return a copy in memory; None if the file cannot be read any more either."""
        memory = tables.connected(":memory:")
        try:
            connection.rollback()
            await self._in_thread(self._thread, connection, lambda: connection.backup(memory))
        except sqlite3.Error:
            return None
        return memory

    async def _in_thread(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection, work: Callable[[], T]) -> T:
        """Run a statement in a thread, and wait until it is over even if cancelled: nobody else may use the lock."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(thread, work)
        breathing = loop.call_soon(lambda: None)

        def breathe() -> None:
            # A loop that never sleeps keeps Python's lock from the thread: 0.3 seconds of work took 8.
            nonlocal breathing
            time.sleep(_BREATH)
            breathing = loop.call_later(_BETWEEN_BREATHS, breathe)

        breathe()
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            with suppress(sqlite3.Error):
                connection.interrupt()
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise
        finally:
            breathing.cancel()


NOTE_SUCCESSES = "UPDATE source SET last_success = value FROM json_each(?) WHERE n = CAST(key AS INTEGER)"
_NOTE_GROUP = """
INSERT INTO job_group (name, pattern) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET pattern = excluded.pattern
"""
_UNUSED_WORDS = """
DELETE FROM word WHERE n > 0 AND n NOT IN (
    SELECT prefix FROM job UNION SELECT status FROM job UNION SELECT dims FROM job
    UNION SELECT prefix FROM past UNION SELECT status FROM tally UNION SELECT dims FROM tally
    UNION SELECT dims FROM span UNION SELECT dims FROM last UNION SELECT dims FROM combination
    UNION SELECT dims FROM finished_total UNION SELECT dims FROM failed_total UNION SELECT dims FROM duration_total
    UNION SELECT tags FROM job WHERE tags IS NOT NULL UNION SELECT tags FROM listed WHERE tags IS NOT NULL
    UNION SELECT dims FROM used_total
    UNION SELECT prefix FROM listed UNION SELECT status FROM listed UNION SELECT dims FROM listed
)
"""
