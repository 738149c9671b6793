"""What the jobs of a source add up to, read from the database."""

from __future__ import annotations

import bisect
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.jobs import State
from exporter.store.record import Dimensions, dimensions, seconds, status_label
from exporter.store.tables import STATES


@dataclass
class Histogram:
    """Observed seconds: how many are in each bucket, and their sum."""

    bounds: Sequence[float]
    sum: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, duration: float) -> None:
        """Add an observation."""
        self.counts[bisect.bisect_left(self.bounds, duration)] += 1
        self.sum += duration

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as the exposition formats have them: upper bound, count of all observations up to it."""
        buckets, total = [], 0
        for bound, count in zip([*map(float, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((str(bound), float(total)))
        return buckets


@dataclass
class Sums:
    """Counts, durations and extreme times of a source's jobs that have the same values of the dimensions.

    Durations in seconds, times in seconds since 1970-01-01 UTC. Jobs are active, or finished within the lookback; the
    last ones outlive it, and so do the counters.
    """

    bounds: Sequence[float]
    statuses: Counter[tuple[str, State]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """By every reason for which a job has ever failed."""
    records: Counter[str] = field(default_factory=Counter)
    durations: dict[State, Histogram] = field(default_factory=dict)
    queue: Histogram = field(init=False)
    last: dict[State, tuple[float, float | None]] = field(default_factory=dict)
    """For each final state, when the last job finished, and its run time if it is known."""
    last_failed: dict[str, float] = field(default_factory=dict)
    """For each reason, when the last job that failed for it finished."""
    oldest_active: dict[tuple[str, State], float] = field(default_factory=dict)
    last_created: float | None = None
    next_deadline: float | None = None
    finished_total: Counter[State] = field(default_factory=Counter)
    failed_total: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.queue = Histogram(self.bounds)


_RESULTS = ("total", "processed", "succeeded", "failed")

_TALLY = """
SELECT dims, status.text, state, reason, jobs, total, processed, succeeded, failed
FROM tally JOIN word AS status ON status.n = status WHERE source = ? AND dated
"""
_SPAN = "SELECT dims, state, bucket, jobs, length FROM span WHERE source = ?"
_LAST = "SELECT dims, state, reason, finished, duration FROM last WHERE source = ?"
_CREATED = "SELECT dims, text, newest_created FROM combination JOIN word ON n = dims WHERE source = ?"
_FINISHED_TOTAL = "SELECT dims, state, jobs FROM finished_total WHERE source = ?"
_FAILED_TOTAL = "SELECT dims, reason, jobs FROM failed_total WHERE source = ?"
_ACTIVE = """
SELECT dims, text, state, count(*), min(created), min(deadline),
    sum(total), sum(processed), sum(succeeded), sum(failed)
FROM job INDEXED BY job_finished JOIN word ON word.n = status WHERE source = ? AND finished IS NULL GROUP BY 1, 2, 3
"""
_WAITED = """
SELECT dims, max(0, started - created) FROM job INDEXED BY job_finished
WHERE source = ? AND finished IS NULL AND started IS NOT NULL AND created IS NOT NULL
"""


def read(connection: sqlite3.Connection, source: int, bounds: Sequence[float]) -> Mapping[Dimensions, Sums]:
    """Return the sums of a source for each combination of dimensions that has ever been counted."""
    sums: defaultdict[int, Sums] = defaultdict(lambda: Sums(bounds))
    words: dict[int, Dimensions] = {}
    of = (source,)
    for dims, text, created in connection.execute(_CREATED, of):
        words[dims] = dimensions(text)
        sums[dims].last_created = seconds(created)
    for dims, status, state, reason, jobs, *records in connection.execute(_TALLY, of):
        counted = sums[dims]
        if jobs:
            counted.statuses[status_label(status, STATES[state]), STATES[state]] += jobs
            counted.records.update(dict(zip(_RESULTS, records, strict=True)))
        if reason:
            counted.reasons[reason] += jobs
    for dims, number, bucket, jobs, length in connection.execute(_SPAN, of):
        state = STATES[number]
        queue = state is State.PENDING
        histogram = sums[dims].queue if queue else sums[dims].durations.setdefault(state, Histogram(bounds))
        histogram.counts[bucket] += jobs
        histogram.sum += length / 1000
    for each in sums.values():
        each.durations = {state: histogram for state, histogram in each.durations.items() if any(histogram.counts)}
    _read_last(connection, source, sums)
    _read_active(connection, source, sums)
    for dims, state, jobs in connection.execute(_FINISHED_TOTAL, of):
        sums[dims].finished_total[STATES[state]] = jobs
    for dims, reason, jobs in connection.execute(_FAILED_TOTAL, of):
        sums[dims].failed_total[reason] = jobs
    return {words.get(dims, ()): each for dims, each in sums.items()}


def _read_last(connection: sqlite3.Connection, source: int, sums: Mapping[int, Sums]) -> None:
    for dims, number, reason, finished, length in connection.execute(_LAST, (source,)):
        state, last, at = STATES[number], sums[dims].last, finished / 1000
        if state not in last or at >= last[state][0]:
            last[state] = at, seconds(length)
        if state is State.FAILED and reason:
            sums[dims].last_failed[reason] = at
            # A reason that was seen once stays, though at 0.
            sums[dims].reasons[reason] += 0


def _read_active(connection: sqlite3.Connection, source: int, sums: Mapping[int, Sums]) -> None:
    for dims, status, number, jobs, created, deadline, *records in connection.execute(_ACTIVE, (source,)):
        state, counted = STATES[number], sums[dims]
        label = status_label(status, state)
        counted.statuses[label, state] += jobs
        counted.records.update({result: count or 0 for result, count in zip(_RESULTS, records, strict=True)})
        if not state.is_active:
            continue
        if created is not None:
            counted.oldest_active[label, state] = created / 1000
        if deadline is not None:
            counted.next_deadline = min(counted.next_deadline or deadline / 1000, deadline / 1000)
    for dims, waited in connection.execute(_WAITED, (source,)):
        sums[dims].queue.observe(waited / 1000)
