"""A snapshot of everything that is exposed, in chunks that later snapshots reuse while nothing in them changes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from isal import isal_zlib

# Deflate, no flags, no time, no extra flags, unknown system (RFC 1952, 2.3). Without a time, equal bodies have equal
# bytes.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# An empty last block (RFC 1951, 3.2.6): the chunks before it do not know which of them is the last.
_DEFLATE_END = b"\x03\x00"

_CHUNKS_AT_ONCE = 8
"""Chunks that are sent as one piece: about 100 kB where there are many sources.

Above 128 kB, the C library would ask the system for the memory of each piece, and the system zeroes it first.
"""


class Chunk:
    """Some lines of an exposition, joined and compressed when first asked for; immutable."""

    def __init__(self, pieces: Mapping[int, bytes]) -> None:
        """Make a chunk of numbered pieces."""
        self.pieces = pieces

    @cached_property
    def plain(self) -> bytes:
        """The lines."""
        return b"".join(self.pieces.values())

    @cached_property
    def deflated(self) -> bytes:
        """The lines compressed, ending with a full flush, so that they can stand anywhere in a deflate stream."""
        # This library needs less than half of zlib's time for fewer bytes, and its better levels hardly save any more.
        compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        return compressor.compress(self.plain) + compressor.flush(isal_zlib.Z_FULL_FLUSH)

    def replaced(self, number: int, piece: bytes) -> Chunk:
        """Return a chunk with another piece at `number`, or with none if the piece is empty."""
        pieces = {**self.pieces, number: piece}
        if not piece:
            del pieces[number]
        return Chunk(pieces)


class Body(NamedTuple):
    """The body of a response: its length, and its pieces, which need not be joined."""

    length: int
    pieces: Iterable[bytes]


class Snapshot:
    """Everything that is exposed in one format at one time."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """Make a snapshot of chunks in their order."""
        self.chunks = list(chunks)

    @property
    def plain(self) -> Body:
        """The exposition in pieces that are large enough to send: joining all of it would copy megabytes once more."""
        starts = range(0, len(self.chunks), _CHUNKS_AT_ONCE)
        pieces = (b"".join(chunk.plain for chunk in self.chunks[start : start + _CHUNKS_AT_ONCE]) for start in starts)
        return Body(sum(len(chunk.plain) for chunk in self.chunks), pieces)

    @property
    def gzipped(self) -> Body:
        """The exposition, compressed when first asked for."""
        return Body(len(self._member), [self._member])

    @cached_property
    def _member(self) -> bytes:
        """The exposition as one gzip member (RFC 1952): some clients stop reading after the first of several."""
        crc = size = 0
        for chunk in self.chunks:
            crc, size = isal_zlib.crc32(chunk.plain, crc), size + len(chunk.plain)
        body = b"".join(chunk.deflated for chunk in self.chunks)
        # The size is modulo 2**32 (RFC 1952, 2.3.1).
        return _GZIP_HEAD + body + _DEFLATE_END + struct.pack("<LL", crc, size & 0xFFFFFFFF)
