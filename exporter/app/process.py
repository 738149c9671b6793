"""A running exporter: it polls, and it serves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from exporter.app.assembly import Configuration, Parts, assembled
from exporter.app.reload import Read, Reloader
from exporter.aws import Credentials
from exporter.catalog import Catalog
from exporter.clock import Clock
from exporter.exposition import Exposition
from exporter.poller import GroupReport, JobSource, Poller
from exporter.settings import Settings
from exporter.store import maintain
from exporter.store.inventory import Inventory, JobList, Sources
from exporter.web import Calls, Guard, Inside, Reload, Site, WebConfigFile, create_app, from_systemd, listen, serve

_MAINTENANCE = 60.0
"""Seconds between two writes of what changes with each poll. After a kill, the last ones are missing."""

_HOUR = 3600.0


@dataclass(frozen=True)
class Exporter:
    """A running exporter."""

    poller: Poller
    exposition: Exposition
    group_report: GroupReport
    addresses: list[tuple[str, int]]
    """Host and port of each address that it listens on."""
    reload: Reload
    guard: Guard | None
    """Enforces the web configuration file, if there is one."""

    @property
    def has_tls(self) -> bool:
        """Whether it is served over HTTPS."""
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
    """Poll and serve until the block ends; a reload takes what `read` returns, or changes nothing without it.

    Raises OSError if an address cannot be listened on, ConfigurationError if the web configuration file is wrong.
    """
    web = settings.web
    guard = Guard(WebConfigFile(web.config.file)) if web.config.file else None
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(
            assembled(settings, catalog, region, credentials=credentials, clock=clock, is_scraped=True)
        )
        reloader = Reloader(parts, read or (lambda: Configuration(settings, catalog, region)))
        application = create_app(
            Site(
                exposition=parts.exposition,
                is_ready=lambda: parts.poller.progress.is_ready,
                telemetry_path=web.telemetry_path,
                allowed_hosts=web.allowed_hosts,
                max_requests=web.max_requests,
                inside=None if web.disable_pages else _inside(parts),
                reload=reloader.reload if web.enable_lifecycle else None,
            )
        )
        if guard:
            guard.protect(application)
        # Before polling: if an address is in use, the program ends without a request to AWS.
        sockets = from_systemd() if web.systemd_socket else await listen(web.listen_address)
        addresses = await stack.enter_async_context(
            serve(application, sockets, guard.tls if guard else None, parts.telemetry)
        )
        # What the last polls have seen is written before the process ends.
        stack.push_async_callback(parts.event_log.finish)
        await stack.enter_async_context(background(parts.event_log.run()))
        # Entered last, so that polling stops first, while its clients are still open.
        polling = parts.poller.run([*parts.queues, *parts.roots])
        work = polling, parts.exposition.newborns.run(), parts.group_report.run(), _maintained(parts)
        await stack.enter_async_context(background(reloader.run(), *work))
        yield Exporter(parts.poller, parts.exposition, parts.group_report, addresses, reloader.reload, guard)


async def _maintained(parts: Parts) -> None:
    """Maintain the database, once a minute."""
    while True:
        # By real time: it is about what a kill would lose, and not about anything that a clock is turned for.
        await asyncio.sleep(_MAINTENANCE)
        if parts.poller.progress.is_ready:
            polled = {source.status.key for source in parts.poller.sources}
            await maintain(parts.database, polled, parts.clock.time(), parts.configuration.settings.poll.lookback)


def _inside(parts: Parts) -> Inside:
    """Return what the pages and the API show; functions, because all of it may change with a poll or a reload."""
    poller = parts.poller
    found = -1, Sources((), ())

    def sources() -> Sources:
        nonlocal found
        if found[0] != poller.changes:
            statuses = [source.status for source in poller.sources]
            lists = [source for source in poller.sources if isinstance(source, JobSource)]
            jobs = [JobList(each.status, each.kind, each.ledger, each.dimensions) for each in lists]
            found = poller.changes, Sources(statuses, jobs)
        return found[1]

    return Inside(
        Inventory(parts.database, sources, parts.clock.time),
        settings=lambda: parts.configuration.settings,
        catalog=lambda: parts.configuration.catalog,
        groups=lambda: parts.group_report.views,
        calls=lambda: Calls(parts.allowance.per_hour, poller.stretch.rate * _HOUR, poller.stretch.factor),
    )


def calm_collector() -> None:
    """Have Python's garbage collector run less often, and skip what was imported, which stays anyway.

    A listing creates thousands of objects and no cycle, but by default a third of its time is spent in the collector.
    """
    gc.freeze()
    # Few objects at a time, so that the event loop waits for milliseconds; all of them hardly ever.
    gc.set_threshold(5_000, 4, 1_000)


async def skip_sources(poller: Poller) -> None:
    """Have the collector skip what the first round of polls has made: with thousands of sources, it takes a second."""
    await poller.progress.complete.wait()
    gc.freeze()


@asynccontextmanager
async def background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines concurrently with the block, and cancel them when the block ends."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
