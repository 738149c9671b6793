"""The series of an organization: what its sources export, and what those and the recorded series were before."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from exporter.catalog import Catalog, Kind
from exporter.exposition.format import rendered
from exporter.families import JOB_FAMILIES, SOURCE_FAMILIES, Family, JobView, metrics
from exporter.jobs import Reason, SourceKey, State
from exporter.settings import Metrics
from exporter.store import RunTimes, Sums
from exporter.telemetry import PollErrorReason, SourceStatus
from tests.benchmarks.bench_accounts import REGIONS, SERVICES
from tests.benchmarks.bench_polling import account_ids

HOUR, MINUTE = 3600, 60
TARGET = 'job="aws-job-exporter",instance="exporter:10058"'
REASONS = (Reason.ACCESS_DENIED, Reason.CAPACITY, Reason.QUOTA_EXCEEDED, Reason.INVALID_INPUT, Reason.OTHER)
ACTIVE = (State.PENDING, State.RUNNING, State.STOPPING)

USED, IN_REGION = 0.4, 0.625
"""How many of the accounts use a kind, and in how many of the regions: a quarter of the lists have jobs."""
FAILING, DOWN = 0.3, 0.01
"""How many of the lists with jobs have failed ones, and how many of all cannot be read."""

_SUCCESSES, _FAILURES = 30, 240
"""Minutes from one success of a list with jobs to the next, and from one failure of a failing one."""


@dataclass(frozen=True)
class Population:
    """Lists of jobs: accounts times regions times kinds."""

    accounts: int = 400
    regions: Sequence[str] = REGIONS
    most_kinds: int = 25
    _rng: random.Random = field(default_factory=lambda: random.Random(1))

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds that are read."""
        catalog = Catalog()
        found = [kind for service in SERVICES for kind in catalog[service].kinds.values() if not kind.scope]
        return found[: self.most_kinds]

    @cached_property
    def lists(self) -> list[tuple[SourceKey, Kind]]:
        """Every list of jobs."""
        places = ((account, region) for account in account_ids(self.accounts) for region in self.regions)
        return [(SourceKey(*place, kind.service, kind.key, ""), kind) for place in places for kind in self.kinds]

    @cached_property
    def busy(self) -> list[tuple[SourceKey, Kind]]:
        """The lists that have jobs."""
        used = {
            (account, kind.key)
            for account in account_ids(self.accounts)
            for kind in self.kinds
            if self._rng.random() < USED
        }
        return [
            (key, kind)
            for key, kind in self.lists
            if (key.account_id, key.kind) in used and self._rng.random() < IN_REGION
        ]

    def exposition(self, now: float) -> Iterator[bytes]:
        """Yield what a scrape shows, in parts."""
        accounts = [
            SourceKey(account, region, "sts", "account", "")
            for account in account_ids(self.accounts)
            for region in self.regions
        ]
        statuses = [self._status(key, now, None) for key in accounts]
        statuses += [self._status(key, now, 25) for key, _ in self.lists]
        yield from _samples(SOURCE_FAMILIES, [(key, status) for key, status in statuses])
        views = [(key, JobView(kind, (), self._sums(kind, now), Metrics(), [])) for key, kind in self.busy]
        yield from _samples(JOB_FAMILIES, views)
        for key in accounts:
            labels = f'account_id="{key.account_id}",region="{key.region}"'
            for service in SERVICES:
                yield f'aws_job_exporter_rate_limit{{{labels},aws_service="{service}"}} 2\n'.encode()
        yield b'aws_job_exporter_build_info{version="1.0.0",pythonversion="3.13.0"} 1\n'

    def _status(self, key: SourceKey, now: float, jobs: int | None) -> tuple[SourceKey, SourceStatus]:
        status = SourceStatus(key, self._rng.choice((60.0, 600.0)), attempts=1, jobs=jobs, last_success=now - MINUTE)
        status.last_duration = self._rng.random()
        if jobs is not None:
            status.series, status.details_pending = 40, 0
        if self._rng.random() < DOWN:
            status.consecutive_failures, status.reason = 3, PollErrorReason.ACCESS_DENIED
        return key, status

    def _sums(self, kind: Kind, now: float) -> Sums:
        """Return what a list with a few active jobs and a week of finished ones adds up to."""
        rng, sums = self._rng, Sums()
        for status, state in kind.meanings:
            if state in ACTIVE:
                sums.statuses[status, state, ""] = rng.randrange(4)
                sums.oldest_active[status, state] = now - rng.expovariate(1 / (HOUR / 6))
        ended = {State.SUCCEEDED} | ({State.FAILED} if rng.random() < FAILING else set())
        for status, state in kind.meanings:
            if state in ended:
                reason = rng.choice(REASONS) if state is State.FAILED else ""
                sums.statuses[status, state, reason] = rng.randrange(1, 40)
                sums.last[state, reason] = now - rng.uniform(0, 12 * HOUR)
                sums.finished_total[state] += 200
                if reason:
                    sums.failed_total[reason] += 200
        for state in ended:
            sums.durations[state] = self._times()
            sums.last_durations[state] = rng.uniform(60, HOUR)
        sums.waits = self._times()
        sums.last_created = now - rng.uniform(0, HOUR)
        sums.records.update({"total": 1000, "processed": 900, "succeeded": 890, "failed": 10})
        return sums

    def _times(self) -> RunTimes:
        median = self._rng.uniform(60, HOUR)
        return RunTimes({0.5: median, 0.9: 2 * median, 0.99: 3 * median}, Counter({3_600_000: 400}), 400 * median)


