"""The command that tries every source and reports what works, what is missing and what it costs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exporter import app, permissions, threads
from exporter.catalog import Catalog
from exporter.cli.advice import cause_advice
from exporter.cli.diagnosis import Diagnosis, Report
from exporter.cli.environment import region
from exporter.cli.invocation import Invocation
from exporter.cli.progress_line import progress_line
from exporter.exposition import Format
from exporter.permissions import Operation
from exporter.poller import JobSource, OrganizationSource, Poller, RegionsSource, ScopeSource, Source
from exporter.settings import Settings, Shard, Storage
from exporter.telemetry import PollErrorReason

_DENIED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_EXPLICIT_DENY = "with an explicit deny"
_PREAMBLE = re.compile(r"^An error occurred \(\S+\) when calling the (\w+) operation(?: \([^)]*\))?: ")


async def doctor(invocation: Invocation) -> int:
    """Poll everything, print the state of what is not well, and return 1 if a source could not be read."""
    # The report has everything that the log would repeat.
    settings = invocation.settings(log={"level": "error"})
    # Examine all sources, not only those of one shard, and leave the storage of a running exporter alone.
    # Nor does the limit of an hour hold for what somebody waits for.
    aws = settings.aws.model_copy(update={"calls_per_hour": None})
    settings = settings.model_copy(update={"shard": Shard(), "storage": Storage(), "aws": aws})
    catalog = settings.catalog(invocation.catalog)
    app.calm_collector()
    threads.begin()
    async with app.assembled(settings, catalog, region(settings)) as parts:
        examination = _Examination(settings, catalog, parts.poller)
        async with progress_line(examination.progress):
            await examination.examine(parts.roots)
        series = sum(not line.startswith(b"#") for line in parts.exposition.render(Format.TEXT).splitlines())
    report = Report(sorted(examination.findings, key=lambda finding: finding.status.key), series)
    if invocation.options.output == "json":
        print(json.dumps(report.plain(), indent=2))
    else:
        print(report.text(every_row=invocation.options.all))
    return 0 if all(finding.status.is_up for finding in examination.findings) else 1


@dataclass
class _Examination:
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
        intervals = self._intervals(source)
        children, first = await self.poller.examine(source)
        requests = first.requests
        if isinstance(source, JobSource) and source.kind.filters.created_after and source.status.is_up:
            # The first poll also reads the past: only the second costs what every later one does.
            _, second = await self.poller.examine(source)
            listing = (source.kind.service, source.kind.operation)
            requests[listing] = second.requests[listing]
        missing = self._missing(source, intervals, is_denied_details=first.is_denied_details)
        self.findings.append(Diagnosis(source.status, intervals, requests, *missing))
        self._last = " ".join(filter(None, source.status.key))
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

    def _missing(self, source: Source, intervals: Iterable[Operation], *, is_denied_details: bool) -> tuple[str, str]:
        """Return the action that is not allowed, empty if there is none, and what AWS says."""
        status = source.status
        error = _PREAMBLE.sub(r"\1: ", status.error)
        details = source.kind.details if isinstance(source, JobSource) else None
        if details and is_denied_details:
            action = permissions.action(Operation(status.key.aws_service, details.operation), self.catalog)
            return action, "refuses to say why jobs failed"
        if status.reason is not PollErrorReason.ACCESS_DENIED:
            return "", error
        if named := _DENIED_ACTION.search(status.error):
            # What is denied explicitly, no permission helps.
            return "" if _EXPLICIT_DENY in status.error else named[1], error
        if cause_advice(status.key, status.error):
            return "", error
        # Some services do not name the action: it is that of the operation in botocore's part of the message.
        denied = (each for each in intervals if f"calling the {each.operation} operation" in status.error)
        return next((permissions.action(each, self.catalog) for each in denied), ""), error
