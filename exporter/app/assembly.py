"""The parts of an exporter, made from a configuration and put together before anything runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from exporter.aws import Clients, Credentials, Endpoints, Limiters, Reader, catalog_loader
from exporter.catalog import Catalog
from exporter.catalog.models import Models
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.poller import Budget, Context, Poller, roots
from exporter.reasons import Classifier
from exporter.settings import Settings, Web
from exporter.telemetry import Telemetry


class Configuration(NamedTuple):
    """What to poll, and how."""

    settings: Settings
    catalog: Catalog
    """With the user's own kinds."""
    region: str
    """Where accounts are read that name none."""


class Parts(NamedTuple):
    """What an exporter is made of, before anything runs."""

    assembly: Assembly
    poller: Poller
    exposition: Exposition
    telemetry: Telemetry
    roots: list[Any]


class _Connection(NamedTuple):
    """How AWS is reached under one configuration, and what it follows from."""

    needs: tuple[Any, ...]
    limiters: Limiters
    reader: Reader
    clients: AsyncExitStack


class Assembly:
    """Makes contexts from configurations: with one exposition and one telemetry, and the same clients if they fit."""

    def __init__(self, credentials: Credentials | None, clock: Clock | None, web: Web) -> None:
        self.clock = clock or Clock()
        self.telemetry = Telemetry(process=not web.disable_exporter_metrics)
        self.exposition = Exposition(self.telemetry.registry, self.clock.monotonic)
        self._budget = Budget()
        self._credentials = credentials
        self._connection: _Connection | None = None

    async def context(self, configuration: Configuration) -> Context:
        """Return the context of a configuration; where AWS is reached in another way now, `clients` are others."""
        settings = configuration.settings
        self._connection = await self._connected(settings, configuration.catalog)
        self._budget.limits = settings.limits
        return Context(
            settings=settings,
            reader=self._connection.reader,
            endpoints=Endpoints(self.clock, ask=settings.aws.endpoint_url is None),
            exposition=self.exposition,
            telemetry=self.telemetry,
            classifier=Classifier.built_in(settings.reasons),
            clock=self.clock,
            budget=self._budget,
        )

    @property
    def clients(self) -> AsyncExitStack:
        """What closes the clients of the latest context."""
        return self._connection.clients if self._connection else AsyncExitStack()

    async def _connected(self, settings: Settings, catalog: Catalog) -> _Connection:
        before = self._connection
        needs = (settings.aws, settings.accounts, settings.kinds, settings.limits, settings.poll.concurrency)
        if before and before.needs == needs:
            return before
        # What a service was slowed down to is AWS's doing, and holds for other roles and kinds, too.
        fit = before and before.needs[0] == settings.aws
        limiters = (
            before.limiters
            if before and fit
            else Limiters(settings.aws, self.telemetry, self.clock, settings.shard.count)
        )
        loader, stack = catalog_loader(catalog), AsyncExitStack()
        clients = await stack.enter_async_context(
            Clients(settings, self.telemetry, limiters, loader, self._credentials)
        )
        return _Connection(needs, limiters, Reader(clients, Models(loader), settings.limits), stack)


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
    assembly = Assembly(credentials, clock, settings.web)
    context = await assembly.context(Configuration(settings, catalog, region))
    assembly.telemetry.shard.labels(str(settings.shard.index or 0)).set(1)
    assembly.telemetry.shards.set(settings.shard.count)
    assembly.telemetry.reload_successful.set(1)
    assembly.telemetry.reload_time.set(assembly.clock.time())
    try:
        found = roots(context, catalog, region)
        yield Parts(assembly, Poller(context), assembly.exposition, assembly.telemetry, found)
    finally:
        await assembly.clients.aclose()
