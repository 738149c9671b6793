"""A snapshot of all that is exposed, in chunks that outlive it as long as nothing in them changes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from functools import cached_property

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_DEFLATE_END = b"\x03\x00"


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


class Snapshot:
    """All that is exposed in one format at one time."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        """Make a snapshot of chunks in their order."""
        self.chunks = list(chunks)

    @cached_property
    def plain(self) -> bytes:
        """The exposition."""
        return b"".join(chunk.plain for chunk in self.chunks)

    @cached_property
    def gzipped(self) -> bytes:
        """The exposition as one gzip member: several in a row are allowed, but not every client reads on."""
        crc = size = 0
        for chunk in self.chunks:
            crc, size = zlib.crc32(chunk.plain, crc), size + len(chunk.plain)
        body = b"".join(chunk.deflated for chunk in self.chunks)
        return _GZIP_HEAD + body + _DEFLATE_END + struct.pack("<LL", crc, size & 0xFFFFFFFF)
