"""What the doctor found, for people and for programs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.cli.advice import Ailment, advice
from exporter.cli.invocation import table
from exporter.permissions import Operation
from exporter.telemetry import SourceStatus

_HOUR = 3600.0
_COLUMNS = (
    *("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "RESULT", "REQUESTS/POLL", "REQUESTS/HOUR"),
    *("MISSING ACTION", "WHAT AWS SAYS"),
)
_SUMS = ("ACCOUNT", "SERVICE", "REGIONS", "SOURCES", "UP", "REQUESTS/HOUR")
_START, _END = 160, 240
"""Characters of an error to show: AWS's sentences about permissions are long, and say last which policy denies."""


@dataclass(frozen=True)
class Diagnosis:
    """The state of one source, what it requested, and which permission it lacks."""

    status: SourceStatus
    intervals: Mapping[Operation, float]
    """How often the source requests each operation; first the one that its polls consist of."""
    requests: Counter[tuple[str, str]]
    missing: str
    error: str

    @property
    def each_poll(self) -> int:
        """The requests of a poll for what it consists of."""
        return self.requests[next(iter(self.intervals))[:2]]

    def per_hour(self) -> Counter[str]:
        """Return the requests that the source makes per hour, by service; nothing if it could not be read."""
        rates: Counter[str] = Counter()
        for operation, interval in self.intervals.items() if self.status.is_up else ():
            rates[operation.service] += round(self.requests[operation.service, operation.operation] * _HOUR / interval)
        return rates


@dataclass(frozen=True)
class Report:
    """What the tour found."""

    findings: Sequence[Diagnosis]
    series: int

    def text(self, *, every_row: bool) -> str:
        """Return it for people: what is not well row by row, what is well summed up."""
        shown = [finding for finding in self.findings if every_row or finding.missing or not finding.status.is_up]
        parts = [table(_COLUMNS, map(_row, shown))] if shown else []
        parts.append(table(_SUMS, self._sums()))
        if to_do := self._to_do():
            parts.append("\n".join(("What to do, the most useful first:", *(f"* {each}" for each in to_do))))
        return "\n\n".join((*parts, self._closing()))

    def plain(self) -> dict[str, Any]:
        """Return the same for programs."""
        keys = ("account_id", "aws_service", "regions", "sources", "up", "requests_per_hour")
        return {
            "sources": [_plain(finding) for finding in self.findings],
            "services": [dict(zip(keys, sums, strict=True)) for sums in self._by_service()],
            "to_do": self._to_do(),
            "total": {
                "sources": len(self.findings),
                "failed": self._failed,
                "requests_per_hour": self._rate,
                "series": self.series,
            },
        }

    @property
    def _failed(self) -> int:
        return sum(not finding.status.is_up for finding in self.findings)

    @property
    def _rate(self) -> int:
        return sum(finding.per_hour().total() for finding in self.findings)

    def _by_service(self) -> Iterator[tuple[str, str, int, int, int, int]]:
        """Yield account, service, regions, sources, how many of these are up, and their requests per hour."""
        groups: defaultdict[tuple[str, str], list[Diagnosis]] = defaultdict(list)
        for finding in self.findings:
            groups[finding.status.key.account_id, finding.status.key.aws_service].append(finding)
        for (account, service), found in sorted(groups.items()):
            regions = len({finding.status.key.region for finding in found})
            up = sum(finding.status.is_up for finding in found)
            yield account, service, regions, len(found), up, sum(finding.per_hour().total() for finding in found)

    def _sums(self) -> Iterator[Sequence[str]]:
        for account, service, *numbers in self._by_service():
            yield account, service, *(f"{number:,}" for number in numbers)

    def _to_do(self) -> list[str]:
        return advice(
            Ailment(finding.status.key, finding.status.reason, finding.missing, finding.status.error)
            for finding in self.findings
            if finding.missing or not finding.status.is_up
        )

    def _closing(self) -> str:
        sources, failed = len(self.findings), self._failed
        found = f"{failed:,} of {sources:,} sources failed; the others"
        if not failed:
            found = f"All {sources:,} sources are up; they"
        return f"{found} make {self._rate:,} requests to AWS per hour. /metrics has {self.series:,} series."


def _row(finding: Diagnosis) -> Sequence[str]:
    status = finding.status
    requests = (f"{finding.each_poll:,}", f"{finding.per_hour().total():,}")
    return (
        *status.key,
        "ok" if status.is_up else str(status.reason),
        *(requests if status.is_up else ("", "")),
        finding.missing,
        _shortened(finding.error),
    )


def _shortened(error: str) -> str:
    """Return an error on one line, without its middle if it is long."""
    text = " ".join(error.split())
    return text if len(text) <= _START + _END else f"{text[:_START]} [...] {text[-_END:]}"


def _plain(finding: Diagnosis) -> dict[str, Any]:
    status = finding.status
    return {
        **status.key._asdict(),
        "result": "ok" if status.is_up else str(status.reason),
        "requests_per_poll": finding.each_poll if status.is_up else None,
        "requests_per_hour": finding.per_hour().total() if status.is_up else None,
        "missing_action": finding.missing,
        "error": finding.error,
    }
