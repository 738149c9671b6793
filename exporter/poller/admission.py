"""Which source may poll when: few at once, in an order that is fair between accounts, services and kinds."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from exporter.jobs import SourceKey

_WAITING = 8
"""For each slot, polls that may be under way: all but one of these wait for their service's rate."""

_Key = tuple[str, str, str]
"""Account, region and service: what a rate is for."""

_Queue = OrderedDict[str, deque[asyncio.Future[None]]]
"""Who waits, by kind; the kind whose turn is next comes first."""


@dataclass
class _Lane:
    """The sources of one service, which share its rate."""

    most: int
    """How many of them may be under way."""
    under_way: int = 0
    waiting: tuple[_Queue, _Queue] = field(default_factory=lambda: (OrderedDict(), OrderedDict()))
    """What was never polled, and what was."""

    def next(self, rank: int) -> asyncio.Future[None] | None:
        """Return whose turn it is, if anybody still waits."""
        waiting = self.waiting[rank]
        while waiting:
            kind, waiters = waiting.popitem(last=False)
            while waiters:
                waiter = waiters.popleft()
                if not waiter.done():
                    if waiters:
                        waiting[kind] = waiters
                    return waiter
        return None


class Admission:
    """Slots for polls. Who waits for AWS holds one; who waits for the rate of a service leaves it to others."""

    def __init__(self, slots: int, of_a_service: Callable[[str], int], under_way: float = math.inf) -> None:
        """Let so many polls run at once, and so many be under way: of the sources of one service, and in all."""
        self._free = slots
        self._room = int(min(slots * _WAITING, under_way))
        self._most = of_a_service
        self._lanes: dict[_Key, _Lane] = {}
        self._turns: tuple[OrderedDict[_Key, None], ...] = (OrderedDict(), OrderedDict())
        """The lanes in which somebody waits for a first poll, and for another one; of each, the one whose turn is next
        comes first."""
        self._returning: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def poll(self, source: SourceKey, *, is_known: bool = False) -> AsyncIterator[None]:
        """Hold a slot while the block runs. What `is_known` already waits for what was never polled."""
        key = source.account_id, source.region, source.aws_service
        if (lane := self._lanes.get(key)) is None:
            lane = self._lanes[key] = _Lane(self._most(source.aws_service))
        waiter = asyncio.get_running_loop().create_future()
        lane.waiting[is_known].setdefault(source.kind, deque()).append(waiter)
        self._line_up(key, lane)
        self._admit()
        try:
            await waiter
            yield
        finally:
            # A task that is cancelled while it waits may have been admitted at the same moment.
            if waiter.done() and not waiter.cancelled():
                lane.under_way -= 1
                self._room += 1
                self._free += 1
                self._line_up(key, lane)
                self._admit()
            self._clear(key, lane)

    @asynccontextmanager
    async def released(self) -> AsyncIterator[None]:
        """Leave the slot to others while the block runs; whoever comes back goes before whoever has not begun."""
        self._free += 1
        self._admit()
        try:
            yield
        finally:
            waiter = asyncio.get_running_loop().create_future()
            self._returning.append(waiter)
            self._admit()
            try:
                await waiter
            except asyncio.CancelledError:
                # Taken even so, because the end of the poll gives it back.
                if waiter.cancelled():
                    self._free -= 1
                raise

    def _line_up(self, key: _Key, lane: _Lane) -> None:
        """Have a lane take its turns, if there is anybody to admit."""
        if lane.under_way < lane.most:
            for waiting, turns in zip(lane.waiting, self._turns, strict=True):
                if waiting:
                    turns.setdefault(key)

    def _clear(self, key: _Key, lane: _Lane) -> None:
        """Drop a lane in which nobody polls or waits."""
        if not lane.under_way and not any(lane.waiting):
            self._lanes.pop(key, None)

    def _admit(self) -> None:
        while self._free > 0 and (self._admit_returning() or self._admit_next()):
            self._free -= 1

    def _admit_returning(self) -> bool:
        while self._returning:
            if not (waiter := self._returning.popleft()).done():
                waiter.set_result(None)
                return True
        return False

    def _admit_next(self) -> bool:
        for rank, turns in enumerate(self._turns):
            while self._room > 0 and turns:
                key, _ = turns.popitem(last=False)
                lane = self._lanes.get(key)
                # Full, or gone: it lines up again when one of its polls ends, or begins.
                if lane is None or lane.under_way >= lane.most:
                    continue
                waiter = lane.next(rank)
                if waiter is None:
                    self._clear(key, lane)
                    continue
                waiter.set_result(None)
                lane.under_way += 1
                self._room -= 1
                self._line_up(key, lane)
                return True
        return False
