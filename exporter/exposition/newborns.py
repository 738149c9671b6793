"""Counters that begin at 0: which scrapers have seen that, so that they may rise.

PromQL's `increase()` sees no first step: a series that appears with the value 1 has not increased. So a new counter is
exposed as 0 until everyone who scrapes regularly has read that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import structlog

from exporter.telemetry.late_counter import Show

log = structlog.get_logger(__name__)

_MISSED = 2.5
"""Intervals after which a scraper that has not come again is not waited for."""

_FIRST = 60.0
"""Seconds until a regular scraper that came once is expected again: Prometheus's own default."""

_MOST = 100
"""Addresses of scrapers that are known; of more, those that came last."""


class Transport(Protocol):
    """What a scraper comes through: a transport."""

    def is_closing(self) -> bool:
        """Return whether nobody comes through it any more."""


@dataclass
class _Scraper:
    """Someone who reads the exposition."""

    scrape: int
    """The number of the last scrape."""
    time: float
    interval: float | None
    """Seconds between the last two scrapes; None if nothing tells whether it comes again."""

    def is_expected(self, now: float) -> bool:
        """Return whether it will probably come again: it has an interval, and came not long ago."""
        return self.interval is not None and now - self.time <= _MISSED * self.interval


class Newborns:
    """The blocks that have newborn counters, and who has scraped them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Wait for scrapers by a monotonic clock."""
        self._clock = clock
        self._scrapes = 0
        self._addresses: dict[str, _Scraper] = {}
        self._connections: dict[Transport, _Scraper] = {}
        self._waiting: dict[Hashable, tuple[int, Show]] = {}
        """For each block, the last scrape before it was published, and what is to be done once all have seen it."""
        self._is_any_read = asyncio.Event()

    def __contains__(self, key: Hashable) -> bool:
        """Return whether a block waits to be shown."""
        return key in self._waiting

    def publish(self, key: Hashable, show: Show) -> None:
        """Note that a block has newborn counters from now on; `show` publishes it with those as they are."""
        self._waiting[key] = self._scrapes, show

    def withdraw(self, key: Hashable) -> None:
        """Note that a block has no newborn counters."""
        self._waiting.pop(key, None)

    def scrape(self, address: str, connection: Transport | None = None, *, is_regular: bool = False) -> None:
        """Note that a scraper reads the exposition as it is now.

        Several behind one address have a connection each, and one that connects anew each time is known by its address.
        It is expected from its second scrape on; one that says that it is regular, from its first.
        """
        self._scrapes += 1
        first = _FIRST if is_regular else None
        self._addresses[address] = self._scraper(self._addresses.pop(address, None), first)
        if len(self._addresses) > _MOST:
            del self._addresses[next(iter(self._addresses))]
        self._connections = self._open()
        if connection:
            self._connections[connection] = self._scraper(self._connections.get(connection), first)
        if self._waiting:
            self._is_any_read.set()

    def _open(self) -> dict[Transport, _Scraper]:
        return {each: scraper for each, scraper in self._connections.items() if not each.is_closing()}

    def _scraper(self, known: _Scraper | None, first: float | None) -> _Scraper:
        now = self._clock()
        return _Scraper(self._scrapes, now, now - known.time if known else first)

    async def run(self) -> None:
        """Show counters once everyone has seen them at 0, until cancelled."""
        while True:
            await self._is_any_read.wait()
            self._is_any_read.clear()
            await self.show()

    async def show(self) -> None:
        """Show the counters that everyone has seen at 0."""
        now = self._clock()
        scrapers = (*self._addresses.values(), *self._open().values())
        scrapes = [each.scrape for each in scrapers if each.is_expected(now)]
        last = min(scrapes, default=self._scrapes)
        for key in [key for key, (before, _) in self._waiting.items() if before < last]:
            # Another one may have been withdrawn meanwhile.
            if found := self._waiting.pop(key, None):
                await self._show(found[1])

    @staticmethod
    async def _show(show: Show) -> None:
        try:
            await show()
        except Exception:
            # Whoever published them does so again, and they are waited for anew.
            log.exception("new counters could not be shown: this is a bug")
