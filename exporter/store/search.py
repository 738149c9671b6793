"""Searches across all ledgers: jobs by filter, newest first, page by page; and what they add up to."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from exporter.catalog import Kind
from exporter.jobs import ACTIVE, SourceKey, State
from exporter.store.job_filter import JobFilter
from exporter.store.ledger import Ledger
from exporter.store.record import Record
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

HOUR = 3600

_PAGES_HELD = 8
"""Sort and truncate once this many pages' worth of candidates have been collected."""


class JobList(NamedTuple):
    """The jobs of one source."""

    status: SourceStatus
    kind: Kind
    ledger: Ledger


@dataclass(frozen=True)
class Places:
    """Which sources a search covers; an empty set covers every value."""

    account_id: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    aws_service: frozenset[str] = frozenset()
    kind: frozenset[str] = frozenset()
    scope: frozenset[str] = frozenset()

    def matches(self, key: SourceKey) -> bool:
        """Return whether a source is covered."""
        return all(key[place] in values for place, values in self._criteria)

    @cached_property
    def _criteria(self) -> list[tuple[int, frozenset[str]]]:
        """The sets that are not empty, each with its place in a key."""
        sets = (self.account_id, self.region, self.aws_service, self.kind, self.scope)
        return [(place, values) for place, values in enumerate(sets) if values]


class Position(NamedTuple):
    """Where a job stands among all jobs, which stays the same while others come and go.

    Active jobs come first, by creation, newest first; then finished ones, by their end, last first.
    """

    is_finished: bool
    age: float
    """The job's time, negated so that positions sort in the order in which jobs are shown."""
    digest: str
    """Orders jobs of the same time."""

    @classmethod
    def of(cls, key: SourceKey, record: Record) -> Position:
        """Return the position of a job."""
        time = record.finished if record.finished is not None else record.job.created
        digest = blake2b("\n".join((*key, record.job.id)).encode(errors="replace"), digest_size=6).hexdigest()
        return cls(record.finished is not None, -(time or 0.0), digest)


class Found(NamedTuple):
    """A job and the source that lists it."""

    position: Position
    source: JobList
    record: Record


class Page(NamedTuple):
    """Some of the jobs that match a search."""

    jobs: list[Found]
    next: Position | None
    """Where the next page continues, None after the last page."""
    total: int | None
    """The number of jobs on all pages; None if they would have to be counted one by one."""


