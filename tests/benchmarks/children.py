"""Child processes for measurements that must not be disturbed, and for load that must not disturb them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Work = Callable[..., None]
"""Gets one end of a pipe, then its arguments."""


CONTEXT = get_context("forkserver")
"""Children are forks of a process that has done nothing but import: none inherits what another has measured."""
CONTEXT.set_forkserver_preload(["exporter.app", "exporter.simulator", "boto3"])


@contextmanager
def process(work: Work, *arguments: Any) -> Iterator[Connection]:
    """Yield the parent's end of a pipe to a process, which may end when the block does."""
    ours, theirs = CONTEXT.Pipe()
    child = CONTEXT.Process(target=work, args=(theirs, *arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        with ours:
            yield ours
    finally:
        child.terminate()
        child.join()


def result_of(work: Work, *arguments: Any) -> Any:
    """Return what a process sends first."""
    with process(work, *arguments) as pipe:
        return pipe.recv()


def rss() -> int:
    """Return the memory that this process occupies, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE


_PAGE = 4096
