"""What the jobs of a source add up to, read from the database."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from exporter.jobs import State
from exporter.store.record import Dimensions, dimensions, seconds, status_label
from exporter.store.tables import STATES


@dataclass
class RunTimes:
    """How long jobs ran, in seconds."""

    quantiles: dict[float, float] = field(default_factory=dict)
    """Of those that finished within the lookback; empty where there are none."""
    counts: Counter[int] = field(default_factory=Counter)
    """Since counting began, by the upper bound of their bucket, in milliseconds."""
    sum: float = 0.0

    @property
    def count(self) -> int:
        """How many there were since counting began."""
        return self.counts.total()

    def buckets(self, bounds: Sequence[float]) -> list[tuple[str, float]]:
        """Return the buckets as the exposition formats have them: upper bound, count of all observations up to it.

        What was counted under other bounds is in the first bucket that is certain.
        """
        ends = [round(bound * 1000) for bound in bounds]
        upto = [sum(jobs for bound, jobs in self.counts.items() if bound <= end) for end in ends]
        buckets = [(str(float(bound)), float(jobs)) for bound, jobs in zip(bounds, upto, strict=True)]
        return [*buckets, ("+Inf", float(self.count))]


@dataclass
class Sums:
    """Counts, run times and extreme times of a source's jobs that have the same values of the dimensions.

    Times in seconds since 1970-01-01 UTC. Jobs are active, or finished within the lookback; the last ones outlive it,
    and so do the counters.
    """

    statuses: Counter[tuple[str, State, str]] = field(default_factory=Counter)
    """By status, state, and why a job failed or waits; a reason of a failure that was seen once stays, at 0."""
    records: Counter[str] = field(default_factory=Counter)
    durations: defaultdict[State, RunTimes] = field(default_factory=lambda: defaultdict(RunTimes))
    waits: RunTimes = field(default_factory=RunTimes)
    """From creation to start, of finished jobs."""
    last: dict[tuple[State, str], float] = field(default_factory=dict)
    """For each final state and reason, when the last job finished."""
    last_durations: dict[State, float | None] = field(default_factory=dict)
    """For each final state, the run time of the job that finished last; None if it is not known."""
    oldest_active: dict[tuple[str, State], float] = field(default_factory=dict)
    """Since when the oldest job is in each active status: a running one from its start, others from their creation."""
    last_created: float | None = None
    next_deadline: float | None = None
    finished_total: Counter[State] = field(default_factory=Counter)
    failed_total: Counter[str] = field(default_factory=Counter)
    used_total: dict[str, float] = field(default_factory=dict)
    """What the counted jobs used, by the resource, with its type after a slash: in seconds, or by its own unit."""


_RESULTS = ("total", "processed", "succeeded", "failed")
_RUNNING = {State.RUNNING, State.STOPPING}

_TALLY = """
SELECT dims, status.text, state, reason, jobs, total, processed, succeeded, failed
FROM tally JOIN word AS status ON status.n = status WHERE source = ? AND dated
"""
_PIVOT = "SELECT dims, state, quantile, length FROM pivot WHERE source = ? AND quantile < 1000"
_DURATION_TOTAL = "SELECT dims, state, bound, jobs, length, shown FROM duration_total WHERE source = ?"
_LAST = "SELECT dims, state, reason, finished, duration FROM last WHERE source = ? ORDER BY finished"
_CREATED = "SELECT dims, text, newest_created FROM combination JOIN word ON n = dims WHERE source = ?"
_FINISHED_TOTAL = "SELECT dims, state, jobs, shown FROM finished_total WHERE source = ?"
_FAILED_TOTAL = "SELECT dims, reason, jobs, shown FROM failed_total WHERE source = ?"
_USED_TOTAL = "SELECT dims, what, amount, shown FROM used_total WHERE source = ?"
_ACTIVE = """
SELECT dims, text, state, coalesce(reason, ''), count(*), min(created), min(coalesce(started, created)), min(deadline),
    sum(total), sum(processed), sum(succeeded), sum(failed)
