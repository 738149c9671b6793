"""What every source works with, and what the poll loop asks of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from exporter.aws import Endpoints, Member, Poll, Reader
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.jobs import SourceKey
from exporter.poller.budget import Budget
from exporter.reasons import Classifier
from exporter.settings import Settings
from exporter.telemetry import SourceStatus, Telemetry


@dataclass(frozen=True)
class Context:
    """What every source works with."""

    settings: Settings
    reader: Reader
    endpoints: Endpoints
    exposition: Exposition
    telemetry: Telemetry
    classifier: Classifier
    clock: Clock
    budget: Budget


class Source(Protocol):
    """Something that is polled again and again."""

    status: SourceStatus

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """Read it once and return the sources that it leads to; raises what went wrong, then nothing has changed."""

    def adopt(self, before: Source) -> Iterable[Source]:
        """Go on where a source of the same key is, under another configuration; return what it leads to, as known now.

        `before` may be in the middle of its last poll.
        """

    def forget(self) -> None:
        """Take away what it published."""


def leading_status(key: SourceKey, context: Context, member: Member | None = None) -> SourceStatus:
    """Return the status of a source that leads to others: while it fails, it is polled as often as those would be."""
    poll, name = context.settings.poll, member.name if member else ""
    return SourceStatus(key, poll.discovery_interval, "account" if name else "", name, retry_interval=poll.interval)
