"""What is polled: accounts and containers, which lead to further sources, and lists of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from exporter.aws import Place, PollErrorReason, Reader, Scoped, poll_error
from exporter.catalog import Catalog, Kind
from exporter.clock import Clock
from exporter.collector import JOB_FAMILIES, job_views
from exporter.exposition import Exposition
from exporter.failures import Classifier
from exporter.families import metrics
from exporter.jobs import Job, SourceKey, State
from exporter.ledger import Ledger
from exporter.poller.dimensions import FewValues
from exporter.settings import Selection, ServiceSettings, Settings
from exporter.telemetry import SourceStatus, Telemetry

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """What every source works with."""

    settings: Settings
    reader: Reader
    exposition: Exposition
    telemetry: Telemetry
    classifier: Classifier
    clock: Clock


class Source(Protocol):
    """Something that is polled again and again."""

    status: SourceStatus

    async def poll(self) -> Iterable[Source]:
        """Read it once and return the sources that it leads to; raises what went wrong, then nothing has changed."""

    def forget(self) -> None:
        """Take away what it published."""


class AccountSource:
    """Finds out which account the credentials belong to, then leads to all that is configured for it."""

    def __init__(self, context: Context, catalog: Catalog, place: Place) -> None:
        key = SourceKey(place.account.account_id, place.region, "sts", "account", "")
        self.status = SourceStatus(key, context.settings.poll.discovery_interval)
        self._context = context
        self._place = place
        self._selections = context.settings.selections(catalog)

    async def poll(self) -> Iterable[Source]:
        """Ask STS, unless the role that is used tells the account."""
        account_id = self._place.account.account_id or await self._context.reader.account_id(self._place)
        return [source for selection in self._selections for source in self._sources(account_id, selection)]

    def forget(self) -> None:
        """Nothing is published."""

    def _sources(self, account_id: str, selection: Selection) -> Iterable[Source]:
        """Yield a source for each kind without a container, and one for each sort of container."""
        by_scope: dict[str, list[Kind]] = {}
        for kind in selection.kinds:
            by_scope.setdefault(kind.outer_scope, []).append(kind)
        for scope, kinds in by_scope.items():
            account = Scoped({"account_id": account_id})
            source = ScopeSource(self._context, self._place, account, selection, kinds)
            if not scope:
                yield from source.children(account)
            elif (ids := selection.settings.named(scope)) is not None:
                for identifier in dict.fromkeys(ids):
                    yield from source.children(Scoped({**account.ids, scope: identifier}, identifier))
            else:
                yield source


class ScopeSource:
    """Discovers the containers of one sort, then leads to the jobs in each."""

    def __init__(
        self, context: Context, place: Place, account: Scoped, selection: Selection, kinds: Sequence[Kind]
    ) -> None:
        self._context = context
        self._place = place
        self._service = selection.service
        self._scope = kinds[0].outer_scope
        self._kinds = kinds
        self._settings = selection.settings
        self._account = account
        key = SourceKey(account.ids["account_id"], place.region, self._service.service, self._scope, "")
        self.status = SourceStatus(key, context.settings.poll.discovery_interval)

    async def poll(self) -> Iterable[Source]:
        """List the containers."""
        scope = self._service.scopes[self._scope]
        found = await self._context.reader.scopes(self._place, self._service.service, self._scope, scope, self._account)
        patterns = self._settings.patterns(self._scope)
        taken = (scoped for scoped in found if patterns.takes(scoped.name, scoped.ids[self._scope]))
        return [source for scoped in taken for source in self.children(scoped)]

    def forget(self) -> None:
        """Nothing is published."""

    def children(self, scoped: Scoped) -> Iterable[Source]:
        """Yield a source for each kind in one container."""
        for kind in self._kinds:
            key = self.status.key._replace(kind=kind.key, scope=scoped.ids.get(kind.outer_scope, ""))
            yield JobSource(self._context, self._place, key, kind, scoped, self._settings)


class JobSource:
    """One list of jobs, or one for each of the inner containers."""

    def __init__(
        self, context: Context, place: Place, key: SourceKey, kind: Kind, scope: Scoped, settings: ServiceSettings
    ) -> None:
        interval = settings.interval or context.settings.poll.interval
        self.status = SourceStatus(key, interval, kind.outer_scope, scope.name)
        self.kind = kind
        self.ledger = Ledger(context.settings.poll.lookback, self._classify)
        self._context = context
        self._place = place
        self._inner = _InnerScopes(context, place, kind, scope, settings)
        self._dimensions = tuple(name for name in settings.dimensions if name in kind.dimensions)
        self._few = FewValues(context.settings.limits.dimension_values)
        self._unknown: set[str] = set()
        context.telemetry.unknown_statuses.labels(*self._labels)
        for reason in PollErrorReason if kind.details else ():
            context.telemetry.detail_errors.labels(*self._labels, reason)

    async def poll(self) -> Iterable[Source]:
        """Read the whole list, ask why jobs failed, and publish."""
        jobs = await self._read()
        now = self._context.clock.time()
        self._note_unknown(jobs)
        self.ledger.take(jobs, now)
        await self._explain(now)
        await self._publish(now)
        return ()

    def forget(self) -> None:
        """Take the source's job metrics away."""
        self._context.exposition.withdraw(("jobs", self.status.key))

    async def _read(self) -> list[Job]:
        jobs: list[Job] = []
        for scoped in await self._inner.all():
            try:
                jobs += await self._context.reader.jobs(self._place, self.kind, scoped, self._dimensions)
            except Exception as error:
                # An inner container that was deleted since it was discovered is no failure of the outer one.
                if len(self.kind.scopes) <= 1 or poll_error(error).reason is not PollErrorReason.NOT_FOUND:
                    raise
                self._inner.outdated()
        return [replace(job, dimensions=self._few(job.dimensions)) for job in jobs] if self._dimensions else jobs

    async def _explain(self, now: float) -> None:
        """Ask AWS for the reasons of failed jobs, as many as the budget allows."""
        for job in self.ledger.unexplained(now)[: self._context.settings.poll.details_budget]:
            try:
                self.ledger.explain(await self._context.reader.explained(self._place, self.kind, job))
            except Exception as error:  # noqa: BLE001 - the list was read whole: a missing reason may not spoil it
                failure = poll_error(error)
                self._context.telemetry.detail_errors.labels(*self._labels, failure.reason).inc()
                log.debug("a failed job's reason could not be read", job=job.id, err=str(failure))
                if failure.reason in _NO_ANSWER_EVER:
                    self.ledger.explain(job)

    async def _publish(self, now: float) -> None:
        self.status.jobs = len(self.ledger)
        self.status.details_pending = len(self.ledger.unexplained(now))
        settings = self._context.settings
        views = job_views(self.kind, self.ledger, settings.metrics, now)
        none = ("",) * len(self._dimensions)
        labelled = [((*self.status.key, *(view.dimensions or none)), view) for view in views]
        families = metrics(JOB_FAMILIES, (*SourceKey._fields, *self._dimensions), labelled)
        expires = now + settings.stale_after(self.status.interval)
        await self._context.exposition.publish_in_turns(("jobs", self.status.key), families, expires)

    def _classify(self, job: Job) -> str:
        return self._context.classifier.classify(
            job.message, status=job.status, code=job.code, service=self.kind.service
        ).reason

    def _note_unknown(self, jobs: Iterable[Job]) -> None:
        """Count jobs with a status that the catalog does not know, and log each such status once."""
        unknown = [job.status for job in jobs if job.state is State.UNKNOWN]
        self._context.telemetry.unknown_statuses.labels(*self._labels).inc(len(unknown))
        for status in sorted(set(unknown) - self._unknown):
            log.warning("status unknown to the catalog", **self.status.key._asdict(), status=status)
        self._unknown.update(unknown)

    @property
    def _labels(self) -> tuple[str, str]:
        return self.status.key.aws_service, self.status.key.kind


