"""The source of jobs: one list, or one for each of the inner scopes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import structlog

from exporter.aws import Place, PollErrorReason, PollRun, Scoped, poll_error
from exporter.catalog import Kind
from exporter.families import JOB_FAMILIES, essential, job_views, metrics
from exporter.jobs import Job, Query, SourceKey, State
from exporter.poller.context import Context, Holdings, Source
from exporter.poller.dimensions import FewValues
from exporter.poller.inner_scopes import InnerScopes
from exporter.poller.planner import Plan, full, incremental, missing
from exporter.reasons import Classifier, Rule
from exporter.settings import ServiceSettings, Settings
from exporter.store import Ledger
from exporter.telemetry import SourceStatus
from exporter.turns import in_turns

log = structlog.get_logger(__name__)

_JUMP = 10.0
"""Seconds by which the wall clock may be set between two polls without consequences. The lookback moves as much."""

_FINAL_REFUSALS = {PollErrorReason.ACCESS_DENIED, PollErrorReason.NOT_FOUND, PollErrorReason.INVALID_REQUEST}
"""Errors after which a job's reason is not asked for again: AWS would answer the same."""

_SHARED_FAULTS = {
    PollErrorReason.THROTTLED,
    PollErrorReason.EXPIRED_CREDENTIALS,
    PollErrorReason.NETWORK,
    PollErrorReason.TIMEOUT,
}
"""Errors that requests about other jobs would meet as well."""

_MOST_ATTEMPTS = 5
"""Requests for one job's reason, where AWS can't answer. After that the job counts without one."""

_MOST_STATUSES_LOGGED = 50
"""Statuses unknown to the catalog that a source logs. AWS adds a few in a year; a broken proxy may make up more."""


class _Rules(NamedTuple):
    """The settings that a ledger's sums depend on."""

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


@dataclass
class Memory:
    """What is known of a list of jobs from poll to poll. A reload passes it on as it is."""

    ledger: Ledger
    rules: _Rules
    """Those that the ledger was built with."""
    few_values: FewValues
    unknown_statuses: set[str] = field(default_factory=set)
    """Those that were logged."""
    attempts: Counter[str] = field(default_factory=Counter)
    """Requests for the reason of each job that AWS could not answer."""
    scopes: Sequence[Scoped] = ()
    """Those of the last poll."""
    read_in_full: float = -math.inf
    """When everything was last listed, on the monotonic clock."""
    read_at: float | None = None
    """When the list was last read, on the monotonic clock."""
    clock_offset: float = 0.0
    """By how much the wall clock was ahead of the monotonic one at the last poll."""


def _reason(classifier: Classifier, service: str, job: Job) -> str:
    return classifier.classify(job.message, status=job.status, code=job.code, service=service).reason


