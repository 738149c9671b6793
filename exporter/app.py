"""The wiring: settings in, a running exporter out."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import structlog
from aiohttp.web import Application

from exporter.aws import Clients, Credentials, Endpoints, Limiters, Reader, catalog_loader
from exporter.catalog import Catalog
from exporter.catalog.models import Models
from exporter.clock import Clock, SystemClock
from exporter.exposition import Exposition
from exporter.failures import Classifier
from exporter.inventory import Inventory
from exporter.poller import Budget, Context, Poller, roots
from exporter.settings import ConfigurationError, Settings, Web
from exporter.telemetry import Telemetry, configure_logging
from exporter.web import Guard, Inside, Reload, Site, WebConfigFile, create_app, from_systemd, listen, serve

log = structlog.get_logger(__name__)

_NEEDS_RESTART = ("web", "shard")
"""Sections of the settings that count from the start to the end of the process."""


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


class Configuration(NamedTuple):
    """What to poll, and how."""

    settings: Settings
    catalog: Catalog
    """With the user's own kinds."""
    region: str
    """Where accounts are read that name none."""


Read = Callable[[], Configuration]
"""Reads the configuration from its places; raises ConfigurationError. Called in a thread."""


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
        self.clock = clock or SystemClock()
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
            Inventory(lambda: parts.poller.sources, parts.assembly.clock.time),
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
