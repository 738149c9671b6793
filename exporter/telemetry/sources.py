"""How reading each source goes: up or down, since when, and why."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from exporter.families import Family, Sample
from exporter.jobs import SourceKey

PREFIX = "aws_job_exporter_"


@dataclass
class SourceStatus:
    """How the polls of one source went; times in seconds since 1970-01-01 UTC."""

    key: SourceKey
    interval: float
    scope_kind: str = ""
    scope_name: str = ""
    """What people call the scope."""
    retry_interval: float = math.inf
    """Takes the place of a longer `interval` after a failed poll."""
    attempts: int = 0
    consecutive_failures: int = 0
    last_success: float | None = None
    last_duration: float = 0.0
    next_poll: float | None = None
    """None where it is to be polled as soon as possible."""
    reason: str = ""
    """Why the last poll failed, of a closed list; empty while it succeeds."""
    error: str = ""
    """The same in AWS's words, for people."""
    calls: int = 0
    """Requests to AWS that its polls have made since it was found."""
    last_calls: int = 0
    """Those of the last poll."""
    jobs: int | None = None
    """Jobs held; None for a source that leads to others and has no jobs itself."""
    details_pending: int | None = None
    series: int | None = None
    """Series about its jobs."""
    series_dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    """Series that it goes without, by their family and the limit that says so."""
    jobs_dropped: int = 0
    """Jobs that finished within the lookback and do not count."""
    sources_dropped: int = 0
    """Sources that it leads to and that are not polled."""

    @property
    def is_up(self) -> bool:
        """Whether the last poll succeeded."""
        return self.attempts > 0 and self.consecutive_failures == 0

    def renewed(self, newer: SourceStatus) -> SourceStatus:
        """Go on under another configuration: polled as often and called as `newer` says."""
        self.interval = newer.interval
        self.scope_kind, self.scope_name = newer.scope_kind, newer.scope_name
        return self


POLLED: ContextVar[SourceStatus | None] = ContextVar("POLLED", default=None)
"""The source whose poll is under way: what it calls counts for it."""


def _known(value: float | None) -> Iterable[Sample]:
    return [] if value is None else [((), value)]


def _scope(status: SourceStatus) -> Iterable[Sample]:
    return [((status.scope_kind, status.scope_name), 1)] if status.scope_kind else []


SOURCE_FAMILIES: tuple[Family[SourceStatus], ...] = (
    Family(
        "aws_job_scope_info",
        "gauge",
        "What the scope is and what people call it; always 1.",
        ("scope_kind", "scope_name"),
        _scope,
    ),
    Family(
        f"{PREFIX}source_up",
        "gauge",
        "Whether the last poll of the source succeeded.",
        (),
        lambda status: _known(float(status.is_up)),
    ),
    Family(
        f"{PREFIX}source_failure_info",
        "gauge",
        "Why the last poll of the source failed; always 1.",
        ("reason",),
        lambda status: [((status.reason,), 1)] if status.reason else [],
    ),
    Family(
        f"{PREFIX}source_last_success_timestamp_seconds",
        "gauge",
        "When the source was last read completely: what its other metrics are as of.",
        (),
        lambda status: _known(status.last_success),
    ),
    Family(
        f"{PREFIX}source_consecutive_failures",
        "gauge",
        "Failed polls of the source since the last successful one.",
        (),
        lambda status: _known(status.consecutive_failures),
    ),
    Family(
        f"{PREFIX}source_last_poll_duration_seconds",
        "gauge",
        "How long the last poll of the source took.",
        (),
        lambda status: _known(status.last_duration),
    ),
    Family(
        f"{PREFIX}jobs",
        "gauge",
        "Jobs of the source that are held in memory.",
        (),
        lambda status: _known(status.jobs),
    ),
    Family(
        f"{PREFIX}details_pending",
        "gauge",
        "Failed jobs of the source whose reason AWS has not been asked for yet.",
        (),
        lambda status: _known(status.details_pending),
    ),
    Family(
        f"{PREFIX}series",
        "gauge",
        "Series about the jobs of the source, as of its last successful poll.",
        (),
        lambda status: _known(status.series),
    ),
    Family(
        f"{PREFIX}series_dropped",
        "gauge",
        "Series about the jobs of the source that are left out; bound is the limit that says so.",
        ("family", "bound"),
        lambda status: status.series_dropped.items(),
    ),
    Family(
        f"{PREFIX}jobs_dropped",
        "gauge",
        "Jobs that finished within the lookback, to the hour, and do not count because of limits.jobs_per_source.",
        (),
        lambda status: _known(status.jobs_dropped or None),
    ),
    Family(
        f"{PREFIX}sources_dropped",
        "gauge",
        "Sources that this one leads to and that are not polled because of limits.sources.",
        (),
        lambda status: _known(status.sources_dropped or None),
    ),
)
