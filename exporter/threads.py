"""Threads for calls that block, in pools by what such a call waits for: one that hangs holds up no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Event, Thread
from typing import ParamSpec, TypeVar

_NAMES = 4
"""Threads that look up names for the event loop."""

P = ParamSpec("P")
T = TypeVar("T")


class NoThreadError(Exception):
    """The system allows no further thread."""

    def __init__(self) -> None:
        super().__init__(
            "cannot start a thread: the limit on processes of the user (ulimit -u) or on those of the container "
            "(pids.max of its cgroup) is reached; the exporter needs about 20"
        )


class Threads:
    """A few threads for one sort of calls. The event loop's own are left to the lookup of names."""

    def __init__(self, name: str, most: int = 4) -> None:
        self._most = most
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)

    def begin(self) -> None:
        """Start all threads, so that none is lacking later; raises NoThreadError."""
        start(self._executor, self._most)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a call returns in one of the threads, as soon as one is free."""
        work = partial(copy_context().run, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


MODELS = Threads("models", 2)
"""Reading botocore's models, and computing what they say."""

CONFIGURATION = Threads("configuration", 2)
"""Reading the configuration again, and showing it."""

WEB_CONFIGURATION = Threads("web-configuration")
"""Reading the web configuration file and its certificates, which every request waits for."""

PASSWORDS = Threads("passwords", 1)
"""Comparing passwords with hashes, which is slow on purpose."""

EVENT_LOG = Threads("event-log", 1)
"""Writing to a file or a pipe, which may be full, slow or gone."""


def begin() -> None:
    """Start the threads of all pools, and those of the running event loop; raises NoThreadError."""
    for threads in (MODELS, CONFIGURATION, WEB_CONFIGURATION, PASSWORDS, EVENT_LOG):
        threads.begin()
    names = ThreadPoolExecutor(_NAMES, thread_name_prefix="names")
    start(names, _NAMES)
    # Last, because asyncio starts one more thread to end these.
    asyncio.get_running_loop().set_default_executor(names)


def start(executor: ThreadPoolExecutor, number: int) -> None:
    """Start so many threads of an executor, which by itself starts each when it is needed; raises NoThreadError."""
    enough = Event()
    try:
        for _ in range(number):
            executor.submit(enough.wait)
    except RuntimeError:
        raise NoThreadError from None
    finally:
        enough.set()


def start_one(work: Callable[[], None], name: str) -> Thread:
    """Start a thread that does not keep the process from ending; raises NoThreadError."""
    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise NoThreadError from None
    return thread
