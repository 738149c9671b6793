"""What a process holds, and how long it takes to say that it is healthy."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.memory import status


class Vitals(NamedTuple):
    """What a process holds."""

    memory: int
    """Resident bytes."""
    descriptors: int
    threads: int


def vitals(pid: int) -> Vitals:
    """Return what a process holds."""
    folder = Path(f"/proc/{pid}")
    return Vitals(status(pid, "VmRSS"), len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))


class Probe:
    """Asks for the health of an exporter all the time."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def longest(self) -> float:
        """Return the seconds that the slowest answer took since this was last asked, infinite if one was wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return float(await self._process.stdout.readline())


@asynccontextmanager
async def probing(port: int) -> AsyncIterator[Probe]:
    """Yield a probe in a process of its own, which neither the test nor the simulated AWS holds up."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROBE, str(port), stdin=PIPE, stdout=PIPE)
    try:
        yield Probe(process)
    finally:
        # Ends its input, by which it ends.
        await process.communicate(b"")


_PROBE = r"""
import math, select, socket, sys, time

longest = 0.0
while True:
    if select.select([sys.stdin], [], [], 0.02)[0]:
        if not sys.stdin.readline():
            break
        print(longest, flush=True)
        longest = 0.0
    began = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 600) as client:
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
            is_healthy = client.recv(100).startswith(b"HTTP/1.1 200 ")
    except OSError:
        is_healthy = False
    longest = max(longest, time.perf_counter() - began) if is_healthy else math.inf
"""
