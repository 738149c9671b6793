"""How polls went: into the status of the source, its block, the log and the metrics.

Of a status, the poll loop writes only when the next poll is due, and the name and the tags of the scope.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from exporter.aws import PollError, PollErrorReason
from exporter.aws.items import text
from exporter.families import metrics, source_families
from exporter.jobs import SourceKey
from exporter.poller.backoff import BackOff
from exporter.poller.context import Context, Holdings, Restored
from exporter.poller.sharding import owns
from exporter.store import Denied
from exporter.telemetry import Denial, SourceStatus

log = structlog.get_logger(__name__)


_PAUSE = 10.0
"""Seconds between two blocks of a source that is still being listed."""


class Outcomes:
    """Records how polls went, under one configuration."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._back_off = BackOff(context.settings.shard.count)

    def restored(self, status: SourceStatus, restored: Restored) -> None:
        """Record what a source knew when the exporter was stopped."""
        status.last_success = restored.last_success
        if restored.holdings is not None:
            _hold(status, restored.holdings)
        self.publish(status)

    def recalled(self, status: SourceStatus, denied: Denied) -> float:
        """Record that a source was denied when the exporter was stopped; return the seconds until its next poll."""
        clock = self._context.clock
        status.denial = Denial(denied.since, denied.last)
        status.interval = denied.due - denied.last
        status.attempts = status.consecutive_failures = denied.failures
        status.reason, status.error = PollErrorReason(denied.reason), denied.error
        # No longer than it was meant to be, in case the clock was set back.
        wait = min(max(0.0, denied.due - clock.time()), status.interval)
        self._back_off.resume(status.key, clock.monotonic() + wait)
        self.publish(status)
        return wait

    @asynccontextmanager
    async def kept(self, status: SourceStatus) -> AsyncIterator[None]:
        """Keep a source's numbers while it waits for its turn and is polled, unless its last poll failed.

        How long that takes depends on the queue, so that no lifetime that is set before is long enough.
        """
        exposition, clock, key = self._context.exposition, self._context.clock, ("jobs", status.key)
        expires, due, was_up = exposition.expiry(key), clock.monotonic(), status.is_up
        if expires is None or (status.attempts and not was_up):
            yield
            return
        polls = status.attempts
        exposition.renew(key, math.inf)
        try:
            yield
        finally:
            if status.attempts == polls or not status.is_up:
                now = clock.monotonic()
                # Three polls at their actual pace, of which this one was the first.
                pace = status.interval + now - due
                exposition.renew(key, max(expires, now + 2 * pace) if was_up else expires)

    def progress(self, status: SourceStatus) -> Callable[[int], None]:
        """Return what notes how much one poll has listed so far; shown now and then if that takes long."""
        shown, status.listed = self._context.clock.monotonic(), None

        def note(items: int) -> None:
            nonlocal shown
            status.listed = (status.listed or 0) + items
            if (now := self._context.clock.monotonic()) - shown >= _PAUSE:
                shown = now
                self.publish(status)

        return note

    def succeeded(self, status: SourceStatus, holdings: Holdings | None, children: int) -> None:
        """Record a success; a source that finds others has no holdings, but children."""
        if status.consecutive_failures:
            log.info("source up", **status.key._asdict())
        status.consecutive_failures = 0
        if status.denial and holdings is None:
            # A list of jobs has its own pace.
            status.interval = status.stretch * status.usual_interval
        status.reason, status.error, status.denial = None, "", None
        status.last_success = self._context.clock.time()
        if holdings is None:
            status.children = children
        else:
            _log_drops(status, "jobs", status.jobs_dropped, holdings.jobs_dropped)
            _log_drops(status, "series", sum(status.series_dropped.values()), sum(holdings.series_dropped.values()))
            _hold(status, holdings)

    def failed(self, status: SourceStatus, failure: PollError) -> None:
        """Record a failure."""
        # AWS's words may hold half a surrogate pair, which neither the log nor a page could encode.
        error = text(str(failure))
        # One line when the reason changes, not one for each poll: a source may be down for days.
        if status.reason is not failure.reason:
            is_bug = failure.reason is PollErrorReason.INTERNAL
            write = log.error if is_bug else log.warning
            write("source down", **status.key._asdict(), reason=str(failure.reason), err=error, exc_info=is_bug)
        status.consecutive_failures += 1
        status.reason, status.error = failure.reason, error
        self._note_denial(status, failure)
        self._context.telemetry.poll_errors.inc(status.key.aws_service, status.key.kind, failure.reason)

    def _note_denial(self, status: SourceStatus, failure: PollError) -> None:
        now, before = self._context.clock.time(), status.denial
        if failure.is_denial:
            # The clock may have been set back.
            status.denial = Denial(min(before.since, now) if before else now, now)
        elif before:
            # A denial may have lasted for longer than anything else is waited for.
            status.denial, status.interval = None, status.stretch * status.usual_interval

    def polled(self, status: SourceStatus, requests: int, took: float) -> None:
        """Record that a poll is over, however it went; `took` in seconds."""
        if status.denial:
            now = self._context.clock.monotonic()
            status.interval = self._back_off.interval(status, status.denial, requests, now)
        status.attempts += 1
        status.listed = None
        status.last_duration = took
        status.calls, status.last_calls = status.calls + requests, requests
        self._context.telemetry.polled(status.key.aws_service, status.key.kind, took)
        self.publish(status)

    def left_out(self, status: SourceStatus, children: int) -> None:
        """Record how many of a source's children are not polled because of limits.sources."""
        before, status.sources_dropped = status.sources_dropped, children
        if children != before:
            _log_drops(status, "sources", before, children)
            # The source's block went out before its children were known.
            self.publish(status)

    def publish(self, status: SourceStatus) -> None:
        """Publish the source's own block."""
        # Every shard reads the sources that find others, but one publishes each: together they export what one would.
        if not owns(self._context.settings.shard, status.key):
            return
        families = source_families(self._context.settings.metrics, tuple(status.scope_tags or ()))
        rendered = metrics(families, SourceKey._fields, [(status.key, status)])
        self._context.exposition.publish(("source", status.key), rendered)


def _hold(status: SourceStatus, holdings: Holdings) -> None:
    status.jobs, status.jobs_dropped = holdings.jobs, holdings.jobs_dropped
    status.details_pending = holdings.details_pending
    status.series, status.series_dropped = holdings.series, holdings.series_dropped


def _log_drops(status: SourceStatus, what: str, before: int, now: int) -> None:
    """Log when a source starts to drop something because of a limit, and when it no longer does."""
    if now and not before:
        log.warning("over a limit", **status.key._asdict(), dropped=what, number=now)
    elif before and not now:
        log.info("within the limits again", **status.key._asdict(), dropped=what)
