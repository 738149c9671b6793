"""What is known of one source's jobs, and what they add up to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from exporter.jobs import Job, State
from exporter.store.archive import Archive, fingerprint, hour_of
from exporter.store.job_filter import JobFilter
from exporter.store.record import Dimensions, Record, finish_of, first, has_times
from exporter.store.tally import Tally, status_label

Classify = Callable[[Job], str]
"""Returns the reason for which a job failed, from a closed list."""

_LISTED_LONGEST = 40 * 86_400.0
"""Seconds by which a full listing may reach back before the lookback; the longest runs in the catalog are 28 days."""

EVERYTHING = -math.inf
"""A listing that omitted nothing is complete for jobs created since then."""


class Ledger:
    """The jobs of one source. Those that finished more than `lookback` seconds ago do not count.

    Active jobs are held as they are, finished ones packed and in running sums, so that the cost of a poll depends on
    what has changed. Times in seconds since 1970-01-01 UTC.
    """

    def __init__(
        self, lookback: float, classify: Classify, bounds: Sequence[float] = (), limit: float = math.inf
    ) -> None:
        """Hold at most `limit` finished jobs, and their durations in buckets with the upper `bounds`, in seconds."""
        self._lookback = lookback
        self._classify = classify
        self._bounds = bounds
        self._limit = limit

        self._active: dict[str, Record] = {}
        self.finished = Archive()
        self._tallies: dict[Dimensions, Tally] = {}
        """Sums over the finished jobs."""
        self._unexplained: dict[str, bool] = {}
        """Failed jobs whose reason AWS must still be asked for, and whether the counter must count it then."""
        self.finished_total: Counter[tuple[Dimensions, State]] = Counter()
        self.failures_total: Counter[tuple[Dimensions, str]] = Counter()
        self.reasons: set[str] = set()
        """Every reason for which a job of the source has ever failed."""
        self.since: float | None = None
        """When the first listing was taken in."""
        self.newest_created: float | None = None

        # A finished job that was dropped may be listed again. Then it must neither count twice nor seem to have just
        # finished, even if its update time has changed, the clock was set, or the lookback or the limit was raised.
        self._lookback_start = EVERYTHING
        """The start of the lookback at the last listing: what finished before was dropped."""
        self._limit_start = EVERYTHING
        """What finished before this time was dropped to stay within the limit."""
        self._dropped_in_hour: Counter[int] = Counter()
        """How many of the jobs that were dropped to stay within the limit finished in each hour."""
        self._latest_dropped_end = EVERYTHING
        """The latest end of all jobs ever dropped: up to this time, a finished job that is not held is not new."""
        self._dropped_ends: dict[int, float] = {}
        """The end of each dropped job for which AWS gives none, by fingerprint."""
        self._already_finished: dict[int, float] = {}
        """The end of each job that was seen finished but is not held, by fingerprint: it does not finish again."""

    def __len__(self) -> int:
        return len(self._active) + len(self.finished)

    @property
    def oldest_active(self) -> float | None:
        """When the oldest active job was created."""
        return min(self.active_created(), default=None)

    @property
    def has_undated(self) -> bool:
        """Whether there is an active job whose creation time is unknown."""
        return any(record.job.created is None for record in self._active.values())

    def active_matching(self, job_filter: JobFilter) -> list[Record]:
        """Return the active jobs that match a filter."""
        return [record for record in self._active.values() if job_filter.matches(record)]

    def statuses(self) -> Counter[tuple[str, State]]:
        """Return how many jobs there are in each status, as of the last listing."""
        counts = Counter((status_label(record.job), record.job.state) for record in self._active.values())
        for tally in self._tallies.values():
            counts.update(tally.statuses)
        return counts

    def count(self, job_filter: JobFilter) -> int | None:
        """Return how many jobs match a filter; None if no sum gives the number."""
        if not job_filter.is_counted:
            return None
        if job_filter.reasons:
            return sum(tally.reasons[reason] for tally in self._tallies.values() for reason in job_filter.reasons)
        if not (job_filter.states or job_filter.statuses):
            return len(self)
        counts = self.statuses().items()
        return sum(number for (status, state), number in counts if job_filter.matches_shared(status, state, None))

    def take(self, listing: Iterable[Job], now: float, complete_from: float | None = EVERYTHING) -> None:
        """Take in a listing made at `now` that omitted no job created after `complete_from`; None if it may have.

        Jobs that had finished before the first listing are not counted as seen to finish, nor are older ones that show
        up late.
        """
        for _ in self.taking(listing, now, complete_from):
            pass

    def taking(self, listing: Iterable[Job], now: float, complete_from: float | None = EVERYTHING) -> Iterator[None]:
        """Take in a listing in many small steps, since it may have a million jobs; consistent only after the last."""
        horizon = now - self._lookback
        listed = {job.id: job for job in listing}
        fingerprints: set[int] = set()
        for job in listed.values():
            self._take(job, now, horizon)
            fingerprints.add(fingerprint(job.id))
            yield
        if complete_from is not None:
            yield from self._remove_unlisted(fingerprints, complete_from)
        # The lookback before the limit: a job that no longer counts is not one that the limit drops.
        yield from self._drop_beyond_lookback(horizon)
        yield from self._drop_beyond_limit(horizon)
        yield from self._find_last()
        # If the clock was ahead at the first listing, jobs that finish from now on are new all the same.
        self.since = now if self.since is None else min(self.since, now)

    def inherit(self, before: Ledger) -> Iterator[None]:
        """Take over what another ledger knows, and continue its counters; yield after each finished job.

        Sums and reasons follow from this ledger's lookback, buckets and rules. Consistent only after the last step.
        """
        self._active, self._unexplained = dict(before._active), dict(before._unexplained)
        self._dropped_ends, self._already_finished = dict(before._dropped_ends), dict(before._already_finished)
        self.finished_total, self.failures_total = before.finished_total.copy(), before.failures_total.copy()
        self.reasons, self.newest_created = set(before.reasons), before.newest_created
        # With a longer lookback, dropped jobs come back, but they were already counted and must not count again.
        self._lookback_start, self._latest_dropped_end = before._lookback_start, before._latest_dropped_end
        self.since = None if before.since is None else max(before.since, before._lookback_start)
        if self._limit <= before._limit:
            self._limit_start, self._dropped_in_hour = before._limit_start, before._dropped_in_hour.copy()
        for dimensions, tally in before._tallies.items():
            self._tallies[dimensions] = Tally(self._bounds, last_created=tally.last_created)
        for old in before.finished:
            record = old if old.reason is None else old._replace(reason=self._reason(old.job))
            self.finished.put(record)
            self._tally(record.job).add(record)
            yield

    def explain(self, job: Job) -> None:
        """Take in a failed job with the `message` and `code` that AWS gave when asked for them."""
        record = self.finished.get(job.id)
        if record is None or job.id not in self._unexplained:
            return
        reason = self._reason(job)
        explained = record._replace(job=job, reason=reason)
        self.finished.put(explained)
        self._tally(job).explain(explained)
        if self._unexplained.pop(job.id):
            self.failures_total[job.dimensions, reason] += 1

    def tallies(self, now: float) -> Mapping[Dimensions, Tally]:
        """Return what counts at `now`, summed for each combination of dimensions that has ever been counted."""
        # Only finished jobs are in the running sums. The active ones are few and change, so they are added to copies.
        sums = {dimensions: tally.copy() for dimensions, tally in self._tallies.items()}
        for record in self._counted_active(now):
            sums.setdefault(record.job.dimensions, Tally(self._bounds)).add(record)
        return sums

    def dropped(self, now: float) -> int:
        """Return about how many jobs that finished within the lookback were dropped to stay within the limit."""
        return sum(count for hour, count in self._dropped_in_hour.items() if hour >= hour_of(now - self._lookback))

    def active(self, now: float) -> int:
        """Return how many jobs have not finished and count at `now`."""
        return len(self._counted_active(now))

    def newest(self, now: float, finished: int, active: int | None = None) -> list[Record]:
        """Return the `active` oldest of the active jobs and the `finished` last ones of the finished jobs at `now`.

        The oldest active ones, so that a job that is shown stays until it ends.
        """
        horizon = now - self._lookback
        counted, newest = self._counted_active(now), self.finished.newest(finished)
        if active is not None and active < len(counted):
            counted = sorted(counted, key=lambda record: record.job.created or 0.0)[:active]
        return [*counted, *(record for record in newest if _finish(record) >= horizon)]

    def unexplained(self) -> list[Job]:
        """Return the failed jobs whose reason AWS must still be asked for, newest first."""
        waiting = [record for record in map(self.finished.get, self._unexplained) if record is not None]
        return [record.job for record in sorted(waiting, key=_finish, reverse=True)]

    def created_since(self, time: float) -> int:
        """Return about how many of the jobs held were created since a time, counting every active one."""
        return self.finished.created_since(time) + len(self._active)

    def active_created(self, excluding: Iterable[str] = ()) -> list[float]:
        """Return the known creation times of the active jobs whose ids are not among `excluding`."""
        excluded = set(excluding)
        jobs = [record.job for job_id, record in self._active.items() if job_id not in excluded]
        return [job.created for job in jobs if job.created is not None]

    def _take(self, job: Job, now: float, horizon: float) -> None:
        if job.created is not None:
            # If this were in the future, the planner would request only jobs that are created later still.
            self.newest_created = max(self.newest_created or 0.0, min(job.created, now))
        if not job.state.is_final:
            self._dropped_ends.pop(fingerprint(job.id), None)
            self._remove_finished(job.id)
            if _is_fresh(job, horizon):
                self._active[job.id] = Record(job)
            else:
                self._active.pop(job.id, None)
        elif before := self.finished.get(job.id):
            self._change(before, job)
        elif not self._was_dropped(job, now, horizon):
            self._finish(job, now, horizon)

    def _was_dropped(self, job: Job, now: float, horizon: float) -> bool:
        """Return whether a finished job was dropped, and still is: the clock or the limit may have changed since."""
        key = fingerprint(job.id)
        if key not in self._dropped_ends:
            return False
        ended = first((job.ended,), self._dropped_ends[key])
        if max(horizon, self._limit_start) <= ended <= now:
            del self._dropped_ends[key]
            self._already_finished[key] = ended
            return False
        return True

    def _finish(self, job: Job, now: float, horizon: float) -> None:
        """Take in a job that is seen finished for the first time."""
        key = fingerprint(job.id)
        was_active = self._active.pop(job.id, None) is not None
        finished = finish_of(job, was_known=was_active, now=now)
        if not was_active and job.ended is None:
            # Without an end, only the update time is known, and AWS may have changed that since.
            finished = min(finished, self._already_finished.get(key, finished))
        if finished < max(horizon, self._limit_start):
            # Too old to be held, so AWS is not asked for the reason. If it was active, it must be counted now or never.
            self._note_dropped(Record(job, finished))
            if was_active:
                self._already_finished[key] = finished
                self._count(Record(job, finished, self._reason(job) if job.state is State.FAILED else None))
            return
        is_new = (
            self.since is not None
            and finished >= self.since
            and finished > self._latest_dropped_end
            and key not in self._already_finished
        )
        self._already_finished.pop(key, None)
        is_dated = was_active or self.since is not None or has_times(job)
        record = Record(job, finished, self._known_reason(job, is_counted=was_active or is_new), is_dated)
        self.finished.put(record)
        self._tally(job).add(record)
        if was_active or is_new:
            self._count(record)

    def _change(self, before: Record, job: Job) -> None:
        """Take in another final status: the end stays as it was, though AWS has changed the update time."""
        if before.job.status == job.status:
            return
        is_counted = self._unexplained.get(job.id, False)
        self._remove_finished(job.id)
        record = before._replace(job=job._replace(updated=before.job.updated))
        if job.state is State.FAILED and record.reason is None:
            record = record._replace(reason=self._known_reason(job, is_counted=is_counted))
            if is_counted and record.reason is not None:
                self.failures_total[job.dimensions, record.reason] += 1
        self.finished.put(record)
        self._tally(job).add(record)

    def _known_reason(self, job: Job, *, is_counted: bool) -> str | None:
        """Return why a job failed; None if it did not fail, or if AWS must be asked, which is noted."""
        if job.state is not State.FAILED:
            return None
        if job.details is None:
            return self._reason(job)
        self._unexplained[job.id] = is_counted
        return None

    def _remove_unlisted(self, fingerprints: AbstractSet[int], complete_from: float) -> Iterator[None]:
        """Remove the jobs that a complete listing would have shown: they were deleted."""
        for job_id, record in list(self._active.items()):
            # While the creation time of a job is unknown, the planner has every active job listed.
            created = first((record.job.created,), math.inf)
            if fingerprint(job_id) not in fingerprints and created > complete_from:
                del self._active[job_id]
        for job_id in self.finished.unlisted(fingerprints, complete_from):
            removed = self._remove_finished(job_id)
            if removed is not None:
                # A page that shifted while the list was read may have hidden it; then it will be listed again.
                self._already_finished[fingerprint(job_id)] = _finish(removed)
            yield
        # A job that ended so long before the listing starts was created before that, and is never listed again.
        oldest = complete_from - _LISTED_LONGEST
        self._dropped_ends = {
            key: finished
            for key, finished in self._dropped_ends.items()
            if (key in fingerprints if complete_from == EVERYTHING else finished >= oldest)
        }

    def _drop_beyond_lookback(self, horizon: float) -> Iterator[None]:
        """Drop what left the lookback."""
        for record in self.finished.pop_finished_before(horizon):
            self._drop(record)
            yield
        # By AWS's time, where known: if the clock were ahead for a while, the jobs would be counted again afterwards.
        old = horizon if self.newest_created is None else min(horizon, self.newest_created - self._lookback)
        self._already_finished = {key: finished for key, finished in self._already_finished.items() if finished >= old}
        self._active = {key: record for key, record in self._active.items() if _is_fresh(record.job, horizon)}
        self._lookback_start = horizon

    def _drop_beyond_limit(self, horizon: float) -> Iterator[None]:
        """Drop the finished jobs over the limit, first those that ended first: this source's lookback is shorter."""
        if self._dropped_in_hour:
            first_hour = hour_of(horizon)
            self._dropped_in_hour = Counter(
                {hour: n for hour, n in self._dropped_in_hour.items() if hour >= first_hour}
            )
        if len(self.finished) > self._limit:
            self._limit_start = self.finished.horizon_of(int(self._limit))
            for record in self.finished.pop_finished_before(self._limit_start):
                self._drop(record)
                self._dropped_in_hour[hour_of(record.finished)] += 1
                yield

    def _drop(self, record: Record) -> None:
        """Subtract a finished job that is no longer held."""
        self._unexplained.pop(record.job.id, None)
        self._tally(record.job).remove(record)
        self._note_dropped(record)
        self._latest_dropped_end = max(self._latest_dropped_end, _finish(record))

    def _note_dropped(self, record: Record) -> None:
        # An end in the future is as good as none: read again, the job would seem to have ended just then.
        if record.job.ended is None or record.job.ended > _finish(record):
            self._dropped_ends[fingerprint(record.job.id)] = _finish(record)

    def _find_last(self) -> Iterator[None]:
        """Find the last finished jobs again where they were removed, all in one pass."""
        lacking = {dimensions: tally for dimensions, tally in self._tallies.items() if tally.is_without_last}
        if not lacking:
            return
        for tally in lacking.values():
            tally.forget_last()
        for record in self.finished:
            if record.job.dimensions in lacking:
                lacking[record.job.dimensions].note_last(record)
            yield

    def _remove_finished(self, job_id: str) -> Record | None:
        record = self.finished.pop(job_id)
        if record is not None:
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


def _finish(record: Record) -> float:
    return record.finished or 0.0


def _is_fresh(job: Job, horizon: float) -> bool:
    """Return whether an unfinished job counts; one in an unknown status does so until its last update is too old."""
    return job.state.is_active or first((job.updated, job.created), math.inf) >= horizon
