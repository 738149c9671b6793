"""The source of jobs: one list, or one for each of the inner scopes."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from exporter.aws import Described, Place, PollErrorReason, PollRun, Scoped, poll_error
from exporter.catalog import Kind
from exporter.families import SINGLE_JOBS, essential, job_families, job_views, metrics
from exporter.jobs import Job, Query, Reason, SourceKey, State
from exporter.poller.context import Context, Holdings, Restored, Source
from exporter.poller.dimensions import FewValues
from exporter.poller.inner_scopes import InnerScopes
from exporter.poller.pacing import idle
from exporter.poller.planner import Plan, full, incremental, missing
from exporter.poller.tags import JobTags
from exporter.reasons import Classifier
from exporter.settings import ServiceSettings
from exporter.store import Ledger, Listing, Newborn, Rules, StorageLostError
from exporter.telemetry import SourceStatus

log = structlog.get_logger(__name__)

_JUMP = 10.0
"""Seconds by which the wall clock may be set between two polls without consequences. The lookback moves as much."""

_REFUSALS = {PollErrorReason.ACCESS_DENIED, PollErrorReason.NOT_FOUND, PollErrorReason.INVALID_REQUEST}
"""Errors by which AWS refuses the details of one job. It is asked again at the next resync: roles and lists change."""

_SHARED_FAULTS = {
    PollErrorReason.THROTTLED,
    PollErrorReason.EXPIRED_CREDENTIALS,
    PollErrorReason.NETWORK,
    PollErrorReason.TIMEOUT,
}
"""Errors that requests about other jobs would meet as well."""

_MOST_IN_VAIN = 2
"""Requests in a row that AWS cannot answer, after which that is not about those jobs."""

_MOST_REFUSALS = 2
"""Times that AWS says of one job that there is none, until it is believed."""

_MOST_ATTEMPTS = 60
"""Requests for one job's details without an answer, one in a poll, until the job counts without them."""

_MOST_STATUSES_LOGGED = 50
"""Statuses unknown to the catalog that a source logs. AWS adds a few in a year; a broken proxy may make up more."""


@dataclass
class Memory:
    """What is known of a list of jobs from poll to poll. A reload passes it on."""

    ledger: Ledger
    few_values: FewValues | None = None
    """None until the ledger is open, which has the values that are in use."""
    described: Described = field(default_factory=Described)
    """What needs no second description, where the list has bare ids."""
    unknown_statuses: set[str] = field(default_factory=set)
    """Those that were logged."""
    read_in_full: float = -math.inf
    """When everything was last listed, on the monotonic clock."""
    read_at: float | None = None
    """When the list was last read, on the monotonic clock."""
    asked_again: float = -math.inf
    """When what AWS refused was last asked for again, on the monotonic clock."""
    clock_offset: float | None = None
    """By how much the wall clock was ahead of the monotonic one at the last poll; None before the first one."""


def _reason(classifier: Classifier, service: str, job: Job) -> str:
    return classifier.classify(job.message, status=job.status, code=job.code, service=service).reason


