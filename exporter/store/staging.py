"""What one poll lists, on its way into the database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from exporter.jobs import Job
from exporter.store import statements as sql
from exporter.store.database import StorageLostError
from exporter.store.ledger import EVERYTHING, Ledger
from exporter.store.record import details_text, dimensions_word, milliseconds, seconds, split
from exporter.store.tables import NUMBER
from exporter.store.taking_in import Staged, TakingIn

_SLICE = 250
"""Jobs that are staged before other tasks get a turn: about a millisecond of work."""

_PAGE = 500
"""Jobs of a first listing that are taken in together."""


class Listing:
    """What one poll lists: staged page by page, then taken in as one transaction.

    Only a first listing is taken in page by page: it counts nothing, and so no other poll waits for long.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._database = ledger.database
        self._generation = ledger.database.generation
        self._staged = Staged(ledger.database.next_poll())

    @classmethod
    @asynccontextmanager
    async def of(cls, ledger: Ledger) -> AsyncIterator[Self]:
        """Yield a listing for one poll of a source; dropped in the end, whether it was taken in or not."""
        listing = cls(ledger)
        try:
            yield listing
        finally:
            ledger.database.abandon(listing._staged.poll, listing._staged.jobs)

    async def add(self, jobs: Sequence[Job], now: float) -> None:
        """Stage jobs; where one was staged before, the later one counts."""
        for start in range(0, len(jobs), _SLICE):
            async with self._exclusive() as connection:
                await self._stage(connection, jobs[start : start + _SLICE])
                if self._ledger.since is None and self._staged.untaken >= _PAGE:
                    await TakingIn(self._ledger, self._staged, now, None).page(connection)
            await asyncio.sleep(0)

    async def lost(self) -> float | None:
        """Return when the oldest of the active jobs that are not listed was created; None if there are none."""
        async with self._exclusive() as connection:
            found = connection.execute(sql.LOST, {"source": self._ledger.number, "poll": self._staged.poll}).fetchone()
        return seconds(found[0])

    async def take_in(
        self, now: float, complete_from: float | None = EVERYTHING, *, is_full: bool = False, scopes: str = ""
    ) -> None:
        """Take in what was listed at `now`, which omitted no job created after `complete_from`; None if it may have.

        Jobs that had finished before the first listing are not counted as seen to finish, nor are older ones that show
        up late. `is_full` and `scopes` are kept for the next start.
        """
        async with self._exclusive() as connection:
            await TakingIn(self._ledger, self._staged, now, complete_from).whole(
                connection, is_full=is_full, scopes=scopes
            )

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[sqlite3.Connection]:
        """Have the database to oneself; raises StorageLostError where what was staged is gone with another one."""
        async with self._database.exclusive() as connection:
            if self._generation != self._database.generation:
                raise StorageLostError("the storage failed while the list was read")
            yield connection

    async def _stage(self, connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
        ids, dims = [split(job.id) for job in jobs], [dimensions_word(job.dimensions) for job in jobs]
        number = await self._database.numbers({*(prefix for prefix, _ in ids), *dims, *(job.status for job in jobs)})
        first, staged = self._database.next_rows(len(jobs)), self._staged
        poll, at = staged.poll, milliseconds
        values = [
            (row, poll, number[prefix], suffix, name, number[status], NUMBER[state],
             at(created), at(started), at(ended), at(updated), message or None, number[word])
            for row, (prefix, suffix), word, (_, status, state, name, created, started, ended, updated, _, message, *_)
            in zip(range(first, first + len(jobs)), ids, dims, jobs, strict=True)
        ]  # fmt: skip
        # Few kinds have more, and each column costs.
        has_more = any(map(_has_more, jobs))
        if has_more:
            values = [(*row, *_further(job)) for row, job in zip(values, jobs, strict=True)]
        # One transaction, because without it each row would be one.
        connection.execute("BEGIN")
        try:
            connection.executemany(sql.STAGE_FURTHER if has_more else sql.STAGE, values)
        finally:
            connection.execute("COMMIT")
        staged.add(first, jobs)


def _has_more(job: Job) -> bool:
    return bool(job.code or job.records or job.details is not None or (job.deadline and not job.state.is_final))


def _further(job: Job) -> tuple[Any, ...]:
    """Return the values that few kinds have."""
    deadline, code, count = milliseconds(job.deadline), job.code or None, job.records.get
    counts = count("total"), count("processed"), count("succeeded"), count("failed")
    return deadline, code, *counts, details_text(job.details)
