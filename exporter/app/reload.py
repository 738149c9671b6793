"""Another configuration while the exporter runs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import structlog

from exporter.app.assembly import Configuration, Parts
from exporter.settings import ConfigurationError, Settings
from exporter.telemetry import configure_logging
from exporter.threads import CONFIGURATION

log = structlog.get_logger(__name__)

_NEEDS_RESTART = ("web", "shard", "storage")
"""Sections of the settings that are fixed while the process runs."""

Read = Callable[[], Configuration]
"""Reads the configuration from its sources, in a thread; raises ConfigurationError."""


class Reloader:
    """Puts a new configuration into effect while the exporter runs; concurrent attempts wait for each other."""

    def __init__(self, parts: Parts, read: Read) -> None:
        self._parts = parts
        self._read = read
        self._lock = asyncio.Lock()
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Close the clients of earlier configurations once no poll needs them; those that are left when cancelled."""
        async with self._group:
            await asyncio.Event().wait()

    async def reload(self) -> Sequence[str]:
        """Read the configuration and put it into effect; return its problems, in which case nothing has changed."""
        async with self._lock:
            problems: Sequence[str] = ()
            try:
                # In a thread, because it reads files and checks them against botocore's models.
                await self._apply(await CONFIGURATION.run(self._read))
            except ConfigurationError as error:
                problems = error.problems
            except Exception:
                log.exception("A reload failed because of a bug")
                problems = ("internal error: see the log",)
            telemetry = self._parts.telemetry
            telemetry.reload_successful.set(not problems)
            if not problems:
                telemetry.reload_time.set(self._parts.clock.time())
                log.info("Completed loading of configuration")
            for problem in problems:
                log.error("Error reloading configuration: the previous one stays in effect", err=problem)
            return problems

    async def _apply(self, new: Configuration) -> None:
        before = self._parts.configuration.settings
        if changed := list(_changed(before, new.settings)):
            log.warning("These settings take effect only after a restart", keys=", ".join(changed))
        kept = {name: getattr(before, name) for name in _NEEDS_RESTART}
        settings = new.settings.model_copy(update=kept)
        if settings.log != before.log:
            configure_logging(settings.log.level, settings.log.format)
        if replaced := await self._parts.switch(new._replace(settings=settings)):
            self._group.create_task(self._close(replaced))

    async def _close(self, clients: AsyncExitStack) -> None:
        """Close clients once the polls that may use them are over."""
        async with clients:
            await self._parts.poller.polls_over()
        # botocore's clients consist of cycles, and a collector that is calmed hardly ever comes to them. It holds the
        # loop for a moment, but each reload would leave several megabytes behind.
        gc.collect()


def _changed(before: Settings, after: Settings) -> Iterator[str]:
    """Yield the keys that need a restart and have changed."""
    for name in _NEEDS_RESTART:
        old, new = getattr(before, name), getattr(after, name)
        yield from (f"{name}.{key}" for key in type(old).model_fields if getattr(old, key) != getattr(new, key))