class Inventory:
    """Searches all ledgers. Whatever may take long yields to the event loop in between."""

    def __init__(
        self,
        statuses: Callable[[], Iterable[SourceStatus]],
        lists: Callable[[], Iterable[JobList]],
        now: Callable[[], float],
    ) -> None:
        """Search what `statuses` and `lists` return at that time, because sources come and go."""
        self._statuses = statuses
        self._lists = lists
        self.now = now

    def statuses(self, places: Places = Places()) -> list[SourceStatus]:
        """Return the status of each source, ordered by key."""
        return sorted(self.each_status(places), key=attrgetter("key"))

    def each_status(self, places: Places = Places()) -> Iterator[SourceStatus]:
        """Yield the status of each source, in no order."""
        return (status for status in self._statuses() if places.matches(status.key))

    def lists(self, places: Places = Places()) -> list[JobList]:
        """Return the sources that have jobs."""
        return [source for source in self._lists() if places.matches(source.status.key)]

    def several(self) -> list[str]:
        """Return which of account and region have several values: with only one, nobody needs to read it."""
        keys = [source.status.key for source in self._lists()]
        return [label for label in ("account_id", "region") if len({getattr(key, label) for key in keys}) > 1]

    async def jobs(self, places: Places, job_filter: JobFilter, limit: int, after: Position | None = None) -> Page:
        """Return at most `limit` matching jobs that come after a position."""
        lists = self.lists(places)
        steps = await in_turns(_Search(lists, job_filter, limit + 1, after).steps())
        found = list(chain.from_iterable(steps))
        last = found[limit - 1].position if len(found) > limit else None
        counts = await in_turns(source.ledger.count(job_filter) for source in lists)
        total = None if None in counts else sum(filter(None, counts))
        return Page(found[:limit], last, total)

    async def states(self) -> Mapping[str, Counter[State]]:
        """Return how many jobs of each service are in each state."""
        services: defaultdict[str, Counter[State]] = defaultdict(Counter)
        lists = self.lists()
        counts = await in_turns(source.ledger.statuses() for source in lists)
        for source, statuses in zip(lists, counts, strict=True):
            states = services[source.status.key.aws_service]
            for (_, state), number in statuses.items():
                states[state] += number
        return dict(sorted(services.items()))

    async def failures(self, hours: int) -> list[tuple[int, int]]:
        """Return the start of each of the last hours, the current one last, and how many jobs failed in it."""
        current = int(self.now() // HOUR)
        failed = JobFilter(states=frozenset({State.FAILED}))
        span = range(current - hours + 1, current + 1)
        counts = await in_turns(source.ledger.finished.counts(failed, span) for source in self.lists())
        return [(hour * HOUR, sum(each[index] for each in counts)) for index, hour in enumerate(span)]

    async def overdue(self, limit: int) -> list[Found]:
        """Return the active jobs that have run longer than is usual for their kind, oldest first."""
        now = self.now()
        overdue = await in_turns(_overdue(source, now) for source in self.lists())
        return heapq.nsmallest(limit, chain.from_iterable(overdue), key=lambda job: job.record.job.created or 0.0)


@dataclass(frozen=True)
class _Search:
    """One search in steps: the active jobs, then the finished ones hour by hour backwards, until a page is full."""

    lists: list[JobList]
    job_filter: JobFilter
    limit: int
    after: Position | None

    def steps(self) -> Iterator[Sequence[Found]]:
        """Yield what was found, in order; an empty step only lets other tasks run."""
        left = self.limit
        for step in self._stages():
            yield step[:left]
            left -= len(step)
            if left <= 0:
                return

    def _stages(self) -> Iterator[Sequence[Found]]:
        if self.after is None or not self.after.is_finished:
            active = _First(self.limit, self.after)
            for source in self.lists:
                active.add(source, source.ledger.active_matching(self.job_filter))
                yield ()
            yield active.ordered()
        by_hour: defaultdict[int, list[JobList]] = defaultdict(list)
        first, last = self._hours()
        for source in self.lists:
            for hour in source.ledger.finished.hours():
                if first <= hour <= last:
                    by_hour[hour].append(source)
            yield ()
        for hour in sorted(by_hour, reverse=True):
            finished = _First(self.limit, self.after)
            for source in by_hour[hour]:
                for batch in source.ledger.finished.search(self.job_filter, hour):
                    finished.add(source, batch)
                    yield ()
            yield finished.ordered()

    def _hours(self) -> tuple[float, float]:
        """Return the first and the last hour in which a matching job can have finished."""
        since, until = self.job_filter.finished_since, self.job_filter.finished_until
        first = -math.inf if since is None else since // HOUR
        last = math.inf if until is None else math.ceil(until / HOUR) - 1
        if self.after is not None and self.after.is_finished:
            last = min(last, -self.after.age // HOUR)
        return first, last


class _First:
    """The first of many jobs after a position; the others are dropped early.

    If many new objects stay alive, Python's garbage collector traverses everything that the ledgers hold.
    """

    def __init__(self, limit: int, after: Position | None) -> None:
        self._limit = limit
        self._after = after
        self._found: list[Found] = []

    def add(self, source: JobList, records: Iterable[Record]) -> None:
        """Add candidates from a source."""
        for record in records:
            position = Position.of(source.status.key, record)
            if self._after is None or position > self._after:
                self._found.append(Found(position, source, record))
        if len(self._found) > _PAGES_HELD * self._limit:
            self._found = self.ordered()

    def ordered(self) -> list[Found]:
        """Return the first jobs, in order."""
        return sorted(self._found, key=attrgetter("position"))[: self._limit]


def _overdue(source: JobList, now: float) -> list[Found]:
    records = source.ledger.active_matching(JobFilter(states=ACTIVE, created_until=now - source.kind.longest_run))
    return [Found(Position.of(source.status.key, record), source, record) for record in records]