_NO_ANSWER_EVER = {PollErrorReason.ACCESS_DENIED, PollErrorReason.NOT_FOUND, PollErrorReason.INVALID_REQUEST}
"""Errors upon which a job's reason is not asked for again."""


class _InnerScopes:
    """The innermost containers of a source, discovered anew at the discovery interval."""

    def __init__(self, context: Context, place: Place, kind: Kind, outer: Scoped, settings: ServiceSettings) -> None:
        self._context = context
        self._place = place
        self._kind = kind
        self._outer = outer
        self._settings = settings
        self._found: list[Scoped] = []
        self._due = 0.0

    async def all(self) -> list[Scoped]:
        """Return the containers that the kind is listed in; the outermost itself where there are no others."""
        if len(self._kind.scopes) <= 1:
            return [self._outer]
        now = self._context.clock.monotonic()
        if now >= self._due:
            self._found = await self._discover()
            self._due = now + self._context.settings.poll.discovery_interval
        return self._found

    def outdated(self) -> None:
        """Discover anew at the next poll."""
        self._due = 0.0

    async def _discover(self) -> list[Scoped]:
        level = [self._outer]
        for name, scope in self._kind.scopes[1:]:
            patterns, reader = self._settings.patterns(name), self._context.reader
            found = [await reader.scopes(self._place, self._kind.service, name, scope, outer) for outer in level]
            level = [inner for inners in found for inner in inners if patterns.takes(inner.name, inner.ids[name])]
        return level


def roots(context: Context, catalog: Catalog, default_region: str) -> list[Source]:
    """Return the sources that all others follow from: one for each account and region."""
    places = [
        Place(account, region)
        for account in context.settings.accounts
        for region in account.regions or (default_region,)
    ]
    return [AccountSource(context, catalog, place) for place in dict.fromkeys(places)]
