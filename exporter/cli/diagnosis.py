"""What the doctor found, for people and for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from exporter.cli.advice import Ailment, advice
from exporter.cli.invocation import table
from exporter.cli.pace import MONTH, Pace, total
from exporter.cli.readers import exceeded
from exporter.telemetry import PollErrorReason, SourceStatus

_SOURCE = ("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE")
_COLUMNS = (*_SOURCE, "RESULT", "REQUESTS/POLL", "REQUESTS/HOUR", "MISSING ACTION", "WHAT AWS SAYS")
_LARGEST = (*_SOURCE, "REQUESTS/POLL", "REQUESTS/HOUR", "AT MOST/HOUR")
_SUMS = (*_SOURCE[:3], "SOURCES", "UP", "REQUESTS/HOUR", "REQUESTS/MONTH", "AT MOST/HOUR")
_SHOWN = 10
"""The sources, and twice as many sums, that are shown if not all are asked for: those that request most."""
_START, _END = 160, 240
"""Characters of an error to show: AWS's sentences about permissions are long, and say last which policy denies."""


@dataclass(frozen=True)
class Diagnosis:
    """The state of one source, what it requests, and which permission it lacks."""

    status: SourceStatus
    each_poll: int
    """The requests of a poll, without those that not every poll makes."""
    rate: Pace
    missing: str
    error: str


class ServiceTotal(NamedTuple):
    """The sources of a service in a region of an account, and what they add up to."""

    account: str
    region: str
    service: str
    sources: int
    up: int
    rate: Pace


class Report:
    """What the tour found; first what makes most requests."""

    def __init__(self, findings: Iterable[Diagnosis], series: int, size: int) -> None:
        self.findings = sorted(findings, key=lambda finding: (-finding.rate.expected, finding.status.key))
        self.series = series
        self.unread_by = list(exceeded(series, size))
        self.rate = total(finding.rate for finding in self.findings)

    def text(self, *, every_row: bool) -> str:
        """Return it for people: what is not well row by row, what is well summed up."""
        shown = [finding for finding in self.findings if every_row or finding.missing or not finding.status.is_up]
        parts = [table(_COLUMNS, map(_row, shown))] if shown else []
        sums = self._by_service()
        parts.append(table(_SUMS, map(_sums_row, sums if every_row else sums[: 2 * _SHOWN])))
        if not every_row:
            if rest := sums[2 * _SHOWN :]:
                parts[-1] += f"\n{_rest(rest)}"
            parts.append(
                f"The sources that request most:\n{table(_LARGEST, map(_largest_row, self.findings[:_SHOWN]))}"
            )
        if to_do := self._to_do():
            parts.append("\n".join(("What to do, the most useful first:", *(f"* {each}" for each in to_do))))
        return "\n\n".join((*parts, self._closing()))

    def plain(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "sources": [_plain(finding) for finding in self.findings],
            "services": [
                {
                    "account_id": sums.account,
                    "region": sums.region,
                    "aws_service": sums.service,
                    "sources": sums.sources,
                    "up": sums.up,
                    **_plain_rate(sums.rate),
                }
                for sums in self._by_service()
            ],
            "to_do": self._to_do(),
            "total": {
                "sources": len(self.findings),
                "failed": self._failed,
                **_plain_rate(self.rate),
                "denied_per_hour": round(self._denied, 2),
                "series": self.series,
                "unread_by": [reader.name for reader in self.unread_by],
            },
        }

    @property
    def _failed(self) -> int:
        return sum(not finding.status.is_up for finding in self.findings)

    @property
    def _denied(self) -> float:
        denied = (each for each in self.findings if each.status.reason is PollErrorReason.ACCESS_DENIED)
        return total(finding.rate for finding in denied).expected

    def _by_service(self) -> list[ServiceTotal]:
        groups: defaultdict[tuple[str, str, str], list[Diagnosis]] = defaultdict(list)
        for finding in self.findings:
            key = finding.status.key
            groups[key.account_id, key.region, key.aws_service].append(finding)
        sums = (
            ServiceTotal(*key, len(found), sum(each.status.is_up for each in found), total(each.rate for each in found))
            for key, found in groups.items()
        )
        return sorted(sums, key=lambda each: (-each.rate.expected, *each[:3]))

    def _to_do(self) -> list[str]:
        return advice(
            Ailment(finding.status.key, finding.status.reason, finding.missing, finding.status.error)
            for finding in self.findings
            if finding.missing or not finding.status.is_up
        )

    def _closing(self) -> str:
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        sources, failed, rate = len(self.findings), self._failed, self.rate
        found = f"{failed:,} of {sources:,} sources failed; all" if failed else f"All {sources:,} sources are up; they"
        yield (
            f"{found} make {rate.expected:,.0f} requests to AWS per hour and {rate.expected * MONTH:,.0f} per month if "
            f"everything goes on as in the last day, and {rate.most:,.0f} per hour if something happens in every list "
            "all the time."
        )
        if self._denied:
            yield f"AWS denies {self._denied:,.0f} of them per hour."
        yield f"/metrics has {self.series:,} series."
        yield from (f"{reader}." for reader in self.unread_by)


def _row(finding: Diagnosis) -> Sequence[str]:
    status = finding.status
    return (
        *status.key,
        "ok" if status.is_up else str(status.reason),
        f"{finding.each_poll:,}",
        f"{finding.rate.expected:,.0f}",
        finding.missing,
        _shortened(finding.error),
    )


def _largest_row(finding: Diagnosis) -> Sequence[str]:
    rate = finding.rate
    return (*finding.status.key, f"{finding.each_poll:,}", f"{rate.expected:,.0f}", f"{rate.most:,.0f}")


def _sums_row(sums: ServiceTotal) -> Sequence[str]:
    numbers = (sums.sources, sums.up, sums.rate.expected, sums.rate.expected * MONTH, sums.rate.most)
    return (*sums[:3], *(f"{number:,.0f}" for number in numbers))


def _rest(sums: Sequence[ServiceTotal]) -> str:
    rate = total(each.rate for each in sums)
    return f"and {len(sums):,} more with {rate.expected:,.0f} requests per hour; --all shows them"


def _shortened(error: str) -> str:
    """Return an error on one line, without its middle if it is long."""
    text = " ".join(error.split())
    return text if len(text) <= _START + _END else f"{text[:_START]} [...] {text[-_END:]}"


def _plain(finding: Diagnosis) -> dict[str, Any]:
    status = finding.status
    return {
        **status.key._asdict(),
        "result": "ok" if status.is_up else str(status.reason),
        "requests_per_poll": finding.each_poll,
        **_plain_rate(finding.rate),
        "missing_action": finding.missing,
        "error": finding.error,
    }


def _plain_rate(rate: Pace) -> dict[str, float]:
    return {
        "requests_per_hour": round(rate.expected, 2),
        "requests_per_month": round(rate.expected * MONTH),
        "most_requests_per_hour": round(rate.most, 2),
    }
