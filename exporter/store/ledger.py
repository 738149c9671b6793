"""The jobs of one source: what is known of them, and what they add up to."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from exporter.jobs import Job, SourceKey, State, Tags
from exporter.store import quantiles, sums, transitions
from exporter.store import statements as sql
from exporter.store.database import Database
from exporter.store.record import (
    SELECT,
    Dimensions,
    Record,
    dimensions,
    milliseconds,
    or_else,
    record,
    seconds,
    split,
    used_text,
)
from exporter.store.regrouping import Grouping, regroup, ungroup
from exporter.store.tables import STATES
from exporter.store.upkeep import empty, forget
from exporter.turns import in_turns

Classify = Callable[[Job], str]
"""Returns the reason for which a job failed, from a closed list."""

EVERYTHING = -math.inf
"""A listing that omitted nothing is complete for jobs created since then."""

SKEW = 900.0
"""Seconds by which AWS's clock may differ from ours: beyond, AWS refuses what is signed."""

_COLUMNS = (
    *("n", "identity", "rules", "longest_run", "since", "newest_created", "passed", "limit_start"),
    *("last_success", "read_in_full", "scopes", "gone", "has_starts", "grouping"),
)
"""What a ledger knows of its source; named here, so that thousands of ledgers share the names."""

_AND_COUNT = 2
"""What `asked` is where the counter of failures must count the job, too."""

_REFUSED = 3
"""What `asked` is where AWS refused to tell."""


class Rules(NamedTuple):
    """The settings that sums and reasons depend on."""

    lookback: float
    bounds: Sequence[float] = ()
    """Upper bounds of the buckets of durations, in seconds."""
    limit: float = math.inf
    """Finished jobs that are held at most."""
    reasons: str = ""
    """What differs where the rules of reasons do."""
    has_starts: bool = False
    """Whether the list tells when jobs start: one without a start never ran."""
    born_at_zero: bool = False
    """Whether a new counter is 0 until `show` was called."""
    grouping: Grouping = Grouping()


class Asked(NamedTuple):
    """A finished job whose details AWS was asked for: its row, times in milliseconds."""

    n: int
    asked: int
    dims: int
    group: int
    state: int
    finished: int
    reported: int
    dated: int
    is_used: int
    """Whether it is known what it used."""

    def end(self, job: Job, now: int, start: int) -> tuple[int, int | None, bool]:
        """Return when it ended, AWS's end where the list does not tell it, and whether any is known.

        What ended before `start`, that of the lookback, or nobody knows when, leaves with the next poll.
        """
        ended = milliseconds(job.ended)
        if self.reported:
            return self.finished, None, True
        first = job.created if job.started is None else job.started
        otherwise = self.finished if self.dated else or_else(milliseconds(first), start - 1)
        known = ended if ended is not None and ended <= now else milliseconds(job.updated)
        finished = min(or_else(known, otherwise), now)
        return finished, ended, bool(self.dated) or finished >= start


