"""A running exporter: it polls, and it serves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp.web import Application

from exporter.app.assembly import Configuration, assembled
from exporter.app.reload import Read, Reloader
from exporter.aws import Credentials
from exporter.catalog import Catalog
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.poller import JobSource, Poller
from exporter.settings import Settings, Web
from exporter.store.search import Inventory, JobList
from exporter.telemetry import Telemetry
from exporter.web import Guard, Inside, Reload, Site, WebConfigFile, create_app, from_systemd, listen, serve


@dataclass(frozen=True)
class Exporter:
    """A running exporter."""

    poller: Poller
    exposition: Exposition
    addresses: list[tuple[str, int]]
    """Host and port of each address that is listened on."""
    reload: Reload
    guard: Guard | None
    """What the web configuration file asks for, if there is one."""

    @property
    def has_tls(self) -> bool:
        """Whether it is served by HTTPS."""
        return self.guard is not None and self.guard.has_tls


@asynccontextmanager
async def running(
    settings: Settings,
    catalog: Catalog,
    region: str,
    *,
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    read: Read | None = None,
) -> AsyncIterator[Exporter]:
    """Poll and serve until the block ends; `read` gives the configuration at a reload, which changes nothing without.

    Raises OSError where an address cannot be listened on, ConfigurationError where the web configuration file is wrong.
    """
    configuration = Configuration(settings, catalog, region)
    guard = Guard(WebConfigFile(settings.web.config.file)) if settings.web.config.file else None
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(
            assembled(settings, catalog, region, credentials=credentials, clock=clock)
        )
        reloader = Reloader(parts, configuration, read or (lambda: configuration))
        inside = Inside(
            Inventory(
                statuses=lambda: [source.status for source in parts.poller.sources],
                lists=lambda: [
                    JobList(source.status, source.kind, source.ledger)
                    for source in parts.poller.sources
                    if isinstance(source, JobSource)
                ],
                now=parts.assembly.clock.time,
            ),
            settings=lambda: reloader.configuration.settings,
            catalog=lambda: reloader.configuration.catalog,
        )
        site = Site(
            exposition=parts.exposition,
            is_ready=parts.poller.ready.is_set,
            telemetry_path=settings.web.telemetry_path,
            max_requests=settings.web.max_requests,
            inside=None if settings.web.disable_pages else inside,
            reload=reloader.reload if settings.web.enable_lifecycle else None,
        )
        addresses = await stack.enter_async_context(_served(create_app(site), settings.web, guard, parts.telemetry))
        await stack.enter_async_context(background(reloader.run(), parts.poller.run(parts.roots)))
        yield Exporter(parts.poller, parts.exposition, addresses, reloader.reload, guard)


@asynccontextmanager
async def _served(
    application: Application, web: Web, guard: Guard | None, telemetry: Telemetry
) -> AsyncIterator[list[tuple[str, int]]]:
    """Serve an application as the settings say."""
    if guard:
        guard.protect(application)
    sockets = from_systemd() if web.systemd_socket else await listen(web.listen_address)
    async with serve(application, sockets, guard.tls if guard else None, telemetry) as addresses:
        yield addresses


def calm_collector() -> None:
    """Have Python look for garbage in cycles less often, and no more in what was imported: it stays.

    A listing makes thousands of objects and no cycle, yet by default a third of its time would go into the search.
    """
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block, and cancel them when the block ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
