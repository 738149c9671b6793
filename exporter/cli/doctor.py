"""The command that tries every source once and tells what works, what is missing and what it costs."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from exporter import app, permissions
from exporter.catalog import Catalog
from exporter.cli.invocation import Invocation, region, table
from exporter.poller import JobSource, OrganizationSource, Poller, RegionsSource, ScopeSource, Source
from exporter.settings import Settings, Shard
from exporter.telemetry import PollErrorReason, SourceStatus

_HOUR = 3600.0
_COLUMNS = (
    *("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "RESULT", "CALLS/POLL", "CALLS/HOUR"),
    *("MISSING ACTION", "WHAT AWS SAYS"),
)

Pace = Mapping[permissions.Operation, float]
"""The operations that a source calls again and again, the one that makes its poll first; each with its interval."""


async def doctor(invocation: Invocation) -> int:
    """Poll everything once, print how each source is, and tell by the exit code whether every source was read."""
    # The table says what the log would, and says it once.
    settings = invocation.settings(log={"level": "error"})
    # All sources, whichever shard reads them.
    settings = settings.model_copy(update={"shard": Shard()})
    catalog = settings.catalog(invocation.catalog)
    async with app.assembled(settings, catalog, region(settings)) as parts:
        round_ = _Round(settings, catalog, parts.poller, parts.telemetry.registry)
        await round_.examine(parts.roots)
    findings = sorted(round_.findings, key=lambda finding: finding.status.key)
    print(table(_COLUMNS, map(_row, findings)), _summary(findings), sep="\n\n")
    return 0 if all(finding.status.is_up for finding in findings) else 1


@dataclass(frozen=True)
class _Finding:
    """How one source is, what it called, and which permission it lacks."""

    status: SourceStatus
    pace: Pace
    called: Counter[tuple[str, str]]
    missing: str = ""
    mute: bool = False
    """Whether AWS refused to tell why jobs failed."""

    def per_hour(self) -> Counter[str]:
        """Return how often the source will call each service in an hour; nothing if it could not be read."""
        rates: Counter[str] = Counter()
        for call, interval in self.pace.items() if self.status.is_up else ():
            rates[call.service] += round(self.called[call.service, call.operation] * _HOUR / interval)
        return rates


@dataclass
class _Round:
    """One visit to every source."""

    settings: Settings
    catalog: Catalog
    poller: Poller
    registry: CollectorRegistry
    findings: list[_Finding] = field(default_factory=list)
    _turns: defaultdict[permissions.Operation, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def examine(self, sources: Iterable[Source]) -> None:
        """Poll sources and all that they lead to."""
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(self._examine(source))

    async def _examine(self, source: Source) -> None:
        pace = self._pace(source)
        async with AsyncExitStack() as turns:
            # Requests are counted by operation: sources that share one take turns, so that each knows its own.
            for call in sorted(pace):
                await turns.enter_async_context(self._turns[call])
            before = self._counted()
            found = await self.poller.poll(source)
            called = self._counted() - before
            if isinstance(source, JobSource) and source.kind.filters.created_after and source.status.is_up:
                # A first poll reads the past as well: the second one is what every later one costs.
                await self.poller.poll(source)
                steady = self._counted() - before - called
                operation = (source.kind.service, source.kind.operation)
                called[operation] = steady[operation]
        self.findings.append(self._finding(source, pace, called))
        await self.examine(found or ())

    def _pace(self, source: Source) -> Pace:
        discovery = self.settings.poll.discovery_interval
        if isinstance(source, JobSource):
            kind = source.kind
            inner = {
                permissions.Operation(scope.service or kind.service, scope.operation): discovery
                for _, scope in kind.scopes[1:]
            }
            return {permissions.Operation(kind.service, kind.operation): source.status.interval, **inner}
        key = source.status.key
        if isinstance(source, ScopeSource):
            scope = self.catalog[key.aws_service].scopes[key.kind]
            return {permissions.Operation(scope.service or key.aws_service, scope.operation): discovery}
        return dict.fromkeys(self._landscape(source), discovery)

    def _landscape(self, source: Source) -> Sequence[permissions.Operation]:
        """Return what is called to find accounts and regions."""
        if isinstance(source, OrganizationSource) and (organization := self.settings.organization):
            return [
                permissions.Operation("organizations", operation) for operation in permissions.listings(organization)
            ]
        if isinstance(source, RegionsSource):
            return [permissions.Operation("ec2", "DescribeRegions")]
        return [permissions.Operation("sts", "GetCallerIdentity")]

    def _counted(self) -> Counter[tuple[str, str]]:
        """Return the requests so far by service and operation, and the refused reasons by service and kind."""
        counted: Counter[tuple[str, str]] = Counter()
        for family in self.registry.restricted_registry(_COUNTERS).collect():
            for labels, value in ((sample.labels, sample.value) for sample in family.samples):
                if labels.get("reason", PollErrorReason.ACCESS_DENIED) == PollErrorReason.ACCESS_DENIED:
                    counted[labels["aws_service"], labels.get("operation") or labels["kind"]] += int(value)
        return counted

    def _finding(self, source: Source, pace: Pace, called: Counter[tuple[str, str]]) -> _Finding:
        status = source.status
        details = source.kind.details if isinstance(source, JobSource) else None
        if details and called[status.key.aws_service, status.key.kind]:
            missing = permissions.action(permissions.Operation(status.key.aws_service, details.operation), self.catalog)
            return _Finding(status, pace, called, missing, mute=True)
        return _Finding(status, pace, called, self._missing(status, pace))

    def _missing(self, status: SourceStatus, pace: Pace) -> str:
        """Return the action that AWS says is not allowed, else that of the operation that it refused."""
        if status.reason is not PollErrorReason.ACCESS_DENIED:
            return ""
        if named := _NAMED.search(status.error):
            return named[1]
        refused = (call for call in pace if f"calling the {call.operation} operation" in status.error)
        return next((permissions.action(call, self.catalog) for call in refused), "")


_COUNTERS = ("aws_job_exporter_aws_requests_total", "aws_job_exporter_detail_errors_total")
_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_PREAMBLE = re.compile(r"^An error occurred \(\S+\) when calling the (\w+) operation(?: \([^)]*\))?: ")
_WIDTH = 240
"""Characters of what AWS says, whose sentences about permissions are long."""


def _row(finding: _Finding) -> Sequence[str]:
    status = finding.status
    poll = next(iter(finding.pace))
    words = "refuses to tell why jobs failed" if finding.mute else _PREAMBLE.sub(r"\1: ", status.error)
    calls = (f"{finding.called[poll[:2]]:,}", f"{finding.per_hour().total():,}") if status.is_up else ("", "")
    return (
        *status.key,
        "ok" if status.is_up else str(status.reason),
        *calls,
        finding.missing,
        textwrap.shorten(words, _WIDTH),
    )


def _summary(findings: Sequence[_Finding]) -> str:
    """Return the calls of each service in an hour, and a closing line."""
    rates: Counter[str] = sum((finding.per_hour() for finding in findings), Counter())
    failed = sum(not finding.status.is_up for finding in findings)
    rows = [(service, f"{rate:,}") for service, rate in sorted(rates.items())]
    health = f"{failed} of {len(findings)} sources failed. The others" if failed else "All is well. The sources"
    return f"{table(('SERVICE', 'CALLS/HOUR'), rows)}\n\n{health} make {rates.total():,} calls of AWS an hour."
