"""The transitions of jobs that are still to be written to the event log, in the order in which they were seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.jobs import Job, SourceKey
from exporter.store.database import Database
from exporter.store.record import Record, dimensions, seconds
from exporter.store.tables import STATES
from exporter.store.transitions import COLUMNS


class Transition(NamedTuple):
    """A job that was created, has started, is late or has ended; or a success that a group has missed."""

    number: int
    """Rises by one from each to the next; a gap is what `trim` dropped."""
    event: str
    """`created`, `started`, `late`, `missed`, or the final state."""
    seen: float
    """When a poll has shown it, in seconds since 1970-01-01 UTC."""
    source: SourceKey
    """Empty where it is about a group."""
    record: Record
    """The job as it was then; if late or missed, `finished` is when it should have ended, started, or been."""
    group: str | None = None
    """The group that it was in."""


class Outbox:
    """What is still to be written. Its methods raise StorageLostError once, if the disk of the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, most: int) -> tuple[str, Sequence[Transition]]:
        """Return the name of the log and the first of the transitions. They stay until they are `done`."""
        async with self._database.exclusive() as connection:
            (name,) = connection.execute("SELECT name FROM event_log").fetchone()
            rows = connection.execute(f"SELECT n, {COLUMNS} FROM event ORDER BY n LIMIT ?", (most,)).fetchall()
        return name, [_transition(row) for row in rows]

    async def done(self, number: int) -> None:
        """Forget the transitions up to a number: they are written."""
        await self._delete("DELETE FROM event WHERE n <= ?", number)

    async def trim(self, most: int) -> int:
        """Drop the oldest transitions beyond so many; return how many."""
        return await self._delete("DELETE FROM event WHERE n <= (SELECT max(n) FROM event) - ?", most)

    async def clear(self) -> None:
        """Drop all, also those to come of jobs whose details are not known yet."""
        async with self._database.exclusive(), self._database.transaction():
            for table in ("event", "awaited"):
                await self._database.run(f"DELETE FROM {table}", is_long=True)

    async def size(self) -> int:
        """Return how many there are."""
        async with self._database.exclusive() as connection:
            # Without gaps, and faster than counting.
            first, last = connection.execute("SELECT (SELECT min(n) FROM event), (SELECT max(n) FROM event)").fetchone()
        return 0 if last is None else int(last - first + 1)

    async def _delete(self, statement: str, number: int) -> int:
        async with self._database.exclusive(), self._database.transaction():
            return await self._database.run(statement, (number,), is_long=True)


def _transition(row: tuple[Any, ...]) -> Transition:
    number, event, seen, *key = row[:8]
    identifier, name, status, state, created, started, ended, updated, finished, dated, reason, *texts = row[8:]
    message, code, dims, group = texts
    job = Job(
        id=identifier,
        status=status,
        state=STATES[state],
        name=name,
        created=seconds(created),
        started=seconds(started),
        ended=seconds(ended),
        updated=seconds(updated),
        message=message or "",
        code=code or "",
        dimensions=dimensions(dims),
    )
    record = Record(job, seconds(finished), reason, bool(dated))
    return Transition(number, event, seen / 1000, SourceKey(*key), record, group)
