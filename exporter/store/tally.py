"""Sums over the jobs of one source."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

from exporter.jobs import Job, State
from exporter.store.job_filter import label
from exporter.store.record import Record


@dataclass
class Histogram:
    """Observed seconds: how many are in each bucket, and their sum."""

    bounds: Sequence[float]
    sum: float = 0.0
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def copy(self) -> Histogram:
        """Return an independent copy."""
        return Histogram(self.bounds, self.sum, list(self.counts))

    def observe(self, seconds: float, times: int = 1) -> None:
        """Add an observation, or remove it with `times` -1."""
        self.counts[bisect.bisect_left(self.bounds, seconds)] += times
        self.sum += seconds * times

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as the exposition formats have them: upper bound, count of all observations up to it."""
        buckets, total = [], 0
        for bound, count in zip([*map(float, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((str(bound), float(total)))
        return buckets


@dataclass
class Tally:
    """Counts, durations and extreme times of jobs; durations in seconds, times in seconds since 1970-01-01 UTC."""

    bounds: Sequence[float]
    statuses: Counter[tuple[str, State]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    durations: dict[State, Histogram] = field(default_factory=dict)
    queue: Histogram = field(init=False)
    last: dict[State, tuple[float, float | None]] = field(default_factory=dict)
    """For each final state, when the last job finished, and its run time if it is known."""
    last_failed: dict[str, float] = field(default_factory=dict)
    """For each reason, when the last job that failed for it finished."""
    is_without_last: bool = False
    """Whether the last job of a state or a reason was removed while others remain."""
    oldest_active: dict[tuple[str, State], float] = field(default_factory=dict)
    last_created: float | None = None
    next_deadline: float | None = None

    def __post_init__(self) -> None:
        self.queue = Histogram(self.bounds)

    def copy(self) -> Tally:
        """Return an independent copy."""
        other = copy(self)
        other.statuses, other.reasons, other.records = copy(self.statuses), copy(self.reasons), copy(self.records)
        other.durations = {state: histogram.copy() for state, histogram in self.durations.items()}
        other.queue, other.last, other.last_failed = self.queue.copy(), copy(self.last), copy(self.last_failed)
        other.oldest_active = copy(self.oldest_active)
        return other

    def add(self, record: Record) -> None:
        """Count one job."""
        job = record.job
        self._sum(record, 1)
        if job.created is not None:
            self.last_created = max(self.last_created or 0.0, job.created)
        if job.state.is_active:
            self._add_active(job)
        elif record.finished is not None:
            self.note_last(record)

    def remove(self, record: Record) -> None:
        """Remove one finished job; `last_created` never goes back."""
        self._sum(record, -1)
        state = record.job.state
        if not any(count for (_, other), count in self.statuses.items() if other is state):
            self.last.pop(state, None)
            self.durations.pop(state, None)
        elif record.finished == self.last.get(state, (None,))[0]:
            self.is_without_last = True
        if record.reason is not None and not self.reasons[record.reason]:
            self.last_failed.pop(record.reason, None)
        elif record.reason is not None and record.finished == self.last_failed.get(record.reason):
            self.is_without_last = True

    def explain(self, record: Record) -> None:
        """Count the reason of a job that is already counted: AWS gave it only when asked."""
        self._sum_reason(record, 1)
        self._note_last_failed(record)

    def forget_last(self) -> None:
        """Start to look for the last finished jobs again; `note_last` must follow for each job."""
        self.last.clear()
        self.last_failed.clear()
        self.is_without_last = False

    def note_last(self, record: Record) -> None:
        """Record when a finished job ended, if that is known and it is the last one."""
        if not record.is_dated:
            return
        state, finished = record.job.state, record.finished or 0.0
        if finished >= self.last.get(state, (finished, None))[0]:
            self.last[state] = (finished, duration(record.job))
        self._note_last_failed(record)

    def _sum(self, record: Record, times: int) -> None:
        job = record.job
        self.statuses[status_label(job), job.state] += times
        for result, count in job.records.items():
            self.records[result] += count * times
        self._sum_reason(record, times)
        if job.created is not None and job.started is not None:
            self.queue.observe(max(0.0, job.started - job.created), times)
        if record.finished is not None and (seconds := duration(job)) is not None:
            self.durations.setdefault(job.state, Histogram(self.bounds)).observe(seconds, times)

    def _sum_reason(self, record: Record, times: int) -> None:
        if record.reason is not None and record.job.state is State.FAILED:
            self.reasons[record.reason] += times

    def _add_active(self, job: Job) -> None:
        status = (job.status, job.state)
        if job.created is not None:
            self.oldest_active[status] = min(self.oldest_active.get(status, job.created), job.created)
        if job.deadline is not None:
            self.next_deadline = min(self.next_deadline or job.deadline, job.deadline)

    def _note_last_failed(self, record: Record) -> None:
        if record.is_dated and record.reason is not None and record.job.state is State.FAILED:
            finished = record.finished or 0.0
            self.last_failed[record.reason] = max(finished, self.last_failed.get(record.reason, finished))


def status_label(job: Job) -> str:
    """Return a job's status as a label."""
    return label(job.status, job.state)


def duration(job: Job) -> float | None:
    """Return the run time of a finished job in seconds; None if AWS does not give both its start and its end."""
    start = job.created if job.started is None else job.started
    end = job.updated if job.ended is None else job.ended
    # The update time of a job that is being deleted is that of the deletion.
    if start is None or end is None or job.state is State.DELETING:
        return None
    return max(0.0, end - start)
