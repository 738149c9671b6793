"""How far the first round of polls is, and whether what is served is worth a scrape."""

from __future__ import annotations

import asyncio

import structlog

from exporter.clock import Clock
from exporter.jobs import SourceKey

log = structlog.get_logger(__name__)

_READY_AFTER = 60.0
"""Seconds from the start after which the exporter is ready in any case: what was not read yet is absent."""

_PAUSE = 10.0
"""Seconds between two lines in the log."""


class Progress:
    """Which sources were not polled yet, whether successfully or not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = self._logged = clock.monotonic()
        self._unread: set[SourceKey] = set()
        self.complete = asyncio.Event()
        """Set once every source that was known by then has been polled, or restored."""

    @property
    def is_ready(self) -> bool:
        """Whether there is something to scrape: everything, or what was read within a minute."""
        return self.complete.is_set() or self._clock.monotonic() - self._began >= _READY_AFTER

    @property
    def unread(self) -> int:
        """How many sources were not polled yet."""
        return len(self._unread)

    def begin(self) -> None:
        """Count time from now on."""
        self._began = self._logged = self._clock.monotonic()

    def add(self, key: SourceKey) -> None:
        """Note a source that is to be polled."""
        self._unread.add(key)

    def remove(self, key: SourceKey) -> None:
        """Note that a source was polled, or is gone."""
        self._unread.discard(key)

    def note(self, sources: int) -> None:
        """Complete the first round if all of so many sources were polled; else say now and then how many were."""
        if self.complete.is_set() or not sources:
            return
        if not self._unread:
            self.complete.set()
        elif self._clock.monotonic() - self._logged < _PAUSE:
            return
        now = self._clock.monotonic()
        if now - self._began >= _PAUSE:
            self._logged = now
            log.info("first polls", read=sources - self.unread, of=sources, seconds=round(now - self._began))
