"""What one poll lists, on its way into the database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any, Self

from exporter.catalog import Retention
from exporter.jobs import Job
from exporter.store import statements as sql
from exporter.store.database import StorageLostError
from exporter.store.ledger import EVERYTHING, Ledger
from exporter.store.record import COUNTS, details_text, dimensions_word, in_milliseconds, seconds, split, used_text
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
        await ledger.begin()
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
        self,
        now: float,
        complete_from: float | None = EVERYTHING,
        *,
        is_full: bool = False,
        scopes: str = "",
        retention: Retention | None = None,
    ) -> None:
        """Take in what was listed at `now`, which omitted no job created after `complete_from`; None if it may have.

        Jobs that had finished before the first listing are not counted as seen to finish, nor are older ones that show
        up late. What AWS no longer lists because of its `retention` is not missing. `is_full` and `scopes` are kept for
        the next start.
        """
        async with self._exclusive() as connection:
            await TakingIn(self._ledger, self._staged, now, complete_from).whole(
                connection, is_full=is_full, scopes=scopes, retention=retention
            )

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[sqlite3.Connection]:
        """Have the database to oneself; raises StorageLostError where what was staged is gone with another one."""
        async with self._database.exclusive() as connection:
            if self._generation != self._database.generation:
                raise StorageLostError("the storage failed while the list was read")
            yield connection

    async def _stage(self, connection: sqlite3.Connection, jobs: Sequence[Job]) -> None:
        # Column by column: for a hundred thousand jobs, a function call for each value takes longer than the database.
        (ids, statuses, states, names, created, started, ended, updated, deadlines, messages, codes, records, dims,
         details, tags, used, lacks_only_usage, waiting) = zip(*jobs, strict=True)  # fmt: skip
        prefixes, suffixes = zip(*map(split, ids), strict=True)
        combinations = [dimensions_word(each) for each in dims]
        told = [None if each is None else dimensions_word(each) for each in tags]
        number = await self._database.numbers({*prefixes, *combinations, *statuses, *filter(None, told)})
        groups = await self._ledger.rules.grouping.numbers(self._database, names, suffixes, tags)
        first, poll = self._database.next_rows(len(jobs)), self._staged.poll
        columns: list[Iterable[Any]] = [
            *(range(first, first + len(jobs)), repeat(poll, len(jobs))),
            *([number[prefix] for prefix in prefixes], suffixes, names),
            *([number[status] for status in statuses], [NUMBER[state] for state in states]),
            *map(in_milliseconds, (created, started, ended, updated)),
            *([message or None for message in messages], [number[word] for word in combinations], groups),
        ]
        # Few kinds have more, and each column costs. Once a job has ended, its deadline means nothing.
        has_deadline = any(deadline and not state.is_final for deadline, state in zip(deadlines, states, strict=True))
        has_more = has_deadline or any(codes) or any(records) or details.count(None) < len(jobs)
        has_more = has_more or any(told) or any(used) or any(waiting)
        if has_more:
            columns += [in_milliseconds(deadlines), [code or None for code in codes]]
            columns += [[counts.get(name) for counts in records] for name in COUNTS]
            columns += [map(details_text, details), [number[word] if word else None for word in told]]
            columns += [map(used_text, used), lacks_only_usage, [reason or None for reason in waiting]]
        # One transaction, because without it each row would be one.
        connection.execute("BEGIN")
        try:
            connection.executemany(sql.STAGE_FURTHER if has_more else sql.STAGE, zip(*columns, strict=True))
        finally:
            connection.execute("COMMIT")
        self._staged.add(first, created, started)
        self._staged.has_usage |= any(used)
