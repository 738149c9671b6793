"""A snapshot of all that is exposed, in chunks that outlive it as long as nothing in them changes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_DEFLATE_END = b"\x03\x00"

_PIECE = 16
"""Chunks that are sent as one: some 100 kB where there are many sources."""


class Chunk:
    """Some lines of an exposition, joined and compressed when first asked for; never changed, but replaced."""

    def __init__(self, pieces: Mapping[int, bytes]) -> None:
        """Make a chunk of numbered pieces."""
        self.pieces = pieces

    @cached_property
    def plain(self) -> bytes:
        """The lines."""
        return b"".join(self.pieces.values())

    @cached_property
    def deflated(self) -> bytes:
        """The lines compressed, such that they can stand anywhere in a deflate stream."""
        # The fastest level: the better ones need twice the time to save a tenth of the bytes.
        compressor = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(self.plain) + compressor.flush(zlib.Z_FULL_FLUSH)

    def replaced(self, number: int, piece: bytes) -> Chunk:
        """Return a chunk with another piece at `number`, without one if it is empty."""
        pieces = {**self.pieces, number: piece}
        return Chunk(pieces if piece else {other: kept for other, kept in pieces.items() if kept})


class Body(NamedTuple):
    """What is sent: pieces, which need no joining, and their length altogether."""

    length: int
    pieces: Iterable[bytes]


class Snapshot:
    """All that is exposed in one format at one time."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """Make a snapshot of chunks in their order."""
        self.chunks = list(chunks)

    @property
    def plain(self) -> Body:
        """The exposition, joined only so far that sending a piece is worth it: megabytes would be copied again."""
        starts = range(0, len(self.chunks), _PIECE)
        pieces = (b"".join(chunk.plain for chunk in self.chunks[start : start + _PIECE]) for start in starts)
        return Body(sum(len(chunk.plain) for chunk in self.chunks), pieces)

    @property
    def gzipped(self) -> Body:
        """The exposition, compressed when first asked for."""
        return Body(len(self._member), [self._member])

    @cached_property
    def _member(self) -> bytes:
        """The exposition as one gzip member: several in a row are allowed, but not every client reads on."""
        crc = size = 0
        for chunk in self.chunks:
            crc, size = zlib.crc32(chunk.plain, crc), size + len(chunk.plain)
        body = b"".join(chunk.deflated for chunk in self.chunks)
        return _GZIP_HEAD + body + _DEFLATE_END + struct.pack("<LL", crc, size & 0xFFFFFFFF)
