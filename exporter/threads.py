"""Threads for calls that block, in pools by what such a call waits for: one that hangs holds up no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few threads for one sort of calls. The event loop's own are left to the lookup of names."""

    def __init__(self, name: str, most: int = 4) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a call returns in one of the threads, as soon as one is free."""
        work = partial(copy_context().run, call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


MODELS = Threads("models")
"""Reading botocore's models, and computing what they say."""

CONFIGURATION = Threads("configuration")
"""Reading the configuration again, and showing it."""

WEB_CONFIGURATION = Threads("web-configuration")
"""Reading the web configuration file and its certificates, which every request waits for."""

PASSWORDS = Threads("passwords", 1)
"""Comparing passwords with hashes, which is slow on purpose."""
