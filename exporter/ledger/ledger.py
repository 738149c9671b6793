"""What is known of one source's jobs, and what they add up to."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from exporter.jobs import Job, State
from exporter.ledger.archive import Archive, fingerprint
from exporter.ledger.record import Dimensions, Record, finish_of, first
from exporter.ledger.tally import Tally

Classify = Callable[[Job], str]
"""Tells the reason, of a closed list, for which a job failed."""

EVERYTHING = -math.inf
"""A listing that left nothing out is complete for jobs created since then."""


class Ledger:
    """The jobs of one source. What finished longer than `lookback` seconds ago does not count.

    Active jobs are held as they are, finished ones packed and in running sums, so that a poll costs what it changes.
    """

    def __init__(self, lookback: float, classify: Classify, bounds: Sequence[float] = ()) -> None:
        """Hold durations in buckets up to each of `bounds` seconds."""
        self._lookback = lookback
        self._classify = classify
        self._bounds = bounds
        self._active: dict[str, Record] = {}
        self._finished = Archive()
        self._expired: set[int] = set()
        """Those that left the lookback and whose end AWS does not tell: seen again, they are still over."""
        self._tallies: dict[Dimensions, Tally] = {}
        self.since: float | None = None
        """When the first listing was taken in."""
        self._unexplained: dict[str, bool] = {}
        """Failed jobs that AWS must still be asked about, and whether they are to be counted then."""
        self.finished_total: Counter[tuple[Dimensions, State]] = Counter()
        self.failures_total: Counter[tuple[Dimensions, str]] = Counter()
        self.reasons: set[str] = set()
        """Every reason that a job of the source ever failed for."""
        self.newest_created: float | None = None

    def __len__(self) -> int:
        return len(self._active) + len(self._finished)

    @property
    def oldest_active(self) -> float | None:
        """When the oldest job was created that may still move."""
        return min(self._created_of_active(), default=None)

    def take(self, listing: Iterable[Job], now: float, complete_from: float | None = EVERYTHING) -> None:
        """Take in a listing made at `now` that left out no job created after `complete_from`; None: it may have.

        What had already finished at the first listing counts in no counter, nor does an older job that shows up late.
        """
        listed = {job.id: job for job in listing}
        for job in listed.values():
            self._take(job, now)
        if complete_from is not None:
            self._forget_unlisted(listed.keys(), complete_from)
        self._expire(now - self._lookback)
        self.since = now if self.since is None else self.since

    def explain(self, job: Job) -> None:
        """Take in a failed job with the `message` and `code` that AWS gave when asked for them."""
        record = self._finished.get(job.id)
        if record is None or job.id not in self._unexplained:
            return
        reason = self._reason(job)
        self._finished.put(Record(job, record.finished, reason))
        self._tally(job).reasons[reason] += 1
        if self._unexplained.pop(job.id):
            self.failures_total[job.dimensions, reason] += 1

    def tallies(self, now: float) -> Mapping[Dimensions, Tally]:
        """Return what counts at `now`, added up for each combination of dimensions that was ever counted."""
        sums = {dimensions: tally.copy() for dimensions, tally in self._tallies.items()}
        for record in self._counted_active(now):
            sums.setdefault(record.job.dimensions, Tally(self._bounds)).add(record)
        return sums

    def counted(self, now: float) -> list[Record]:
        """Return what counts at `now`: active jobs, and those that finished within the lookback."""
        horizon = now - self._lookback
        return [*self._counted_active(now), *(record for record in self._finished if _finish(record) >= horizon)]

    def newest(self, now: float, finished: int) -> list[Record]:
        """Return the active jobs and the newest finished ones, at most `finished` of those."""
        return [*self._counted_active(now), *heapq.nlargest(finished, self._finished, key=_finish)]

    def unexplained(self) -> list[Job]:
        """Return the failed jobs that AWS must still be asked about, the newest first."""
        waiting = [record for job_id in self._unexplained if (record := self._finished.get(job_id))]
        return [record.job for record in sorted(waiting, key=_finish, reverse=True)]

    def created_since(self, time: float) -> int:
        """Return about how many of the jobs that are held were created since a time."""
        return self._finished.created_since(time) + len(self._active)

    def active_unless(self, found: Iterable[str]) -> list[float]:
        """Return when the active jobs were created whose ids are not among `found`."""
        return self._created_of_active(set(found))

    def _take(self, job: Job, now: float) -> None:
        if job.created is not None:
            self.newest_created = max(self.newest_created or 0.0, job.created)
        if not job.state.is_final:
            self._expired.discard(fingerprint(job.id))
            self._remove_finished(job.id)
            self._active[job.id] = Record(job)
        elif before := self._finished.get(job.id):
            self._change(before, job)
        elif fingerprint(job.id) not in self._expired:
            self._finish(job, now)

    def _finish(self, job: Job, now: float) -> None:
        """Take in a job that is seen finished for the first time."""
        was_active = self._active.pop(job.id, None) is not None
        finished = finish_of(job, was_known=was_active, now=now)
        failed = job.state is State.FAILED
        record = Record(job, finished, self._reason(job) if failed and job.details is None else None)
        if finished < now - self._lookback:
            self._note_expired(record)
            return
        is_counted = was_active or (self.since is not None and finished >= self.since)
        self._finished.put(record)
        self._tally(job).add(record)
        if is_counted:
            self._count(record)
        if failed and record.reason is None:
            self._unexplained[job.id] = is_counted

    def _change(self, before: Record, job: Job) -> None:
        """Take in another final status: the job stays finished when it was, its update time moves on."""
        if before.job.status == job.status:
            return
        self._remove_finished(job.id)
        record = before._replace(job=job)
        self._finished.put(record)
        self._tally(job).add(record)

    def _forget_unlisted(self, listed: Iterable[str], complete_from: float) -> None:
        """Forget what a complete listing would have shown."""
        fingerprints = {fingerprint(job_id) for job_id in listed}
        for job_id, record in list(self._active.items()):
            created = first((record.job.created,), EVERYTHING)
            if fingerprint(job_id) not in fingerprints and (created > complete_from or complete_from == EVERYTHING):
                del self._active[job_id]
        for job_id in self._finished.unlisted(fingerprints, complete_from):
            self._remove_finished(job_id)
        if complete_from == EVERYTHING:
            self._expired &= fingerprints

    def _expire(self, horizon: float) -> None:
        """Let go of what left the lookback."""
        for record in self._finished.pop_finished_before(horizon):
            self._unexplained.pop(record.job.id, None)
            self._tally(record.job).remove(record)
            self._note_expired(record)

    def _note_expired(self, record: Record) -> None:
        if record.job.ended is None:
            self._expired.add(fingerprint(record.job.id))

    def _remove_finished(self, job_id: str) -> None:
        if record := self._finished.pop(job_id):
            self._unexplained.pop(job_id, None)
            tally = self._tally(record.job)
            tally.remove(record)
            if record.job.state in tally.without_last:
                tally.find_last(other for other in self._finished if other.job.dimensions == record.job.dimensions)

    def _tally(self, job: Job) -> Tally:
        return self._tallies.setdefault(job.dimensions, Tally(self._bounds))

    def _reason(self, job: Job) -> str:
        reason = self._classify(job)
        self.reasons.add(reason)
        return reason

    def _count(self, record: Record) -> None:
        dimensions = record.job.dimensions
        self.finished_total[dimensions, record.job.state] += 1
        if record.reason is not None:
            self.failures_total[dimensions, record.reason] += 1

    def _counted_active(self, now: float) -> list[Record]:
        """Return the active jobs; one with a status that nobody knows ages from its last sign of life."""
        horizon = now - self._lookback
        return [
            record
            for record in self._active.values()
            if record.job.state.is_live or first((record.job.updated, record.job.created), now) >= horizon
        ]

    def _created_of_active(self, found: Iterable[str] = ()) -> list[float]:
        found = set(found)
        return [
            record.job.created
            for job_id, record in self._active.items()
            if record.job.created is not None and job_id not in found
        ]


def _finish(record: Record) -> float:
    return record.finished or 0.0
