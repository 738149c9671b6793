"""Where the lines of the event log go: a file, which is found again after any stop, or stdout.

Everything here blocks, and runs in a thread; but nothing waits longer than a second for a reader that stands still.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

STDOUT = Path("/dev/stdout")

_STDOUT = 1

_PATIENCE = 1.0
"""Seconds to wait for whatever reads a pipe."""

_CHUNK = 4096
"""Bytes that a pipe takes at once, without waiting, where it takes any (PIPE_BUF)."""

_TAIL = 65_536
"""Bytes at the end of a file that are looked through for its last line: more than a line has."""

Lines = Iterable[tuple[int, bytes]]
"""Lines by their numbers, which rise."""


class _Tail(NamedTuple):
    """How a file ends."""

    log: str = ""
    """The log that its last line belongs to; empty where there is none."""
    number: int = 0
    """The number of that line."""
    rest: bytes = b""
    """What was written of another line."""


class Sink:
    """Appends lines to a file, each once, also if the process was killed in between; the file may be moved away."""

    def __init__(self, path: Path) -> None:
        """Append to the file at a path, which is created when the first line is written; `STDOUT` is as it is."""
        self.path = path
        self._descriptor: int | None = None
        self._is_file = False
        self._tail = _Tail()

    def write(self, log: str, lines: Lines) -> None:
        """Write the lines of a log that were not written yet, and have them on the disk; raises OSError.

        After an error, all of them may be passed again.
        """
        try:
            descriptor = self._opened()
            self._append(descriptor, log, lines)
            if self._is_file:
                os.fsync(descriptor)
        except TimeoutError:
            # Whatever reads it may go on, in the middle of a line.
            raise
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            # Whoever comes next begins with a line; a file tells itself how it ends.
            self._tail = self._tail._replace(rest=b"")

    def _opened(self) -> int:
        """Return the descriptor of the file that is at the path now."""
        if self.path == STDOUT:
            # Python has no stdout where the descriptor was closed at the start: another file may have its number.
            if sys.stdout is None:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return _STDOUT
        if self._descriptor is not None and not self._is_at_path(self._descriptor):
            self.close()
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None  # noqa: S101 - for the type checker: it was just opened
        return self._descriptor

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        how = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        # Where a FIFO has no reader, this fails instead of waiting for one. To read it as well would be to be one.
        is_other = self.path.exists() and not self.path.is_file()
        how |= os.O_WRONLY | os.O_NONBLOCK if is_other else os.O_RDWR
        self._descriptor = os.open(self.path, how, 0o640)
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        if self._is_file:
            found = _tail(self._descriptor)
            # What was written before the process was started; later on, that is known, and the file may be a new one.
            last = self._tail if self._tail.log else found
            self._tail = last._replace(rest=found.rest)

    def _append(self, descriptor: int, log: str, lines: Lines) -> None:
        for number, line in lines:
            if log == self._tail.log and number <= self._tail.number:
                continue
            self._write(descriptor, line)
            self._tail = _Tail(log, number)

    def _write(self, descriptor: int, line: bytes) -> None:
        """Write a line, or what is missing of it; where another one broke off, that is ended first."""
        written = self._tail.rest
        if not line.startswith(written):
            self._wait(descriptor)
            os.write(descriptor, b"\n")
            written = b""
            self._tail = self._tail._replace(rest=written)
        while len(written) < len(line):
            self._wait(descriptor)
            count = os.write(descriptor, line[len(written) :][:_CHUNK])
            written = line[: len(written) + count]
            self._tail = self._tail._replace(rest=written)

    def _wait(self, descriptor: int) -> None:
        """Wait until it takes more; raises TimeoutError where it does not."""
        if self._is_file:
            return
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        if not poll.poll(_PATIENCE * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "whatever reads it stands still")


def _tail(descriptor: int) -> _Tail:
    """Return how a file ends."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
    *lines, rest = content.split(b"\n")
    for line in reversed(lines):
        try:
            found = orjson.loads(line)
            return _Tail(str(found["log"]), int(found["sequence"]), rest)
        except (ValueError, KeyError, TypeError):
            continue  # not ours, or cut off
    return _Tail(rest=rest)
