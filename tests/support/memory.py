"""Limits on the memory of a running process."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)
"""Where control groups are made, in version 1 and in version 2, and what the file with their limit is called."""


def status(pid: int, name: str) -> int:
    """Return a number of bytes from the status of a process, such as `VmRSS`; 0 if it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0
    found = re.search(rf"{name}:\s+(\d+) kB", text)
    return 1024 * int(found[1]) if found else 0


@contextmanager
def grouped(pid: int, room: int) -> Iterator[None]:
    """Have a control group kill a process that takes so many bytes more than now.

    Raises OSError if no group can be made.
    """
    # Version 1 first: where it has the memory, the root of version 2 has no such files.
    root, limit = next((each for each in _GROUPS if (each[0] / "cgroup.procs").exists()), _GROUPS[-1])
    group = root / f"aws-job-exporter-test-{pid}"
    group.mkdir()
    try:
        (group / limit).write_text(str(status(pid, "RssAnon") + room))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        group.rmdir()


@contextmanager
def refused(pid: int, room: int) -> Iterator[None]:
    """Refuse a process more than so many bytes beyond what it has now (`ulimit -d`)."""
    before = resource.prlimit(pid, resource.RLIMIT_DATA)
    resource.prlimit(pid, resource.RLIMIT_DATA, (status(pid, "VmData") + room, before[1]))
    yield
