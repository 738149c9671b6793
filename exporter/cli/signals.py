"""The signals that a serving process handles."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Self

_GRACE = 4.5
"""Seconds from the first signal to the end of the process, whatever is still running.

Docker kills after 10 seconds, and the shutdown of the server may take 4.
"""


class Signals:
    """SIGTERM and SIGINT stop, a second one ends the process at once; SIGHUP reloads."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._hangup = asyncio.Event()

    @classmethod
    def caught(cls) -> Self:
        """Return the signals of the process, which from now on are handled instead of ending it."""
        signals = cls()
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, signals._stop)
        loop.add_signal_handler(signal.SIGHUP, signals._hangup.set)
        return signals

    async def each_hangup(self, do: Callable[[], Awaitable[object]]) -> None:
        """Do something on each SIGHUP, forever; several that arrive while it runs count as one."""
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            await do()

    def _stop(self) -> None:
        self.stop.set()
        for number in _ENDING:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        # Python waits for its threads at exit, and one that waits for a silent name server cannot be canceled.
        deadline = threading.Timer(_GRACE, os._exit, [0])
        # Otherwise Python would wait for this thread, too, whenever the shutdown takes less time.
        deadline.daemon = True
        deadline.start()


_ENDING = (signal.SIGTERM, signal.SIGINT)