class JobSource:
    """One list of jobs, or one for each of the inner scopes."""

    def __init__(  # noqa: PLR0913, PLR0917 - the last one only where a discovery found the scope
        self,
        context: Context,
        place: Place,
        key: SourceKey,
        kind: Kind,
        scope: Scoped,
        settings: ServiceSettings,
        since: float | None = None,
    ) -> None:
        """Read a kind in one scope; if it is new, what has ended since a time is counted."""
        interval = settings.interval or context.settings.poll.interval
        self.status = SourceStatus(key, interval, kind.outer_scope, scope.name, scope_tags=scope.tags)
        self.kind = kind
        self._since = since
        self._published: Holdings | None = None
        """What the source's block has, as long as nothing changes."""
        self._publishing = asyncio.Lock()
        self.block = "jobs", key
        """The key of what is exposed about its jobs."""
        self._newborn: AbstractSet[Newborn] = frozenset()
        """The counters that are 0 in the block because nobody has seen them yet."""
        self._context = context
        self._place = place
        self._inner = InnerScopes(context, place, kind, scope, settings)
        self._listed = settings.dimensions_of(kind)
        self.dimensions = settings.labels_of(kind)
        """The labels that the user asked for, among those that the kind has: dimensions, then AWS tags."""
        keys = settings.tags_of(kind)
        self._tags = JobTags(context, place, kind, keys)
        limits = context.settings.limits
        # Few enough combinations that the counts and counters of all of them fit: the budget never drops those
        # families.
        self._most = limits.dimension_values, max(1, limits.series_per_source // essential(kind))
        # What makes it the same list of jobs. Where this differs, nothing that is known applies.
        # Without dimensions, these limits change nothing, and a reload that changes them must not cost what is known.
        bounds = (limits.dimension_values, limits.series_per_source) if self.dimensions else None
        chosen = (*self._listed, *(f"tag {key}" for key in keys))
        self.identity = (kind.reading, sorted(scope.ids.items()), chosen, bounds)
        self.groups, self._grouping = context.groups.of(key, keys)
        """The places in the settings of the groups that its jobs may be in."""
        self.memory = Memory(self._new_ledger())
        # What decides, besides AWS, which numbers are published.
        patterns = [settings.patterns(name) for name, _ in kind.scopes[1:]]
        self.presentation = (kind, self.identity, self.ledger.rules, patterns, context.settings.metrics, limits)
        self._is_zero_filled = context.settings.metrics.zero_fill == "all"
        if self._is_zero_filled:
            context.telemetry.unknown_statuses.begin(*self._labels)
        # Where lists have the reason, hardly any is ever requested: those begin with the first request.
        if kind.details and not kind.reason:
            self._begin_detail_errors()

    @property
    def ledger(self) -> Ledger:
        """What is known of its jobs."""
        return self.memory.ledger

    async def poll(self, poll: PollRun) -> Holdings:
        """Read what can have changed, ask AWS why jobs failed, and publish."""
        try:
            return await self._poll(poll)
        except StorageLostError:
            # What was listed is gone with the storage. From now on everything is in memory.
            return await self._poll(poll)

    async def _poll(self, poll: PollRun) -> Holdings:
        memory, clock = self.memory, self._context.clock
        start = clock.monotonic()
        if not memory.ledger.is_open:
            with poll.paused():
                await self._open()
        scopes = await self._inner.all(poll)
        # The time limit is for AWS: another source may be taking in a long list meanwhile.
        with poll.paused():
            is_full, plan = await self._plan(scopes)
        if is_full or memory.described.is_full:
            memory.described.forget()
        async with Listing.of(memory.ledger) as listing:
            complete_from = await self._read(poll, plan, scopes, listing)
            now, end = clock.time(), clock.monotonic()
            with poll.paused():
                await listing.take_in(
                    now, complete_from, is_full=is_full, scopes=_text(scopes), retention=self.kind.retention
                )
        self._tags.taken_in()
        self._pace(now)
        # Before `read_at` is replaced: the lifetime follows from the time between the last read and this one.
        expires = end + self._lifetime(end, took=end - start)
        memory.read_at, memory.clock_offset = end, now - end
        if is_full:
            memory.read_in_full = start
        with poll.paused():
            holdings = await self._publish(expires)
        if start >= memory.asked_again + self._context.settings.poll.resync:
            memory.asked_again = start
            with poll.paused():
                await memory.ledger.ask_again()
        if not memory.ledger.unexplained:
            return holdings
        # The list is out before the details are asked for, which takes one request for each job.
        with poll.paused():
            # The newest first, but those asked about in vain come last: they must not keep the others waiting.
            waiting = await memory.ledger.waiting(self._context.settings.poll.details_budget)
        await self._complete(poll, waiting)
        with poll.paused():
            return await self._publish(expires)

    def expire(self) -> None:
        """List everything at the next poll, as at each resync."""
        self.memory.read_in_full = -math.inf

    async def restore(self) -> Restored | None:
        """Publish the numbers of the last poll, which go stale as if the exporter had never stopped."""
        ledger, clock, status = self.ledger, self._context.clock, self.status
        await self._open(create=False)
        # Of a first listing that broke off, the database may have half, but no time at which it was read.
        if not ledger.is_open or ledger.last_read is None:
            return None
        # If the clock was set back meanwhile, nobody knows how old they are.
        age = max(0.0, clock.time() - ledger.last_read)
        self._pace(clock.time())
        expires = clock.monotonic() + self._context.settings.stale_after(status.interval) - age
        holdings = await self._publish(expires) if expires > clock.monotonic() else self._holdings(0, {})
        return Restored(ledger.last_read, holdings)

    def children(self) -> Iterable[Source]:
        """Return nothing: a list of jobs has no sources below it."""
        return ()

    def adopt(self, before: Source) -> bool:
        """Keep what is known of the same list of jobs; start over where the configuration means another one."""
        if not isinstance(before, JobSource):
            return True
        memory = replace(before.memory, asked_again=-math.inf)
        if before.identity == self.identity:
            if before.ledger.rules != self.ledger.rules:
                # Opened at the next poll, it sums up what is known by its own rules.
                self.ledger.shown = before.ledger.shown
                memory = replace(memory, ledger=self.ledger, few_values=None)
            # A longer lookback has jobs that were never listed, and another catalog another state for a status.
            is_same = before.ledger.rules._replace(grouping=self._grouping) == self.ledger.rules
            if not is_same or before.kind != self.kind:
                memory = replace(memory, read_in_full=-math.inf)
            self.memory = memory
        # The other one would publish by its own configuration. Its counters are born anew with the next poll.
        self._context.exposition.newborns.withdraw(self.block)
        return before.presentation != self.presentation

    def withdraw(self) -> None:
        """Withdraw the series about its jobs and give their budget back."""
        self._published = None
        self._context.budget.hold(self.status.key, 0)
        self._context.exposition.withdraw(self.block)

    def _pace(self, now: float) -> None:
        """Set the interval: longer, the longer nothing has happened, and the usual one as soon as anything does."""
        ledger, status = self.ledger, self.status
        is_moving = ledger.active or ledger.missed or ledger.unexplained
        quiet = 0.0 if is_moving or ledger.last_event is None else now - ledger.last_event
        longest = self._context.settings.poll.idle_interval
        interval = idle(status.usual_interval, longest, quiet)
        status.interval = status.stretch * interval
        status.longest_interval = longest if interval > status.usual_interval else math.inf

    def _lifetime(self, now: float, took: float) -> float:
        """Return for how many seconds the numbers count: at least three polls, at their actual pace."""
        read_at = self.memory.read_at
        # After a failure, the time since the last read is the length of an outage, not the source's pace.
        since = now - read_at if read_at is not None and self.status.is_up else 0.0
        return max(self._context.settings.stale_after(self.status.interval), 3 * max(took, since))

    def _new_ledger(self) -> Ledger:
        # Holds nothing of the source itself: after a reload, a ledger outlives it.
        context, settings = self._context, self._context.settings
        classify = partial(_reason, context.classifier, self.kind.service)
        lookback, bounds = settings.poll.lookback, settings.metrics.duration_buckets
        limit, reasons = settings.limits.jobs_per_source, context.classifier.identity
        born_at_zero = context.is_scraped and settings.metrics.zero_fill == "seen"
        rules = Rules(lookback, bounds, limit, reasons, self.kind.has_starts, born_at_zero, self._grouping)
        return Ledger(context.database, self.status.key, classify, rules, repr(self.identity), self.kind.longest_run)

    async def _open(self, *, create: bool = True) -> None:
        """Find in the database what is known."""
        memory, clock = self.memory, self._context.clock
        await memory.ledger.open(self._since, create=create)
        memory.few_values = FewValues(*self._most, known=memory.ledger.sums)
        read_in_full = memory.ledger.read_in_full
        if read_in_full is not None and memory.clock_offset is None:
            # The exporter was stopped meanwhile. If the clock was set back, everything is read.
            age = clock.time() - read_in_full
            memory.read_in_full = clock.monotonic() - age if age >= 0 else -math.inf

    async def _plan(self, scopes: Sequence[Scoped]) -> tuple[bool, Plan]:
        """Return the listings to make: in full at first, at each resync, and when scopes or the clock changed."""
        memory, settings, clock = self.memory, self._context.settings.poll, self._context.clock
        # The lookback follows the wall clock: where that was set, other jobs are in it.
        offset = memory.clock_offset
        was_set = offset is not None and abs(clock.time() - clock.monotonic() - offset) > _JUMP
        is_due = clock.monotonic() >= memory.read_in_full + settings.resync
        # What the last complete list lacked is looked for once more before it goes.
        if not (is_due or was_set or memory.ledger.missed) and _text(scopes) == memory.ledger.scopes:
            page_size = self._context.reader.page_size(self.kind)
            if plan := await incremental(self.kind, memory.ledger, page_size):
                return False, plan
        return True, full(self.kind, memory.ledger, clock.time(), settings.lookback)

    async def _read(self, poll: PollRun, plan: Plan, scopes: Sequence[Scoped], listing: Listing) -> float | None:
        """List what a plan says, and return the creation time from which it is complete."""
        unknown = dict(await self._list(poll, plan.queries, scopes, listing))
        complete_from = plan.complete_from
        with poll.paused():
            lost = await listing.lost() if complete_from is None and not plan.shows_ends else None
        if lost is not None:
            rest = missing(lost)
            unknown |= await self._list(poll, rest.queries, scopes, listing)
            complete_from = rest.complete_from
        self._note_unknown(unknown.values())
        return complete_from

    async def _list(
        self, poll: PollRun, queries: Iterable[Query], scopes: Iterable[Scoped], listing: Listing
    ) -> Mapping[str, str]:
        """List every job that the queries find in the scopes.

        Return those in a status that the catalog does not know, each with that status.
        """
        unknown: dict[str, str] = {}
        for query in queries:
            for scope in scopes:
                async with aclosing(self._pages(poll, query, scope)) as pages:
                    async for jobs in pages:
                        unknown.update((job.id, job.status) for job in jobs if job.state is State.UNKNOWN)
                        tagged = await self._tags.put(poll, self.ledger, jobs, self.status.scope_tags)
                        # At once, so that there is never more than a page in memory.
                        with poll.paused():
                            await listing.add(self._limited(tagged), self._context.clock.time())
        return unknown

    async def _pages(self, poll: PollRun, query: Query, scope: Scoped) -> AsyncGenerator[list[Job], None]:
        """Yield the jobs of one scope, page by page."""
        try:
            reader, described = self._context.reader, self.memory.described
            which = (self.kind, scope, query, self._listed, described)
            async for jobs in reader.jobs(poll, self._place, *which, explain=self._explain):
                yield jobs
        except Exception as error:
            # An inner scope that was deleted since it was discovered is no failure of the outer one.
            is_inner = len(self.kind.scopes) > 1
            if not is_inner or poll_error(error).reason is not PollErrorReason.NOT_FOUND:
                raise
            self._inner.expire()

    def _explain(self, text: str) -> Reason:
        """Return what a text says of why a job waits."""
        return self._context.classifier.classify(text, service=self.kind.service).reason

    def _limited(self, jobs: list[Job]) -> list[Job]:
        """Return jobs with few values of the dimensions."""
        few_values = self.memory.few_values
        if not self.dimensions or few_values is None:
            return jobs
        return [job._replace(dimensions=few_values(job.dimensions)) for job in jobs]

    def _begin_detail_errors(self) -> None:
        for reason in PollErrorReason if self._is_zero_filled else ():
            self._context.telemetry.detail_errors.begin(*self._labels, reason)

    async def _complete(self, poll: PollRun, waiting: Iterable[tuple[Job, int]]) -> None:
        """Ask AWS for the details of finished jobs, as many as the budget and the time allow."""
        self._begin_detail_errors()
        try:
            # The list is complete. What follows has a time limit of its own and can't fail the poll.
            async with poll.limit(self._context.settings.poll.timeout):
                in_vain = 0
                for job, attempts in waiting:
                    fault = await self._ask(poll, job, attempts + 1)
                    in_vain = in_vain + 1 if fault else 0
                    if fault in _SHARED_FAULTS or in_vain == _MOST_IN_VAIN:
                        return
        except TimeoutError:
            self._context.telemetry.detail_errors.inc(*self._labels, PollErrorReason.TIMEOUT)

    async def _ask(self, poll: PollRun, job: Job, attempt: int) -> PollErrorReason | None:
        """Ask for the details of one job; return why there was no answer, None if there was."""
        now, is_refused = self._context.clock.time(), False
        try:
            job = await self._context.reader.completed(poll, self._place, self.kind, job)
        except Exception as error:  # noqa: BLE001 - the list is complete: missing details can't spoil it
            failure = poll_error(error)
            self._context.telemetry.detail_errors.inc(*self._labels, failure.reason)
            poll.is_denied_details |= failure.reason is PollErrorReason.ACCESS_DENIED
            log.debug("details of a job not read", job=job.id, err=str(failure))
            if failure.reason not in _REFUSALS and attempt < _MOST_ATTEMPTS:
                with poll.paused():
                    await self.ledger.note_attempt(job)
                return failure.reason
            is_refused = failure.reason is not PollErrorReason.NOT_FOUND or attempt < _MOST_REFUSALS
        with poll.paused():
            await self.ledger.complete(job, now, is_refused=is_refused)
        return None

    async def _publish(self, expires: float) -> Holdings:
        """Render the source's block, unless it is the same as before, and return what it holds."""
        async with self._publishing:
            # Most polls find nothing new. What is left out for want of room must be tried again, though.
            known = self._published
            is_same = known and not (self.ledger.has_changed or known.series_dropped)
            if known and is_same and self._context.exposition.renew(self.block, expires):
                return known
            return await self._publish_anew(expires)

    async def _publish_anew(self, expires: float) -> Holdings:
        ledger, settings, key = self.ledger, self._context.settings.metrics, self.status.key
        per_job = []
        if settings.per_job and any(map(settings.families.takes, SINGLE_JOBS)):
            per_job = await ledger.newest(settings.per_job_finished, settings.per_job_active)
        ledger.has_changed, newborn = False, set(ledger.newborn)
        # Until a job has counted, there is one view without values. To Prometheus, an empty label is an absent one.
        none = ("",) * len(self.dimensions)
        views = [
            ((*key, *(view.dimensions or none)), view) for view in job_views(self.kind, ledger.sums, per_job, settings)
        ]
        families = metrics(job_families(settings), (*SourceKey._fields, *self.dimensions), views)
        kept, series_dropped = self._context.budget.fit(key, families)
        # Active jobs over this limit never became series, so the budget does not know about them.
        is_told = settings.per_job and settings.families.takes("aws_job_info")
        hidden = ledger.active - settings.per_job_active if is_told else 0
        if hidden > 0:
            series_dropped = {**series_dropped, ("aws_job_info", "per_job_active"): hidden}
        series = sum(len(family.samples) for family in kept)
        await self._context.exposition.publish_in_turns(self.block, kept, expires)
        self._wait_for_scrapes(newborn)
        self._published = self._holdings(series, series_dropped)
        return self._published

    def _wait_for_scrapes(self, newborn: AbstractSet[Newborn]) -> None:
        """Have new counters rise once everyone has seen them at 0."""
        waiting = self._context.exposition.newborns
        # Of a block that was withdrawn and returns, nobody waits for anything any more.
        if newborn - self._newborn or (newborn and self.block not in waiting):
            waiting.publish(self.block, partial(self._show, newborn))
        self._newborn = newborn

    async def _show(self, newborn: AbstractSet[Newborn]) -> None:
        """Let these counters rise, but none that became known since."""
        async with self._publishing:
            expires = self._context.exposition.expiry(self.block)
            if expires is not None and self.ledger.is_open:
                await self.ledger.show(newborn)
                await self._publish_anew(expires)

    def _holdings(self, series: int, series_dropped: Mapping[tuple[str, str], int]) -> Holdings:
        ledger = self.ledger
        return Holdings(len(ledger), ledger.dropped, ledger.unexplained, series, series_dropped)

    def _note_unknown(self, unknown: Collection[str]) -> None:
        """Count jobs with a status that the catalog does not know, and log each such status once."""
        if not unknown:
            return
        logged = self.memory.unknown_statuses
        self._context.telemetry.unknown_statuses.inc(*self._labels, amount=len(unknown))
        for status in sorted(set(unknown) - logged)[: _MOST_STATUSES_LOGGED - len(logged)]:
            log.warning("status unknown to the catalog", **self.status.key._asdict(), status=status)
            logged.add(status)

    @property
    def _labels(self) -> tuple[str, str]:
        return self.status.key.aws_service, self.status.key.kind


def _text(scopes: Sequence[Scoped]) -> str:
    """Return inner scopes as text, to compare with those of the last full read."""
    return "" if len(scopes) == 1 else json.dumps(sorted(sorted(scope.ids.items()) for scope in scopes))
