"""The signals that a serving process answers to."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Self

_GRACE = 4.5
"""Seconds from the first signal to stop until the process ends, whatever is still under way."""


class Signals:
    """SIGTERM and SIGINT stop, a second one of them ends the process at once; SIGHUP is for reading anew."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._hangup = asyncio.Event()

    @classmethod
    def caught(cls) -> Self:
        """Return the signals of the process; from here on, none of them ends it by itself."""
        signals = cls()
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, signals._stop)
        loop.add_signal_handler(signal.SIGHUP, signals._hangup.set)
        return signals

    async def each_hangup(self, do: Callable[[], Awaitable[object]]) -> None:
        """Do something upon each SIGHUP, for ever; several that come meanwhile are one."""
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            await do()

    def _stop(self) -> None:
        self.stop.set()
        for number in _ENDING:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        # Python waits for its threads, and one that asks a name server which is silent cannot be told to end.
        deadline = threading.Timer(_GRACE, os._exit, [0])
        deadline.daemon = True
        deadline.start()


_ENDING = (signal.SIGTERM, signal.SIGINT)
