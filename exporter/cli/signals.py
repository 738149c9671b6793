"""The signals that a serving process handles."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from threading import Event
from typing import NoReturn, Self

from exporter.aws import kill_programs
from exporter.threads import start_one

_GRACE = 4.5
"""Seconds from the first signal to the end of the process, whatever is still running.

Docker kills after 10 seconds, and the shutdown of the server may take 4.
"""


class Signals:
    """SIGTERM and SIGINT stop, a second one ends the process at once; SIGHUP reloads."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._hangup = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._is_stopping = False
        self._is_ending = Event()

    @classmethod
    def caught(cls) -> Self:
        """Return the signals of the process, which from now on are handled instead of ending it."""
        signals = cls()
        # Started now, because later there may be no thread left, or the event loop may stand still. A daemon, because
        # otherwise Python would wait for it whenever the shutdown takes less time.
        start_one(signals._end, "deadline")
        for number in _ENDING:
            # Not the event loop's handlers, which do nothing while something blocks it.
            signal.signal(number, signals._stop)
        signals._loop.add_signal_handler(signal.SIGHUP, signals._hangup.set)
        return signals

    async def each_hangup(self, do: Callable[[], Awaitable[object]]) -> None:
        """Do something on each SIGHUP, forever; several that arrive while it runs count as one."""
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            await do()

    def _stop(self, number: int, _frame: object) -> None:
        if self._is_stopping:
            _end_at_once(number)
        self._is_stopping = True
        self._is_ending.set()
        self._loop.call_soon_threadsafe(self.stop.set)

    def _end(self) -> None:
        """End the process when its time is over: Python waits for its threads, and some cannot be canceled."""
        self._is_ending.wait()
        time.sleep(_GRACE)
        kill_programs()
        os._exit(0)


def _end_at_once(number: int) -> NoReturn:
    """End the process by a signal, as if nothing had handled it; but leave no program behind."""
    kill_programs()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # The first process of a container is still here: the kernel withholds the signal from it.
    os._exit(128 + number)


_ENDING = (signal.SIGTERM, signal.SIGINT)
