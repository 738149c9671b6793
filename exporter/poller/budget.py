"""How many series the sources may export, and which families one goes without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import Metric

from exporter.families import dropped
from exporter.jobs import SourceKey
from exporter.settings import Limits


class Budget:
    """The series about jobs that all sources share; a source keeps those it has, even while it is down."""

    def __init__(self) -> None:
        self.limits = Limits()
        """Replaced when the configuration is reloaded."""
        self._held: dict[SourceKey, int] = {}
        self._sum = 0

    def hold(self, key: SourceKey, series: int) -> None:
        """Record how many series a source has now; one that is gone has none."""
        self._sum += series - self._held.pop(key, 0)
        if series:
            self._held[key] = series

    def share(self, key: SourceKey) -> tuple[int, str]:
        """Return how many series a source may have, and the limit that says so."""
        # What the source holds now is about to be replaced, so it counts as free.
        left = self.limits.series - self._sum + self._held.get(key, 0)
        return min((self.limits.series_per_source, "series_per_source"), (left, "series"))

    def fit(self, key: SourceKey, families: Sequence[Metric]) -> tuple[list[Metric], Mapping[tuple[str, str], int]]:
        """Return the families that a source may export, and the series that it drops by family and limit."""
        most, limit = self.share(key)
        without = dropped(families, most)
        kept = [family for family in families if family.name not in without]
        self.hold(key, sum(len(family.samples) for family in kept))
        return kept, {(name, limit): series for name, series in without.items()}
