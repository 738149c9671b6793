"""What is exposed: blocks of metric families, each published and withdrawn as a whole under its key."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Metric

from exporter.exposition.format import ENDS, Format, Heads, rendered
from exporter.exposition.newborns import Newborns, Transport
from exporter.exposition.snapshot import Body, Chunk, Snapshot
from exporter.turns import in_turns

_BLOCKS_IN_CHUNK = 32
"""Blocks that share a chunk in each family: with more, a change costs more; with fewer, compression is worse."""

_OWN = object()
"""The key of the block that holds the exporter's own registry."""

_OWN_FRESH = 1.0
"""Seconds for which the exporter's own registry is not rendered again, however often it is scraped."""


class _Block(NamedTuple):
    """What one publisher exposes until `expires`: its samples have `number` in each of the families."""

    number: int
    families: frozenset[Heads]
    expires: float


@dataclass(frozen=True)
class _Family:
    """One family across all blocks: its head in each format that has it, and its samples in chunks of blocks."""

    heads: Mapping[Format, Chunk]
    chunks: dict[int, Chunk] = field(default_factory=dict)


class Exposition:
    """Everything that is exposed. What both formats write alike is held, joined and compressed once for both."""

    def __init__(self, own: CollectorRegistry, clock: Callable[[], float]) -> None:
        """Expose the blocks that are published and the exporter's own registry; `clock` must be monotonic."""
        self._own = own
        self._own_time = float("-inf")
        self._clock = clock
        self._lock = asyncio.Lock()
        self._numbers = itertools.count()
        self._blocks: dict[Hashable, _Block] = {}
        self._families: dict[Heads, _Family] = {}
        self._snapshots: dict[Format, Snapshot] = {}
        self._next_expiry = float("inf")
        self.newborns = Newborns(clock)
        """The blocks in which counters are 0 because they are new."""

    def publish(self, key: Hashable, families: Iterable[Metric], expires: float = float("inf")) -> None:
        """Replace the block `key`; it disappears by itself when the clock reaches `expires`."""
        self._replace(key, rendered(families), expires)

    async def publish_in_turns(self, key: Hashable, families: Iterable[Metric], expires: float = float("inf")) -> None:
        """Replace the block `key` without blocking the event loop, however many samples there are."""
        self._replace(key, await in_turns(rendered(families)), expires)

    def renew(self, key: Hashable, expires: float) -> bool:
        """Let the block `key` disappear later, as it is; return whether there is one."""
        block = self._blocks.get(key)
        if block is None:
            return False
        self._blocks[key] = block._replace(expires=expires)
        self._next_expiry = min(self._next_expiry, expires)
        return True

    def expiry(self, key: Hashable) -> float | None:
        """Return when the block `key` disappears; None if there is none."""
        block = self._blocks.get(key)
        return block.expires if block else None

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """Have no scrape see half of what changes within the block."""
        async with self._lock:
            yield

    def withdraw(self, key: Hashable) -> None:
        """Remove a block, if it exists."""
        self.newborns.withdraw(key)
        if block := self._blocks.pop(key, None):
            for heads in block.families:
                self._put(heads, block.number, b"")

    def render(self, form: Format) -> bytes:
        """Return the whole exposition in one format, as of now."""
        self.publish(_OWN, self._own.collect())
        return b"".join(self._snapshot(form).plain.pieces)

    async def body(
        self,
        form: Format,
        address: str = "",
        connection: Transport | None = None,
        *,
        gzipped: bool,
        is_regular: bool = False,
    ) -> Body:
        """Return the whole exposition in one format without blocking the event loop, once for concurrent scrapes.

        Who reads it counts as one who has seen new counters at 0.
        """
        async with self._lock:
            now = self._clock()
            if now - self._own_time >= _OWN_FRESH:
                await self.publish_in_turns(_OWN, self._own.collect())
                self._own_time = now
            # What is published while this one is compressed belongs to the next scrape: chunks never change.
            snapshot = self._snapshot(form)
            self.newborns.scrape(address, connection, is_regular=is_regular)
            await in_turns(chunk.deflated if gzipped else chunk.plain for chunk in snapshot.chunks)
            return snapshot.gzipped if gzipped else snapshot.plain

    def _replace(self, key: Hashable, sections: Iterable[tuple[Heads, bytes]], expires: float) -> None:
        """Replace all samples of a block at once, so that no scrape sees half of them."""
        samples: dict[Heads, list[bytes]] = {}
        for heads, lines in sections:
            samples.setdefault(heads, []).append(lines)
        before = self._blocks.get(key) or _Block(next(self._numbers), frozenset(), expires)
        for heads in (*samples, *(before.families - samples.keys())):
            self._put(heads, before.number, b"".join(samples.get(heads, ())))
        self._blocks[key] = _Block(before.number, frozenset(samples), expires)
        self._next_expiry = min(self._next_expiry, expires)

    def _put(self, heads: Heads, number: int, samples: bytes) -> None:
        """Replace the samples that a block has in one family; empty removes them."""
        if heads not in self._families:
            self._families[heads] = _Family({form: Chunk({0: heads.of(form)}) for form in Format if heads.of(form)})
        chunks, place = self._families[heads].chunks, number // _BLOCKS_IN_CHUNK
        chunk = chunks.get(place, Chunk({}))
        if chunk.pieces.get(number, b"") == samples:
            # Nothing changed, so the snapshots, and the chunk with what it has compressed, stay.
            return
        chunks[place] = chunk.replaced(number, samples)
        if not chunks[place].pieces:
            del chunks[place]
        self._snapshots.clear()

    def _snapshot(self, form: Format) -> Snapshot:
        now = self._clock()
        if now >= self._next_expiry:
            for key in [key for key, block in self._blocks.items() if block.expires <= now]:
                self.withdraw(key)
            self._next_expiry = min((block.expires for block in self._blocks.values()), default=float("inf"))
        if form not in self._snapshots:
            # A family without samples is left out together with its head. It keeps its place, so that the order stays
            # when samples return.
            families = [family for family in self._families.values() if form in family.heads and family.chunks]
            chunks = (chunk for family in families for chunk in (family.heads[form], *family.chunks.values()))
            self._snapshots[form] = Snapshot([*chunks, Chunk({0: ENDS[form]})])
        return self._snapshots[form]
