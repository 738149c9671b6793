"""The source of hints: a queue of events, each of which names a list of jobs that has changed.

An event only says where to look. What counts is what AWS lists, so that one that is lost, late, doubled or forged
changes nothing but when a list is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import structlog

from exporter.aws import LONGEST_WAIT, Messages, Place, PollRun
from exporter.catalog import Catalog, Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Restored, Source
from exporter.poller.events import Event, by_event
from exporter.poller.hints import HintResult
from exporter.poller.sharding import QUEUE, owns
from exporter.settings import EventQueue
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

log = structlog.get_logger(__name__)

_INTERVAL = 18.0
"""Seconds between two polls: fewer than one waits for messages, so that the next one follows at once."""

_SOON = 1.0
"""Seconds from the first poll, which waits for nothing, to the second."""


class Watched(Protocol):
    """The sources that hints are about: the poller."""

    def hint(self, key: SourceKey, happened: float) -> HintResult:
        """Have a source polled soon because of an event."""

    def discover(self, key: SourceKey) -> None:
        """Have a discovery look again, unless it just did."""

    def children(self, key: SourceKey) -> Iterable[SourceKey]:
        """Return the sources that a source has found."""


class QueueSource:
    """Takes events from a queue and passes each on as a hint; deletes them all, whatever they are."""

    def __init__(
        self, context: Context, catalog: Catalog, queue: EventQueue, default_region: str, watched: Watched
    ) -> None:
        region = queue.region or default_region
        self.status = SourceStatus(SourceKey(queue.account_id, region, *QUEUE, queue.name), _INTERVAL)
        self.queue = queue
        self.messages = Messages(context.reader.clients, Place(queue.account, region), queue.sqs_queue_url)
        self._context = context
        self._watched = watched
        self._kinds = by_event(catalog.kinds())
        for selection in context.settings.selections(catalog):
            if any(kind.events for kind in selection.kinds):
                for result in (HintResult.NOTED, HintResult.LATE, HintResult.UNWATCHED):
                    context.telemetry.hints.labels(selection.service.service, result)
        for result in (HintResult.UNKNOWN, HintResult.UNREADABLE):
            context.telemetry.hints.labels("", result)

    async def poll(self, poll: PollRun) -> None:
        """Wait for events, and take them until no more come; the first time, take only those that are there."""
        status, clock = self.status, self._context.clock
        # Whether the exporter is ready must not wait for an event.
        is_first = not status.attempts
        status.interval, wait = (_SOON, 0) if is_first else (status.usual_interval, LONGEST_WAIT)
        # It waits for events, and is not late.
        status.next_poll = None
        until = clock.monotonic() + LONGEST_WAIT
        # Whoever polls AWS gets the slot meanwhile, and no time limit but that of each request applies.
        async with poll.waiting():
            while messages := await self.messages.receive(poll, wait):
                for result in await in_turns(self._taken(message.body) for message in messages):
                    self._context.telemetry.hints.labels(*result).inc()
                await self.messages.delete(poll, messages)
                if clock.monotonic() >= until:
                    return

    async def restore(self) -> Restored | None:
        """Find nothing: no event is kept."""
        return None

    def children(self) -> Iterable[Source]:
        """Return nothing: what an event names, others have found."""
        return ()

    def adopt(self, before: Source) -> bool:
        """Begin at once where the queue is read with other credentials."""
        return not isinstance(before, QueueSource) or before.queue != self.queue

    def withdraw(self) -> None:
        """Do nothing: it publishes no jobs."""

    def _taken(self, message: str) -> tuple[str, HintResult]:
        """Pass a message on as a hint; return the service that it is about, and what became of it."""
        try:
            return self._followed(Event.read(message))
        except ValueError as error:
            log.debug("a message that is no event", queue=self.queue.name, err=str(error))
        except Exception:
            # Or the message would come again and again.
            log.exception("an event could not be followed: this is a bug", queue=self.queue.name)
        return "", HintResult.UNREADABLE

    def _followed(self, event: Event) -> tuple[str, HintResult]:
        """Return the service that an event is about, and what became of it."""
        kinds = self._kinds.get((event.source, event.detail_type), ())
        if not kinds:
            return "", HintResult.UNKNOWN
        results = {self._hint(event, kind) for kind in kinds}
        return kinds[0].service, next(result for result in HintResult if result in results)

    def _hint(self, event: Event, kind: Kind) -> HintResult:
        """Have the lists of a kind polled that an event is about."""
        key = SourceKey(event.account_id, event.region, kind.service, kind.key, event.scope_of(kind))
        results = {self._watched.hint(each, event.time) for each in self._lists(key, kind)}
        result = next((result for result in HintResult if result in results), HintResult.UNWATCHED)
        if result is HintResult.UNWATCHED and kind.scopes and owns(self._context.settings.shard, key):
            # It may be the first job in a new scope.
            self._watched.discover(key._replace(kind=kind.outer_scope, scope=""))
        return result

    def _lists(self, key: SourceKey, kind: Kind) -> Iterable[SourceKey]:
        """Return the list that a key names or, if it names no scope, those in all scopes."""
        if key.scope or not kind.scopes:
            return (key,)
        settings = self._context.settings.services.get(kind.service)
        named = settings.named(kind.outer_scope) if settings else None
        if named is not None:
            return [key._replace(scope=scope) for scope in named]
        found = self._watched.children(key._replace(kind=kind.outer_scope))
        return [child for child in found if child.kind == kind.key]


class QueueProbe(QueueSource):
    """Tries whether a queue can be read, and leaves its messages to the exporter that runs."""

    async def poll(self, poll: PollRun) -> None:
        """Try what reading takes."""
        await self.messages.probe(poll)


def queues(
    context: Context, catalog: Catalog, default_region: str, watched: Watched, sort: type[QueueSource] = QueueSource
) -> list[Source]:
    """Return the sources of the queues that are configured."""
    settings = context.settings
    of_shard = [queue.of_shard(settings.shard.index or 0) for queue in settings.events]
    return [sort(context, catalog, queue, default_region, watched) for queue in of_shard]
