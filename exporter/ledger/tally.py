"""What the jobs of one source add up to, in one pass over them."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exporter.jobs import Job, State
from exporter.ledger import Record


@dataclass
class Histogram:
    """Observed seconds: how many fell into each bucket, and their sum."""

    bounds: Sequence[float]
    sum: float = 0.0
    counts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Add one observation."""
        self.counts[bisect.bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as the exposition formats want them: upper bound, count of all up to it."""
        buckets, total = [], 0
        for bound, count in zip([*map(float, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            buckets.append((str(bound), float(total)))
        return buckets


@dataclass
class Tally:
    """Counts, durations and extreme times of jobs; seconds, and seconds since 1970-01-01 UTC."""

    bounds: Sequence[float]
    statuses: Counter[tuple[str, State]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    durations: dict[State, Histogram] = field(default_factory=dict)
    queue: Histogram = field(init=False)
    last_finished: dict[State, float] = field(default_factory=dict)
    last_duration: dict[State, float] = field(default_factory=dict)
    oldest_active: dict[tuple[str, State], float] = field(default_factory=dict)
    last_created: float | None = None
    next_deadline: float | None = None

    def __post_init__(self) -> None:
        self.queue = Histogram(self.bounds)

    def add(self, record: Record) -> None:
        """Count one job."""
        job = record.job
        status = (status_label(job), job.state)
        self.statuses[status] += 1
        self.records.update(job.records)
        if job.created is not None:
            self.last_created = max(self.last_created or 0.0, job.created)
            if job.started is not None:
                self.queue.observe(max(0.0, job.started - job.created))
        if record.reason is not None and job.state is State.FAILED:
            self.reasons[record.reason] += 1
        if job.state.is_live:
            self._add_active(job, status)
        elif record.finished is not None:
            self._add_finished(job, record.finished)

    def _add_active(self, job: Job, status: tuple[str, State]) -> None:
        if job.created is not None:
            self.oldest_active[status] = min(self.oldest_active.get(status, job.created), job.created)
        if job.deadline is not None:
            self.next_deadline = min(self.next_deadline or job.deadline, job.deadline)

    def _add_finished(self, job: Job, finished: float) -> None:
        duration = _duration(job)
        if duration is not None:
            self.durations.setdefault(job.state, Histogram(self.bounds)).observe(duration)
        if finished >= self.last_finished.get(job.state, finished):
            self.last_finished[job.state] = finished
            if duration is not None:
                self.last_duration[job.state] = duration


def tally(records: Iterable[Record], bounds: Sequence[float]) -> Tally:
    """Return what records add up to, durations in buckets up to each of `bounds` seconds."""
    result = Tally(bounds)
    for record in records:
        result.add(record)
    return result


def status_label(job: Job) -> str:
    """Return a job's status as a label: one that the catalog does not know is free text, and so is `unknown`."""
    return "unknown" if job.state is State.UNKNOWN else job.status


def _duration(job: Job) -> float | None:
    """Return the run time of a finished job in seconds; None where AWS does not tell both its begin and its end."""
    begin = job.created if job.started is None else job.started
    end = job.updated if job.ended is None else job.ended
    if begin is None or end is None or job.state is State.DELETING:
        return None
    return max(0.0, end - begin)
