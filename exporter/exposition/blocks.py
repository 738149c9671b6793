"""What is exposed: blocks of metric families, each published and withdrawn whole by its key."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Metric

from exporter.exposition.format import ENDS, Format, Heads, rendered
from exporter.exposition.snapshot import Body, Chunk, Snapshot
from exporter.turns import in_turns

_NEIGHBOURS = 32
"""Blocks that share a chunk in each family: more make a change dearer, fewer make the compression worse."""

_OWN = object()
"""The key of the block with the exporter's own registry."""

_OWN_FRESH = 1.0
"""Seconds for which the exporter's own registry is not rendered again, however many scrape."""


class _Block(NamedTuple):
    """One publisher's share: the families that it has samples in under `number`, until `expires`."""

    number: int
    families: frozenset[Heads]
    expires: float


@dataclass(frozen=True)
class _Family:
    """One family of all blocks: its head in each format that has it, and the samples of neighbouring blocks."""

    heads: Mapping[Format, Chunk]
    chunks: dict[int, Chunk] = field(default_factory=dict)


class Exposition:
    """All that is exposed. What both formats write alike is held, joined and compressed once for both."""

    def __init__(self, own: CollectorRegistry, clock: Callable[[], float]) -> None:
        """Expose the blocks that are published and the exporter's own registry; `clock` never jumps."""
        self._own = own
        self._own_time = float("-inf")
        self._clock = clock
        self._lock = asyncio.Lock()
        self._numbers = itertools.count()
        self._blocks: dict[Hashable, _Block] = {}
        self._families: dict[Heads, _Family] = {}
        self._snapshots: dict[Format, Snapshot] = {}
        self._next_expiry = float("inf")

    def publish(self, key: Hashable, families: Iterable[Metric], expires: float = float("inf")) -> None:
        """Replace the block `key`; it disappears by itself when the clock reaches `expires`."""
        self._replace(key, rendered(families), expires)

    async def publish_in_turns(self, key: Hashable, families: Iterable[Metric], expires: float = float("inf")) -> None:
        """Do the same without holding the event loop, however many samples there are."""
        self._replace(key, await in_turns(rendered(families)), expires)

    def withdraw(self, key: Hashable) -> None:
        """Take a block away, if it is there."""
        if block := self._blocks.pop(key, None):
            for heads in block.families:
                self._put(heads, block.number, b"")

    def render(self, form: Format) -> bytes:
        """Return everything in one format, as of now."""
        self.publish(_OWN, self._own.collect())
        return b"".join(self._snapshot(form).plain.pieces)

    async def body(self, form: Format, *, gzipped: bool) -> Body:
        """Return everything in one format without holding the event loop, for as many as scrape."""
        async with self._lock:
            await self._refresh()
            snapshot = self._snapshot(form)
            await in_turns(chunk.deflated if gzipped else chunk.plain for chunk in snapshot.chunks)
            return snapshot.gzipped if gzipped else snapshot.plain

    async def _refresh(self) -> None:
        now = self._clock()
        if now - self._own_time >= _OWN_FRESH:
            await self.publish_in_turns(_OWN, self._own.collect())
            self._own_time = now

    def _replace(self, key: Hashable, sections: Iterable[tuple[Heads, bytes]], expires: float) -> None:
        """Put a block's samples in the place of those that it had, all at once."""
        samples: dict[Heads, list[bytes]] = {}
        for heads, lines in sections:
            samples.setdefault(heads, []).append(lines)
        before = self._blocks.get(key) or _Block(next(self._numbers), frozenset(), expires)
        for heads in (*samples, *(before.families - samples.keys())):
            self._put(heads, before.number, b"".join(samples.get(heads, ())))
        self._blocks[key] = _Block(before.number, frozenset(samples), expires)
        self._next_expiry = min(self._next_expiry, expires)

    def _put(self, heads: Heads, number: int, samples: bytes) -> None:
        """Let a family have these samples of a block; none if there are none."""
        family = self._families.get(heads) or self._add(heads)
        place = number // _NEIGHBOURS
        chunk = family.chunks.get(place, Chunk({}))
        if chunk.pieces.get(number, b"") == samples:
            return
        family.chunks[place] = chunk.replaced(number, samples)
        if not family.chunks[place].pieces:
            del family.chunks[place]
        self._snapshots.clear()

    def _add(self, heads: Heads) -> _Family:
        self._families[heads] = _Family({form: Chunk({0: heads.of(form)}) for form in Format if heads.of(form)})
        return self._families[heads]

    def _snapshot(self, form: Format) -> Snapshot:
        self._expire()
        if form not in self._snapshots:
            families = [family for family in self._families.values() if form in family.heads and family.chunks]
            chunks = (chunk for family in families for chunk in (family.heads[form], *family.chunks.values()))
            self._snapshots[form] = Snapshot([*chunks, Chunk({0: ENDS[form]})])
        return self._snapshots[form]

    def _expire(self) -> None:
        now = self._clock()
        if now < self._next_expiry:
            return
        for key in [key for key, block in self._blocks.items() if block.expires <= now]:
            self.withdraw(key)
        self._next_expiry = min((block.expires for block in self._blocks.values()), default=float("inf"))
