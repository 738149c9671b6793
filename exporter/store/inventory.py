"""The jobs of all sources: searched page by page, and what they add up to."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any, NamedTuple

from exporter.catalog import Kind
from exporter.jobs import SourceKey, State
from exporter.store.database import Database
from exporter.store.job_filter import JobFilter
from exporter.store.ledger import Ledger
from exporter.store.record import SELECT, Record, record, split
from exporter.store.search import USUAL, Among, Order, Position, Search
from exporter.store.tables import NUMBER, STATES
from exporter.store.usual import LIMIT
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

HOUR = 3600

_FEW = 100_000
"""Jobs that are looked up by their source. Where the sources of a search have more, other ways are faster."""


class JobList(NamedTuple):
    """The jobs of one source."""

    status: SourceStatus
    kind: Kind
    ledger: Ledger
    dimensions: tuple[str, ...] = ()
    """The names of the labels that the user asked for, in the order in which its jobs have their values."""


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
        for place, values in self._criteria:  # noqa: SIM110 - four times as fast as all(), for each of many sources
            if key[place] not in values:
                return False
        return True

    @property
    def is_everywhere(self) -> bool:
        """Whether every source is covered."""
        return not self._criteria

    @cached_property
    def _criteria(self) -> list[tuple[int, frozenset[str]]]:
        """The sets that are not empty, each with its place in a key."""
        sets = (self.account_id, self.region, self.aws_service, self.kind, self.scope)
        return [(place, values) for place, values in enumerate(sets) if values]


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


@dataclass
class Sources:
    """All sources, until one comes or goes: with ten thousand, a page has no time to go through them."""

    statuses: Sequence[SourceStatus]
    lists: Sequence[JobList]
    """Those that list jobs."""
    _numbers: dict[int, int] = field(default_factory=dict)
    _numbering: int = -1

    @cached_property
    def labels(self) -> Mapping[str, set[str]]:
        """The values of each label of those that list jobs, except for the empty one."""
        return labels([source.status.key for source in self.lists])

    def numbers(self, database: Database) -> Mapping[int, int]:
        """Return the places in `lists` by number in the database; one that was never read has no number."""
        if database.numbering != self._numbering:
            shown = ((source.ledger.shown, place) for place, source in enumerate(self.lists))
            self._numbers = {number: place for number, place in shown if number is not None}
            self._numbering = database.numbering
        return self._numbers


class Inventory:
    """Searches the jobs of all sources."""

    def __init__(self, database: Database, sources: Callable[[], Sources], now: Callable[[], float]) -> None:
        """Search what `sources` returns at that time."""
        self._database = database
        self._sources = sources
        self.now = now

    def at_once(self) -> Inventory:
        """Return an inventory of the sources as they are now, for one response."""
        sources = self._sources()
        return Inventory(self._database, lambda: sources, self.now)

    @property
    def statuses(self) -> Sequence[SourceStatus]:
        """The status of each source, in no order."""
        return self._sources().statuses

    def labels(self) -> Mapping[str, set[str]]:
        """Return the values of each label that sources with jobs have, except for the empty one."""
        return self._sources().labels

    def several(self) -> list[str]:
        """Return which of account and region have several values: with only one, nobody needs to read it."""
        labels = self.labels()
        return [label for label in ("account_id", "region") if len(labels[label]) > 1]

    async def jobs(
        self,
        places: Places,
        job_filter: JobFilter,
        limit: int,
        after: Position | None = None,
        order: Order = USUAL,
    ) -> Page:
        """Return at most `limit` matching jobs that come after a position in an order."""
        async with self._database.reading() as connection:
            among = await self._among(connection, places)
            if order.sort == "duration":
                among = among._replace(starting=self._starting())
            search = Search(job_filter, order, among)
            # One more than asked for, to know whether there are more.
            rows = await self._rows(connection, search.page(after), search.values(limit + 1, after))
            positions = [Position(*row) for row in rows]
            found = await self._found(connection, positions[:limit])
            total = sum(await self._rows(connection, search.total(), search.values())) if job_filter.is_summed else None
        return Page(found, positions[limit - 1] if len(positions) > limit else None, total)

    async def job(self, key: SourceKey, identifier: str) -> Found | None:
        """Return the job of a source with this id; None where it is not held."""
        number = next((each.ledger.shown for each in self._sources().lists if each.status.key == key), None)
        async with self._database.reading() as connection:
            row = connection.execute(_JOB, (number, *split(identifier))).fetchone()
            found = await self._found(connection, [Position(0, 0, *row)]) if row else []
        return next(iter(found), None)

    async def runs(self, found: Found, limit: int) -> list[Found]:
        """Return the last jobs of the same source with exactly the same name, the newest first; none without a name."""
        values = {"source": found.source.ledger.shown, "name": found.record.job.name, "limit": limit}
        async with self._database.reading() as connection:
            rows = await self._rows(connection, _RUNS, values)
            return await self._found(connection, [Position(*row) for row in rows])

    async def states(self, places: Places = Places()) -> Mapping[str, Counter[State]]:
        """Return how many jobs of each service are in each state, but for services without jobs."""
        services: defaultdict[str, Counter[State]] = defaultdict(Counter)
        for service, state, jobs in await self._sums(_STATES, places):
            services[service][STATES[state]] += jobs
        return {service: +counts for service, counts in sorted(services.items()) if +counts}

    async def failures(self, hours: int, places: Places = Places()) -> list[tuple[int, int]]:
        """Return the start of each of the last hours, the current one last, and how many jobs failed in it."""
        current = int(self.now() // HOUR)
        span = range(current - hours + 1, current + 1)
        counts = dict(await self._sums(_FAILURES, places, since=span[0] * HOUR * 1000))
        return [(hour * HOUR, counts.get(hour, 0)) for hour in span]

    async def limit(self, found: Found) -> float:
        """Return after how many seconds an active job is longer than usual."""
        async with self._database.reading() as connection:
            row = connection.execute(_LIMIT, (found.position.number,)).fetchone()
        return row[0] / 1000 if row else inf

    async def _among(self, connection: sqlite3.Connection, places: Places) -> Among:
        """Return the sources that a search covers."""
        sources = self._sources().lists
        numbers = self._sources().numbers(self._database)
        if not places.is_everywhere:
            numbers = {n: place for n, place in numbers.items() if places.matches(sources[place].status.key)}
            if sum(len(sources[place].ledger) for place in numbers.values()) <= _FEW:
                return Among(list(numbers))
        # The database may have sources that are no longer polled.
        [count] = await self._rows(connection, _COUNT)
        others = set(await self._rows(connection, _SOURCES)) - numbers.keys() if count > len(numbers) else ()
        return Among(sorted(others), is_all_but=True)

    async def _found(self, connection: sqlite3.Connection, positions: Sequence[Position]) -> list[Found]:
        """Return the jobs at these positions."""
        sources = self._sources().lists
        numbers = self._sources().numbers(self._database)
        rows = connection.execute(_JOBS, (json.dumps([position.number for position in positions]),))
        # One may have left since its position was found.
        known = ((row[-2], (sources[numbers[row[-3]]], record(row))) for row in rows if row[-3] in numbers)
        jobs = dict(await in_turns(known))
        return [Found(position, *jobs[position.number]) for position in positions if position.number in jobs]

    def _starting(self) -> list[int]:
        """Return the sources whose lists tell when jobs start."""
        sources = self._sources()
        numbers = sources.numbers(self._database)
        return [number for number, place in numbers.items() if sources.lists[place].kind.has_starts]

    async def _sums(self, sql: str, places: Places, **values: float) -> list[Any]:
        """Return the rows of a statement about sources that are polled."""
        async with self._database.reading() as connection:
            among = await self._among(connection, places)
            return await self._rows(connection, sql.format(among=among.condition), {**values, **among.values})

    async def _rows(
        self, connection: sqlite3.Connection, sql: str, values: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """Return the rows of a statement that returns them as one JSON array: handing over each would take a turn."""
        rows: list[Any] = json.loads(await self._database.value(connection, sql, values or {}))
        return rows


def labels(keys: Collection[SourceKey]) -> Mapping[str, set[str]]:
    """Return the values of each label, except for the empty one."""
    return {label: {key[place] for key in keys} - {""} for place, label in enumerate(SourceKey._fields)}


_FAILED, _UNKNOWN = NUMBER[State.FAILED], NUMBER[State.UNKNOWN]

_COUNT = "SELECT json_array(count(*)) FROM source WHERE found IS NULL"
_SOURCES = "SELECT json_group_array(n) FROM source WHERE found IS NULL"
_JOBS = f"{SELECT} FROM job WHERE n IN (SELECT value FROM json_each(?))"
_JOB = """
SELECT n FROM job INDEXED BY job_id WHERE source = ? AND prefix = (SELECT n FROM word WHERE text = ?) AND id = ?
"""
# Through all jobs of the source: an index by name would cost each poll more than it saves those who look.
_RUNS = """
SELECT json_group_array(json_array(0, 0, n)) FROM (
    SELECT n FROM job INDEXED BY job_finished WHERE source = :source AND name = :name AND name <> ''
    ORDER BY coalesce(created, started, finished) DESC, n DESC LIMIT :limit
)
"""

_LIMIT = f"SELECT {LIMIT} FROM job WHERE n = ?"

# About all sources that are polled.
_STATES = f"""
SELECT json_group_array(json_array(aws_service, state, jobs)) FROM (
    SELECT aws_service, state, sum(jobs) AS jobs FROM tally CROSS JOIN source ON source.n = source
    WHERE {{among}} GROUP BY 1, 2
    UNION ALL
    SELECT aws_service, state, count(*) FROM job INDEXED BY job_state CROSS JOIN source ON source.n = source
    WHERE state <= {_UNKNOWN} AND {{among}} GROUP BY 1, 2
)
"""
_FAILURES = f"""
SELECT json_group_array(json_array(hour, jobs)) FROM (
    SELECT finished / {HOUR * 1000} AS hour, count(*) AS jobs FROM job INDEXED BY job_state
    WHERE state = {_FAILED} AND finished >= :since AND dated AND {{among}} GROUP BY 1
)
"""
