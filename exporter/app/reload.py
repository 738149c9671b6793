"""Another configuration while the exporter runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack

import structlog

from exporter.app.assembly import Configuration, Parts
from exporter.poller import roots
from exporter.settings import ConfigurationError, Settings
from exporter.telemetry import configure_logging

log = structlog.get_logger(__name__)

_NEEDS_RESTART = ("web", "shard")
"""Sections of the settings that count from the start to the end of the process."""

Read = Callable[[], Configuration]
"""Reads the configuration from its places; raises ConfigurationError. Called in a thread."""


class Reloader:
    """Puts a new configuration into effect while the exporter runs; two attempts at once come one after the other."""

    def __init__(self, parts: Parts, configuration: Configuration, read: Read) -> None:
        self._assembly = parts.assembly
        self._poller = parts.poller
        self._telemetry = parts.telemetry
        self.configuration = configuration
        """What is in effect."""
        self._read = read
        self._turn = asyncio.Lock()
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Close what earlier configurations leave behind, as soon as nobody needs it; at the latest when cancelled."""
        async with self._group:
            await asyncio.Event().wait()

    async def reload(self) -> Sequence[str]:
        """Read the configuration and go on with it; return what is wrong with it, then nothing has changed."""
        async with self._turn:
            problems = await self._problems()
            self._telemetry.reload_successful.set(not problems)
            if not problems:
                self._telemetry.reload_time.set(self._assembly.clock.time())
                log.info("Completed loading of configuration")
            for problem in problems:
                log.error("Error reloading configuration: the one before stays in effect", err=problem)
            return problems

    async def _problems(self) -> Sequence[str]:
        try:
            # Not on the event loop: it reads files and checks them against botocore's models.
            await self._apply(await asyncio.to_thread(self._read))
        except ConfigurationError as error:
            return error.problems
        except Exception:
            log.exception("a reload failed for a reason that is a bug")
            return ("internal error: see the log",)
        return ()

    async def _apply(self, new: Configuration) -> None:
        before, clients = self.configuration.settings, self._assembly.clients
        kept = {name: getattr(before, name) for name in _NEEDS_RESTART}
        if changed := list(_changed(before, new.settings)):
            log.warning("These settings need a restart; they stay as they were", keys=", ".join(changed))
        self.configuration = new = new._replace(settings=new.settings.model_copy(update=kept))
        if new.settings.log != before.log:
            configure_logging(new.settings.log.level, new.settings.log.format)
        context = await self._assembly.context(new)
        self._poller.replace(context, roots(context, new.catalog, new.region))
        if self._assembly.clients is not clients:
            self._group.create_task(self._retire(clients))

    async def _retire(self, clients: AsyncExitStack) -> None:
        """Close clients when no poll needs them any more."""
        async with clients:
            await self._poller.polls_over()


def _changed(before: Settings, after: Settings) -> Iterator[str]:
    """Yield the keys that need a restart and are not as they were."""
    for name in _NEEDS_RESTART:
        old, new = getattr(before, name), getattr(after, name)
        yield from (f"{name}.{key}" for key in type(old).model_fields if getattr(old, key) != getattr(new, key))
