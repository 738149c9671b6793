"""One tour of all sources: what each makes of AWS's responses, what its polls take, and what it lacks."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from exporter import permissions
from exporter.aws import PollRun
from exporter.catalog import Catalog, Kind
from exporter.cli import pace
from exporter.cli.advice import cause_advice
from exporter.cli.diagnosis import Diagnosis
from exporter.cli.pace import DAY, HOUR, Pace, Reading
from exporter.permissions import Operation
from exporter.poller import (
    AccountSource,
    JobSource,
    OrganizationSource,
    Poller,
    QueueSource,
    RegionsSource,
    ScopeSource,
    Source,
    mean_pause,
)
from exporter.poller.backoff import APART, LONGEST, retry_interval
from exporter.settings import Settings
from exporter.telemetry import PollErrorReason

_DENIED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_EXPLICIT_DENY = "with an explicit deny"
_PREAMBLE = re.compile(r"^An error occurred \(\S+\) when calling the (\w+) operation(?: \([^)]*\))?: ")

_ROLE_RENEWED = 2700.0
"""Seconds between two calls of AssumeRole: credentials that last an hour are renewed 15 minutes before their end."""

_Requests = Counter[tuple[str, str]]
"""Requests by service and operation."""


@dataclass
class Examination:
    """One tour of all sources."""

    settings: Settings
    catalog: Catalog
    poller: Poller
    findings: list[Diagnosis] = field(default_factory=list)
    _known: int = 0
    _last: str = ""

    def progress(self) -> str:
        """Return how far the tour is."""
        return f"read {len(self.findings):,} of {self._known:,} sources: {self._last}"

    async def examine(self, sources: Sequence[Source]) -> None:
        """Poll sources and everything that is discovered through them."""
        self._known += len(sources)
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(self._examine(source))

    async def _examine(self, source: Source) -> None:
        children, first = await self.poller.examine(source)
        status = source.status
        if not status.is_up:
            each, rate = first.requests.total(), _failing(source, first.requests)
        elif isinstance(source, JobSource):
            each, rate = await self._list(source, first.requests)
        else:
            each, rate = first.requests.total(), _parent(source, first.requests)
        missing, error = self._missing(source, first)
        self.findings.append(Diagnosis(status, each, rate, missing, error))
        self._last = " ".join(filter(None, status.key))
        await self.examine(children or ())

    async def _list(self, source: JobSource, first: _Requests) -> tuple[int, Pace]:
        """Return the requests of a poll of a list that was read once, and of an hour."""
        kind, ledger, poll = source.kind, source.ledger, self.settings.poll
        listing = kind.service, kind.operation
        read = await self._read_again(source, first)
        *_, resync, later = (first, *read)
        describing = kind.service, kind.described[0]
        operations = {listing, describing}
        reading = Reading(
            sum(later[each] for each in operations),
            sum(resync[each] for each in operations),
            poll.resync,
            sum(first[scope.service or kind.service, scope.operation] for _, scope in kind.scopes[1:]),
            0.0 if any(scope.made_with_job for _, scope in kind.scopes[1:]) else poll.discovery_interval,
            self._details(source, read),
        )
        now = ledger.last_read or 0.0
        runs = await ledger.runs(now - 2 * DAY)
        rate = pace.listed(reading, runs, now, usual=source.status.usual_interval, longest=poll.idle_interval)
        return sum(later[each] for each in operations), rate

    async def _read_again(self, source: JobSource, first: _Requests) -> list[_Requests]:
        """Return what the first poll of a list requested; where later ones may need less, that of a resync and another.

        The first poll also looks for what has been active for longer, and goes to the end of some lists.
        """
        kind = source.kind
        if first[kind.service, kind.operation] <= 1 or not (kind.is_bounded or kind.has_changes_first):
            return [first]
        source.expire()
        _, resync = await self.poller.examine(source)
        _, later = await self.poller.examine(source)
        return [first, resync.requests, later.requests]

    def _details(self, source: JobSource, read: Iterable[_Requests]) -> float:
        """Return the requests in an hour about single jobs: as often as jobs end, and again where AWS refused."""
        kind, ledger, poll = source.kind, source.ledger, self.settings.poll
        if not kind.details:
            return 0.0
        operation = kind.service, kind.details.operation
        ended = sum(requests[operation] for requests in read) + ledger.unexplained
        if poll.usage_details and kind.details.used:
            # What had ended before is not asked for what it used; what ends from now on is.
            ended = max(ended, ledger.held)
        return ended * HOUR / kind.listed_for(poll.lookback) + ledger.refused * HOUR / poll.resync

    def _missing(self, source: Source, poll: PollRun) -> tuple[str, str]:
        """Return the action that is not allowed, empty if there is none, and what AWS says."""
        status = source.status
        error = _PREAMBLE.sub(r"\1: ", status.error)
        details = source.kind.details if isinstance(source, JobSource) else None
        if poll.is_denied_tags:
            return permissions.action(permissions.TAGS, self.catalog), "refuses to tell tags"
        if details and poll.is_denied_details:
            action = permissions.action(Operation(status.key.aws_service, details.operation), self.catalog)
            return action, "refuses to say why jobs failed"
        if status.reason is not PollErrorReason.ACCESS_DENIED:
            return "", error
        if named := _DENIED_ACTION.search(status.error):
            # What is denied explicitly, no permission helps.
            return "" if _EXPLICIT_DENY in status.error else _spelled(named[1]), error
        if cause_advice(status.key, status.error):
            return "", error
        # Some services do not name the action: it is that of the operation in botocore's part of the message.
        operations = self._operations(source)
        denied = (each for each in operations if f"calling the {each.operation} operation" in status.error)
        return next((permissions.action(each, self.catalog) for each in denied), ""), error

    def _operations(self, source: Source) -> Iterable[Operation]:
        """Return the operations that a source requests at its polls."""
        key = source.status.key
        if isinstance(source, JobSource):
            return _of_kind(source.kind)
        if isinstance(source, ScopeSource):
            scope = self.catalog[key.aws_service].scopes[key.kind]
            return [Operation(scope.service or key.aws_service, scope.operation)]
        if isinstance(source, OrganizationSource) and (organization := self.settings.organization):
            return [Operation("organizations", operation) for operation in permissions.listings(organization)]
        if isinstance(source, QueueSource):
            return permissions.RECEIVING
        if isinstance(source, RegionsSource):
            return [Operation("ec2", "DescribeRegions")]
        return [Operation("sts", "GetCallerIdentity")]


def _spelled(action: str) -> str:
    """Return an action as IAM's own tools write it: SQS has it in lower case."""
    return next((name for name in permissions.QUEUE_ACTIONS if name.lower() == action), action)


