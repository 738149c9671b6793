"""What groups of jobs add up to, published about a second after anything changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial

import structlog

from exporter.families import GroupView, group_families, metrics
from exporter.jobs import SourceKey, State
from exporter.poller import lateness
from exporter.poller.context import Context, Source
from exporter.poller.due import expected
from exporter.poller.listing import JobSource
from exporter.poller.queue import QueueSource
from exporter.poller.sharding import owns
from exporter.store import (
    Expectation,
    GroupSums,
    Newborn,
    StorageLostError,
    Sums,
    group_sums,
    keep_expectation,
    read_expectation,
    show_group,
)
from exporter.turns import in_turns

log = structlog.get_logger(__name__)

_PAUSE = 1.0
"""Seconds between two looks at what has changed: a group may have jobs of thousands of sources."""

UP, DOWN = "up", "down"


class GroupReport:
    """The series about groups. There from the start, also of a group whose jobs were never seen."""

    def __init__(self, context: Context, sources: Callable[[], Iterable[Source]]) -> None:
        """Report on the groups of a configuration; `sources` returns all that are polled at that time."""
        self._sources = sources
        self._publishing = asyncio.Lock()
        self._sums: dict[str, GroupSums] = {}
        self._expectations: dict[str, Expectation | None] = {}
        self.views: dict[str, GroupView] = {}
        """What is published of each group, by name."""
        self._newborn: dict[str, AbstractSet[Newborn]] = {}
        self._epoch = -1
        self._context = self._next = context

    def use(self, context: Context) -> None:
        """Report on the groups of another configuration from the next time on."""
        self._next = context

    def labels(self, group: str | None) -> Mapping[str, str]:
        """Return the labels of a group; none of one that is not declared."""
        groups = self._context.groups
        number = groups.all.get(group or "")
        return {} if number is None else groups.groups[number].labels

    async def run(self) -> None:
        """Publish what has changed, once in a second, until cancelled."""
        while True:
            try:
                await self.publish()
            except StorageLostError:
                # From now on everything is in memory.
                continue
            except Exception:
                log.exception("groups could not be published: this is a bug")
            # By real time: it is about the work, and not about anything that a clock is turned for.
            await asyncio.sleep(_PAUSE)

    async def publish(self) -> None:
        """Publish the groups that have changed."""
        async with self._publishing:
            if self._next is not self._context:
                self._begin()
            context = self._context
            if not context.groups.groups:
                return
            await self._read()
            counts = await self._counts()
            stale = await self._stale()
            for name, number in context.groups.all.items():
                # There is no `other` as long as nothing is beyond the limit, and a name may have come just now.
                if name in self._sums:
                    await self._publish(name, await self._view(name, number, counts, stale))
            await lateness.note(context, self.views)

    def _begin(self) -> None:
        """Begin with a new configuration."""
        self._context = self._next
        for name in self.views.keys() - self._context.groups.all.keys():
            self._context.exposition.withdraw(("group", name))
        self.views.clear()
        self._expectations.clear()

    async def _read(self) -> None:
        """Read what has changed since the last time."""
        database, groups = self._context.database, self._context.groups
        if self._epoch != database.epoch:
            self._epoch = database.epoch
            self._sums.clear()
            self._expectations.clear()
        async with database.exclusive():
            await database.group_numbers({group.name: "" for group in groups.groups if group.name is not None})
        touched, database.touched_groups = database.touched_groups, set()
        names = {database.groups[name].n: name for name in groups.all if name in database.groups}
        changed = [number for number, name in names.items() if number in touched or name not in self._sums]
        try:
            found = await group_sums(database, changed) if changed else {}
        except BaseException:
            database.touched_groups |= touched
            raise
        self._sums |= {names[number]: each for number, each in found.items()}

    async def _view(
        self, name: str, number: int | None, counts: Mapping[int, Counter[str]], stale: AbstractSet[int]
    ) -> GroupView:
        known, settings = self._sums[name], self._context.settings.metrics
        sums, is_current = known.sums, known.active_in.isdisjoint(stale)
        if number is None:
            return GroupView(None, sums, {}, None, settings, is_current)
        sources = {state: counts[number][state] if number in counts else 0 for state in (UP, DOWN)}
        due = await self._due(name, number, sums)
        return GroupView(self._context.groups.groups[number], sums, sources, due, settings, is_current)

    async def _due(self, name: str, number: int, sums: Sums) -> float | None:
        """Return when the next success is due, and keep that for the next start."""
        database, group = self._context.database, self._context.groups.groups[number]
        row = database.groups[name].n
        if name not in self._expectations:
            self._expectations[name] = await read_expectation(database, row)
        before = self._expectations[name]
        success = sums.last.get((State.SUCCEEDED, ""))
        if success is None and not owns(self._context.settings.shard, SourceKey("", "", "", "group", name)):
            # Of several shards, the one that has read a success knows better than those that started just now.
            return None
        now = expected(group, self._context.clock.time(), success, before)
        if now is not None and now != before:
            await keep_expectation(database, row, now)
            self._expectations[name] = now
        return now.due if now else None

    async def _counts(self) -> Mapping[int, Counter[str]]:
        """Return how many sources that may have jobs of each declared group are up and down."""
        counts: dict[int, Counter[str]] = {}
        for number, state in await in_turns(self._each_part()):
            counts.setdefault(number, Counter())[state] += 1
        return counts

    async def _stale(self) -> AbstractSet[int]:
        """Return the numbers of the sources whose own numbers are no longer exported, because they are too old."""
        now, exposition = self._context.clock.monotonic(), self._context.exposition
        down = [each for each in self._sources() if isinstance(each, JobSource) and not each.status.is_up]
        expiries = await in_turns((each.ledger.shown, exposition.expiry(each.block)) for each in down)
        return {number for number, expiry in expiries if number is not None and (expiry is None or expiry <= now)}

    def _each_part(self) -> Iterator[tuple[int, str]]:
        """Yield each source of each declared group, with its state."""
        for source in list(self._sources()):
            state = UP if source.status.is_up else DOWN
            if isinstance(source, JobSource):
                yield from ((number, state) for number in source.groups)
            elif source.status.consecutive_failures and not isinstance(source, QueueSource):
                # What it would find, nobody knows.
                yield from ((number, state) for number in self._context.groups.below(source.status.key))

    async def _publish(self, name: str, view: GroupView) -> None:
        """Render the block of a group, unless it is as before."""
        if self.views.get(name) == view:
            return
        context, block = self._context, ("group", name)
        families = group_families(context.settings.metrics, context.groups.labels)
        await context.exposition.publish_in_turns(block, metrics(families, ("group",), [((name,), view)]))
        self.views[name] = view
        newborn = frozenset(self._sums[name].newborn)
        if newborn - self._newborn.get(name, frozenset()):
            context.exposition.newborns.publish(block, partial(self._show, name, newborn))
        self._newborn[name] = newborn

    async def _show(self, name: str, newborn: AbstractSet[Newborn]) -> None:
        """Let these counters rise, but none that became known since."""
        database = self._context.database
        if name in database.groups:
            await show_group(database, database.groups[name].n, newborn)
            await self.publish()
