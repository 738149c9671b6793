"""The poll loop: one task for each source, bounded in number, each at its own pace."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import structlog

from exporter.aws import Poll, PollError, PollErrorReason, poll_error
from exporter.aws.items import text
from exporter.clock import Clock
from exporter.families import SOURCE_FAMILIES, metrics
from exporter.jobs import SourceKey
from exporter.poller.budget import drops, note_change
from exporter.poller.context import Context, Source
from exporter.poller.pacing import pause
from exporter.poller.sharding import owns
from exporter.telemetry import SourceStatus

log = structlog.get_logger(__name__)

_LANES = 4
"""Sources of one service that are polled at once at a low rate, which they share: more of them would only keep slots
from services that need not wait."""


class Poller:
    """Polls every source until cancelled. Sources come and go as those that lead to them find or lose them."""

    def __init__(self, context: Context, rng: random.Random | None = None) -> None:
        self._clock: Clock = context.clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads polls in time, keeps no secret
        self._group = asyncio.TaskGroup()
        self._under_way: dict[SourceKey, asyncio.Event] = {}
        """What tells that a poll is over, for each source that is polled just now."""
        self._use(context)
        self._sources: dict[SourceKey, Source] = {}
        self._children: dict[SourceKey, set[SourceKey]] = {}
        self._tasks: dict[SourceKey, asyncio.Task[None]] = {}
        self.ready = asyncio.Event()
        """Set once every source that is known was tried."""

    def _use(self, context: Context) -> None:
        self._context = context
        self._slots = asyncio.Semaphore(context.settings.poll.concurrency)
        self._lanes: defaultdict[tuple[str, ...], asyncio.Semaphore] = defaultdict(self._lane)

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
        async with self._group:
            for root in roots:
                self._start(root)

    def replace(self, context: Context, roots: Iterable[Source]) -> None:
        """Go on with another configuration's roots while running: the sources that stay keep what they know.

        All at once, without a request: sources that are gone stop, new ones start, and those that stay go on as what
        they are now. A poll that is under way ends under the configuration that it began with.
        """
        self._use(context)
        before, self._sources, self._children = self._sources, {}, {}
        new: list[tuple[Source, list[Source]]] = []
        for root in roots:
            self._succeed(root, before, new)
        for key in before.keys() - self._sources.keys():
            self._end(before[key])
        # Last, because those that are polled already come first where there may be no more.
        for source, children in new:
            self._start_admitted(source, children)

    async def polls_over(self) -> None:
        """Wait until the polls that are under way now are over."""
        for over in list(self._under_way.values()):
            await over.wait()

    def _succeed(
        self, source: Source, before: Mapping[SourceKey, Source], new: list[tuple[Source, list[Source]]]
    ) -> None:
        """Put a source, and what it leads to, in the place of those of the same key; add to `new` what has none."""
        key = source.status.key
        if key in self._sources:
            return
        if key not in before:
            self._start(source)
            return
        self._sources[key] = source
        children, others = self._children.setdefault(key, set()), []
        for child in source.adopt(before[key]):
            if child.status.key in self._sources:
                continue
            if child.status.key in before and self._room():
                children.add(child.status.key)
                self._succeed(child, before, new)
            else:
                others.append(child)
        new.append((source, others))
        if key not in self._under_way:
            self._tasks[key].cancel()
            self._tasks[key] = self._group.create_task(self._loop(key, self._left(source.status)), name="/".join(key))

    def _left(self, status: SourceStatus) -> float:
        """Return the seconds until a source's next poll: as before, but no longer than the interval is now.

        What is down is tried at once: somebody may just have repaired it.
        """
        if status.next_poll is None or not status.is_up:
            return 0.0
        left = max(0.0, min(status.next_poll - self._clock.time(), status.interval))
        status.next_poll = self._clock.time() + left
        return left

    async def once(self, roots: Iterable[Source]) -> None:
        """Poll `roots` and all that they lead to once."""
        async with asyncio.TaskGroup() as group:
            for source in roots:
                self._sources[source.status.key] = source
                group.create_task(self._once(source))

    async def _once(self, source: Source) -> None:
        await self.once(self._admitted(source, await self.poll(source) or []))

    def _start(self, source: Source) -> None:
        key = source.status.key
        self._sources[key] = source
        for reason in PollErrorReason:
            # Every reason from the start: PromQL's increase() sees nothing of a counter that begins at 1.
            self._context.telemetry.poll_errors.labels(key.aws_service, key.kind, reason)
        self._tasks[key] = self._group.create_task(self._loop(key), name="/".join(key))

    async def _loop(self, key: SourceKey, wait: float = 0.0) -> None:
        """Poll a source for ever. It never overlaps itself: the next poll begins after the last one ended."""
        # Holds no source while it waits: asyncio keeps a cancelled task alive until the timers of its polls are over.
        if wait:
            await self._clock.sleep(wait)
        while True:
            await self._clock.sleep(await self._turn(key))

    async def _turn(self, key: SourceKey) -> float:
        """Poll a source, again if another configuration came meanwhile; return the seconds until its next poll."""
        source = None
        while source is not self._sources[key]:
            source = self._sources[key]
            began, found = await self._poll(source)
        if found is not None:
            with _boundary(source):
                self._reconcile(source, found)
        self._note_readiness()
        status = source.status
        reason = PollErrorReason(status.reason) if status.reason else None
        interval = min(status.interval, status.retry_interval) if reason else status.interval
        due = began + pause(interval, reason, self._rng)
        wait = max(0.0, due - self._clock.monotonic())
        status.next_poll = self._clock.time() + wait
        return wait

    async def poll(self, source: Source) -> list[Source] | None:
        """Poll a source once and note how it went; None where it failed, and nothing is known to have changed."""
        return (await self._poll(source))[1]

    async def _poll(self, source: Source) -> tuple[float, list[Source] | None]:
        """Return when a poll began, its wait for a lane and a slot left out, and what it found."""
        key = source.status.key
        async with self._lanes[key.account_id, key.region, key.aws_service], self._slots, self._noted(key):
            began, poll = self._clock.monotonic(), Poll()
            try:
                async with poll.limit(self._context.settings.poll.timeout):
                    found = list(await source.poll(poll))
            except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this poll alone
                found, failure = None, poll_error(error)
                self._note_failure(source, failure)
            else:
                self._note_success(source)
            source.status.calls += poll.requests
            source.status.last_calls = poll.requests
            with _boundary(source):
                self._note_poll(source, self._clock.monotonic() - began)
        return began, found

    @asynccontextmanager
    async def _noted(self, key: SourceKey) -> AsyncIterator[None]:
        """Let others know that a source is polled."""
        over = self._under_way[key] = asyncio.Event()
        try:
            yield
        finally:
            over.set()
            # A source that was stopped and came back at once may be polled already.
            if self._under_way.get(key) is over:
                del self._under_way[key]

    def _reconcile(self, source: Source, found: list[Source]) -> None:
        """Start the sources that are new and stop those that are gone."""
        children = {child.status.key: child for child in found}
        before = self._children.get(source.status.key, set())
        for key in before - children.keys():
            self._stop(key)
        unknown = [child for key, child in children.items() if key not in self._sources]
        for key in before & children.keys():
            self._sources[key].status.scope_name = children[key].status.scope_name
        if others := children.keys() - before - {child.status.key for child in unknown}:
            log.warning(
                "read through another account's entry already", sources=len(others), **source.status.key._asdict()
            )
        self._children[source.status.key] = before & children.keys()
        self._start_admitted(source, unknown)

    def _start_admitted(self, source: Source, found: list[Source]) -> None:
        """Start those of the new sources that a source leads to which may be polled."""
        new = {child.status.key: child for child in found if child.status.key not in self._sources}
        for child in self._admitted(source, list(new.values())):
            self._children[source.status.key].add(child.status.key)
            self._start(child)

    def _admitted(self, source: Source, found: list[Source]) -> list[Source]:
        """Return those of the new sources that a source leads to which may be polled, as many as the limit allows."""
        before, room = drops(source.status), self._room()
        source.status.sources_dropped = len(found[room:])
        note_change(source.status, before)
        if source.status.sources_dropped != before["sources"]:
            self._publish(source)
        return found[:room]

    def _room(self) -> int:
        """Return how many more sources may be polled."""
        return max(0, self._context.settings.limits.sources - len(self._sources))

    def _stop(self, key: SourceKey) -> None:
        """Stop a source and all that it led to; their series go with them."""
        for child in self._children.pop(key, set()):
            self._stop(child)
        self._end(self._sources.pop(key))

    def _end(self, source: Source) -> None:
        key = source.status.key
        self._tasks.pop(key).cancel()
        source.forget()
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
        if status.reason != failure.reason:
            is_bug = failure.reason is PollErrorReason.INTERNAL
            write = log.error if is_bug else log.warning
            write("source down", **status.key._asdict(), reason=str(failure.reason), err=error, exc_info=is_bug)
        status.consecutive_failures += 1
        status.reason, status.error = str(failure.reason), error
        self._context.telemetry.poll_errors.labels(status.key.aws_service, status.key.kind, failure.reason).inc()

    def _note_poll(self, source: Source, took: float) -> None:
        status = source.status
        status.attempts += 1
        status.last_duration = took
        self._context.telemetry.poll_duration.labels(status.key.aws_service, status.key.kind).observe(took)
        self._publish(source)

    def _publish(self, source: Source) -> None:
        status = source.status
        # What leads to others is read by every shard and told of by one: together they export what one alone does.
        if not owns(self._context.settings.shard, status.key):
            return
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
