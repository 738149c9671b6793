"""One listing becoming what is known: one comparison, and one transaction of what follows from it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.catalog import Retention
from exporter.store import quantiles, transitions
from exporter.store import statements as sql
from exporter.store.database import PAGE
from exporter.store.ledger import EVERYTHING, SKEW, Ledger, failed
from exporter.store.record import milliseconds, or_else
from exporter.turns import in_turns

_LISTED_LONGEST = 40 * 86_400_000
"""Milliseconds by which a full listing may reach back before the lookback: the catalog's longest run is 28 days."""

_LONG_AGO = 86_400_000
"""Milliseconds before the lookback: what was created earlier had ended by then, unless the list says otherwise."""

_PURGE = 3_600_000
"""Milliseconds between two looks through the ended jobs that are not held: AWS may list very many of them."""

_READ_IN_FULL = 600_000
"""Milliseconds to which it is kept when everything was last listed. Some kinds are listed in full by every poll."""

_AT_ONCE = 100
"""Rows up to which all statements together are done before other tasks get a turn."""

_NEVER = -1
"""Before every time."""


@dataclass
class Staged:
    """What one poll has staged in `listed`, by the numbers of the rows."""

    poll: int
    after: int = 0
    """What was staged up to this row is taken in, or was staged by other polls."""
    until: int = 0
    """The last row that was staged."""
    jobs: int = 0
    untaken: int = 0
    """Jobs that were staged and are not taken in yet."""
    has_started: bool = False
    """Whether any of them has a start, and so a time from creation to start."""
    has_usage: bool = False
    """Whether the list told of any of them what it used."""
    newest: float | None = None
    """When the newest of them was created."""

    def add(self, first: int, created: Sequence[float | None], started: Sequence[float | None]) -> None:
        """Note that jobs with these times were staged in the rows from `first` on."""
        jobs = len(created)
        if not self.jobs:
            self.after = first - 1
        self.until = first + jobs - 1
        self.jobs += jobs
        self.untaken += jobs
        self.has_started = self.has_started or started.count(None) < jobs
        self.newest = max((time for time in (*created, self.newest) if time is not None), default=None)