class Ledger:
    """The jobs of one source, in the database. Those that finished more than the lookback ago do not count.

    Times in seconds since 1970-01-01 UTC. Everything is as of the last listing; one poll at a time uses it.
    """

    def __init__(
        self,
        database: Database,
        key: SourceKey,
        classify: Classify,
        rules: Rules,
        identity: str = "",
        longest_run: float = math.inf,
    ) -> None:
        """Use the rows of the source `key`; where they are of another `identity`, they are another list of jobs.

        Searches call a job overdue that has been active for more than `longest_run` seconds.
        """
        self.database = database
        self.key = key
        self.rules = rules
        self.classify = classify
        # Hashed, because it may hold what an account is reached by.
        self._identity = blake2b(identity.encode(), digest_size=16).hexdigest()
        self._longest_run = longest_run
        self.bounds = tuple(round(bound * 1000) for bound in rules.bounds)
        """Of the buckets of durations, in milliseconds."""
        self._rules = repr((rules.lookback, rules.limit, rules.reasons, rules.has_starts))
        self.row: dict[str, Any] = {}
        """The row of the source; only what takes in a listing changes it."""
        self._epoch = 0
        self._shown: tuple[int, int] | None = None
        self.purged = 0
        """When ended jobs that are not held were last looked through."""
        self.sums: Mapping[Dimensions, sums.Sums] = {}
        self.newborn: Collection[sums.Newborn] = ()
        """The counters that are 0 in these sums because nobody has seen them yet."""
        self.has_changed = True
        """Whether anything has changed since this was last set to False by whoever shows it."""
        self.held = 0
        """Finished jobs."""
        self.active = 0
        self.unexplained = 0
        """Finished jobs whose details AWS must still be asked for."""
        self.refused = 0
        """Finished jobs whose details AWS refused."""
        self.dropped = 0
        """About how many jobs that finished within the lookback were dropped to stay within the limit."""
        self.missed = 0
        """Jobs that the last complete listing lacked. The next one decides whether they are gone."""
        self.oldest_active: float | None = None
        """When the oldest active job was created."""
        self.has_undated = False
        """Whether there is an active job whose creation time is unknown."""

    def __len__(self) -> int:
        return self.held + self.active

    @property
    def is_open(self) -> bool:
        """Whether what is known was found in the database as it is now."""
        return bool(self.row) and self._epoch == self.database.epoch

    @property
    def shown(self) -> int | None:
        """The number of the source in searches; None before it was first read, even if half of its jobs are known.

        A ledger that takes the place of another one has that one's, until it is opened itself.
        """
        epoch, number = self._shown or (-1, 0)
        return number if epoch == self.database.epoch else None

    @shown.setter
    def shown(self, number: int | None) -> None:
        self._shown = None if number is None else (self.database.epoch, number)
        self.database.numbering += 1

    @property
    def number(self) -> int:
        """The number of the source in the database; raises KeyError before `open`."""
        return int(self.row["n"])

    @property
    def since(self) -> float | None:
        """When the first listing was taken in."""
        return seconds(self.row.get("since"))

    @property
    def newest_created(self) -> float | None:
        """When the newest job was created."""
        return seconds(self.row.get("newest_created"))

    @property
    def last_event(self) -> float | None:
        """When the newest job was created or the last one ended; the first listing where there was no job yet."""
        ends = (end for each in self.sums.values() for end in each.last.values())
        created = () if self.newest_created is None else (self.newest_created,)
        return max((*created, *ends), default=self.since)

    @property
    def read_in_full(self) -> float | None:
        """When everything was last listed."""
        return seconds(self.row.get("read_in_full"))

    @property
    def last_read(self) -> float | None:
        """When the source was last read; before the exporter's first poll, to the minute."""
        return seconds(self.row.get("last_success"))

    @property
    def scopes(self) -> str:
        """The inner scopes of the last full listing, as `take_in` was given them."""
        return self.row.get("scopes") or ""

    async def open(self, since: float | None = None, *, create: bool = True) -> None:
        """Find what is known of the source, or start with nothing; the counters of a new one count from `since` on.

        Without `create`, it is not open afterward where nothing is known.
        """
        async with self.database.exclusive() as connection:
            row = self._find(connection)
            if row is not None and row["identity"] != self._identity:
                await forget(self.database, row["n"])
                row = None
            if row is None and not create:
                return
            if row is None:
                async with self.database.transaction():
                    connection.execute(
                        sql.NEW_SOURCE,
                        (
                            *(*self.key, self._identity, self._rules, self._longest_run * 1000, milliseconds(since)),
                            self.rules.has_starts,
                        ),
                    )
                row = self._find(connection)
            assert row is not None  # noqa: S101 - for the type checker: it was just inserted
            self.row, self._epoch = row, self.database.epoch
            if self.last_read is not None:
                self.shown = row["n"]
            if row["gone"] is not None or row["longest_run"] != self._longest_run * 1000:
                async with self.database.transaction():
                    connection.execute(sql.CONTINUE, (self._longest_run * 1000, row["n"]))
            if row["rules"] != self._rules:
                await self._rebuild(connection)
            if self.row["grouping"] != self.rules.grouping.identity:
                await regroup(self.database, self.number, self.rules.grouping)
                self.row["grouping"] = self.rules.grouping.identity
            self.read(connection)

    async def begin(self) -> None:
        """Drop what a first listing that broke off has left: nothing would tell that AWS no longer lists it."""
        if self.since is not None:
            return
        async with self.database.exclusive() as connection:
            if connection.execute(sql.HAS_JOBS, (self.number,)).fetchone()[0]:
                async with self.database.transaction():
                    await empty(self.database, self.number)

    async def complete(self, job: Job, now: float, *, is_refused: bool = False) -> None:
        """Take in a finished job with what AWS told when asked for its details, or refused to tell.

        Where it was refused, the job counts by what is known, and `ask_again` has it asked once more.
        """
        async with self.database.exclusive() as connection:
            found = connection.execute(sql.ASKED, (self.number, *split(job.id))).fetchone()
            if found is None:
                return
            asked = Asked(*found)
            sums_of, durations = sql.LEFT_SUMS, sql.count_explained_durations(self.bounds)
            if asked.group:
                sums_of += sql.GROUPS_LEFT
                durations += sql.count_explained_group_durations(self.bounds)
            parameters = {
                "source": self.number,
                "has_starts": self.rules.has_starts,
                "now": math.inf,
                "since": self.row["since"],
                "shown": not self.rules.born_at_zero,
                "n": asked.n,
            }
            async with self.database.transaction():
                connection.execute(sql.EMPTY_LEAVING)
                connection.execute("INSERT INTO leaving VALUES (?)", (asked.n,))
                for statement in sums_of:
                    connection.execute(statement, {**parameters, "sign": -1})
                (was_timed,) = connection.execute(sql.IS_TIMED, parameters).fetchone()
                self._note(connection, asked, job, milliseconds(now), is_refused=is_refused)
                for statement in sums_of:
                    connection.execute(statement, {**parameters, "sign": 1})
                for statement in () if was_timed else durations:
                    connection.execute(statement, parameters)
                for statement in sql.COUNT_USED_EXPLAINED if job.used and not asked.is_used else ():
                    connection.execute(statement, parameters)
                await quantiles.shift(self.database, connection)
                for statement in (*sql.LAST_EXPLAINED, *sql.FORGET_UNEXPLAINED, *transitions.RELEASE_LEAVING):
                    connection.execute(statement, parameters)
            if asked.group:
                self.database.touched_groups.add(asked.group)
            self.read(connection)

    async def show(self, newborn: Collection[sums.Newborn]) -> None:
        """Have newborn counters, which were seen at 0, be what they are from now on."""
        async with self.database.exclusive() as connection:
            async with self.database.transaction():
                sums.show(connection, self.number, newborn)
            self.read(connection)

    def _note(self, connection: sqlite3.Connection, asked: Asked, job: Job, now: int, *, is_refused: bool) -> None:
        """Write the details of a job, and count its reason where that is still to be done."""
        reason = self.classify(job) if STATES[asked.state] is State.FAILED else None
        created = milliseconds(job.created)
        values = {
            "n": asked.n,
            "reason": reason,
            "message": job.message or None,
            "code": job.code or None,
            "created": created,
            "started": milliseconds(job.started),
            "updated": None if asked.reported else milliseconds(job.updated),
            "asked": _REFUSED if is_refused else 0,
            "used": used_text(job.used),
        }
        start = now - round(self.rules.lookback * 1000)
        unchanged = asked.finished, milliseconds(job.ended) if not asked.reported else None, bool(asked.dated)
        end = unchanged if is_refused else asked.end(job, now, start)
        connection.execute(sql.NOTE_DETAILS, {**values, **dict(zip(("finished", "ended", "dated"), end, strict=True))})
        owners = [(self.number, asked.dims), *([(-asked.group, 0)] if asked.group else [])]
        for owner in owners if created is not None and created <= now else ():
            connection.execute(sql.COMBINE_EXPLAINED, (*owner, created))
        for source, dims in owners if asked.asked == _AND_COUNT else ():
            counted = {"source": source, "dims": dims, "reason": reason, "shown": not self.rules.born_at_zero}
            connection.execute(sql.COUNT_EXPLAINED, counted)

    async def note_attempt(self, job: Job) -> None:
        """Record that AWS was asked for a job's details in vain: it is asked about others first."""
        async with self.database.exclusive() as connection, self.database.transaction():
            connection.execute(sql.NOTE_ATTEMPT, (self.number, *split(job.id)))

    async def ask_again(self) -> None:
        """Have AWS asked once more for all details that it refused."""
        if not self.refused:
            return
        async with self.database.exclusive() as connection:
            async with self.database.transaction():
                await self.database.run(sql.ASK_AGAIN, (self.number,), is_long=True)
            self.read(connection)

    async def waiting(self, limit: int = -1) -> list[tuple[Job, int]]:
        """Return finished jobs whose details AWS must still be asked for, and how often it was asked in vain.

        Those asked about least often come first, among those the newest.
        """
        async with self.database.exclusive() as connection:
            rows = connection.execute(
                f"{SELECT} FROM job INDEXED BY job_asked WHERE source = ? AND asked IN (1, 2) AND finished IS NOT NULL "
                "ORDER BY attempts, finished DESC LIMIT ?",
                (self.number, limit),
            ).fetchall()
        return [(record(row).job, row[-1] or 0) for row in rows]

    async def untagged(self, jobs: Iterable[Job], now: float) -> tuple[dict[str, Tags], set[str]]:
        """Return the tags of those jobs whose tags are known, and the ids of others that will be held or counted."""
        known: dict[str, Tags] = {}
        unknown = set()
        async with self.database.exclusive() as connection:
            for job in jobs:
                place = (self.number, *split(job.id))
                if found := connection.execute(sql.TAGS, place).fetchone():
                    known[job.id] = dimensions(found[0])
                elif self._counts(job, now) and not (
                    job.state.is_final and _end(job) is None and connection.execute(sql.IS_GONE, place).fetchone()[0]
                ):
                    unknown.add(job.id)
        return known, unknown

    def _counts(self, job: Job, now: float) -> bool:
        """Return whether a job that is not held may be held or counted from now on."""
        end = _end(job) if job.state.is_final else None
        if end is None or end >= now - self.rules.lookback:
            return True
        # What ended while nobody looked, for longer than the lookback, is counted, too.
        passed = seconds(self.row["passed"])
        return self.since is not None and end >= self.since - SKEW and (passed is None or end > passed)

    async def newest(self, finished: int, active: int = -1) -> list[Record]:
        """Return the `active` oldest of the active jobs and the `finished` last ones of those whose end is known.

        The oldest active ones, so that a job that is shown stays until it ends.
        """
        async with self.database.exclusive() as connection:
            rows = connection.execute(
                f"{SELECT} FROM job INDEXED BY job_finished WHERE source = ? AND finished IS NULL "
                "ORDER BY coalesce(created, 0), n LIMIT ?",
                (self.number, active),
            ).fetchall()
            rows += connection.execute(
                f"{SELECT} FROM job INDEXED BY job_finished WHERE source = ? AND finished IS NOT NULL AND dated "
                "ORDER BY finished DESC, n LIMIT ?",
                (self.number, finished),
            ).fetchall()
        return [record(row) for row in rows]

    async def runs(self, since: float) -> list[tuple[float | None, float | None]]:
        """Return when each job was created and when it ended: those that are active, and those that ended since a time.

        A job whose end nobody knows is left out.
        """
        async with self.database.exclusive() as connection:
            rows = connection.execute(
                "SELECT created, NULL FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NULL "
                "UNION ALL SELECT created, finished FROM job INDEXED BY job_finished "
                "WHERE source = :source AND finished >= :since AND dated",
                {"source": self.number, "since": milliseconds(since)},
            ).fetchall()
        return [(seconds(created), seconds(finished)) for created, finished in rows]

    async def created_since(self, time: float, limit: int) -> int:
        """Return how many of the jobs held were created since a time, counting every active one; at most `limit`."""
        async with self.database.exclusive() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM job INDEXED BY job_finished "
                # What was created after a time also finished after it.
                "WHERE source = :source AND finished >= :time AND created >= :time LIMIT :limit)",
                {"source": self.number, "time": milliseconds(time), "limit": limit},
            ).fetchone()
        return min(limit, int(count) + self.active)

    def _find(self, connection: sqlite3.Connection) -> dict[str, Any] | None:
        row = connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM source "
            "WHERE account_id = ? AND region = ? AND aws_service = ? AND kind = ? AND scope = ?",
            self.key,
        ).fetchone()
        return None if row is None else dict(zip(_COLUMNS, row, strict=True))

    def read(self, connection: sqlite3.Connection) -> None:
        """Read what the jobs add up to."""
        self.has_changed = True
        number = self.number
        self.sums, self.newborn = sums.read(connection, number)
        oldest, undated, self.active, self.held, self.unexplained, self.refused, self.dropped, self.missed = (
            connection.execute(sql.SUMMARY, {"source": number}).fetchone()
        )
        self.oldest_active, self.has_undated = seconds(oldest), bool(undated)

    async def _rebuild(self, connection: sqlite3.Connection) -> None:
        """Recompute reasons and sums by the rules in effect."""
        database, number = self.database, self.number
        rows = connection.execute(sql.EXPLAINED, (number,)).fetchall()
        reasons = await in_turns((self.classify(failed(*words)), row, before) for row, *words, before in rows)
        renamed = [(reason, row) for reason, row, before in reasons if reason != before]
        async with database.transaction():
            # What its groups add up to contains what other sources do.
            await ungroup(database, number)
            self.row["grouping"] = ""
            connection.executemany("UPDATE job SET reason = ? WHERE n = ?", renamed)
            # What the limit dropped comes back where AWS still lists it, and so does what left a shorter lookback.
            for table in ("tally", "span", "pivot", "dropped"):
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (number,))
            # The last ends of jobs that are gone stay under the reasons that they had.
            (oldest,) = connection.execute(sql.OLDEST, (number,)).fetchone()
            parameters = {
                "source": number,
                "sign": 1,
                "horizon": oldest,
                "now": math.inf,
                "has_starts": self.rules.has_starts,
            }
            connection.execute(sql.FORGET_LAST, parameters)
            for statement in (*sql.SUMS_OF_ALL, sql.LAST_OF_ALL[0]):
                await database.run(statement, parameters, is_long=True)
            await quantiles.gather(database, connection, number)
            (held,) = connection.execute(sql.HELD, parameters).fetchone()
            await quantiles.settle(database, connection, number, held)
            connection.execute(sql.NOTE_RULES, (self._rules, self.rules.has_starts, number))
        self.row.update(rules=self._rules, has_starts=self.rules.has_starts, limit_start=None, read_in_full=None)


def _end(job: Job) -> float | None:
    return job.updated if job.ended is None else job.ended


def failed(status: str, message: str | None, code: str | None) -> Job:
    """Return what is known of a failed job to classify it by."""
    return Job("", status, State.FAILED, message=message or "", code=code or "")