def _of_kind(kind: Kind) -> list[Operation]:
    scopes = [Operation(scope.service or kind.service, scope.operation) for _, scope in kind.scopes[1:]]
    operations = dict.fromkeys((kind.operation, kind.described[0]))
    return [*(Operation(kind.service, operation) for operation in operations), *scopes]


def _parent(source: Source, requests: _Requests) -> Pace:
    """Return the rate of a source that finds others."""
    rate = pace.steady(requests.total(), source.status.interval)
    is_role = isinstance(source, AccountSource) and source.assumes_role
    return rate.plus(pace.steady(1, _ROLE_RENEWED)) if is_role else rate


def _failing(source: Source, requests: _Requests) -> Pace:
    """Return the rate of a source that could not be read, if it cannot be read later either."""
    status = source.status
    # A role that cannot be assumed is a request of no poll.
    each = max(1, requests.total())
    if status.denial:
        return pace.steady(each, LONGEST)
    return pace.steady(each, mean_pause(retry_interval(status), status.reason))


def in_turns(findings: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return findings in which the sources that AWS denies in one region of an account take turns."""
    found = list(findings)
    denied: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for each in found:
        if each.status.denial:
            denied[each.status.key[:2]] += each.rate.expected
    shares = {place: min(1.0, HOUR / APART / rate) for place, rate in denied.items()}
    return [
        replace(each, rate=each.rate.times(shares[each.status.key[:2]])) if each.status.denial else each
        for each in found
    ]
