"""The poll loop: one task for each source, bounded in number, each at its own pace."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from exporter.aws import DEADLINE, PollError, PollErrorReason, poll_error
from exporter.aws.items import text
from exporter.clock import Clock
from exporter.families import metrics
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Source
from exporter.poller.schedule import pause
from exporter.telemetry import POLLED, SOURCE_FAMILIES

log = structlog.get_logger(__name__)

_LANES = 4
"""Sources of one service that are polled at once at a low rate, which they share: more of them would only keep slots
from services that need not wait."""


class Poller:
    """Polls every source until cancelled. Sources come and go as those that lead to them find or lose them."""

    def __init__(self, context: Context, rng: random.Random | None = None) -> None:
        self._context = context
        self._clock: Clock = context.clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads polls in time, keeps no secret
        self._slots = asyncio.Semaphore(context.settings.poll.concurrency)
        self._lanes: defaultdict[tuple[str, ...], asyncio.Semaphore] = defaultdict(self._lane)
        self._sources: dict[SourceKey, Source] = {}
        self._children: dict[SourceKey, set[SourceKey]] = {}
        self._tasks: dict[SourceKey, asyncio.Task[None]] = {}
        self.ready = asyncio.Event()
        """Set once every source that is known was tried."""

    def _lane(self) -> asyncio.Semaphore:
        """Return what bounds the sources of one service: few that wait for their rate, more where it is high."""
        settings = self._context.settings
        # Half of the slots at most: one service that waits never keeps them all from the others.
        most = max(1, settings.poll.concurrency // 2)
        return asyncio.Semaphore(int(min(most, max(_LANES, settings.aws.requests_per_second))))

    @property
    def sources(self) -> Iterator[Source]:
        """Every source that is polled now."""
        return iter(self._sources.values())

    async def run(self, roots: Iterable[Source]) -> None:
        """Poll `roots` and all that they lead to, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for root in roots:
                self._start(root, group)

    async def once(self, roots: Iterable[Source]) -> None:
        """Poll `roots` and all that they lead to once."""
        async with asyncio.TaskGroup() as group:
            for source in roots:
                self._sources[source.status.key] = source
                group.create_task(self._once(source))

    async def _once(self, source: Source) -> None:
        await self.once(await self.poll(source) or ())

    def _start(self, source: Source, group: asyncio.TaskGroup) -> None:
        key = source.status.key
        self._sources[key] = source
        for reason in PollErrorReason:
            # Every reason from the start: PromQL's increase() sees nothing of a counter that begins at 1.
            self._context.telemetry.poll_errors.labels(key.aws_service, key.kind, reason)
        self._tasks[key] = group.create_task(self._loop(source, group), name="/".join(key))

    async def _loop(self, source: Source, group: asyncio.TaskGroup) -> None:
        """Poll one source for ever. A source never overlaps itself: the next poll begins after the last one ended."""
        while True:
            began, found = await self._poll(source)
            if found is not None:
                with _boundary(source):
                    self._reconcile(source, found, group)
            self._note_readiness()
            status = source.status
            reason = PollErrorReason(status.reason) if status.reason else None
            due = began + pause(status.interval, status.consecutive_failures, reason, self._rng)
            wait = max(0.0, due - self._clock.monotonic())
            status.next_poll = self._clock.time() + wait
            await self._clock.sleep(wait)

    async def poll(self, source: Source) -> list[Source] | None:
        """Poll a source once and note how it went; None where it failed, and nothing is known to have changed."""
        return (await self._poll(source))[1]

    async def _poll(self, source: Source) -> tuple[float, list[Source] | None]:
        """Return when a poll began, its wait for a lane and a slot left out, and what it found."""
        key = source.status.key
        async with self._lanes[key.account_id, key.region, key.aws_service], self._slots:
            began, calls = self._clock.monotonic(), source.status.calls
            POLLED.set(source.status)
            try:
                async with asyncio.timeout(self._context.settings.poll.timeout) as deadline:
                    DEADLINE.set(deadline)
                    found = list(await source.poll())
            except Exception as error:
                found, failure = None, poll_error(error)
                if failure.reason is PollErrorReason.INTERNAL:
                    log.exception("a poll failed for a reason that is a bug")
                self._note_failure(source, failure)
            else:
                self._note_success(source)
            source.status.last_calls = source.status.calls - calls
            with _boundary(source):
                self._note_poll(source, self._clock.monotonic() - began)
        return began, found

    def _reconcile(self, source: Source, found: list[Source], group: asyncio.TaskGroup) -> None:
        """Start the sources that are new and stop those that are gone."""
        children = {child.status.key: child for child in found}
        before = self._children.get(source.status.key, set())
        for key in before - children.keys():
            self._stop(key)
        new = children.keys() - self._sources.keys()
        for key in new:
            self._start(children[key], group)
        for key in before & children.keys():
            self._sources[key].status.scope_name = children[key].status.scope_name
        if others := children.keys() - before - new:
            log.warning(
                "read through another account's entry already", sources=len(others), **source.status.key._asdict()
            )
        self._children[source.status.key] = (before & children.keys()) | new

    def _stop(self, key: SourceKey) -> None:
        """Stop a source and all that it led to; their series go with them."""
        for child in self._children.pop(key, set()):
            self._stop(child)
        self._tasks.pop(key).cancel()
        self._sources.pop(key).forget()
        self._context.exposition.withdraw(("source", key))
        log.info("source gone", **key._asdict())

    def _note_success(self, source: Source) -> None:
        status = source.status
        if status.consecutive_failures:
            log.info("source up", **status.key._asdict())
        status.consecutive_failures = 0
        status.reason = status.error = ""
        status.last_success = self._clock.time()

    def _note_failure(self, source: Source, failure: PollError) -> None:
        status, error = source.status, text(str(failure))
        if not status.consecutive_failures:
            log.warning("source down", **status.key._asdict(), reason=str(failure.reason), err=error)
        status.consecutive_failures += 1
        status.reason, status.error = str(failure.reason), error
        self._context.telemetry.poll_errors.labels(status.key.aws_service, status.key.kind, failure.reason).inc()

    def _note_poll(self, source: Source, took: float) -> None:
        status = source.status
        status.attempts += 1
        status.last_duration = took
        self._context.telemetry.poll_duration.labels(status.key.aws_service, status.key.kind).observe(took)
        families = metrics(SOURCE_FAMILIES, SourceKey._fields, [(status.key, status)])
        self._context.exposition.publish(("source", status.key), families)

    def _note_readiness(self) -> None:
        if not self.ready.is_set() and all(source.status.attempts for source in self._sources.values()):
            self.ready.set()


@contextmanager
def _boundary(source: Source) -> Iterator[None]:
    """Keep what goes wrong around a poll to its source: raised, it would end the poll loop of all the others."""
    try:
        yield
    except Exception:
        log.exception("a poll could not be noted for a reason that is a bug", **source.status.key._asdict())
