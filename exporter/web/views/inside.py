"""What pages and API show of the exporter's inside: asked anew for each request, for all of it may change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from exporter.catalog import Catalog
from exporter.settings import Settings
from exporter.store.search import Inventory, Page
from exporter.web.views.parameters import JobParameters, SourceParameters
from exporter.web.views.rows import SourceRow, health


@dataclass(frozen=True)
class Inside:
    """Where the pages and the API look."""

    inventory: Inventory
    settings: Callable[[], Settings]
    catalog: Callable[[], Catalog]

    async def jobs(self, parameters: JobParameters) -> Page:
        """Return the jobs that are asked for."""
        return await self.inventory.jobs(parameters.places, parameters.wanted, parameters.limit, parameters.cursor)

    def sources(self, parameters: SourceParameters) -> tuple[list[SourceRow], int | None, int]:
        """Return the sources that are asked for, the cursor of the next page, and how many there are on all pages."""
        asked = parameters.health
        statuses = self.inventory.statuses(parameters.places)
        found = [status for status in statuses if not asked or health(status) in asked]
        end = parameters.cursor + parameters.limit
        rows = [SourceRow.of(status) for status in found[parameters.cursor : end]]
        return rows, end if end < len(found) else None, len(found)

    def health(self) -> Counter[str]:
        """Return how many sources are up, down, and not polled yet."""
        return Counter({"up": 0, "down": 0, "unknown": 0, **Counter(map(health, self.inventory.each_status()))})
