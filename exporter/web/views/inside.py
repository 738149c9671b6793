"""What the pages and the API show of a running exporter, read again for each request because all of it may change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import inf, isfinite
from typing import NamedTuple, TypeVar

from exporter.catalog import Catalog
from exporter.families import GroupView
from exporter.jobs import SourceKey
from exporter.settings import Settings
from exporter.store.inventory import Inventory
from exporter.store.search import Position
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns, slices
from exporter.web.views.group_lines import GroupLine, group_lines
from exporter.web.views.parameters import JobAddress, JobParameters, SourceParameters
from exporter.web.views.rows import JobRow, SourceRow, health
from exporter.web.views.survey import Survey

Row = TypeVar("Row", JobRow, SourceRow)

_MOST_TEXT = 1_000_000
"""Characters on one page, before they are escaped. Messages may have thousands each, and a page a thousand of them."""


EVERY_SOURCE = SourceParameters()

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
    groups: Callable[[], Mapping[str, GroupView]] = dict

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

    async def survey(self, parameters: SourceParameters = EVERY_SOURCE) -> Survey:
        """Look at the sources."""
        return await Survey.of(self.inventory.statuses, parameters, self.inventory.now())

    def group_lines(self) -> list[GroupLine]:
        """Return the groups, those first that are not as they should be."""
        return list(group_lines(self.groups(), self.inventory.now()))

    async def names(self) -> Mapping[str, str]:
        """Return what people call accounts and scopes, by their ids."""
        # Read anew for each response: AWS renames them while the sources stay.
        parts = slices(self.inventory.statuses)
        named = await in_turns([status for status in part if status.scope_name] for part in parts)
        return {each.key.scope or each.key.account_id: each.scope_name for part in named for each in part}

    async def labels(self) -> Mapping[str, set[str]]:
        """Return the values of each label that sources have, except for the empty one."""
        values: dict[str, set[str]] = {label: set() for label in SourceKey._fields}

        def look(statuses: Sequence[SourceStatus]) -> None:
            columns = zip(*(status.key for status in statuses), strict=True)
            for known, column in zip(values.values(), columns, strict=True):
                known.update(column)

        await in_turns(map(look, slices(self.inventory.statuses)))
        return {label: known - {""} for label, known in values.items()}

    async def health(self) -> Counter[str]:
        """Return how many sources are up, down, and unknown because they were not polled yet."""
        counts = Counter({"up": 0, "down": 0, "unknown": 0})
        await in_turns(counts.update(map(health, part)) for part in slices(self.inventory.statuses))
        return counts

    async def sources(self, parameters: SourceParameters, survey: Survey) -> tuple[list[SourceRow], int | None]:
        """Return one page of the sources of a survey, and the cursor of the next."""
        now, start = self.inventory.now(), parameters.cursor
        statuses = await survey.first(start + parameters.limit, parameters.sort)
        rows = _fitting(await in_turns(SourceRow.of(status, now) for status in statuses[start:]))
        end = start + len(rows)
        return rows, end if end < len(survey.found) else None


def _fitting(rows: list[Row]) -> list[Row]:
    """Return the first rows, at least one, whose texts fit one page."""
    sizes = accumulate(sum(len(value) for value in row if isinstance(value, str)) for row in rows)
    return rows[: max(1, sum(size <= _MOST_TEXT for size in sizes))]
