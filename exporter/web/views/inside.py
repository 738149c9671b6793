"""What the pages and the API show of a running exporter, read again for each request because all of it may change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from math import inf, isfinite
from typing import NamedTuple, TypeVar

from exporter.catalog import Catalog
from exporter.settings import Settings
from exporter.store.inventory import Inventory
from exporter.store.search import Position
from exporter.turns import in_turns
from exporter.web.views.parameters import JobAddress, JobParameters, SourceParameters
from exporter.web.views.rows import JobRow, SourceRow, health

Row = TypeVar("Row", JobRow, SourceRow)

_MOST_TEXT = 1_000_000
"""Characters on one page, before they are escaped. Messages may have thousands each, and a page a thousand of them."""


RUNS = 20
"""Runs of the same name beside a job."""


class UnknownJobError(Exception):
    """A job is not held: says why that may be."""


class OneJob(NamedTuple):
    """All that is known of one job."""

    job: JobRow
    runs: list[JobRow]
    """The last ones of the same name, the newest first; itself among them if it is new enough."""
    usual_limit_seconds: float | None
    """Beyond which it is longer than usual; None if it is not active."""


class Calls(NamedTuple):
    """The requests to AWS in an hour."""

    most: float = inf
    """Infinite without `aws.calls_per_hour`."""
    usual: float = 0.0
    """As many as there would be without it."""
    stretch: float = 1.0
    """By how much all intervals are longer for it."""

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return isfinite(self.most)


@dataclass(frozen=True)
class Inside:
    """Where the pages and the API find what they show."""

    inventory: Inventory
    settings: Callable[[], Settings]
    catalog: Callable[[], Catalog]
    calls: Callable[[], Calls] = Calls

    async def jobs(self, parameters: JobParameters) -> tuple[list[JobRow], Position | None, int | None]:
        """Return the jobs that pass the filters: one page, the cursor of the next, and the total if it is known."""
        wanted = parameters.places, parameters.job_filter(self.inventory.now())
        page = await self.inventory.jobs(*wanted, parameters.limit, parameters.cursor, parameters.order)
        rows = _fitting(await in_turns(map(JobRow.of, page.jobs)))
        return rows, page.next if len(rows) == len(page.jobs) else page.jobs[len(rows) - 1].position, page.total

    async def job(self, address: JobAddress) -> OneJob:
        """Return all that is known of a job; raises UnknownJobError."""
        found = await self.inventory.job(address.source, address.id)
        if found is None:
            raise UnknownJobError("no such job: it is not listed yet, or it finished longer ago than the lookback")
        runs = [JobRow.of(run) for run in await self.inventory.runs(found, RUNS)]
        limit = await self.inventory.limit(found) if found.record.job.state.is_active else None
        return OneJob(JobRow.of(found), runs, limit)

    def at_once(self) -> Inside:
        """Return the same with the sources as they are now, for one response."""
        return replace(self, inventory=self.inventory.at_once())

    def sources(self, parameters: SourceParameters) -> tuple[list[SourceRow], int | None, int]:
        """Return the sources that pass the filters: one page, the cursor of the next, and the total of all pages."""
        healths, now = parameters.health, self.inventory.now()
        statuses = self.inventory.statuses(parameters.places)
        found = [
            status
            for status in statuses
            if (not healths or health(status) in healths) and (not parameters.overdue or status.is_overdue(now))
        ]
        page = found[parameters.cursor : parameters.cursor + parameters.limit]
        rows = _fitting([SourceRow.of(status, now) for status in page])
        end = parameters.cursor + len(rows)
        return rows, end if end < len(found) else None, len(found)

    def health(self) -> Counter[str]:
        """Return how many sources are up, down, and unknown because they were not polled yet."""
        return Counter({"up": 0, "down": 0, "unknown": 0, **Counter(map(health, self.inventory.each_status()))})

    def overdue(self) -> int:
        """Return how many sources are polled late by more than one interval."""
        now = self.inventory.now()
        return sum(status.is_overdue(now) for status in self.inventory.each_status())


def _fitting(rows: list[Row]) -> list[Row]:
    """Return the first rows, at least one, whose texts fit one page."""
    sizes = accumulate(sum(len(value) for value in row if isinstance(value, str)) for row in rows)
    return rows[: max(1, sum(size <= _MOST_TEXT for size in sizes))]