def _samples(families: Sequence[Family[Any]], views: Sequence[tuple[SourceKey, Any]]) -> Iterator[bytes]:
    for family in families:
        yield from (samples for _, samples in rendered(metrics([family], SourceKey._fields, views)))


Value = Callable[[int], float | None]
"""What a series was so many minutes ago; None where it had no sample."""

_KIND = ("account_id", "aws_service", "kind")
_ADDED_UP: Mapping[str, Mapping[str, Sequence[str]]] = {
    "aws_jobs": {"account_kind_state:aws_jobs:sum": (*_KIND, "state")},
    "aws_job_exporter_source_up": {
        "account_kind:aws_job_exporter_source_up:sum": _KIND,
        "account_kind:aws_job_exporter_source_up:count": _KIND,
    },
}
"""What panels read over time of what is recorded: its labels."""
_INCREASES: Mapping[str, tuple[str, Sequence[str]]] = {
    "aws_jobs_finished_total": ("account_kind_state:aws_jobs_finished:increase1m", (*_KIND, "state")),
    "aws_jobs_failed_total": ("account_kind_reason:aws_jobs_failed:increase1m", (*_KIND, "reason")),
}
_OF_ONE_KIND = ("aws_jobs", "aws_job_duration_seconds", "aws_job_queue_duration_seconds", "aws_job_records")


class Past:
    """The series of a scrape, and what those that are read over time, and the recorded ones, were before."""

    def __init__(self, exposition: bytes, shown: Kind) -> None:
        """Continue a scrape backward: counters, what is recorded, and what panels show of one kind."""
        self._series: list[tuple[str, Value]] = []
        added_up: defaultdict[str, float] = defaultdict(float)
        steps: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        for number, line in enumerate(exposition.decode().splitlines()):
            name, _, rest = line.partition("{")
            text, _, value = rest.rpartition("} ")
            labels = dict(part.split("=", 1) for part in text.split(","))
            if name in _INCREASES:
                step = _SUCCESSES if labels.get("state") == '"succeeded"' else _FAILURES
                self._series.append((f"{name}{{{TARGET},{text}}}", _counter(float(value), step, number % step)))
                steps[_name(*_INCREASES[name], labels)][step, number % step] += 1
            else:
                is_read = name in _OF_ONE_KIND and labels["kind"] == f'"{shown.key}"'
                self._series.append((f"{name}{{{TARGET},{text}}}", (_gauge if is_read else _last)(float(value))))
            if name != "aws_jobs" or labels["state"].strip('"') in ACTIVE:
                for recorded, kept in _ADDED_UP.get(name, {}).items():
                    added_up[_name(recorded, kept, labels)] += 1 if recorded.endswith(":count") else float(value)
        self._series += [(name, _gauge(value)) for name, value in added_up.items()]
        self._series += [(name, _increase(found)) for name, found in steps.items()]

    def samples(self, minutes: range, end: float) -> Iterator[str]:
        """Yield the samples of these minutes before the end, in OpenMetrics, series by series."""
        times = {minute: f" {end - MINUTE * minute:.0f}\n" for minute in minutes}
        for name, value in self._series:
            numbers = ((value(minute), time) for minute, time in times.items())
            yield "".join([f"{name} {number}{time}" for number, time in numbers if number is not None])


def _name(recorded: str, kept: Sequence[str], labels: Mapping[str, str]) -> str:
    return f'{recorded}{{job="aws-job-exporter",{",".join(f"{name}={labels[name]}" for name in kept)}}}'


def _gauge(value: float) -> Value:
    return lambda minute: value + minute % 3


def _last(value: float) -> Value:
    return lambda minute: value if minute == 0 else None


def _counter(value: float, step: int, phase: int) -> Value:
    return lambda minute: value - (minute + phase) // step


def _increase(steps: Mapping[tuple[int, int], int]) -> Value:
    def increase(minute: int) -> float | None:
        return sum(jobs for (step, phase), jobs in steps.items() if (minute + phase) % step == 0) or None

    return increase