class TakingIn:
    """One listing becoming what is known."""

    def __init__(self, ledger: Ledger, staged: Staged, now: float, complete_from: float | None) -> None:
        self._ledger = ledger
        self._staged = staged
        self._database = ledger.database
        self._complete_from = complete_from
        self._before = ledger.row
        time = milliseconds(now)
        horizon = time - round(ledger.rules.lookback * 1000)
        self._now = time
        self._changes = dict(self._before)
        # Where AWS has not created anything later than now, the clock is right, and was ahead when it dropped what ends
        # later than now. Otherwise it is behind, and what was dropped will be listed again once it is right.
        newest = self._before["newest_created"]
        if newest is not None and newest <= time:
            for column in ("limit_start", "passed"):
                if self._changes[column] is not None:
                    self._changes[column] = min(self._changes[column], time)
        self._parameters: dict[str, Any] = {
            "source": ledger.number,
            "has_starts": ledger.rules.has_starts,
            "shown": not ledger.rules.born_at_zero,
            "poll": staged.poll,
            "after": staged.after,
            "until": staged.until,
            "now": time,
            "horizon": horizon,
            "start": max(horizon, or_else(self._changes["limit_start"], horizon)),
            "relevant": horizon - _LONG_AGO,
            # AWS's ends are compared with it. What ended before, the first listing has shown, by whatever clock.
            "since": None if self._before["since"] is None else self._before["since"] - round(SKEW * 1000),
            "passed": or_else(self._changes["passed"], _NEVER),
            "complete_from": None if complete_from in (None, EVERYTHING) else milliseconds(complete_from),
        }
        self._rows = staged.untaken
        """Rows that a statement may have to handle."""
        self._has_changed = False
        self._has_groups = bool(ledger.rules.grouping)

    async def page(self, connection: sqlite3.Connection) -> None:
        """Take in what was staged since the last page, of a first listing."""
        found = await self._compare(connection)
        async with self._database.transaction():
            await self._put(connection, found)
            await quantiles.gather(self._database, connection, self._ledger.number)
        # What is in needs no second copy: nothing was known before that the whole list might lack.
        connection.execute(sql.UNSTAGE, self._parameters)
        self._staged.after = self._staged.until
        self._staged.untaken = 0

    async def whole(
        self, connection: sqlite3.Connection, *, is_full: bool, scopes: str, retention: Retention | None
    ) -> None:
        """Take in everything, and drop what left."""
        found = await self._compare(connection)
        self._changes["since"] = self._now if self._before["since"] is None else min(self._before["since"], self._now)
        before = or_else(self._before["read_in_full"], _NEVER)
        if is_full and (scopes != self._before["scopes"] or abs(self._now - before) >= _READ_IN_FULL):
            self._changes.update(read_in_full=self._now, scopes=scopes)
        async with self._database.transaction():
            await self._put(connection, found)
            await self._drop_unlisted(connection, retention)
            await self._drop_old(connection)
            await self._drop_past(connection)
            if self._before["since"] is None:
                await quantiles.gather(self._database, connection, self._ledger.number)
                await quantiles.settle(self._database, connection, self._ledger.number, self._staged.jobs)
            elif self._has_changed:
                await quantiles.shift(self._database, connection)
            if self._has_changed or self._changes != self._before:
                self._changes["last_success"] = self._now
            self._keep(connection)
        await self._database.sweep()
        self._database.polled[self._ledger.number] = self._now
        is_first = self._before["since"] is None
        self._ledger.row = {**self._changes, "last_success": self._now}
        if self._ledger.shown is None:
            self._ledger.shown = self._ledger.number
        if self._has_changed or is_first:
            self._ledger.read(connection)

    async def _compare(self, connection: sqlite3.Connection) -> Mapping[int, tuple[int, int]]:
        """Find the rows that are new or changed, and classify those that failed; return how many are what.

        Also returns how many of them were known before.
        """
        connection.execute("DELETE FROM fresh")
        await self._run(sql.FRESH)
        found = {what: (rows, known) for what, rows, known in connection.execute(sql.FOUND, self._parameters)}
        if found:
            await self._classify(connection)
        if (created := milliseconds(self._staged.newest)) is not None:
            # If it were in the future, the planner would request only jobs that are created later still.
            newest = min(created, self._now)
            self._changes["newest_created"] = max(newest, or_else(self._before["newest_created"], newest))
        return found

    async def _classify(self, connection: sqlite3.Connection) -> None:
        """Find the reasons of the failed jobs among the fresh rows, a slice at a time."""
        last = 0
        while rows := connection.execute(sql.UNEXPLAINED, (last,)).fetchall():
            reasons = await in_turns((self._ledger.classify(failed(*words)), row) for row, *words in rows)
            connection.execute("BEGIN")
            connection.executemany(sql.EXPLAIN, reasons)
            connection.execute("COMMIT")
            last = rows[-1][0]
            await asyncio.sleep(0)

    async def _put(self, connection: sqlite3.Connection, found: Mapping[int, tuple[int, int]]) -> None:
        """Write the rows that are new or changed, and what follows from them."""
        if not found:
            return
        self._has_changed = True
        changed, known = found.keys() - {sql.SEEN}, sum(known for _, known in found.values())
        self._touch(connection, sql.FRESH_GROUPS)
        ended = changed & {sql.ENDED, sql.CHANGED, sql.LATE}
        if known and changed:
            await self._sum(sql.MOVED, -1, of_groups=sql.GROUPS_MOVED)
            await self._each(sql.COUNT_REPLACED)
        await self._note(transitions.BEFORE)
        if changed & {sql.ACTIVE, sql.ENDED, sql.CHANGED}:
            await self._run(sql.PUT)
            self._touch(connection, sql.FRESH_GROUPS)
        await self._note(transitions.RELEASE_TOLD)
        if changed:
            await self._each(sql.COMBINE)
        if changed & {sql.STALE, sql.LATE}:
            await self._run(sql.NOTE_LATE)
            await self._run(sql.END_LATE)
            self._pass(connection.execute(sql.PASSED_LATE).fetchone()[0])
        if sql.SEEN in found:
            await self._run(sql.SEE)
        if changed:
            await self._run(sql.COME_BACK)
        if ended:
            await self._count()

    async def _count(self) -> None:
        """Add what ended to the sums and the counters."""
        # Nothing that never started has a time from creation to start.
        without_waits = None if self._staged.has_started else -1
        await self._sum(sql.MOVED[:without_waits], 1, of_groups=sql.GROUPS_MOVED)
        bounds = self._ledger.bounds
        of_groups = sql.count_group_durations(bounds) if self._has_groups else ()
        for statement in (*sql.count_durations(bounds)[:without_waits], *of_groups):
            await self._run(statement)
        usage = [sql.COUNT_USED] if self._staged.has_usage else []
        for statements in (sql.COUNT_FINISHED, sql.COUNT_FAILED, *usage, sql.LAST):
            await self._each(statements)

    async def _note(self, statements: Iterable[str]) -> None:
        """Note transitions for the event log; but what a first listing shows is what was there before."""
        if self._database.keeps_events and self._before["since"] is not None:
            for each in statements:
                await self._run(each)

    async def _drop_unlisted(self, connection: sqlite3.Connection, retention: Retention | None) -> None:
        """Remove the jobs that a second complete listing in a row lacks: they were deleted."""
        if self._complete_from is None:
            return
        horizon = self._parameters["horizon"]
        reaches_back = self._complete_from == EVERYTHING or self._parameters["complete_from"] < horizon
        held = self._ledger.held if reaches_back else 0
        forgetful = {**self._parameters, **_forgotten(retention, self._now)}
        if retention and self._ledger.missed:
            # Deleted or forgotten meanwhile, nobody knows: it counts until it leaves the lookback.
            self._has_changed |= bool(await self._run(sql.FORGIVE, forgetful, rows=held))
        finished = sql.LACK_ALL if self._complete_from == EVERYTHING else sql.LACK_FINISHED
        # Jobs that were known before: nothing listed just now is missing.
        known = ((sql.LACK_ACTIVE, self._ledger.active), (finished, self._ledger.held))
        lacks = [lack for lack, jobs in known if jobs]
        if not lacks:
            return
        for missed in (1, 0) if self._ledger.missed else (0,):
            connection.execute(sql.EMPTY_LEAVING)
            parameters = {**forgetful, "missed": missed}
            rows = sum([await self._run(lack, parameters, rows=held) for lack in lacks])
            if not rows:
                continue
            self._has_changed = True
            if missed:
                await self._sum(sql.LEFT_SUMS, -1, rows, of_groups=sql.GROUPS_LEFT)
                await self._remove(rows)
            else:
                # A page that shifted while the list was read may hide a job once.
                await self._run(sql.MISS, rows=rows)

    async def _drop_old(self, connection: sqlite3.Connection) -> None:
        """Remove what left the lookback, then what is over the limit: the lookback of this source is shorter then."""
        parameters = self._parameters
        left, aged, dropped = connection.execute(sql.OLD, parameters).fetchone()
        if aged:
            self._has_changed = True
            connection.execute(sql.EMPTY_LEAVING)
            await self._remove(await self._run(sql.AGED))
        if left:
            await self._leave(connection, parameters["start"])
        if dropped:
            self._has_changed = True
            connection.execute(sql.FORGET_DROPPED, parameters)
        held = self._ledger.held
        # The pages of a first listing are not in the ledger yet.
        if self._has_changed or self._before["since"] is None:
            (held,) = connection.execute(sql.HELD, parameters).fetchone()
        if held > self._ledger.rules.limit:
            excess = {**parameters, "excess": held - int(self._ledger.rules.limit)}
            floor = await self._database.value(connection, sql.FLOOR, excess)
            self._changes["limit_start"] = floor
            await self._leave(connection, floor, sql.DROP)

    async def _remove(self, rows: int) -> None:
        """Remove the jobs that are leaving otherwise than by their age; their ends must not count again."""
        self._touch(self._database.connection, sql.LEAVING_GROUPS)
        await self._each(sql.COUNT_LEFT, rows)
        for each in (*transitions.RELEASE_LEAVING, sql.NOTE_GONE, sql.LEAVE):
            await self._run(each, rows=rows)

    async def _leave(self, connection: sqlite3.Connection, before: int, *first: str) -> None:
        """Remove the jobs that finished before a time, a slice at a time, after these statements about them."""
        self._has_changed = True
        while True:
            connection.execute(sql.EMPTY_LEAVING)
            if not await self._run(sql.LEFT, {**self._parameters, "before": before}):
                return
            self._pass(connection.execute(sql.LEFT_PASSED).fetchone()[0])
            self._touch(connection, sql.LEAVING_GROUPS)
            await self._each(sql.COUNT_LEFT)
            for each in (*first, *transitions.RELEASE_LEAVING, sql.LEFT_PAST):
                await self._run(each)
            await self._sum(sql.LEFT_SUMS, -1, of_groups=sql.GROUPS_LEFT)
            await self._run(sql.LEAVE)

    async def _drop_past(self, connection: sqlite3.Connection) -> None:
        """Forget ended jobs that are not held, once AWS no longer lists them or `passed` covers them."""
        parameters, ledger = self._parameters, self._ledger
        if self._complete_from is None or abs(self._now - ledger.purged) < _PURGE:
            return
        ledger.purged = self._now
        if not connection.execute(sql.IS_PAST, parameters).fetchone()[0]:
            return
        # By AWS's time, where known: if the clock were ahead for a while, the jobs would be counted again afterwards.
        newest = self._changes["newest_created"]
        old = parameters["horizon"] if newest is None else min(parameters["horizon"], newest - self._lookback)
        self._pass(await self._database.value(connection, sql.PAST_PASSED, {**parameters, "old": old}))
        await self._database.run(sql.PURGE_REPORTED, {**parameters, "old": old}, is_long=True)
        if self._complete_from == EVERYTHING:
            for each in (sql.SEE_PAST, sql.PURGE_UNREPORTED, sql.MISS_PAST):
                await self._database.run(each, {**parameters, "old": old}, is_long=True)
        else:
            # A job that ended so long before the listing starts was created before that, and is never listed again.
            oldest = parameters["complete_from"] - _LISTED_LONGEST
            connection.execute(sql.PURGE_BEFORE, {**parameters, "oldest": oldest})

    @property
    def _lookback(self) -> int:
        return self._now - int(self._parameters["horizon"])

    def _pass(self, end: int | None) -> None:
        """Note that a job with this end was dropped: what ended up to then is not new."""
        if end is not None:
            self._changes["passed"] = max(end, or_else(self._changes["passed"], end))

    def _keep(self, connection: sqlite3.Connection) -> None:
        """Write what changed about the source itself."""
        changed = {name: value for name, value in self._changes.items() if value != self._before[name]}
        if changed:
            names = ", ".join(f"{name} = :{name}" for name in changed)
            connection.execute(f"UPDATE source SET {names} WHERE n = :n", {**changed, "n": self._ledger.number})

    async def _run(self, statement: str, parameters: Mapping[str, Any] | None = None, rows: int = 0) -> int:
        """Run a statement that may have to handle so many rows, or those that were listed."""
        rows = max(rows, self._rows)
        found = await self._database.run(statement, parameters or self._parameters, is_long=rows > PAGE)
        if rows > _AT_ONCE:
            await asyncio.sleep(0)
        return found

    async def _each(self, statements: Sequence[str], rows: int = 0) -> None:
        """Run a statement for the source, and its twin for the groups, if its jobs are in any."""
        for statement in statements if self._has_groups else statements[:1]:
            await self._run(statement, rows=rows)

    async def _sum(self, statements: Iterable[str], sign: int, rows: int = 0, *, of_groups: Iterable[str] = ()) -> None:
        for statement in (*statements, *(of_groups if self._has_groups else ())):
            await self._run(statement, {**self._parameters, "sign": sign}, rows)

    def _touch(self, connection: sqlite3.Connection, statement: str) -> None:
        """Note which groups what follows changes."""
        if self._has_groups:
            self._database.touched_groups.update(group for (group,) in connection.execute(statement))


def _forgotten(retention: Retention | None, now: int) -> Mapping[str, int]:
    """Return the parameters that tell which jobs AWS may no longer list, by whatever clock."""
    if retention is None:
        return {"by_end": 0, "forgotten": _NEVER}
    return {"by_end": retention.since == "ended", "forgotten": now - round((retention.period - SKEW) * 1000)}