class JobSource:
    """One list of jobs, or one for each of the inner scopes."""

    def __init__(
        self, context: Context, place: Place, key: SourceKey, kind: Kind, scope: Scoped, settings: ServiceSettings
    ) -> None:
        interval = settings.interval or context.settings.poll.interval
        self.status = SourceStatus(key, interval, kind.outer_scope, scope.name)
        self.kind = kind
        self._context = context
        self._place = place
        self._inner = InnerScopes(context, place, kind, scope, settings)
        self._dimensions = tuple(name for name in settings.dimensions if name in kind.dimensions)
        limits = context.settings.limits
        # Few enough combinations that the counts and counters of all of them fit: the budget never drops those
        # families.
        few_values = FewValues(limits.dimension_values, max(1, limits.series_per_source // essential(kind)))
        self._rules = _Rules.of(context.settings)
        self.memory = Memory(self._new_ledger(), self._rules, few_values)
        # What makes it the same list of jobs. Where this differs, nothing that is known applies.
        # Without dimensions, these limits change nothing, and a reload that changes them must not cost the ledger.
        bounds = (limits.dimension_values, limits.series_per_source) if self._dimensions else None
        self.identity = (kind, scope.ids, self._dimensions, bounds)
        # What decides, besides AWS, which numbers are published.
        patterns = [settings.patterns(name) for name, _ in kind.scopes[1:]]
        self.presentation = (self.identity, self._rules, patterns, context.settings.metrics, limits)
        # Each series starts at 0: PromQL's increase() misses the first event of a counter that starts at 1.
        context.telemetry.unknown_statuses.labels(*self._labels)
        for reason in PollErrorReason if kind.details else ():
            context.telemetry.detail_errors.labels(*self._labels, reason)

    @property
    def ledger(self) -> Ledger:
        """What is known of its jobs."""
        return self.memory.ledger

    async def poll(self, poll: PollRun) -> Holdings:
        """Read what can have changed, ask AWS why jobs failed, and publish."""
        memory, clock = self.memory, self._context.clock
        start = clock.monotonic()
        # Not in `adopt`: a reload switches all sources in one go, and one ledger alone may hold a million jobs.
        if memory.rules != self._rules:
            await self._rebuild(poll)
        scopes = await self._inner.all(poll)
        is_full, plan = self._plan(scopes)
        jobs, complete_from = await self._read(poll, plan, scopes)
        now, end = clock.time(), clock.monotonic()
        self._note_unknown(jobs)
        with poll.paused():
            # Never cut off half way: the next poll would take the rest for known.
            await in_turns(memory.ledger.taking(jobs, now, complete_from))
        # Before `read_at` is replaced: the lifetime follows from the time between the last read and this one.
        expires = end + self._lifetime(end, took=end - start)
        memory.scopes, memory.read_at, memory.clock_offset = scopes, end, now - end
        if is_full:
            memory.read_in_full = start
        holdings = await self._publish(now, expires)
        if memory.ledger.unexplained():
            # The list is out before the reasons are asked for, which takes one request for each job.
            await self._explain(poll)
            holdings = await self._publish(now, expires)
        return holdings

    def children(self) -> Iterable[Source]:
        """Return nothing: a list of jobs has no sources below it."""
        return ()

    def adopt(self, before: Source) -> bool:
        """Keep what is known of the same list of jobs; start over where the configuration means another one."""
        if not isinstance(before, JobSource):
            return True
        if before.identity == self.identity:
            self.memory = before.memory
        return before.presentation != self.presentation

    def withdraw(self) -> None:
        """Withdraw the series about its jobs and give their budget back."""
        self._context.budget.hold(self.status.key, 0)
        self._context.exposition.withdraw(("jobs", self.status.key))

    def _lifetime(self, now: float, took: float) -> float:
        """Return for how many seconds the numbers count: at least three polls, at their actual pace."""
        read_at = self.memory.read_at
        # After a failure, the time since the last read is the length of an outage, not the source's pace.
        since = now - read_at if read_at is not None and self.status.is_up else 0.0
        return max(self._context.settings.stale_after(self.status.interval), 3 * max(took, since))

    def _new_ledger(self) -> Ledger:
        # Holds nothing of the source itself: after a reload, a ledger outlives it.
        classify = partial(_reason, self._context.classifier, self.kind.service)
        rules = self._rules
        return Ledger(rules.lookback, classify, rules.duration_buckets, rules.jobs_per_source)

    async def _rebuild(self, poll: PollRun) -> None:
        """Recompute the sums of what is known by the rules of the configuration in effect."""
        ledger = self._new_ledger()
        with poll.paused():
            await in_turns(ledger.inherit(self.memory.ledger))
        self.memory.ledger, self.memory.rules = ledger, self._rules
        # A longer lookback has jobs that were never listed.
        self.memory.read_in_full = -math.inf

    def _plan(self, scopes: Sequence[Scoped]) -> tuple[bool, Plan]:
        """Return the listings to make: in full at first, at each resync, and when scopes or the clock changed."""
        memory, settings, clock = self.memory, self._context.settings.poll, self._context.clock
        # The lookback follows the wall clock: where that was set, other jobs are in it.
        was_set = abs(clock.time() - clock.monotonic() - memory.clock_offset) > _JUMP
        if clock.monotonic() < memory.read_in_full + settings.resync and scopes == memory.scopes and not was_set:
            page_size = self._context.reader.page_size(self.kind)
            if plan := incremental(self.kind, memory.ledger, page_size):
                return False, plan
        return True, full(self.kind, memory.ledger, clock.time(), settings.lookback)

    async def _read(self, poll: PollRun, plan: Plan, scopes: Sequence[Scoped]) -> tuple[list[Job], float | None]:
        """Return the listed jobs, and the creation time from which they are complete."""
        jobs = await self._list(poll, plan.queries, scopes)
        if plan.complete_from is not None:
            return jobs, plan.complete_from
        rest = missing(self.ledger, (job.id for job in jobs))
        if rest is None:
            return jobs, None
        return jobs + await self._list(poll, rest.queries, scopes), rest.complete_from

    async def _list(self, poll: PollRun, queries: Iterable[Query], scopes: Iterable[Scoped]) -> list[Job]:
        """Return every job that the queries find in the scopes. Of a job listed twice, the last one counts."""
        reader, found = self._context.reader, dict[str, Job]()
        for query in queries:
            for scope in scopes:
                try:
                    listed = await reader.jobs(poll, self._place, self.kind, scope, query, self._dimensions)
                except Exception as error:
                    # An inner scope that was deleted since it was discovered is no failure of the outer one.
                    is_inner = len(self.kind.scopes) > 1
                    if not is_inner or poll_error(error).reason is not PollErrorReason.NOT_FOUND:
                        raise
                    self._inner.expire()
                    continue
                found.update((job.id, job) for job in listed)
        if not self._dimensions:
            return list(found.values())
        few_values = self.memory.few_values
        return [job._replace(dimensions=few_values(job.dimensions)) for job in found.values()]

    async def _explain(self, poll: PollRun) -> None:
        """Ask AWS for the reasons of failed jobs, as many as the budget and the time allow."""
        settings, attempts = self._context.settings.poll, self.memory.attempts
        unexplained = self.ledger.unexplained()
        # The newest first, but those asked about in vain come last: they must not keep the others waiting.
        waiting = sorted(unexplained, key=lambda job: attempts[job.id])
        for job_id in attempts.keys() - {job.id for job in unexplained}:
            del attempts[job_id]
        try:
            # The list is complete. What follows has a time limit of its own and can't fail the poll.
            async with poll.limit(settings.timeout):
                for job in waiting[: settings.details_budget]:
                    if not await self._ask(poll, job):
                        return
        except TimeoutError:
            self._context.telemetry.detail_errors.labels(*self._labels, PollErrorReason.TIMEOUT).inc()

    async def _ask(self, poll: PollRun, job: Job) -> bool:
        """Ask why one job failed; return whether it makes sense to ask about others."""
        attempts = self.memory.attempts
        attempts[job.id] += 1
        try:
            self.ledger.explain(await self._context.reader.explained(poll, self._place, self.kind, job))
        except Exception as error:  # noqa: BLE001 - the list is complete: a missing reason can't spoil it
            failure = poll_error(error)
            self._context.telemetry.detail_errors.labels(*self._labels, failure.reason).inc()
            log.debug("failure reason of a job not read", job=job.id, err=str(failure))
            if failure.reason in _SHARED_FAULTS:
                return False
            if failure.reason not in _FINAL_REFUSALS and attempts[job.id] < _MOST_ATTEMPTS:
                return True
            self.ledger.explain(job)
        del attempts[job.id]
        return True

    async def _publish(self, now: float, expires: float) -> Holdings:
        """Render the source's block and return what it holds."""
        ledger, metric_settings, key = self.ledger, self._context.settings.metrics, self.status.key
        # Until a job has counted, there is one view without values. To Prometheus, an empty label is an absent one.
        none = ("",) * len(self._dimensions)
        views = [
            ((*key, *(view.dimensions or none)), view) for view in job_views(self.kind, ledger, metric_settings, now)
        ]
        families = metrics(JOB_FAMILIES, (*SourceKey._fields, *self._dimensions), views)
        kept, series_dropped = self._context.budget.fit(key, families)
        # Active jobs over this limit never became series, so the budget does not know about them.
        hidden = ledger.active(now) - metric_settings.per_job_active if metric_settings.per_job else 0
        if hidden > 0:
            series_dropped = {**series_dropped, ("aws_job_info", "per_job_active"): hidden}
        series = sum(len(family.samples) for family in kept)
        await self._context.exposition.publish_in_turns(("jobs", key), kept, expires)
        return Holdings(len(ledger), ledger.dropped(now), len(ledger.unexplained()), series, series_dropped)

    def _note_unknown(self, jobs: Iterable[Job]) -> None:
        """Count jobs with a status that the catalog does not know, and log each such status once."""
        unknown, logged = [job.status for job in jobs if job.state is State.UNKNOWN], self.memory.unknown_statuses
        self._context.telemetry.unknown_statuses.labels(*self._labels).inc(len(unknown))
        for status in sorted(set(unknown) - logged)[: _MOST_STATUSES_LOGGED - len(logged)]:
            log.warning("status unknown to the catalog", **self.status.key._asdict(), status=status)
            logged.add(status)

    @property
    def _labels(self) -> tuple[str, str]:
        return self.status.key.aws_service, self.status.key.kind
