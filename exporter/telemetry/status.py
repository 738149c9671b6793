"""The health of each source: up or down, since when, and why."""

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
    """Replaces a longer `interval` after a failed poll."""
    attempts: int = 0
    consecutive_failures: int = 0
    last_success: float | None = None
    last_duration: float = 0.0
    next_poll: float | None = None
    """None if it is to be polled as soon as possible."""
    reason: str = ""
    """Why the last poll failed, from a closed list; empty if it succeeded."""
    error: str = ""
    """The same in AWS's words, for people to read."""
    calls: int = 0
    """Requests that its polls have sent to AWS since it was discovered."""
    last_calls: int = 0
    """Requests of the last poll."""
    jobs: int | None = None
    """Jobs held; None for a discovery source, which has no jobs itself."""
    details_pending: int | None = None
    series: int | None = None
    """Series about its jobs."""
    series_dropped: dict[tuple[str, str], int] = field(default_factory=dict)
    """Series that are left out, by family and by the limit that was reached."""
    jobs_dropped: int = 0
    """Jobs that finished within the lookback but are not counted."""
    sources_dropped: int = 0
    """Child sources that are not polled."""

    @property
    def is_up(self) -> bool:
        """Whether the last poll succeeded."""
        return self.attempts > 0 and self.consecutive_failures == 0

    def renewed(self, newer: SourceStatus) -> SourceStatus:
        """Continue under another configuration, with the interval and the scope's name of `newer`."""
        self.interval = newer.interval
        self.scope_kind, self.scope_name = newer.scope_kind, newer.scope_name
        return self
