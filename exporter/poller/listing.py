"""The source that reads jobs: one list, or one for each of the inner containers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog

from exporter.aws import Place, Poll, PollErrorReason, Scoped, poll_error
from exporter.catalog import Kind
from exporter.families import JOB_FAMILIES, essential, job_views, metrics
from exporter.jobs import Job, Query, SourceKey, State
from exporter.poller.budget import drops, fitted, note_change
from exporter.poller.context import Context, Source
from exporter.poller.dimensions import FewValues
from exporter.poller.inner_scopes import InnerScopes
from exporter.poller.planner import Plan, full, incremental, missing
from exporter.reasons import Classifier, Rule
from exporter.settings import ServiceSettings, Settings
from exporter.store import Ledger
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

log = structlog.get_logger(__name__)


class _Rules(NamedTuple):
    """What a ledger's sums follow from besides its jobs."""

    lookback: float
    duration_buckets: tuple[float, ...]
    reasons: tuple[Rule, ...]
    jobs_per_source: int

    @classmethod
    def of(cls, settings: Settings) -> _Rules:
        """Return the rules of a configuration."""
        return cls(
            settings.poll.lookback, settings.metrics.duration_buckets, settings.reasons, settings.limits.jobs_per_source
        )


def _reason(classifier: Classifier, service: str, job: Job) -> str:
    return classifier.classify(job.message, status=job.status, code=job.code, service=service).reason


