"""The command that tries every source and reports what works, what is missing and what it costs."""

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
from exporter.cli.environment import region
from exporter.cli.invocation import Invocation, table
from exporter.permissions import Operation
from exporter.poller import JobSource, OrganizationSource, Poller, RegionsSource, ScopeSource, Source
from exporter.settings import Settings, Shard, Storage
from exporter.telemetry import PollErrorReason, SourceStatus

_HOUR = 3600.0
_COLUMNS = (
    *("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "RESULT", "REQUESTS/POLL", "REQUESTS/HOUR"),
    *("MISSING ACTION", "WHAT AWS SAYS"),
)
_COUNTERS = ("aws_job_exporter_aws_requests_total", "aws_job_exporter_detail_errors_total")
_DENIED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_PREAMBLE = re.compile(r"^An error occurred \(\S+\) when calling the (\w+) operation(?: \([^)]*\))?: ")
_WIDTH = 240
"""Characters of an error to show: AWS's sentences about permissions are long."""


async def doctor(invocation: Invocation) -> int:
    """Poll everything, print the state of each source, and return 1 if one could not be read."""
    # The table has everything that the log would repeat.
    settings = invocation.settings(log={"level": "error"})
    # Examine all sources, not only those of one shard, and leave the storage of a running exporter alone.
    settings = settings.model_copy(update={"shard": Shard(), "storage": Storage()})
    catalog = settings.catalog(invocation.catalog)
    app.calm_collector()
    async with app.assembled(settings, catalog, region(settings)) as parts:
        examination = _Examination(settings, catalog, parts.poller, parts.telemetry.registry)
        await examination.examine(parts.roots)
    findings = sorted(examination.findings, key=lambda finding: finding.status.key)
    print(table(_COLUMNS, map(_row, findings)), _summary(findings), sep="\n\n")
    return 0 if all(finding.status.is_up for finding in findings) else 1


@dataclass(frozen=True)
class _Finding:
    """The state of one source, what it requested, and which permission it lacks."""

    status: SourceStatus
    intervals: Mapping[Operation, float]
    """How often the source requests each operation; first the one that its polls consist of."""
    requests: Counter[tuple[str, str]]
    missing: str
    error: str

    def per_hour(self) -> Counter[str]:
        """Return the requests that the source makes per hour, by service; nothing if it could not be read."""
        rates: Counter[str] = Counter()
        for operation, interval in self.intervals.items() if self.status.is_up else ():
            rates[operation.service] += round(self.requests[operation.service, operation.operation] * _HOUR / interval)
        return rates


@dataclass
class _Examination:
    """One tour of all sources."""

    settings: Settings
    catalog: Catalog
    poller: Poller
    registry: CollectorRegistry
    findings: list[_Finding] = field(default_factory=list)
    _locks: defaultdict[Operation, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def examine(self, sources: Iterable[Source]) -> None:
        """Poll sources and everything that is discovered through them."""
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(self._examine(source))

    async def _examine(self, source: Source) -> None:
        intervals = self._intervals(source)
        async with AsyncExitStack() as stack:
            # Requests are counted by operation, so sources that share one are polled one after the other. All take
            # their locks in the same order, or two could wait for each other.
            for operation in sorted(intervals):
                await stack.enter_async_context(self._locks[operation])
            before = self._counted()
            children = await self.poller.poll(source)
            requests = self._counted() - before
            if isinstance(source, JobSource) and source.kind.filters.created_after and source.status.is_up:
                # The first poll also reads the past: only the second costs what every later one does.
                await self.poller.poll(source)
                listing = (source.kind.service, source.kind.operation)
                requests[listing] = (self._counted() - before - requests)[listing]
        self.findings.append(_Finding(source.status, intervals, requests, *self._missing(source, intervals, requests)))
        await self.examine(children or ())

    def _intervals(self, source: Source) -> dict[Operation, float]:
        """Return the operations that a source requests again and again, each with its interval."""
        key, kind = source.status.key, source.kind if isinstance(source, JobSource) else None
        if kind:
            listing = {Operation(kind.service, kind.operation): source.status.interval}
            scopes = [Operation(scope.service or kind.service, scope.operation) for _, scope in kind.scopes[1:]]
            return {**listing, **dict.fromkeys(scopes, self.settings.poll.discovery_interval)}
        if isinstance(source, ScopeSource):
            scope = self.catalog[key.aws_service].scopes[key.kind]
            operations = [Operation(scope.service or key.aws_service, scope.operation)]
        elif isinstance(source, OrganizationSource) and (organization := self.settings.organization):
            operations = [Operation("organizations", operation) for operation in permissions.listings(organization)]
        elif isinstance(source, RegionsSource):
            operations = [Operation("ec2", "DescribeRegions")]
        else:
            operations = [Operation("sts", "GetCallerIdentity")]
        return dict.fromkeys(operations, self.settings.poll.discovery_interval)

    def _counted(self) -> Counter[tuple[str, str]]:
        """Return the requests so far by service and operation, and the denied ones for details by service and kind."""
        counted: Counter[tuple[str, str]] = Counter()
        for family in self.registry.restricted_registry(_COUNTERS).collect():
            for sample in family.samples:
                labels = sample.labels
                if labels.get("reason", PollErrorReason.ACCESS_DENIED) == PollErrorReason.ACCESS_DENIED:
                    counted[labels["aws_service"], labels.get("operation") or labels["kind"]] += int(sample.value)
        return counted

    def _missing(
        self, source: Source, intervals: Iterable[Operation], requests: Counter[tuple[str, str]]
    ) -> tuple[str, str]:
        """Return the action that is not allowed, empty if there is none, and what AWS says."""
        status = source.status
        error = _PREAMBLE.sub(r"\1: ", status.error)
        details = source.kind.details if isinstance(source, JobSource) else None
        if details and requests[status.key.aws_service, status.key.kind]:
            action = permissions.action(Operation(status.key.aws_service, details.operation), self.catalog)
            return action, "refuses to say why jobs failed"
        if status.reason is not PollErrorReason.ACCESS_DENIED:
            return "", error
        if named := _DENIED_ACTION.search(status.error):
            return named[1], error
        # Some services do not name the action: it is that of the operation in botocore's part of the message.
        denied = (each for each in intervals if f"calling the {each.operation} operation" in status.error)
        return next((permissions.action(each, self.catalog) for each in denied), ""), error


def _row(finding: _Finding) -> Sequence[str]:
    status = finding.status
    operation = next(iter(finding.intervals))
    requests = (f"{finding.requests[operation[:2]]:,}", f"{finding.per_hour().total():,}")
    return (
        *status.key,
        "ok" if status.is_up else str(status.reason),
        *(requests if status.is_up else ("", "")),
        finding.missing,
        textwrap.shorten(finding.error, _WIDTH),
    )


def _summary(findings: Sequence[_Finding]) -> str:
    """Return the requests per hour to each service, and a closing line."""
    rates: Counter[str] = sum((finding.per_hour() for finding in findings), Counter())
    failed = sum(not finding.status.is_up for finding in findings)
    rows = [(service, f"{rate:,}") for service, rate in sorted(rates.items())]
    health = f"{failed} of {len(findings)} sources failed; the others" if failed else "All sources are up; they"
    return f"{table(('SERVICE', 'REQUESTS/HOUR'), rows)}\n\n{health} make {rates.total():,} requests to AWS per hour."
