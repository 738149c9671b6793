"""How much one source may export, and what is said of what it goes without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from prometheus_client import Metric

from exporter.collector import dropped
from exporter.jobs import SourceKey
from exporter.settings import Limits
from exporter.telemetry import SourceStatus

log = structlog.get_logger(__name__)


class Budget:
    """The series about jobs that all sources may have together; who has some keeps them, also while it is down."""

    def __init__(self) -> None:
        self.limits = Limits()
        """They change when the configuration is read again."""
        self._held: dict[SourceKey, int] = {}
        self._sum = 0

    def share(self, key: SourceKey) -> tuple[int, str]:
        """Return how many series a source may have, and the limit that says so."""
        left = self.limits.series - self._sum + self._held.get(key, 0)
        return min((self.limits.series_per_source, "series_per_source"), (left, "series"))

    def hold(self, key: SourceKey, series: int) -> None:
        """Note how many series a source has now; a source that is gone has none."""
        self._sum += series - self._held.pop(key, 0)
        if series:
            self._held[key] = series


def fitted(families: Sequence[Metric], status: SourceStatus, budget: Budget, unshown: int = 0) -> list[Metric]:
    """Return the families that a source may export, and note in its status what it goes without.

    `unshown` active jobs have no series of their own to begin with.
    """
    most, bound = budget.share(status.key)
    without = dropped(families, most)
    kept = [family for family in families if family.name not in without]
    status.series = sum(len(family.samples) for family in kept)
    budget.hold(status.key, status.series)
    status.series_dropped = {(name, bound): series for name, series in without.items()}
    if unshown:
        status.series_dropped["aws_job_info", "per_job_active"] = unshown
    return kept


def note_change(status: SourceStatus, before: Mapping[str, int]) -> None:
    """Log what a source begins to drop, and what it drops no more; `before` is what `drops` told earlier."""
    for what, number in drops(status).items():
        if number and not before[what]:
            log.warning("over a limit", **status.key._asdict(), dropped=what, number=number)
        elif before[what] and not number:
            log.info("within the limits again", **status.key._asdict(), dropped=what)


def drops(status: SourceStatus) -> Mapping[str, int]:
    """Return how much of each sort a source drops."""
    return {
        "series": sum(status.series_dropped.values()),
        "jobs": status.jobs_dropped,
        "sources": status.sources_dropped,
    }