class JobSource:
    """One list of jobs, or one for each of the inner containers."""

    def __init__(
        self, context: Context, place: Place, key: SourceKey, kind: Kind, scope: Scoped, settings: ServiceSettings
    ) -> None:
        interval = settings.interval or context.settings.poll.interval
        self.status = SourceStatus(key, interval, kind.outer_scope, scope.name)
        self.kind = kind
        self._context = context
        self._place = place
        self._rules = _Rules.of(context.settings)
        self.ledger, self._ledger_rules = self._new_ledger(), self._rules
        self._inner = InnerScopes(context, place, kind, scope, settings)
        self._dimensions = tuple(name for name in settings.dimensions if name in kind.dimensions)
        limits = context.settings.limits
        self._few = FewValues(limits.dimension_values, max(1, limits.series_per_source // essential(kind)))
        # What makes it the same list of jobs: of another one, nothing that is known is right.
        bounds = (limits.dimension_values, limits.series_per_source) if self._dimensions else None
        self._meaning = (kind, scope.ids, self._dimensions, bounds)
        self._patterns = [settings.patterns(name) for name, _ in kind.scopes[1:]]
        self._unknown: set[str] = set()
        self._read_in_full = -math.inf
        self._ahead = 0.0
        self._read_at: float | None = None
        self._scopes: Sequence[Scoped] = ()
        self._asked: Counter[str] = Counter()
        context.telemetry.unknown_statuses.labels(*self._labels)
        for reason in PollErrorReason if kind.details else ():
            context.telemetry.detail_errors.labels(*self._labels, reason)

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """Read what can have changed, ask why jobs failed, and publish."""
        began = self._context.clock.monotonic()
        if self._ledger_rules != self._rules:
            await self._rebuild(poll)
        scopes = await self._inner.all(poll)
        is_full, plan = self._plan(scopes)
        jobs, complete_from = await self._read(poll, plan, scopes)
        now, ended = self._context.clock.time(), self._context.clock.monotonic()
        self._note_unknown(jobs)
        with poll.paused():
            # Half of it would be worse than none: the next poll would take the rest for known.
            await in_turns(self.ledger.taking(jobs, now, complete_from))
        self._scopes = scopes
        if is_full:
            self._read_in_full = began
        self._ahead = now - ended
        expires = ended + self._outlives(ended, took=ended - began)
        self._read_at = ended
        await self._publish(now, expires)
        if self.ledger.unexplained():
            # After the list is out: asking takes a request for each job.
            await self._explain(poll)
            await self._publish(now, expires)
        return ()

    def _outlives(self, now: float, took: float) -> float:
        """Return the seconds for which the numbers stay: three polls at least, at the pace that they really have."""
        since = now - self._read_at if self._read_at is not None and self.status.is_up else 0.0
        return max(self._context.settings.stale_after(self.status.interval), 3 * max(took, since))

    def adopt(self, before: Source) -> Iterable[Source]:
        """Go on with the ledger of the same list of jobs; begin anew where the configuration means another one."""
        self.status = before.status.renewed(self.status)
        if isinstance(before, JobSource):
            self._keep(before)
        return ()

    def _keep(self, before: JobSource) -> None:
        if before._meaning == self._meaning:
            self.ledger, self._ledger_rules = before.ledger, before._ledger_rules
            self._few, self._unknown, self._asked = before._few, before._unknown, before._asked
            self._read_in_full, self._scopes = before._read_in_full, before._scopes
            self._ahead, self._read_at = before._ahead, before._read_at
        if before._published_by() != self._published_by():
            self.status.next_poll = None

    def _published_by(self) -> tuple[Any, ...]:
        """Return what decides, besides AWS, which numbers are published."""
        settings = self._context.settings
        return self._meaning, self._rules, self._patterns, settings.metrics, settings.limits

    async def _rebuild(self, poll: Poll) -> None:
        """Add up what is known anew, by the rules that the configuration gives now."""
        ledger = self._new_ledger()
        with poll.paused():
            await in_turns(ledger.inherit(self.ledger))
        self.ledger, self._ledger_rules = ledger, self._rules
        self._read_in_full = -math.inf

    def _new_ledger(self) -> Ledger:
        # Nothing of the source itself: a ledger outlives it at a reload.
        classifier, service = self._context.classifier, self.kind.service
        rules, classify = self._rules, partial(_reason, classifier, service)
        return Ledger(rules.lookback, classify, rules.duration_buckets, rules.jobs_per_source)

    def forget(self) -> None:
        """Take the source's job metrics away."""
        self._context.budget.hold(self.status.key, 0)
        self._context.exposition.withdraw(("jobs", self.status.key))

    async def _read(self, poll: Poll, plan: Plan, scopes: Sequence[Scoped]) -> tuple[list[Job], float | None]:
        """Return the jobs that were listed, and since which creation they are all that there are."""
        jobs = await self._list(poll, plan.queries, scopes)
        if plan.complete_from is not None or (rest := missing(self.ledger, (job.id for job in jobs))) is None:
            return jobs, plan.complete_from
        return jobs + await self._list(poll, rest.queries, scopes), rest.complete_from

    def _plan(self, scopes: Sequence[Scoped]) -> tuple[bool, Plan]:
        """Return the listings to make: in full at first, when containers or the clock changed, and at each resync."""
        resync = self._read_in_full + self._context.settings.poll.resync
        if self._context.clock.monotonic() < resync and scopes == self._scopes and not self._clock_was_set():
            page_size = self._context.reader.page_size(self.kind)
            if plan := incremental(self.kind, self.ledger, page_size):
                return False, plan
        return True, full(self.kind, self.ledger, self._context.clock.time(), self._context.settings.poll.lookback)

    def _clock_was_set(self) -> bool:
        """Whether the wall clock has jumped since the last poll: by it, jobs leave the lookback."""
        ahead = self._context.clock.time() - self._context.clock.monotonic()
        return abs(ahead - self._ahead) > _JUMP

    async def _list(self, poll: Poll, queries: Iterable[Query], scopes: Iterable[Scoped]) -> list[Job]:
        """Return every job that the queries find in the containers; of a job that several list, the last one counts."""
        found: dict[str, Job] = {}
        for query in queries:
            for scoped in scopes:
                found.update((job.id, job) for job in await self._list_one(poll, query, scoped))
        jobs = list(found.values())
        return [job._replace(dimensions=self._few(job.dimensions)) for job in jobs] if self._dimensions else jobs

    async def _list_one(self, poll: Poll, query: Query, scoped: Scoped) -> list[Job]:
        try:
            return await self._context.reader.jobs(poll, self._place, self.kind, scoped, query, self._dimensions)
        except Exception as error:
            # An inner container that was deleted since it was discovered is no failure of the outer one.
            if len(self.kind.scopes) <= 1 or poll_error(error).reason is not PollErrorReason.NOT_FOUND:
                raise
            self._inner.outdated()
            return []

    async def _explain(self, poll: Poll) -> None:
        """Ask AWS for the reasons of failed jobs, as many as the budget and the time allow."""
        # The list is in: what follows has a time of its own, and may not make a good poll a failed one.
        try:
            async with poll.limit(self._context.settings.poll.timeout):
                # The newest first, but for those that were asked about in vain: they may not keep the others waiting.
                unexplained = self.ledger.unexplained()
                self._asked = Counter({job.id: self._asked[job.id] for job in unexplained})
                waiting = sorted(unexplained, key=lambda job: self._asked[job.id])
                for job in waiting[: self._context.settings.poll.details_budget]:
                    if not await self._ask(poll, job):
                        return
        except TimeoutError:
            self._context.telemetry.detail_errors.labels(*self._labels, PollErrorReason.TIMEOUT).inc()

    async def _ask(self, poll: Poll, job: Job) -> bool:
        """Ask why one job failed, and tell whether it makes sense to ask about others."""
        self._asked[job.id] += 1
        try:
            self.ledger.explain(await self._context.reader.explained(poll, self._place, self.kind, job))
        except Exception as error:  # noqa: BLE001 - the list was read whole: a missing reason may not spoil it
            failure = poll_error(error)
            self._context.telemetry.detail_errors.labels(*self._labels, failure.reason).inc()
            log.debug("a failed job's reason could not be read", job=job.id, err=str(failure))
            if failure.reason in _NO_ANSWER_NOW:
                return False
            if failure.reason not in _NO_ANSWER_EVER and self._asked[job.id] < _ASKED_MOST:
                return True
            self.ledger.explain(job)
        del self._asked[job.id]
        return True

    async def _publish(self, now: float, expires: float) -> None:
        before = drops(self.status)
        self.status.jobs = len(self.ledger)
        self.status.jobs_dropped = self.ledger.dropped(now)
        self.status.details_pending = len(self.ledger.unexplained())
        settings = self._context.settings
        views = job_views(self.kind, self.ledger, settings.metrics, now)
        none = ("",) * len(self._dimensions)
        labelled = [((*self.status.key, *(view.dimensions or none)), view) for view in views]
        families = metrics(JOB_FAMILIES, (*SourceKey._fields, *self._dimensions), labelled)
        unshown = self.ledger.active(now) - settings.metrics.per_job_active if settings.metrics.per_job else 0
        families = fitted(families, self.status, self._context.budget, max(0, unshown))
        note_change(self.status, before)
        await self._context.exposition.publish_in_turns(("jobs", self.status.key), families, expires)

    def _note_unknown(self, jobs: Iterable[Job]) -> None:
        """Count jobs with a status that the catalog does not know, and log each such status once."""
        unknown = [job.status for job in jobs if job.state is State.UNKNOWN]
        self._context.telemetry.unknown_statuses.labels(*self._labels).inc(len(unknown))
        new = sorted(set(unknown) - self._unknown)[: _TOLD_MOST - len(self._unknown)]
        for status in new:
            log.warning("status unknown to the catalog", **self.status.key._asdict(), status=status)
        self._unknown.update(new)

    @property
    def _labels(self) -> tuple[str, str]:
        return self.status.key.aws_service, self.status.key.kind


_JUMP = 10.0
"""Seconds by which the wall clock may be set between two polls without consequences: it moves the lookback as much."""

_NO_ANSWER_EVER = {PollErrorReason.ACCESS_DENIED, PollErrorReason.NOT_FOUND, PollErrorReason.INVALID_REQUEST}
"""Errors upon which a job's reason is not asked for again."""

_NO_ANSWER_NOW = {
    PollErrorReason.THROTTLED,
    PollErrorReason.EXPIRED_CREDENTIALS,
    PollErrorReason.NETWORK,
    PollErrorReason.TIMEOUT,
}
"""Errors that other jobs would meet as well."""

_TOLD_MOST = 50
"""So many statuses that are unknown to the catalog are logged; AWS would not make up more."""

_ASKED_MOST = 5
"""So often is a job's reason asked for, if AWS cannot answer; then it counts without one."""
