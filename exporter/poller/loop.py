"""The poll loop: one task for each source, limited in number, each at its own pace."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from exporter.aws import PollErrorReason, PollRun, poll_error
from exporter.clock import Clock
from exporter.jobs import SourceKey
from exporter.poller.admission import Admission
from exporter.poller.backoff import denied, is_lasting, retry_interval, scouts, share_permissions
from exporter.poller.context import Context, Restored, Source
from exporter.poller.hints import HintResult, Hints, is_late
from exporter.poller.outcomes import Outcomes
from exporter.poller.pacing import pause
from exporter.poller.progress import Progress
from exporter.poller.stretch import Stretch
from exporter.poller.tree import SourceTree
from exporter.store import Denials, Denied, StorageLostError
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

log = structlog.get_logger(__name__)

_DISCOVERY_PAUSE = 60.0
"""Seconds from one discovery to the next because of an event in a scope that nobody knows: it may be one left out."""

_LANES = 4
"""Sources of one service polled at once while its rate is low. They share that rate: more would only wait."""

_SOON = 10.0
"""Seconds within which each poll under way should get a request through `aws.calls_per_hour`; others do not begin."""

_HOUR = 3600.0


class Poller:
    """Polls every source until cancelled. Sources come and go as their parents find or lose them."""

    def __init__(self, context: Context) -> None:
        self._clock: Clock = context.clock
        self._rng = random.Random()  # noqa: S311 - spreads polls in time, keeps no secret
        self._group = asyncio.TaskGroup()
        self._under_way: dict[SourceKey, asyncio.Event] = {}
        """Set when the poll is over, for each source that is being polled."""
        self.stretch = Stretch()
        self._use(context)
        self._sources = SourceTree()
        self._tasks: dict[SourceKey, asyncio.Task[None]] = {}
        """Of each source that is polled. One that was restored has none until its parent finds it again."""
        self._denials = Denials(context.database)
        self._remembered: dict[SourceKey, Denied] = {}
        """What AWS denied when the exporter was stopped, of sources that have not been found again."""
        self._scouts: set[SourceKey] = set()
        self._changing = asyncio.Lock()
        """Held while sources come and go, which takes turns with other work."""
        self._is_restoring = False
        self._waiting: tuple[Context, list[Source]] | None = None
        """A configuration that came while sources were being restored."""
        self._hints = Hints(context.clock, context.telemetry)
        self.progress = Progress(context.clock)
        context.telemetry.sources.set_function(lambda: self.known)
        context.telemetry.sources_unread.set_function(lambda: self.progress.unread)
        context.telemetry.sources_overdue.set_function(self._overdue)
        context.telemetry.calls_per_hour.set_function(lambda: self.stretch.rate * _HOUR)
        context.telemetry.interval_stretch.set_function(lambda: self.stretch.factor)

    def _use(self, context: Context) -> None:
        self._context = context
        self._fingerprint = context.settings.fingerprint
        self._outcomes = Outcomes(context)
        # After a reload, the polls under way still hold the slots that they entered. So for a moment more may run than
        # either configuration allows.
        settings, slots = context.settings, context.settings.poll.concurrency
        self.stretch.most = context.allowance.rate

        def lanes(service: str) -> int:
            # Few of a service where its rate is low, more where it is high; half of the slots at most.
            return int(min(max(1, slots // 2), max(_LANES, settings.requests_per_second(service))))

        self._admission = Admission(slots, lanes, max(_LANES, context.allowance.rate * _SOON))

    @property
    def sources(self) -> Iterator[Source]:
        """Every source that is polled."""
        return iter(self._sources.values())

    @property
    def known(self) -> int:
        """How many sources there are."""
        return len(self._sources)

    @property
    def changes(self) -> int:
        """A number that rises whenever a source comes, goes, or takes the place of another one."""
        return self._sources.changes

    def _overdue(self) -> int:
        now = self._clock.time()
        return sum(source.status.is_overdue(now) for source in self._sources.values())

    async def run(self, roots: Iterable[Source]) -> None:
        """Poll `roots` and all sources below them, until cancelled; until then, show what was known of them."""
        started = list(roots)
        self.progress.begin()
        self._is_restoring = True
        async with self._group:
            self._remembered = await self._denials.read(self._fingerprint)
            self._scouts = scouts(self._remembered)
            for root in started:
                await self._restore(root)
            self.progress.note(len(self._sources))
            for root in started:
                self._start(root)
            self._is_restoring = False
            if self._waiting:
                await self.replace(*self._waiting)

    async def _restore(self, source: Source) -> None:
        """Show what a source, and all sources below it, knew when the exporter was stopped.

        They are polled when their parents have found them again: whether the credentials still belong to the account
        is not known before.
        """
        status = source.status
        if status.key in self._sources or not self._room():
            return
        restored = await self._restored(source)
        # Nothing above waits for anything, and there may be thousands of sources.
        await asyncio.sleep(0)
        if restored is None:
            return
        self._sources[status.key] = source
        self._outcomes.restored(status, restored)
        children = []
        for child in source.children():
            await self._restore(child)
            if child.status.key in self._sources:
                children.append(child.status.key)
        self._sources.set_children(status.key, children)

    async def _restored(self, source: Source) -> Restored | None:
        """Restore one source; nothing where that fails, which is no reason not to start."""
        try:
            return await source.restore()
        except StorageLostError:
            # From now on everything is in memory, in which the same can be found.
            return await source.restore()
        except Exception:
            log.exception("a source could not be restored: this is a bug", **source.status.key._asdict())
            return None

    async def replace(self, context: Context, roots: Iterable[Source]) -> None:
        """Switch to another configuration's roots while running. Sources that stay keep what they know.

        It makes no request: those that stay continue under the new configuration one by one, in turns with all other
        work; then those that are gone stop, and new ones start. Until it is over, no poll changes which sources there
        are. One that is under way ends under the configuration that it started with.
        """
        is_shown_otherwise = context.settings.metrics != self._context.settings.metrics
        self._use(context)
        if self._is_restoring:
            # A moment later: what is being restored belongs to the configuration of the start.
            self._waiting = context, list(roots)
            return
        self._remembered.clear()
        kept: set[SourceKey] = set()
        new: list[tuple[Source, list[Source]]] = []
        async with self._changing:
            await in_turns(self._succession(roots, kept, new))
            await self._end([key for key in self._sources if key not in kept])
            if is_shown_otherwise:
                # The others are polled at once, and published then.
                waiting = (source.status for source, _ in new if source.status.next_poll is not None)
                await in_turns(map(self._outcomes.publish, waiting))
            # New sources come last: where the limit is reached, those that are already polled take precedence.
            for source, children in new:
                # Below a source that was restored, nothing new is polled before it was polled itself.
                if source.status.attempts > source.status.consecutive_failures:
                    await self._start_admitted(source, children)

    async def polls_over(self) -> None:
        """Wait until the polls that are under way are over."""
        for over in list(self._under_way.values()):
            await over.wait()

    def _succession(
        self, roots: Iterable[Source], kept: set[SourceKey], new: list[tuple[Source, list[Source]]]
    ) -> Iterator[None]:
        """Have roots, and all below them, take the place of those with the same keys, one in each step.

        Add to `kept` the keys of all that stay, and to `new` the children that are new, with their parent.
        """
        for root in roots:
            if root.status.key in self._sources:
                yield from self._succeed(root, kept, new)
            else:
                kept.add(root.status.key)
                self._start(root)

    def _succeed(self, source: Source, kept: set[SourceKey], new: list[tuple[Source, list[Source]]]) -> Iterator[None]:
        key = source.status.key
        # Two parents may lead to the same source, such as two entries for one account. The first one keeps it.
        if key in kept:
            return
        kept.add(key)
        before = self._sources[key]
        source.status = before.status.renewed(source.status)
        if source.adopt(before):
            source.status.next_poll = None
        self._sources[key] = source
        # A poll under way is not cut off: when it ends, `_turn` finds the new source and polls that.
        if key not in self._under_way and key in self._tasks:
            self._reschedule(source.status)
        yield
        children, others = [], []
        for child in source.children():
            if child.status.key in self._sources and len(kept) < self._context.settings.limits.sources:
                children.append(child.status.key)
                yield from self._succeed(child, kept, new)
            else:
                others.append(child)
                yield
        self._sources.set_children(key, children)
        new.append((source, others))

    def _reschedule(self, status: SourceStatus) -> None:
        """Have a source polled as planned before, but after the interval in effect at most.

        A source that is down is polled at once: the reload may be the repair.
        """
        now, planned, left = self._clock.time(), status.next_poll, 0.0
        if planned is not None and status.is_up:
            left = max(0.0, min(planned - now, status.interval))
            if 0 < left == planned - now:
                # It sleeps until then.
                return
            status.next_poll = now + left
        self._replan(status.key, left)

    async def once(self, roots: Iterable[Source]) -> None:
        """Poll `roots` and all sources below them once."""
        async with asyncio.TaskGroup() as group:
            for source in roots:
                self._sources[source.status.key] = source
                self.progress.add(source.status.key)
                group.create_task(self._once(source))

    async def _once(self, source: Source) -> None:
        found = await self.poll(source) or []
        self.progress.remove(source.status.key)
        await self.once(self._admitted(source, found))

    def _start(self, source: Source) -> None:
        key = source.status.key
        self._sources[key] = source
        wait = self._recall(source.status)
        self.stretch.begin(key, source.status.interval / source.status.stretch)
        if not (source.status.attempts or source.status.last_success):
            self.progress.add(key)
        if self._context.settings.metrics.zero_fill == "all":
            for reason in PollErrorReason:
                self._context.telemetry.poll_errors.begin(key.aws_service, key.kind, reason)
        self._tasks[key] = self._group.create_task(self._loop(key, wait), name="/".join(key))

    def _recall(self, status: SourceStatus) -> float:
        """Return the seconds until a new source's first poll: none, unless it was denied before a restart."""
        before = self._remembered.pop(status.key, None)
        if before is None:
            return 0.0
        wait = self._outcomes.recalled(status, before)
        if status.key in self._scouts:
            return 0.0
        status.next_poll = self._clock.time() + wait
        return wait

    async def _loop(self, key: SourceKey, wait: float = 0.0) -> None:
        """Poll a source until cancelled. It never overlaps itself: the next poll starts after the last one ended."""
        # Holds the key, not the source: asyncio keeps a cancelled task and all it refers to until its timers are over.
        if wait:
            await self._clock.sleep(wait)
        while True:
            await self._clock.sleep(await self._turn(key))

    async def _turn(self, key: SourceKey) -> float:
        """Poll a source, again if the configuration changed meanwhile; return the seconds until its next poll."""
        is_over = False
        while not is_over:
            source = self._sources[key]
            denial = source.status.denial
            start, found, _ = await self._poll(source)
            async with self._changing:
                # A reload may have replaced the source: then this poll says nothing about the new configuration.
                is_over = source is self._sources[key]
                if is_over:
                    await self._follow(source, found)
        self.progress.remove(key)
        self.progress.note(len(self._sources))
        status = source.status
        if found is not None and is_lasting(denial):
            self._bring_back(key)
        is_soon = not status.denial and (status.reason or self._sources.is_doubtful(key))
        usual = retry_interval(status) if is_soon else status.interval / status.stretch
        self.stretch.polled(key, status.last_calls, usual)
        due = start + status.stretch * pause(usual, status.reason, self._rng, status.longest_interval)
        self._hints.polled(status, start)
        status.next_poll = self._clock.time() + self._wait(status, due)
        with _boundary(source):
            await self._denials.keep(self._fingerprint, key, denied(status))
        return self._wait(status, due)

    def _wait(self, status: SourceStatus, due: float) -> float:
        """Return the seconds until a source's next poll: until it is due, or sooner because of a hint."""
        wait = max(0.0, due - self._clock.monotonic())
        return wait if _is_refused(status) else min(wait, self._hints.wait(status.key))

    def _bring_back(self, permitted: SourceKey) -> None:
        """Poll at once what AWS has denied for long, and may permit now that it permits another source again."""
        now = self._clock.time()
        for key, source in self._sources.items():
            status = source.status
            if status.denial is None or not share_permissions(key, permitted):
                continue
            # Not more often than usual: every source that comes back brings back the others.
            due = max(now, status.denial.last + retry_interval(status))
            is_waiting = key in self._tasks and key not in self._under_way
            if is_waiting and status.next_poll and due < status.next_poll:
                status.next_poll = due
                self._replan(key, due - now)

    def hint(self, key: SourceKey, happened: float) -> HintResult:
        """Have a source polled soon, because an event tells that it changed at a time; return what becomes of that."""
        source = self._sources.get(key)
        if source is None:
            return HintResult.UNWATCHED
        status = source.status
        if is_late(status, happened):
            return HintResult.LATE
        self._hints.add(key, happened)
        wait = self._hints.wait(key)
        # What is polled, waits for its turn or would be polled sooner anyway is looked at again when that is over.
        is_later = status.next_poll is not None and self._clock.time() + wait < status.next_poll
        if is_later and key in self._tasks and key not in self._under_way and not _is_refused(status):
            status.next_poll = self._clock.time() + wait
            self._replan(key, wait)
        return HintResult.NOTED

    def children(self, key: SourceKey) -> Iterable[SourceKey]:
        """Return the sources that a source has found."""
        return tuple(self._sources.children(key))

    def discover(self, key: SourceKey) -> None:
        """Have a discovery look at once, because an event is of a scope that nobody knows; not twice in a minute."""
        if key in self._tasks and not _is_refused(self._sources[key].status):
            self._look_again(key, _DISCOVERY_PAUSE)

    async def _follow(self, source: Source, found: list[Source] | None) -> None:
        """Have sources come and go as a poll found."""
        if found is not None:
            with _boundary(source):
                await self._reconcile(source, found)
        if source.status.reason is PollErrorReason.NOT_FOUND:
            self._discover_again(source.status)

    def _discover_again(self, status: SourceStatus) -> None:
        """Have the discovery of a source's scope look at once, because that may be gone."""
        key = status.key._replace(kind=status.scope_kind, scope="")
        if key != status.key and key in self._tasks:
            # AWS may list for a while what it deletes, and many scopes may go at once.
            discovery = self._sources[key].status
            if not discovery.denial:
                self._look_again(key, discovery.retry_interval * discovery.stretch)

    def _look_again(self, key: SourceKey, pause: float) -> None:
        """Poll a discovery at once, unless it is being polled or its last success was less than `pause` ago."""
        last_success = self._sources[key].status.last_success or -math.inf
        if key not in self._under_way and self._clock.time() - last_success >= pause:
            self._replan(key)

    def _replan(self, key: SourceKey, wait: float = 0.0) -> None:
        """Poll a source that is not being polled after other seconds than planned."""
        self._tasks[key].cancel()
        self._tasks[key] = self._group.create_task(self._loop(key, wait), name="/".join(key))

    async def poll(self, source: Source) -> list[Source] | None:
        """Poll a source once, record the outcome, and return its children; None where it failed."""
        return (await self._poll(source))[1]

    async def examine(self, source: Source) -> tuple[list[Source] | None, PollRun]:
        """Do the same, and return what the poll requested, too."""
        _, found, run = await self._poll(source)
        return found, run

    async def _poll(self, source: Source) -> tuple[float, list[Source] | None, PollRun]:
        """Return when a poll started, after its wait for a slot, the children it found, and what it requested."""
        key, status = source.status.key, source.status
        admission = self._admission
        turn = admission.poll(key, is_known=status.attempts > 0)
        async with self._outcomes.kept(status), turn, self._noted(key):
            start = self._clock.monotonic()
            status.stretch_to(self.stretch.factor)
            found: list[Source] | None = None
            poll = PollRun(admission.released, self._outcomes.progress(status))
            try:
                async with poll.limit(self._context.settings.poll.timeout):
                    holdings = await source.poll(poll)
                    # Within the `try`: children are generated, so an error in them shows only now, and must fail this
                    # poll alone.
                    with poll.paused():
                        found = await in_turns(source.children())
            except Exception as error:  # noqa: BLE001 - whatever goes wrong fails this poll alone
                self._outcomes.failed(status, poll_error(error))
            else:
                self._outcomes.succeeded(status, holdings, len(found))
            with _boundary(source):
                self._outcomes.polled(status, poll.requests.total(), self._clock.monotonic() - start)
        return start, found, poll

    @asynccontextmanager
    async def _noted(self, key: SourceKey) -> AsyncIterator[None]:
        """Mark a source as being polled."""
        over = self._under_way[key] = asyncio.Event()
        try:
            yield
        finally:
            over.set()
            # A source that was stopped and came back at once may be in its next poll.
            if self._under_way.get(key) is over:
                del self._under_way[key]

    async def _reconcile(self, source: Source, found: list[Source]) -> None:
        """Start the children that are new and stop those that are gone."""
        own, children = source.status.key, {child.status.key: child for child in found}
        before, gone = self._sources.children(own), self._sources.lost(own, children.keys())
        # Those that are gone come first: they make room under limits.sources for those that are new.
        await self._end([each for key in gone for each in self._sources.below(key)])
        unknown = [child for key, child in children.items() if key not in self._sources]
        for key in before & children.keys():
            # Someone may have renamed the scope in AWS, or it has ended. The next poll of the child publishes the name.
            status, found_status = self._sources[key].status, children[key].status
            status.scope_name, status.usual_interval = found_status.scope_name, found_status.usual_interval
            status.scope_tags = found_status.scope_tags
            if key not in self._tasks:
                self._start(self._sources[key])
        if others := children.keys() - before - {child.status.key for child in unknown}:
            log.warning(
                "sources already read through another account's entry",
                sources=len(others),
                **source.status.key._asdict(),
            )
        self._sources.set_children(own, before - gone)
        await self._start_admitted(source, unknown)

    async def _start_admitted(self, source: Source, found: list[Source]) -> None:
        """Start a source's new children, as far as the limit admits them."""
        new = {child.status.key: child for child in found if child.status.key not in self._sources}
        admitted = self._admitted(source, list(new.values()))
        key = source.status.key
        self._sources.set_children(key, self._sources.children(key) | {child.status.key for child in admitted})
        await in_turns(map(self._start, admitted))

    def _admitted(self, source: Source, found: list[Source]) -> list[Source]:
        """Return as many of a source's new children as limits.sources has room for."""
        room = self._room()
        self._outcomes.left_out(source.status, len(found[room:]))
        return found[:room]

    def _room(self) -> int:
        """Return how many more sources may be polled."""
        return max(0, self._context.settings.limits.sources - len(self._sources))

    async def _end(self, keys: Iterable[SourceKey]) -> None:
        """Stop sources, and withdraw the series of all of them before the next scrape."""
        stopped = await in_turns(map(self._stop, keys))
        async with self._context.exposition.at_once():
            await in_turns(map(self._withdraw, stopped))

    def _stop(self, key: SourceKey) -> Source:
        if task := self._tasks.pop(key, None):
            task.cancel()
        self.progress.remove(key)
        self.stretch.end(key)
        self._hints.forget(key)
        return self._sources.pop(key)

    def _withdraw(self, source: Source) -> None:
        key = source.status.key
        source.withdraw()
        self._context.exposition.withdraw(("source", key))
        log.info("source gone", **key._asdict())


def _is_refused(status: SourceStatus) -> bool:
    """Return whether AWS refused a source's last poll: no hint changes that."""
    return status.reason is not None and status.reason.is_refusal


@contextmanager
def _boundary(source: Source) -> Iterator[None]:
    """Contain what goes wrong around a poll: if it were raised, the poll loops of all sources would end."""
    try:
        yield
    except Exception:
        log.exception("a poll could not be recorded: this is a bug", **source.status.key._asdict())
