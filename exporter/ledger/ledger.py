"""What is known of one source's jobs: merges what was listed, and forgets what left the lookback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from exporter.jobs import Job, State

Classify = Callable[[Job], str]
"""Tells the reason, of a closed list, for which a job failed."""


Dimensions = tuple[str, ...]
"""Values of the labels that the user asked for."""


class Record(NamedTuple):
    """A job and what became of it."""

    job: Job
    finished: float | None = None
    """When it ended, frozen at the first sight of a final status: AWS moves update times later."""
    reason: str | None = None
    """Why it failed; None while it has not failed, or while AWS has yet to be asked."""


class Ledger:
    """The jobs of one source. What finished longer than `lookback` seconds ago does not count."""

    def __init__(self, lookback: float, classify: Classify) -> None:
        self._lookback = lookback
        self._classify = classify
        self._records: dict[str, Record] = {}
        self._since: float | None = None
        self._unexplained: set[str] = set()
        self.finished_total: Counter[tuple[Dimensions, State]] = Counter()
        self.failures_total: Counter[tuple[Dimensions, str]] = Counter()
        self.reasons: set[str] = set()
        """Every reason that a job of the source ever failed for."""

    def __len__(self) -> int:
        return len(self._records)

    def take(self, listing: Iterable[Job], now: float) -> None:
        """Replace what is known by a complete listing, made at `now`.

        What had already finished at the first listing counts in no counter, nor does an older job that shows up late.
        """
        since = now if self._since is None else self._since
        known, self._records = self._records, {}
        for job in listing:
            before = known.get(job.id)
            record = self._record(job, before, now)
            if self._is_forgotten(record, now):
                continue
            self._records[job.id] = record
            was_live = before is not None and before.finished is None
            is_new = before is None and self._since is not None and (record.finished or 0.0) >= since
            if record.finished is not None and (was_live or is_new):
                self._count(record)
        self._since = since
        self._unexplained &= self._records.keys()

    def explain(self, job: Job) -> None:
        """Take in a failed job with the `message` and `code` that AWS gave when asked for them."""
        reason = self._reason(job)
        self._records[job.id] = Record(job, self._records[job.id].finished, reason)
        if job.id in self._unexplained:
            self._unexplained.remove(job.id)
            self.failures_total[job.dimensions, reason] += 1

    def counted(self, now: float) -> list[Record]:
        """Return what counts at `now`: active jobs, and those that finished within the lookback."""
        horizon = now - self._lookback
        return [record for record in self._records.values() if _last_seen(record, now) >= horizon]

    def unexplained(self, now: float) -> list[Job]:
        """Return the failed jobs that AWS must still be asked about, the newest first."""
        waiting = [record for record in self.counted(now) if record.job.state is State.FAILED and record.reason is None]
        waiting.sort(key=lambda record: record.finished or 0.0, reverse=True)
        return [record.job for record in waiting]

    def _record(self, job: Job, before: Record | None, now: float) -> Record:
        if before and before.finished is not None and job.state.is_final:
            # A finished job stays as it was: its update time moves on, and its reason may have cost a question.
            return before if before.job.status == job.status else before._replace(job=job)
        if not job.state.is_final:
            return Record(job)
        reason = self._reason(job) if job.state is State.FAILED and job.details is None else None
        return Record(job, _finished(job, was_known=before is not None, now=now), reason)

    def _reason(self, job: Job) -> str:
        reason = self._classify(job)
        self.reasons.add(reason)
        return reason

    def _is_forgotten(self, record: Record, now: float) -> bool:
        """Whether a record is not worth holding: it left the lookback, and would be read the same again."""
        return record.job.ended is not None and _last_seen(record, now) < now - self._lookback

    def _count(self, record: Record) -> None:
        dimensions = record.job.dimensions
        self.finished_total[dimensions, record.job.state] += 1
        if record.reason is not None:
            self.failures_total[dimensions, record.reason] += 1
        elif record.job.state is State.FAILED:
            self._unexplained.add(record.job.id)


def _finished(job: Job, *, was_known: bool, now: float) -> float:
    """Return when a job ended, as near as AWS and the polls tell."""
    told = (job.ended, job.updated)
    return _first(told if was_known else (*told, job.started, job.created), now)


def _last_seen(record: Record, now: float) -> float:
    """Return the time from which a record ages: `now` for active jobs, which never do."""
    if record.finished is not None:
        return record.finished
    if record.job.state.is_live:
        return now
    return _first((record.job.updated, record.job.created), now)


def _first(times: Iterable[float | None], otherwise: float) -> float:
    """Return the first time that is known."""
    return next((time for time in times if time is not None), otherwise)
