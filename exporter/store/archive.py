"""Finished jobs, held compactly: they do not change, and there may be a million of them."""

from __future__ import annotations

import marshal
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import count
from typing import Any, NamedTuple

from exporter.jobs import Job, State
from exporter.store.job_filter import JobFilter
from exporter.store.record import Dimensions, Record

_HOUR = 3600.0
_BITS = (1 << 60) - 1
_COUNTS = ("total", "processed", "succeeded", "failed")
_NUMBER = 4
"""Bytes before each packed record: the number of what it shares with others, readable without unpacking the rest."""
_BATCH = 500
"""Records that one step of a search examines: a few milliseconds of work."""


class _Shared(NamedTuple):
    """What many records have in common."""

    prefix: str
    """The id up to its last slash: an ARN without its end."""
    status: str
    state: State
    code: str
    dimensions: Dimensions
    reason: str | None
    is_dated: bool


class Archive:
    """Records by the fingerprint of their job's id, each packed into one bytes object.

    Two ids of one source with the same fingerprint would be taken for one job. With a million jobs, that happens in one
    of two million exporters.
    """

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}
        self._hours: defaultdict[int, list[int]] = defaultdict(list)
        """What finished in each hour, so that old records are found without examining the rest."""
        self._created: Counter[int] = Counter()
        """How many jobs were created in each hour."""
        self._oldest = math.inf
        """No record that is held finished before this time."""
        self._shared: dict[int, _Shared] = {}
        """What records have in common, by its number, kept as long as a record uses it."""
        self._numbers: dict[_Shared, int] = {}
        self._uses: Counter[int] = Counter()
        self._next = count()

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[Record]:
        return map(self._unpack, self._packed.values())

    def get(self, job_id: str) -> Record | None:
        """Return the record of a job, None if it is not held."""
        packed = self._packed.get(fingerprint(job_id))
        return None if packed is None else self._unpack(packed)

    def put(self, record: Record) -> None:
        """Store a finished record, replacing one of the same job."""
        self.pop(record.job.id)
        key = fingerprint(record.job.id)
        self._packed[key] = self._pack(record)
        self._hours[hour_of(record.finished)].append(key)
        self._created[hour_of(record.job.created)] += 1
        self._oldest = min(self._oldest, record.finished or 0.0)

    def pop(self, job_id: str) -> Record | None:
        """Remove and return the record of a job, None if it is not held."""
        key = fingerprint(job_id)
        packed = self._packed.pop(key, None)
        if packed is None:
            return None
        record = self._unpack(packed)
        self._hours[hour_of(record.finished)].remove(key)
        self._created[hour_of(record.job.created)] -= 1
        self._release(packed)
        return record

    def newest(self, number: int) -> list[Record]:
        """Return the records that finished last, at most `number`."""
        found: list[Record] = []
        for hour in sorted(self._hours, reverse=True):
            if len(found) >= number:
                break
            found += [self._unpack(self._packed[key]) for key in self._hours[hour]]
        return sorted(found, key=lambda record: record.finished or 0.0, reverse=True)[:number]

    def hours(self) -> Iterable[int]:
        """Return the hours in which something finished, counted from 1970-01-01 UTC."""
        return [hour for hour, keys in self._hours.items() if keys]

    def search(self, job_filter: JobFilter, hour: int) -> Iterator[list[Record]]:
        """Yield the matching jobs that finished in an hour, counted from 1970-01-01 UTC, in batches and in no order.

        A record is unpacked only if what it shares with others, and its bytes, allow a match.
        """
        shared, text = self._matching_shared(job_filter), job_filter.traces
        keys = list(self._hours.get(hour, ()))
        for start in range(0, len(keys), _BATCH):
            found = (self._packed.get(key) for key in keys[start : start + _BATCH])
            likely = (packed for packed in found if packed and packed[:_NUMBER] in shared)
            if text:
                likely = (packed for packed in likely if shared[packed[:_NUMBER]] or text in packed.lower())
            yield [record for record in map(self._unpack, likely) if job_filter.matches(record)]

    def counts(self, job_filter: JobFilter, hours: Iterable[int]) -> list[int]:
        """Return how many jobs with matching states, statuses and reasons finished in each hour.

        A job whose end is not known is in no hour.
        """
        shared = {number for number in self._matching_shared(job_filter) if self._shared[_number(number)].is_dated}
        return [sum(self._packed[key][:_NUMBER] in shared for key in self._hours.get(hour, ())) for hour in hours]

    def _matching_shared(self, job_filter: JobFilter) -> dict[bytes, bool]:
        """Return the number of each shared part that can match, and whether the text is in its part of the id."""
        return {
            _bytes(number): job_filter.text in shared.prefix.lower()
            for number, shared in self._shared.items()
            if job_filter.matches_shared(shared.status, shared.state, shared.reason)
        }

    def pop_finished_before(self, horizon: float) -> list[Record]:
        """Remove and return what finished before a time."""
        if horizon <= self._oldest:
            return []
        hours = [hour for hour in self._hours if hour <= hour_of(horizon)]
        records = [self._unpack(self._packed[key]) for hour in hours for key in self._hours[hour]]
        gone = [record for record in records if (record.finished or 0.0) < horizon]
        for record in gone:
            key = fingerprint(record.job.id)
            self._created[hour_of(record.job.created)] -= 1
            self._release(self._packed.pop(key))
        # All at once: removing a million records of one hour one by one would shift the list a million times.
        for hour in hours:
            self._hours[hour] = [key for key in self._hours[hour] if key in self._packed]
        self._hours = defaultdict(list, {hour: keys for hour, keys in self._hours.items() if keys})
        self._created = +self._created
        ends = (record.finished or 0.0 for record in records)
        self._oldest = min((time for time in ends if time >= horizon), default=horizon)
        return gone

    def horizon_of(self, limit: int) -> float:
        """Return the earliest time since which no more than `limit` jobs finished; more than those must be held."""
        excess = len(self._packed) - limit
        for hour in sorted(self._hours):
            if excess <= len(self._hours[hour]):
                break
            excess -= len(self._hours[hour])
        ends = sorted(self._unpack(self._packed[key]).finished or 0.0 for key in self._hours[hour])
        return math.nextafter(ends[excess - 1], math.inf)

    def created_since(self, time: float) -> int:
        """Return about how many jobs were created since a time, to the hour."""
        return sum(count for hour, count in self._created.items() if hour >= hour_of(time))

    def unlisted(self, fingerprints: AbstractSet[int], created_after: float) -> Iterator[str]:
        """Yield the ids of jobs that were created after a time and whose fingerprints are not among `fingerprints`.

        The caller may pop each of them. Jobs without a creation time are yielded only if the time is minus infinity.
        """
        if created_after == -math.inf:
            keys = list(self._packed.keys() - fingerprints)
        else:
            # What was created after a time also finished after it.
            hours = [hour for hour in self._hours if hour >= hour_of(created_after)]
            keys = [key for hour in hours for key in self._hours[hour] if key not in fingerprints]
        for key in keys:
            job = self._unpack(self._packed[key]).job
            if (job.created or 0.0) > created_after:
                yield job.id

    def _pack(self, record: Record) -> bytes:
        job = record.job
        prefix, slash, suffix = job.id.rpartition("/")
        shared = _Shared(
            prefix + slash, job.status, job.state, job.code, job.dimensions, record.reason, record.is_dated
        )
        # Once a job has ended, its update time and its deadline are of no more use.
        updated = None if job.ended is not None else job.updated
        finished = None if record.finished == job.ended else record.finished
        counts = tuple(job.records.get(result) for result in _COUNTS) if job.records else None
        details = None if job.details is None else dict(job.details)
        times = (job.created, job.started, job.ended, updated, finished)
        packed = marshal.dumps((suffix, job.name, job.message, counts, details, *times))
        return _bytes(self._number(shared)) + packed

    def _unpack(self, packed: bytes) -> Record:
        suffix, name, message, counts, details, *times = marshal.loads(packed[_NUMBER:])  # noqa: S302 - its own bytes
        prefix, status, state, code, dimensions, reason, is_dated = self._shared[_number(packed)]
        created, started, ended, updated, finished = times
        job = Job(
            id=prefix + suffix,
            name=name,
            status=status,
            state=state,
            created=created,
            started=started,
            ended=ended,
            updated=updated,
            message=message,
            code=code,
            records=_counts(counts),
            dimensions=dimensions,
            details=details,
        )
        return Record(job, ended if finished is None else finished, reason, is_dated)

    def _number(self, shared: _Shared) -> int:
        """Return the number of what records share, and count one more use of it."""
        number = self._numbers.get(shared)
        if number is None:
            number = self._numbers[shared] = next(self._next)
            self._shared[number] = shared
        self._uses[number] += 1
        return number

    def _release(self, packed: bytes) -> None:
        """Count one use less of what a record shared, and drop it after the last one."""
        number = _number(packed)
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._uses[number]
            del self._numbers[self._shared.pop(number)]


def _counts(values: Any) -> dict[str, int]:
    if not values:
        return {}
    return {result: value for result, value in zip(_COUNTS, values, strict=True) if value is not None}


def fingerprint(text: str) -> int:
    """Return a hash of 60 bits: a Python integer has 30 bits in a digit, and a third one would take more memory."""
    return hash(text) & _BITS


def _bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER)


def _number(packed: bytes) -> int:
    return int.from_bytes(packed[:_NUMBER])


def hour_of(time: float | None) -> int:
    """Return the hour of a time, counted from 1970-01-01 UTC."""
    return int((time or 0.0) // _HOUR)
