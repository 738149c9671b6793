"""The wiring: settings in, a running exporter out."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from exporter.aws import Clients, Credentials, Limiters, Reader, catalog_loader
from exporter.catalog import Catalog
from exporter.catalog.models import Models
from exporter.clock import Clock, SystemClock
from exporter.exposition import Exposition
from exporter.failures import Classifier
from exporter.inventory import Inventory
from exporter.poller import Context, Poller, roots
from exporter.settings import Settings
from exporter.telemetry import Telemetry
from exporter.web import Inside, Site, create_app, serve


@dataclass(frozen=True)
class Exporter:
    """A running exporter."""

    poller: Poller
    exposition: Exposition
    addresses: list[tuple[str, int]]
    """Host and port of each address that is listened on."""


class Parts(NamedTuple):
    """What an exporter is made of, before anything runs."""

    poller: Poller
    exposition: Exposition
    telemetry: Telemetry
    roots: list[Any]


@asynccontextmanager
async def assembled(
    settings: Settings,
    catalog: Catalog,
    region: str,
    *,
    credentials: Credentials | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Parts]:
    """Yield the parts of an exporter; closes every client in the end."""
    clock = clock or SystemClock()
    telemetry = Telemetry()
    exposition = Exposition(telemetry.registry, clock.time)
    loader = catalog_loader(catalog)
    limiters = Limiters(settings.aws, telemetry, clock)
    async with Clients(settings.aws, telemetry, limiters, loader, credentials) as clients:
        context = Context(
            settings=settings,
            reader=Reader(clients, Models(loader)),
            exposition=exposition,
            telemetry=telemetry,
            classifier=Classifier.built_in(settings.reasons),
            clock=clock,
        )
        yield Parts(Poller(context), exposition, telemetry, roots(context, catalog, region))


@asynccontextmanager
async def running(
    settings: Settings,
    catalog: Catalog,
    region: str,
    *,
    credentials: Credentials | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Exporter]:
    """Poll and serve until the block ends. Raises OSError where an address cannot be listened on."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(
            assembled(settings, catalog, region, credentials=credentials, clock=clock)
        )
        inventory = Inventory(lambda: parts.poller.sources, (clock or SystemClock()).time)
        inside = Inside(inventory, settings=lambda: settings, catalog=lambda: catalog)
        site = Site(
            exposition=parts.exposition,
            is_ready=parts.poller.ready.is_set,
            telemetry_path=settings.web.telemetry_path,
            inside=None if settings.web.disable_pages else inside,
        )
        addresses = await stack.enter_async_context(serve(create_app(site), settings.web.listen_address))
        await stack.enter_async_context(_background(parts.poller.run(parts.roots)))
        yield Exporter(parts.poller, parts.exposition, addresses)


def calm_collector() -> None:
    """Have Python look for garbage in cycles less often, and no more in what was imported: it stays.

    A listing makes thousands of objects and no cycle, yet by default a third of its time would go into the search.
    """
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@asynccontextmanager
async def _background(work: Any) -> AsyncIterator[None]:
    """Run a coroutine beside the block, and cancel it when the block ends."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
