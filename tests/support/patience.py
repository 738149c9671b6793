"""How long tests wait: a limit that ends what hangs, and implies nothing about speed."""

import asyncio
import inspect
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

_VARIABLE = "TESTS_SLOWNESS"
"""Passes the measurement on to the workers of pytest-xdist and to every other child."""

_TEXT = json.dumps([{"id": f"job-{number}", "times": [number * 0.1] * 10} for number in range(10_000)])
_REFERENCE = 0.2
"""Seconds that reading this text ten times takes on an otherwise idle machine of 2026."""


def _measured() -> float:
    """Return by what factor this machine is currently slower than that, at least 1.

    Objects by the thousand, as in an exporter: machines differ more in memory than in loops.
    """
    began = time.perf_counter()
    for _ in range(10):
        json.loads(_TEXT)
    return max(1.0, (time.perf_counter() - began) / _REFERENCE)


SLOWNESS = float(os.environ.get(_VARIABLE) or _measured())
"""How slow the machine was when the run started. It may become busy later, so limits are generous regardless."""
os.environ[_VARIABLE] = str(SLOWNESS)

PATIENCE = 120.0 * SLOWNESS
"""Seconds of real time after which a test gives up waiting."""

UNHURRIED: dict[str, dict[str, Any]] = {
    "aws": {"connect_timeout": f"{PATIENCE:.0f}s", "read_timeout": f"{PATIENCE:.0f}s", "quota_share": 1e12},
    "poll": {"timeout": f"{PATIENCE:.0f}s", "idle_interval": "1s"},
}
"""Settings of an exporter that gives up waiting no sooner than the test, and polls as often when nothing happens.

What AWS documents of its quotas does not hold for the simulator.
"""

UNHURRIED_FLAGS = tuple(
    f"--{section}.{key.replace('_', '-')}={value}" for section in UNHURRIED for key, value in UNHURRIED[section].items()
)
"""The same as flags."""


async def eventually(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until a condition holds that nothing signals."""
    async with asyncio.timeout(PATIENCE):
        while True:
            held = condition()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(_PAUSE)


_PAUSE = 0.01


def elapse(seconds: float) -> None:
    """Advance the running event loop by this many seconds at once, so that whatever it has to do by then is due."""
    loop = asyncio.get_running_loop()
    now = loop.time
    vars(loop)["time"] = lambda: now() + seconds


@asynccontextmanager
async def hurried(hanging: Callable[[], int], is_alone: Callable[[int], bool], seconds: float) -> AsyncIterator[None]:
    """Advance by this many seconds at once when one more call hangs and nothing but such calls is under way.

    `hanging` counts the calls so far; `is_alone` says whether a number of them is all that anything waits for.
    """

    async def hurry() -> None:
        passed = 0
        while True:
            if (now := hanging()) > passed and is_alone(now - passed):
                passed = now
                elapse(seconds)
            await asyncio.sleep(_PAUSE)

    task = asyncio.create_task(hurry())
    try:
        yield
    finally:
        task.cancel()
