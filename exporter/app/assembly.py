"""The parts of an exporter, made from a configuration before anything runs."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from exporter.aws import Allowance, Clients, Credentials, Endpoints, Limiters, Reader, Tape, catalog_loader
from exporter.catalog import Catalog
from exporter.catalog.models import Models
from exporter.clock import Clock
from exporter.event_log import Configured, EventLog
from exporter.exposition import Exposition
from exporter.jobs import SourceKey
from exporter.poller import Budget, Context, GroupReport, Groups, Poller, QueueProbe, Source, Tagging, queues, roots
from exporter.reasons import Classifier
from exporter.settings import ConfigurationError, Rates, Settings
from exporter.store import Database, StorageError
from exporter.telemetry import Telemetry
from exporter.telemetry.late_counter import Show


class Configuration(NamedTuple):
    """What to poll, and how."""

    settings: Settings
    catalog: Catalog
    """Includes the user's own kinds."""
    region: str
    """Where an account is read if it names no region."""


class _Connection(NamedTuple):
    """How AWS is reached under one configuration."""

    sections: tuple[Any, ...]
    """The settings that it depends on."""
    limiters: Limiters
    reader: Reader
    clients: AsyncExitStack
    """Closes the clients."""


class Parts:
    """The parts of an exporter, and the configuration in effect. A reload keeps all parts but the connection to AWS."""

    def __init__(
        self, configuration: Configuration, credentials: Credentials | None, clock: Clock | None, *, is_scraped: bool
    ) -> None:
        settings = configuration.settings
        self._is_scraped = is_scraped
        self.configuration = configuration
        self.clock = clock or Clock()
        self.telemetry = Telemetry(
            process=not settings.web.disable_exporter_metrics, announce=self._announce if is_scraped else None
        )
        self.telemetry.shard.labels(str(settings.shard.index or 0)).set(1)
        self.telemetry.shards.set(settings.shard.count)
        self.telemetry.reload_successful.set(1)
        self.telemetry.reload_time.set(self.clock.time())
        self.exposition = Exposition(self.telemetry.registry, self.clock.monotonic)
        self._budget = Budget()
        self.allowance = Allowance(self.clock)
        self.telemetry.calls_per_hour_limit.set_function(
            lambda: self.allowance.per_hour if self.allowance.is_limited else 0
        )
        self.database = _database(settings)
        self.telemetry.storage_failed.set_function(lambda: self.database.has_failed)
        self.telemetry.storage_size.set_function(lambda: self.database.size)
        self.event_log = EventLog(self.database, self.telemetry, self._configured)
        self.telemetry.event_log_waiting.set_function(lambda: self.event_log.waiting)
        if is_scraped:
            self.event_log.choose(settings.log.events)
        self._credentials = credentials
        self._connection = self._connect(None)
        context = self._context()
        self.poller = Poller(context)
        self.group_report = GroupReport(context, lambda: self.poller.sources)
        self.roots = roots(context, configuration.catalog, configuration.region)
        """The sources below which all jobs are."""
        self.queues = queues(context, configuration.catalog, configuration.region, self.poller)
        """The sources of hints, which only an exporter that runs for long has a use for."""

    async def switch(self, configuration: Configuration) -> AsyncExitStack | None:
        """Put another configuration into effect; return what closes the clients that it replaces, if it does.

        Polls under way may still use those clients.
        """
        before, self.configuration = self._connection, configuration
        self._connection = self._connect(before)
        self.event_log.choose(configuration.settings.log.events)
        context = self._context()
        self.roots = roots(context, configuration.catalog, configuration.region)
        self.queues = queues(context, configuration.catalog, configuration.region, self.poller)
        self.group_report.use(context)
        await self.poller.replace(context, [*self.queues, *self.roots])
        return None if self._connection is before else before.clients

    def probes(self) -> list[Source]:
        """Return sources that try whether the queues can be read, and take nothing from them."""
        configuration = self.configuration
        return queues(self._context(), configuration.catalog, configuration.region, self.poller, QueueProbe)

    def taped(self) -> Tape:
        """Return a tape of all requests to AWS from now on; to be asked for before the first one."""
        return self._connection.reader.clients.taped()

    async def aclose(self) -> None:
        """Close all clients, and the database."""
        await self._connection.clients.aclose()
        self.database.close()

    def _configured(self, key: SourceKey, group: str | None) -> Configured:
        catalog, settings = self.configuration.catalog, self.configuration.settings.services.get(key.aws_service)
        kind = catalog[key.aws_service].kinds.get(key.kind) if key.aws_service in catalog else None
        labels = settings.labels_of(kind) if settings and kind else ()
        return Configured(kind, labels, self.group_report.labels(group))

    def _announce(self, counter: Hashable, show: Show) -> None:
        self.exposition.newborns.publish(counter, show)

    def _context(self) -> Context:
        settings = self.configuration.settings
        self.telemetry.configure(is_detailed=settings.metrics.exporter_details, takes=settings.metrics.families.takes)
        self._budget.limits = settings.limits
        self.allowance.allow((settings.aws.calls_per_hour or math.inf) / settings.shard.count)
        return Context(
            settings=settings,
            reader=self._connection.reader,
            allowance=self.allowance,
            endpoints=Endpoints(self.clock, ask=settings.aws.endpoint_url is None),
            exposition=self.exposition,
            telemetry=self.telemetry,
            classifier=Classifier.built_in(settings.reasons),
            clock=self.clock,
            budget=self._budget,
            database=self.database,
            groups=Groups(settings, self.database.groups),
            tagging=Tagging(self._connection.reader, self.telemetry, self.clock, settings.poll),
            is_scraped=self._is_scraped,
        )

    def _connect(self, before: _Connection | None) -> _Connection:
        """Return `before` if the configuration changes nothing about it, else a new connection."""
        settings = self.configuration.settings
        # What clients are made from: identities belong to accounts, models are cut to the kinds, the reader knows the
        # limits, and `poll.concurrency` is the size of each pool of connections.
        own = {name: (each.requests_per_second, each.burst) for name, each in settings.services.items() if each}
        rates = (settings.aws, {name: rate for name, rate in own.items() if any(rate)})
        reading = (settings.limits, settings.poll.usage_details)
        sections = (rates, settings.accounts, settings.kinds, reading, settings.poll.concurrency)
        if before and before.sections == sections:
            return before
        if before and before.sections[0] == rates:
            # AWS has slowed down a service for everyone, so that holds under other accounts and kinds as well.
            limiters = before.limiters
        else:
            limits = Rates(settings, self.configuration.catalog)
            limiters = Limiters(limits, self.telemetry, self.clock, self.allowance)
        loader, stack = catalog_loader(self.configuration.catalog), AsyncExitStack()
        clients = Clients(settings, self.telemetry, limiters, loader, self._credentials)
        # Clients are made when they are first needed, so there is nothing to enter here, only something to close later.
        stack.push_async_exit(clients)
        return _Connection(sections, limiters, Reader(clients, Models(loader), *reading), stack)


def _database(settings: Settings) -> Database:
    """Open the database; raises ConfigurationError if its directory cannot be used."""
    if settings.storage.path is None:
        return Database.memory()
    try:
        return Database.stored(settings.storage.path)
    except StorageError as error:
        raise ConfigurationError([f"storage.path: {error}"]) from None


@asynccontextmanager
async def assembled(
    settings: Settings,
    catalog: Catalog,
    region: str,
    *,
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    is_scraped: bool = False,
) -> AsyncIterator[Parts]:
    """Yield the parts of an exporter, and close every client and the database in the end.

    If it is scraped, new counters are 0 until that was read. Raises ConfigurationError if the storage cannot be used.
    """
    parts = Parts(Configuration(settings, catalog, region), credentials, clock, is_scraped=is_scraped)
    try:
        parts.database.begin()
        yield parts
    finally:
        await parts.aclose()
