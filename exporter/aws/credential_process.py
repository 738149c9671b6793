"""The program that a profile names to print credentials (`credential_process`), as a server can bear it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import CredentialRetrievalError

from exporter.text.durations import format_duration

_LOG = logging.getLogger(__name__)

_MOST = 1 << 20
"""Bytes that a program may print: credentials are a thousandth of it."""

_PATIENCE, _PAUSE = 1.0, 0.01
"""Seconds to wait for what was killed, and between two looks at it."""

_running: set[int] = set()
"""The process groups of the programs that run."""


def kill_programs() -> None:
    """Kill every program that runs, and all that they started, for a process that ends without waiting for them.

    May be called in any thread, and within a signal's handler.
    """
    for group in list(_running):
        _kill(group)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


class CredentialProcess:
    """One run of the program, with what botocore uses of asyncio's own processes."""

    def __init__(self, program: str, process: Process, seconds: float) -> None:
        self._name = Path(program).name
        self._process = process
        self._seconds = seconds
        _running.add(process.pid)

    @classmethod
    async def start(cls, program: str, *arguments: str, seconds: float, **_: Any) -> CredentialProcess:
        """Start a program that may run for so many seconds.

        It has no terminal, not even by way of /dev/tty, so that it cannot wait for somebody to type; and a process
        group of its own, so that it can be ended together with all that it starts.
        """
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                program, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
            )
        )
        try:
            return cls(program, await asyncio.shield(starting), seconds)
        except OSError as error:
            raise _failure(f"{program} cannot be started: {error.strerror or error}") from None
        except asyncio.CancelledError:
            # Canceled half way, asyncio itself would kill the program alone, and wait for all that holds its pipes.
            with suppress(OSError):
                await cls(program, await starting, seconds).kill()
            raise

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what it prints, and the last line of what it says on stderr, once it has ended.

        Raises CredentialRetrievalError if it takes too long or does not print an object of JSON. Unless it ends by
        itself, all that it started is killed.
        """
        try:
            async with asyncio.timeout(self._seconds):
                printed, said = await asyncio.gather(self._printed(), self._last_line())
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise self._failure(f"did not end within {format_duration(self._seconds)}") from None
        except BaseException:
            await self.kill()
            raise
        else:
            # Its number may soon be another's.
            _running.discard(self._process.pid)
        if self.returncode == 0 and not _is_object(printed):
            raise self._failure(f"did not print an object of JSON{said and f': {said}'}")
        return printed, (said or f"{self._name} ended with code {self.returncode}").encode()

    async def _printed(self) -> bytes:
        """Return all that it prints; raises CredentialRetrievalError if that is too much."""
        content = bytearray()
        while chunk := await self._read(self._process.stdout):
            content += chunk
            if len(content) > _MOST:
                raise self._failure(f"printed more than {_MOST:,} bytes")
        return bytes(content)

    async def _last_line(self) -> str:
        """Return the last line of its stderr that is not empty."""
        tail = b""
        while chunk := await self._read(self._process.stderr):
            tail = (tail + chunk)[-_MOST:]
        return (tail.decode(errors="replace").strip().splitlines() or [""])[-1]

    async def _read(self, stream: asyncio.StreamReader | None) -> bytes:
        return await stream.read(_MOST) if stream else b""

    def _failure(self, what: str) -> CredentialRetrievalError:
        # Without its arguments, one of which may be a password.
        return _failure(f"{self._name} {what}")

    async def kill(self) -> None:
        """Kill the program and all that it started, and wait until they are gone."""
        group = self._process.pid
        _kill(group)
        _running.discard(group)
        # First, because what left the group may hold the pipes, and asyncio waits for their end.
        self._process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001 - asyncio has no public way
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
                await _reap(group)
        except TimeoutError:
            _LOG.warning("%s hangs in the kernel, and cannot be killed", self._name)


async def _reap(group: int) -> None:
    """Reap what the program started: where the exporter is process 1, as in a container, it inherits that."""
    while True:
        try:
            pid, _ = os.waitpid(-group, os.WNOHANG)  # noqa: ASYNC222 - it does not block with WNOHANG
        except ChildProcessError:
            return
        if not pid:
            await asyncio.sleep(_PAUSE)


def _is_object(printed: bytes) -> bool:
    """Return whether a program printed an object of JSON, which botocore takes for granted."""
    try:
        return isinstance(json.loads(printed), dict)
    except (ValueError, RecursionError):
        return False


def _failure(what: str) -> CredentialRetrievalError:
    return CredentialRetrievalError(provider="custom-process", error_msg=what)
