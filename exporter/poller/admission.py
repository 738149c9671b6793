"""Which source may poll when: few at once, in an order that is fair between accounts, services and kinds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from exporter.jobs import SourceKey

_WAITING = 8
"""For each slot, polls that may be under way: all but one of these wait for their service's rate."""

_Key = tuple[bool, str, str, str]
"""Whether the source was polled before; account, region and service, which is what a rate is for."""


@dataclass
class _Lane:
    """The sources of one service, which share its rate."""

    under_way: int = 0
    waiting: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict)
    """By their kind; the kind whose turn is next comes first."""

    def add(self, kind: str, waiter: asyncio.Future[None]) -> None:
        self.waiting.setdefault(kind, deque()).append(waiter)

    def next(self) -> asyncio.Future[None] | None:
        """Return whose turn it is, if anybody still waits."""
        while self.waiting:
            kind, waiters = self.waiting.popitem(last=False)
            while waiters:
                waiter = waiters.popleft()
                if not waiter.done():
                    if waiters:
                        self.waiting[kind] = waiters
                    return waiter
        return None


class Admission:
    """Slots for polls. Who waits for AWS holds one; who waits for the rate of a service leaves it to others."""

    def __init__(self, slots: int, of_a_service: int) -> None:
        """Let so many polls run at once, and of the sources of one service so many be under way."""
        self._free = slots
        self._room = slots * _WAITING
        self._most = of_a_service
        self._lanes: dict[_Key, _Lane] = {}
        self._turns: tuple[OrderedDict[_Key, None], ...] = (OrderedDict(), OrderedDict())
        """The lanes in which somebody waits who may be admitted, those of first polls and the others; of each, the one
        whose turn is next comes first."""
        self._returning: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def poll(self, source: SourceKey, *, is_known: bool = False) -> AsyncIterator[None]:
        """Hold a slot while the block runs. What `is_known` already waits for what was never polled."""
        key = is_known, source.account_id, source.region, source.aws_service
        lane, waiter = self._lanes.setdefault(key, _Lane()), asyncio.get_running_loop().create_future()
        lane.add(source.kind, waiter)
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
            if not lane.under_way and not lane.waiting:
                self._lanes.pop(key, None)

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
        """Have a lane take its turn, if there is anybody to admit."""
        if lane.waiting and lane.under_way < self._most:
            self._turns[key[0]].setdefault(key)

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
        for turns in self._turns:
            while self._room > 0 and turns:
                key, _ = turns.popitem(last=False)
                lane = self._lanes[key]
                if waiter := lane.next():
                    waiter.set_result(None)
                    lane.under_way += 1
                    self._room -= 1
                    self._line_up(key, lane)
                    return True
        return False
