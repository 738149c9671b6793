"""How reading each source goes: up or down, since when, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from exporter.jobs import SourceKey


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
