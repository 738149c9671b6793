"""What is known of one source's jobs, and what they add up to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from exporter.jobs import Job, State
from exporter.store.archive import Archive, fingerprint, hour_of
from exporter.store.record import Dimensions, Record, finish_of, first, has_times
from exporter.store.tally import Tally, status_label
from exporter.store.wanted import Wanted

Classify = Callable[[Job], str]
"""Tells the reason, of a closed list, for which a job failed."""

_LISTED_LONGEST = 40 * 86_400.0
"""Seconds by which a first listing may begin before the lookback; the catalog's longest runs are 28 days."""

EVERYTHING = -math.inf
"""A listing that left nothing out is complete for jobs created since then."""


class Ledger:
    """The jobs of one source. What finished longer than `lookback` seconds ago does not count.

    Active jobs are held as they are, finished ones packed and in running sums, so that a poll costs what it changes.
    """

    def __init__(
        self, lookback: float, classify: Classify, bounds: Sequence[float] = (), most: float = math.inf
    ) -> None:
        """Hold durations in buckets up to each of `bounds` seconds, and `most` finished jobs."""
        self._lookback = lookback
        self._most = most
        self._dropped: Counter[int] = Counter()
        """How many finished in each hour of the jobs that were dropped to hold no more than `most`."""
        self._floor = EVERYTHING
        """What finished before was dropped for that reason."""
        self._passed = EVERYTHING
        """The last end of a job that was ever let go: seen again, because the clock was set back, it is not new."""
        self._classify = classify
        self._bounds = bounds
        self._active: dict[str, Record] = {}
        self._finished = Archive()
        self._expired: dict[int, float] = {}
        """Fingerprints of jobs that were let go and whose end AWS does not tell, with their end: seen again, they are
        still over."""
        self._forgotten: dict[int, float] = {}
        """Fingerprints of finished jobs that are not held and may be listed again, with their end: they do not finish
        again."""
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
        self._horizon = -math.inf
        """What finished before was let go."""

    def __len__(self) -> int:
        return len(self._active) + len(self._finished)

    @property
    def oldest_active(self) -> float | None:
        """When the oldest job was created that may still move."""
        return min(self._created_of_active(), default=None)

    @property
    def has_undated(self) -> bool:
        """Whether there is an active job whose creation time is unknown."""
        return any(record.job.created is None for record in self._active.values())

    @property
    def finished(self) -> Archive:
        """The finished jobs, to be searched."""
        return self._finished

    def moving(self, wanted: Wanted) -> list[Record]:
        """Return the jobs that may still move and are looked for."""
        return [record for record in self._active.values() if wanted.takes(record)]

    def statuses(self) -> Counter[tuple[str, State]]:
        """Return how many jobs there are in each status, as of the last listing."""
        counts = Counter((status_label(record.job), record.job.state) for record in self._active.values())
        for tally in self._tallies.values():
            counts.update(tally.statuses)
        return counts

    def count(self, wanted: Wanted) -> int | None:
        """Return how many jobs are looked for; None where no sum tells."""
        if not wanted.is_counted:
            return None
        if wanted.reasons:
            return sum(tally.reasons[reason] for tally in self._tallies.values() for reason in wanted.reasons)
        if not (wanted.states or wanted.statuses):
            return len(self)
        counts = self.statuses().items()
        return sum(number for (status, state), number in counts if wanted.takes_shared(status, state, None))

    def take(self, listing: Iterable[Job], now: float, complete_from: float | None = EVERYTHING) -> None:
        """Take in a listing made at `now` that left out no job created after `complete_from`; None: it may have.

        What had already finished at the first listing counts in no counter, nor does an older job that shows up late.
        """
        for _ in self.taking(listing, now, complete_from):
            pass

    def taking(self, listing: Iterable[Job], now: float, complete_from: float | None = EVERYTHING) -> Iterator[None]:
        """Do the same and yield again and again, for there may be a million jobs; all is right only at the end."""
        listed = {job.id: job for job in listing}
        fingerprints: set[int] = set()
        horizon = now - self._lookback
        for job in listed.values():
            self._take(job, now, horizon)
            fingerprints.add(fingerprint(job.id))
            yield
        if complete_from is not None:
            yield from self._forget_unlisted(fingerprints, complete_from)
        yield from self._expire(horizon)
        self._horizon = horizon
        yield from self._bound(horizon)
        yield from self._find_last()
        # A first listing by a clock that was ahead: what ends from now on is new all the same.
        self.since = now if self.since is None else min(self.since, now)

    def inherit(self, before: Ledger) -> Iterator[None]:
        """Take over what another ledger knows, and go on with its counters; yield after each finished job.

        Sums and reasons follow from this ledger's lookback, buckets and rules. Both are whole only at the end.
        """
        self._active, self._unexplained = dict(before._active), dict(before._unexplained)
        self._expired, self._forgotten = dict(before._expired), dict(before._forgotten)
        self.finished_total, self.failures_total = before.finished_total.copy(), before.failures_total.copy()
        self.reasons, self.newest_created = set(before.reasons), before.newest_created
        # A longer lookback brings back what was let go: it was counted in its time and must not count again.
        self._horizon, self._passed = before._horizon, before._passed
        if self._most <= before._most:
            self._floor, self._dropped = before._floor, before._dropped.copy()
        self.since = None if before.since is None else max(before.since, before._horizon)
        for dimensions, tally in before._tallies.items():
            self._tallies[dimensions] = Tally(self._bounds, last_created=tally.last_created)
        for record in before._finished:
            reason = record.reason if record.reason is None else self._reason(record.job)
            self._finished.put(record._replace(reason=reason))
            self._tally(record.job).add(record._replace(reason=reason))
            yield

    def explain(self, job: Job) -> None:
        """Take in a failed job with the `message` and `code` that AWS gave when asked for them."""
        record = self._finished.get(job.id)
        if record is None or job.id not in self._unexplained:
            return
        reason = self._reason(job)
        explained = record._replace(job=job, reason=reason)
        self._finished.put(explained)
        self._tally(job).explain(explained)
        if self._unexplained.pop(job.id):
            self.failures_total[job.dimensions, reason] += 1

    def tallies(self, now: float) -> Mapping[Dimensions, Tally]:
        """Return what counts at `now`, added up for each combination of dimensions that was ever counted."""
        sums = {dimensions: tally.copy() for dimensions, tally in self._tallies.items()}
        for record in self._counted_active(now):
            sums.setdefault(record.job.dimensions, Tally(self._bounds)).add(record)
        return sums

    def dropped(self, now: float) -> int:
        """Return about how many jobs finished within the lookback and do not count, because they would be too many."""
        return sum(count for hour, count in self._dropped.items() if hour >= hour_of(now - self._lookback))

    def active(self, now: float) -> int:
        """Return how many jobs have not finished and count at `now`."""
        return len(self._counted_active(now))

    def newest(self, now: float, finished: int, active: int | None = None) -> list[Record]:
        """Return what counts at `now`: at most `active` of the active jobs, the oldest, and `finished` that ended last.

        The oldest active ones, so that a job that was shown once stays until it ends.
        """
        horizon = now - self._lookback
        counted, newest = self._counted_active(now), self._finished.newest(finished)
        if active is not None and active < len(counted):
            counted = sorted(counted, key=lambda record: record.job.created or 0.0)[:active]
        return [*counted, *(record for record in newest if _finish(record) >= horizon)]

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

    def _take(self, job: Job, now: float, horizon: float) -> None:
        if job.created is not None:
            # A time in the future would have the planner ask for nothing that is created before it.
            self.newest_created = max(self.newest_created or 0.0, min(job.created, now))
        if not job.state.is_final:
            self._take_active(job, horizon)
        elif before := self._finished.get(job.id):
            self._change(before, job)
        elif not self._is_over(job, now, horizon):
            self._finish(job, now, horizon)

    def _is_over(self, job: Job, now: float, horizon: float) -> bool:
        """Whether a finished job was let go before; not, if it counts again: the clock was set, or a limit."""
        key = fingerprint(job.id)
        if key not in self._expired:
            return False
        ended = first((job.ended,), self._expired[key])
        if max(horizon, self._floor) <= ended <= now:
            del self._expired[key]
            self._forgotten[key] = ended
            return False
        return True

    def _take_active(self, job: Job, horizon: float) -> None:
        self._expired.pop(fingerprint(job.id), None)
        self._remove_finished(job.id)
        self._active[job.id] = Record(job)
        if not _is_fresh(job, horizon):
            del self._active[job.id]

    def _finish(self, job: Job, now: float, horizon: float) -> None:
        """Take in a job that is seen finished for the first time."""
        was_active = self._active.pop(job.id, None) is not None
        finished = finish_of(job, was_known=was_active, now=now)
        if not was_active and job.ended is None:
            finished = min(finished, self._forgotten.get(fingerprint(job.id), finished))
        if finished < max(horizon, self._floor):
            self._finish_late(job, finished, was_active=was_active)
            return
        is_new = (
            self.since is not None
            and finished >= self.since
            and finished > self._passed
            and fingerprint(job.id) not in self._forgotten
        )
        self._forgotten.pop(fingerprint(job.id), None)
        is_dated = was_active or self.since is not None or has_times(job)
        record = Record(job, finished, self._settled(job, is_counted=was_active or is_new), is_dated)
        self._finished.put(record)
        self._tally(job).add(record)
        if was_active or is_new:
            self._count(record)

    def _finish_late(self, job: Job, finished: float, *, was_active: bool) -> None:
        """Take in a job that left the lookback before it was seen finished: AWS is not asked about it any more."""
        self._note_expired(Record(job, finished))
        if was_active:
            self._forgotten[fingerprint(job.id)] = finished
            self._count(Record(job, finished, self._reason(job) if job.state is State.FAILED else None))

    def _change(self, before: Record, job: Job) -> None:
        """Take in another final status: the job stays finished when it was, its update time moves on."""
        if before.job.status == job.status:
            return
        is_counted = self._unexplained.get(job.id, False)
        self._remove_finished(job.id)
        record = before._replace(job=job._replace(updated=before.job.updated))
        if job.state is State.FAILED and record.reason is None:
            record = record._replace(reason=self._settled(job, is_counted=is_counted))
            if is_counted and record.reason is not None:
                self.failures_total[job.dimensions, record.reason] += 1
        self._finished.put(record)
        self._tally(job).add(record)

    def _settled(self, job: Job, *, is_counted: bool) -> str | None:
        """Return the reason of a failed job; None where it did not fail, or where it waits for AWS to be asked."""
        if job.state is not State.FAILED:
            return None
        if job.details is None:
            return self._reason(job)
        self._unexplained[job.id] = is_counted
        return None

    def _forget_unlisted(self, fingerprints: AbstractSet[int], complete_from: float) -> Iterator[None]:
        """Forget what a complete listing would have shown."""
        for job_id, record in list(self._active.items()):
            # While the creation of one is unknown, the planner has all active jobs listed.
            created = first((record.job.created,), math.inf)
            if fingerprint(job_id) not in fingerprints and created > complete_from:
                del self._active[job_id]
        for job_id in self._finished.unlisted(fingerprints, complete_from):
            if (gone := self._remove_finished(job_id)) is not None:
                self._forgotten[fingerprint(job_id)] = _finish(gone)
            yield
        # What ended so long before a listing begins was created before it, and is listed no more.
        oldest = complete_from - _LISTED_LONGEST
        self._expired = {
            key: finished
            for key, finished in self._expired.items()
            if (key in fingerprints if complete_from == EVERYTHING else finished >= oldest)
        }

    def _let_go(self, horizon: float, dropped: Counter[int] | None = None) -> Iterator[None]:
        """Let go of what finished before a time, and note in `dropped` in which hours."""
        for record in self._finished.pop_finished_before(horizon):
            self._unexplained.pop(record.job.id, None)
            self._tally(record.job).remove(record)
            self._note_expired(record)
            self._passed = max(self._passed, _finish(record))
            if dropped is not None:
                dropped[hour_of(record.finished)] += 1
            yield

    def _bound(self, horizon: float) -> Iterator[None]:
        """Drop what finished first of more jobs than may be held: the lookback of this source becomes shorter."""
        if self._dropped:
            self._dropped = Counter({hour: n for hour, n in self._dropped.items() if hour >= hour_of(horizon)})
        if len(self._finished) > self._most:
            self._floor = self._finished.horizon_of(int(self._most))
            yield from self._let_go(self._floor, self._dropped)

    def _expire(self, horizon: float) -> Iterator[None]:
        """Let go of what left the lookback."""
        yield from self._let_go(horizon)
        # By AWS's time, where it tells one: a wall clock that is ahead for a while would count them again.
        old = horizon if self.newest_created is None else min(horizon, self.newest_created - self._lookback)
        self._forgotten = {key: finished for key, finished in self._forgotten.items() if finished >= old}
        for job_id in [job_id for job_id, record in self._active.items() if not _is_fresh(record.job, horizon)]:
            del self._active[job_id]

    def _find_last(self) -> Iterator[None]:
        """Find the last finished jobs again where they were removed: in one pass, however many they were."""
        if lacking := {dimensions: tally for dimensions, tally in self._tallies.items() if tally.is_without_last}:
            for tally in lacking.values():
                tally.forget_last()
            for record in self._finished:
                if record.job.dimensions in lacking:
                    lacking[record.job.dimensions].note_last(record)
                yield

    def _note_expired(self, record: Record) -> None:
        # An end in the future is none, either: the job would be read again as one that ended just then.
        if record.job.ended is None or record.job.ended > _finish(record):
            self._expired[fingerprint(record.job.id)] = _finish(record)

    def _remove_finished(self, job_id: str) -> Record | None:
        if record := self._finished.pop(job_id):
            self._unexplained.pop(job_id, None)
            self._tally(record.job).remove(record)
        return record

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
        return [record for record in self._active.values() if _is_fresh(record.job, now - self._lookback)]

    def _created_of_active(self, found: Iterable[str] = ()) -> list[float]:
        found = set(found)
        return [
            record.job.created
            for job_id, record in self._active.items()
            if record.job.created is not None and job_id not in found
        ]


def _finish(record: Record) -> float:
    return record.finished or 0.0


def _is_fresh(job: Job, horizon: float) -> bool:
    """Whether a job counts while it has not finished; one with a status that nobody knows ages from its last sign."""
    return job.state.is_active or first((job.updated, job.created), math.inf) >= horizon
