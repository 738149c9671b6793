"""Writes the log in a thread: whatever reads it may stand still, and the event loop must not."""

from __future__ import annotations

import io
import os
import queue
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import structlog
from prometheus_client import Counter

from exporter.threads import start_one

DROPPED = Counter(
    "aws_job_exporter_log_lines_dropped_total",
    "Lines that are missing in the log, because whatever reads it was too slow or is gone.",
    registry=None,
)
"""Of the process, as the log is, so that it also counts what happens before there is a registry."""

_STDERR = 2

_MOST = 4_096
"""Lines that wait to be written: some megabytes at most, and more than any start writes at once."""

_LAST = 1.0
"""Seconds that the last lines have to be written in the end."""

log = structlog.get_logger(__name__)


@contextmanager
def written_by_thread() -> Iterator[None]:
    """Have a thread write what goes to stderr; raises NoThreadError."""
    # Python has no stderr where the descriptor was closed at the start, and another file may have its number by now.
    if sys.stderr is None:
        yield
        return
    with LogThread(_STDERR) as stream, redirect_stderr(stream):
        yield


class LogThread(io.TextIOBase):
    """A stream to a file descriptor that never blocks: what cannot be written in time is dropped and counted."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(_MOST)
        self._dropped = 0
        self._thread = start_one(self._run, "log")

    def write(self, text: str) -> int:
        """Queue text."""
        try:
            self._lines.put_nowait(text.encode(errors="backslashreplace"))
        except queue.Full:
            self._drop()
        return len(text)

    def close(self) -> None:
        """Write what is queued, as far as it can be written within a second."""
        if not self.closed:
            super().close()
            try:
                self._lines.put(None, timeout=_LAST)
            except queue.Full:
                return
            self._thread.join(_LAST)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write(line)
            except OSError:
                self._drop()
            else:
                self._tell()

    def _write(self, line: bytes) -> None:
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                # Another process has made the pipe or terminal that they share so.
                select.select([], [self._descriptor], [])

    def _drop(self) -> None:
        self._dropped += 1
        DROPPED.inc()

    def _tell(self) -> None:
        """Log how many lines are missing, once all others are written."""
        if self._lines.empty() and (missing := self._dropped):
            self._dropped -= missing
            log.warning("Lines of the log were dropped, because whatever reads it was too slow", lines=missing)
