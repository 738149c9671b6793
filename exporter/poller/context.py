"""What every source works with, and what the poller asks of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from exporter.aws import Allowance, Endpoints, Member, PollRun, Reader
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.jobs import SourceKey
from exporter.poller.budget import Budget
from exporter.poller.grouping import Groups
from exporter.poller.tagging import Tagging
from exporter.reasons import Classifier
from exporter.settings import Settings
from exporter.store import Database
from exporter.telemetry import SourceStatus, Telemetry


@dataclass(frozen=True)
class Context:
    """What every source works with."""

    settings: Settings
    reader: Reader
    allowance: Allowance
    endpoints: Endpoints
    exposition: Exposition
    telemetry: Telemetry
    classifier: Classifier
    clock: Clock
    budget: Budget
    database: Database
    groups: Groups
    tagging: Tagging
    is_scraped: bool = False
    """Whether somebody comes again and again, so that counters can be seen to begin at 0."""


class Holdings(NamedTuple):
    """What a source of jobs holds after a poll, and what it leaves out because of a limit."""

    jobs: int
    jobs_dropped: int
    details_pending: int
    series: int
    series_dropped: Mapping[tuple[str, str], int]
    """Series by their family and the limit."""


class Restored(NamedTuple):
    """What a source knows from before the exporter was stopped."""

    last_success: float
    holdings: Holdings | None = None


class Source(Protocol):
    """Something that is polled again and again. Its status is written by the poller alone."""

    status: SourceStatus

    async def poll(self, poll: PollRun) -> Holdings | None:
        """Read the source once; raises what went wrong, and then nothing has changed. None where it has no jobs."""

    async def restore(self) -> Restored | None:
        """Find what was known when the exporter was stopped, and publish it as of then; None if nothing was."""

    def children(self) -> Iterable[Source]:
        """Return the sources that the last successful poll found; none before the first one."""

    def adopt(self, before: Source) -> bool:
        """Continue from a source of the same key under a new configuration; return whether it must be polled at once.

        `before` may be in the middle of its last poll.
        """

    def withdraw(self) -> None:
        """Withdraw the series that the source published about its jobs."""


def parent_status(key: SourceKey, context: Context, member: Member | None = None) -> SourceStatus:
    """Return the status of a source that finds others.

    Everything below it waits while it fails, so it is retried as often as its children would be polled.
    """
    poll, name = context.settings.poll, member.name if member else ""
    return SourceStatus(key, poll.discovery_interval, "account" if name else "", name, retry_interval=poll.interval)