FROM job INDEXED BY job_finished JOIN word ON word.n = status WHERE source = ? AND finished IS NULL GROUP BY 1, 2, 3, 4
"""


def add_active(counted: Sums, state: State, jobs: int, created: int | None, started: int | None) -> None:
    """Add active jobs of a group that are in one state, the oldest created and started at these times."""
    counted.statuses["", state, ""] += jobs
    since = started if state in _RUNNING else created
    if state.is_active and since is not None:
        counted.oldest_active["", state] = min(since / 1000, counted.oldest_active.get(("", state), math.inf))


class Newborn(NamedTuple):
    """A series of a counter that nobody has seen yet, by the row of the database that it comes from."""

    table: Literal["finished_total", "failed_total", "duration_total", "used_total"]
    dims: int
    key: int | str


def read(connection: sqlite3.Connection, source: int) -> tuple[Mapping[Dimensions, Sums], Collection[Newborn]]:
    """Return the sums of a source for each combination of dimensions that has ever been counted.

    Also returns the newborn counters, which are 0 in the sums.
    """
    sums: defaultdict[int, Sums] = defaultdict(Sums)
    words: dict[int, Dimensions] = {}
    of = (source,)
    for dims, text, created in connection.execute(_CREATED, of):
        words[dims] = dimensions(text)
        sums[dims].last_created = seconds(created)
    for dims, status, state, reason, jobs, *records in connection.execute(_TALLY, of):
        counted = sums[dims]
        if jobs or reason:
            counted.statuses[status_label(status, STATES[state]), STATES[state], reason] += jobs
            counted.records.update(dict(zip(_RESULTS, records, strict=True)))
    for dims, number, quantile, length in connection.execute(_PIVOT, of):
        _run_times(sums[dims], number).quantiles[quantile / 1000] = length / 1000
    for dims, number, reason, finished, length in connection.execute(_LAST, of):
        counted, state = sums[dims], STATES[number]
        counted.last[state, reason] = finished / 1000
        counted.last_durations[state] = seconds(length)
    _read_active(connection, source, sums)
    newborn = _read_counters(connection, source, sums)
    return {words.get(dims, ()): each for dims, each in sums.items()}, newborn


_KEYS = {"finished_total": "state", "failed_total": "reason", "duration_total": "state", "used_total": "what"}


def show(connection: sqlite3.Connection, source: int, newborn: Collection[Newborn]) -> None:
    """Note that newborn counters were seen at 0: from now on they are read as they are."""
    for table, dims, key in newborn:
        connection.execute(
            f"UPDATE {table} SET shown = 1 WHERE source = ? AND dims = ? AND {_KEYS[table]} = ?", (source, dims, key)
        )


def _run_times(sums: Sums, state: int) -> RunTimes:
    """Return the run times of a state; those of pending are waits."""
    return sums.durations[STATES[state]] if state else sums.waits


def _read_counters(connection: sqlite3.Connection, source: int, sums: Mapping[int, Sums]) -> Collection[Newborn]:
    of, newborn = (source,), set()
    for dims, state, bound, jobs, length, shown in connection.execute(_DURATION_TOTAL, of):
        times = _run_times(sums[dims], state)
        times.counts[bound] += jobs * shown
        times.sum += length * shown / 1000
        if not shown:
            newborn.add(Newborn("duration_total", dims, state))
    for dims, state, jobs, shown in connection.execute(_FINISHED_TOTAL, of):
        sums[dims].finished_total[STATES[state]] = jobs * shown
        if not shown:
            newborn.add(Newborn("finished_total", dims, state))
    for dims, reason, jobs, shown in connection.execute(_FAILED_TOTAL, of):
        sums[dims].failed_total[reason] = jobs * shown
        if not shown:
            newborn.add(Newborn("failed_total", dims, reason))
    for dims, what, amount, shown in connection.execute(_USED_TOTAL, of):
        sums[dims].used_total[what] = amount * shown / 1000
        if not shown:
            newborn.add(Newborn("used_total", dims, what))
    return newborn


def _read_active(connection: sqlite3.Connection, source: int, sums: Mapping[int, Sums]) -> None:
    rows = connection.execute(_ACTIVE, (source,))
    for dims, status, number, reason, jobs, created, started, deadline, *records in rows:
        state, counted = STATES[number], sums[dims]
        label = status_label(status, state)
        counted.statuses[label, state, reason] += jobs
        counted.records.update({result: count or 0 for result, count in zip(_RESULTS, records, strict=True)})
        if not state.is_active:
            continue
        since = started if state in _RUNNING else created
        if since is not None:
            # Several reasons share a status, and several unknown statuses a label.
            oldest = counted.oldest_active.get((label, state), math.inf)
            counted.oldest_active[label, state] = min(since / 1000, oldest)
        if deadline is not None:
            counted.next_deadline = min(counted.next_deadline or deadline / 1000, deadline / 1000)
