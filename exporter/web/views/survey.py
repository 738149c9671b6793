"""Many sources at a glance: how they are, which pass the filters, and what those add up to.

There may be tens of thousands, so each is looked at in turns with the event loop's other work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus
from exporter.turns import first_in_turns, in_turns, slices
from exporter.web.views.parameters import SourceParameters, SourceSort
from exporter.web.views.rows import health

_VALUES: Mapping[str, Callable[[SourceStatus], float | None]] = {
    "last_success": lambda status: status.last_success,
    "next_poll": lambda status: status.next_poll,
    "duration": lambda status: status.last_duration if status.attempts else None,
    "calls": lambda status: status.calls,
    "jobs": lambda status: status.jobs,
    "failures": lambda status: status.consecutive_failures,
}
"""What sources can be sorted by."""


class ServiceRow(NamedTuple):
    """The sources of one service in one account."""

    account_id: str
    aws_service: str
    healths: Mapping[str, int]
    overdue: int
    regions: set[str]
    oldest_success: float | None
    calls: int
    """Requests to AWS of the last poll of each."""
    jobs: int

    @classmethod
    def of(cls, statuses: Sequence[SourceStatus], now: float) -> ServiceRow:
        """Return what these sources of one service in one account add up to."""
        key = statuses[0].key
        return cls(
            key.account_id,
            key.aws_service,
            healths=Counter(map(health, statuses)),
            overdue=sum(status.is_overdue(now) for status in statuses),
            regions={status.key.region for status in statuses},
            oldest_success=min(_successes(statuses), default=None),
            calls=sum(status.last_calls for status in statuses),
            jobs=sum(status.jobs or 0 for status in statuses),
        )


class CauseRow(NamedTuple):
    """The sources of one account that are down for the same reason."""

    account_id: str
    reason: str
    error: str
    """What AWS said of one of them."""
    sources: int
    services: set[str]
    regions: set[str]
    last_success: float | None
    """The latest of any of them."""

    @classmethod
    def of(cls, statuses: Sequence[SourceStatus]) -> CauseRow:
        """Return what these sources of one account, down for one reason, add up to."""
        first = min(statuses, key=_KEY)
        return cls(
            first.key.account_id,
            first.reason or "",
            first.error,
            sources=len(statuses),
            services={status.key.aws_service for status in statuses},
            regions={status.key.region for status in statuses},
            last_success=max(_successes(statuses), default=None),
        )


@dataclass
class Survey:
    """A look at all sources."""

    now: float
    healths: Counter[str] = field(default_factory=lambda: Counter({"up": 0, "down": 0, "unknown": 0}))
    """How many are up, down, and unknown because they were not polled yet, whichever of these was asked for."""
    overdue: int = 0
    """How many are polled late by more than one interval."""
    found: list[SourceStatus] = field(default_factory=list)
    """Those that pass all filters."""

    @classmethod
    async def of(cls, statuses: Sequence[SourceStatus], parameters: SourceParameters, now: float) -> Survey:
        """Look at each source."""
        survey = cls(now)
        places, reasons, healths = parameters.places, frozenset(parameters.reason), frozenset(parameters.health)

        def look(part: Sequence[SourceStatus]) -> None:
            if not places.is_everywhere:
                part = [status for status in part if places.matches(status.key)]
            if reasons:
                part = [status for status in part if status.reason in reasons]
            survey.healths.update(map(health, part))
            late = [status for status in part if status.is_overdue(now)]
            survey.overdue += len(late)
            part = late if parameters.overdue else part
            survey.found += [status for status in part if health(status) in healths] if healths else part

        await in_turns(map(look, slices(statuses)))
        return survey

    async def first(self, count: int, sort: SourceSort | None = None) -> list[SourceStatus]:
        """Return the first of those that were found, by key or sorted; those without a value come last."""
        return await first_in_turns(self.found, count, _order(sort) if sort else _KEY)

    async def services_with_jobs(self) -> set[str]:
        """Return the services of which jobs are listed, whether or not there are any."""
        parts = slices(self.found)
        found = await in_turns({each.key.aws_service for each in part if each.jobs is not None} for part in parts)
        return set().union(*found)

    async def services(self, start: int, end: int) -> tuple[list[ServiceRow], int]:
        """Return some of what they add up to by account and service, in that order, and how many there are."""
        groups = await _grouped(self.found, attrgetter("key.account_id", "key.aws_service"))
        first = await first_in_turns(list(groups), end, key=tuple)
        return await in_turns(ServiceRow.of(groups[place], self.now) for place in first[start:]), len(groups)

    async def causes(self, start: int, end: int) -> tuple[list[CauseRow], int]:
        """Return some of what is down by account and reason, the most sources first, and how many there are."""
        parts = slices(self.found)
        down = await in_turns([status for status in part if status.consecutive_failures] for part in parts)
        groups = await _grouped(list(chain.from_iterable(down)), attrgetter("key.account_id", "reason"))
        first = await first_in_turns(list(groups), end, key=lambda cause: (-len(groups[cause]), *cause))
        return await in_turns(CauseRow.of(groups[cause]) for cause in first[start:]), len(groups)


_KEY = attrgetter("key")


async def _grouped(
    statuses: Sequence[SourceStatus], group: Callable[[SourceStatus], tuple[str, ...]]
) -> Mapping[tuple[str, ...], Sequence[SourceStatus]]:
    groups: defaultdict[tuple[str, ...], list[SourceStatus]] = defaultdict(list)

    def look(part: Sequence[SourceStatus]) -> None:
        for status in part:
            groups[group(status)].append(status)

    await in_turns(map(look, slices(statuses)))
    return groups


def _successes(statuses: Iterable[SourceStatus]) -> list[float]:
    return [status.last_success for status in statuses if status.last_success is not None]


def _order(sort: str) -> Callable[[SourceStatus], tuple[bool, float, SourceKey]]:
    value, sign = _VALUES[sort.removeprefix("-")], -1 if sort.startswith("-") else 1

    def key(status: SourceStatus) -> tuple[bool, float, SourceKey]:
        number = value(status)
        return number is None, sign * (number or 0), status.key

    return key
