"""What people ask of all ledgers together: jobs by filter, the newest first, page by page; and what they add up to."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeGuard

from exporter.catalog import Kind
from exporter.jobs import ACTIVE, SourceKey, State
from exporter.store import Ledger, Record, Wanted
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

HOUR = 3600

_SORTED = 8
"""Of so many times the jobs that a page has, the first are sorted out."""


class Polled(Protocol):
    """Something that is polled; not all of it has jobs."""

    status: SourceStatus


class JobList(Protocol):
    """A source of jobs."""

    status: SourceStatus
    kind: Kind
    ledger: Ledger


@dataclass(frozen=True)
class Places:
    """Which sources somebody looks at; an empty set asks for nothing."""

    account_id: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    aws_service: frozenset[str] = frozenset()
    kind: frozenset[str] = frozenset()
    scope: frozenset[str] = frozenset()

    def takes(self, key: SourceKey) -> bool:
        """Whether a source is one of those."""
        return not self._asked or all(key[place] in values for place, values in self._asked)

    @cached_property
    def _asked(self) -> list[tuple[int, frozenset[str]]]:
        """What is asked for, by its place in a key."""
        wanted = (self.account_id, self.region, self.aws_service, self.kind, self.scope)
        return [(place, values) for place, values in enumerate(wanted) if values]


class Position(NamedTuple):
    """Where a job stands among all, which stays so while others come and go.

    Active jobs come first, the newest creation first; then finished ones, the last end first.
    """

    is_finished: bool
    age: float
    """The job's time with the sign turned, so that positions sort as jobs are shown."""
    digest: str
    """Puts jobs of one time in an order."""

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
    """Some jobs of those that are looked for."""

    jobs: list[Found]
    next: Position | None
    """Where the next page continues, None behind the last one."""
    total: int | None
    """How many there are on all pages; None where they would have to be counted one by one."""


class Inventory:
    """Asks all ledgers. Whatever may take long is done in turns with the event loop's other work."""

    def __init__(self, sources: Callable[[], Iterable[Polled]], now: Callable[[], float]) -> None:
        self._sources = sources
        self.now = now

    def statuses(self, places: Places = Places()) -> list[SourceStatus]:
        """Return how each source goes, in the order of their keys."""
        return sorted(self.each_status(places), key=lambda status: status.key)

    def each_status(self, places: Places = Places()) -> Iterator[SourceStatus]:
        """Return the same in no order."""
        statuses = (source.status for source in self._sources())
        return (status for status in statuses if places.takes(status.key))

    def lists(self, places: Places = Places()) -> list[JobList]:
        """Return the sources of jobs."""
        return [source for source in self._sources() if _has_jobs(source) and places.takes(source.status.key)]

    def several(self) -> list[str]:
        """Return which labels of a place tell jobs apart: where there is one account, nobody needs to read it."""
        keys = [source.status.key for source in self._sources() if _has_jobs(source)]
        return [label for label in ("account_id", "region") if len({getattr(key, label) for key in keys}) > 1]

    async def jobs(self, places: Places, wanted: Wanted, limit: int, after: Position | None = None) -> Page:
        """Return at most `limit` jobs that come after a position."""
        lists = self.lists(places)
        steps = await in_turns(_Search(lists, wanted, limit + 1, after).steps())
        found = list(chain.from_iterable(steps))
        last = found[limit - 1].position if len(found) > limit else None
        return Page(found[:limit], last, await self._total(lists, wanted))

    async def _total(self, lists: list[JobList], wanted: Wanted) -> int | None:
        counts = await in_turns(source.ledger.count(wanted) for source in lists)
        return None if None in counts else sum(filter(None, counts))

    async def states(self) -> Mapping[str, Counter[State]]:
        """Return how many jobs of each service are in each state."""
        services: defaultdict[str, Counter[State]] = defaultdict(Counter)

        def add(source: JobList) -> None:
            service = services[source.status.key.aws_service]
            for (_, state), number in source.ledger.statuses().items():
                service[state] += number

        await in_turns(map(add, self.lists()))
        return dict(sorted(services.items()))

    async def failures(self, hours: int) -> list[tuple[int, int]]:
        """Return when each of the last hours began, the current one last, and how many jobs failed in it."""
        current = int(self.now() // HOUR)
        failed = Wanted(states=frozenset({State.FAILED}))
        begins = range(current - hours + 1, current + 1)
        totals = [0] * hours

        def add(source: JobList) -> None:
            totals[:] = map(int.__add__, totals, source.ledger.finished.counts(failed, begins))

        await in_turns(map(add, self.lists()))
        return [(hour * HOUR, total) for hour, total in zip(begins, totals, strict=True)]

    async def overdue(self, limit: int) -> list[Found]:
        """Return the active jobs that have been so for longer than their kind usually takes, the oldest first."""
        overdue: list[Found] = []

        def add(source: JobList) -> None:
            overdue.extend(_overdue(source, self.now()))

        await in_turns(map(add, self.lists()))
        return heapq.nsmallest(limit, overdue, key=lambda job: job.record.job.created or 0.0)


@dataclass(frozen=True)
class _Search:
    """One search, step by step: the active jobs, then hour by hour backwards, until a page is full."""

    lists: list[JobList]
    wanted: Wanted
    most: int
    after: Position | None

    def steps(self) -> Iterator[Sequence[Found]]:
        """Yield what was found, in order; nothing where a step found nothing yet, so that others get their turn."""
        left = self.most
        for step in self._stages():
            yield step[:left]
            left -= len(step)
            if left <= 0:
                return

    def _stages(self) -> Iterator[Sequence[Found]]:
        if self.after is None or not self.after.is_finished:
            active = _First(self.most, self.after)
            for source in self.lists:
                active.add(source, source.ledger.moving(self.wanted))
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
            finished = _First(self.most, self.after)
            for source in by_hour[hour]:
                for batch in source.ledger.finished.search(self.wanted, hour):
                    finished.add(source, batch)
                    yield ()
            yield finished.ordered()

    def _hours(self) -> tuple[float, float]:
        """Return the first and the last hour that can hold something that is looked for."""
        since, until = self.wanted.finished_since, self.wanted.finished_until
        first = -math.inf if since is None else since // HOUR
        last = math.inf if until is None else math.ceil(until / HOUR) - 1
        if self.after is not None and self.after.is_finished:
            last = min(last, -self.after.age // HOUR)
        return first, last


class _First:
    """The first of many jobs after a position; the others are let go soon.

    Once enough new objects stay, Python's garbage collector looks at all that the ledgers are made of.
    """

    def __init__(self, most: int, after: Position | None) -> None:
        self._most = most
        self._after = after
        self._found: list[Found] = []

    def add(self, source: JobList, records: Iterable[Record]) -> None:
        """Take in jobs of a source."""
        for record in records:
            position = Position.of(source.status.key, record)
            if self._after is None or position > self._after:
                self._found.append(Found(position, source, record))
        if len(self._found) > _SORTED * self._most:
            self._found = self.ordered()

    def ordered(self) -> list[Found]:
        """Return the first ones in order."""
        return sorted(self._found, key=_position)[: self._most]


def _has_jobs(source: Polled) -> TypeGuard[JobList]:
    """Whether a source lists jobs: others lead to such."""
    return hasattr(source, "ledger")


def _overdue(source: JobList, now: float) -> list[Found]:
    records = source.ledger.moving(Wanted(states=ACTIVE, created_until=now - source.kind.longest_run))
    return [Found(Position.of(source.status.key, record), source, record) for record in records]


def _position(job: Found) -> Any:
    return job.position
