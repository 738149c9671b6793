"""What an exporter requests in a simulated day, and what `doctor` foretells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from exporter import app
from exporter.catalog import Kind
from exporter.cli.examination import Examination, in_turns
from exporter.cli.pace import Pace, total
from exporter.jobs import State
from exporter.settings import Settings
from exporter.simulator import SimulatedScope, World
from tests.support.harness import CATALOG, KEYS, NOW, REGION, HandClock, configured, running
from tests.support.simulated_aws import SimulatedAws

HOUR, DAY = 3600.0, 86_400.0

SEVEN: Mapping[str, Any] = {
    service: {} for service in ("batch", "bedrock", "emr", "emr-serverless", "glue", "sagemaker", "stepfunctions")
}

BUSY: Mapping[str, int] = {
    "glue/job_run": 60,
    "glue/crawl": 20,
    "batch/job": 8,
    "stepfunctions/execution": 30,
    "sagemaker/pipeline_execution": 20,
}
"""Kinds with their numbers of scopes: Glue jobs, crawlers, queues, state machines and pipelines."""

_IDLE = {"idle_interval": "10m"}
"""Tests set it to nearly nothing; here it is what is measured."""


class Day(NamedTuple):
    """Requests to AWS, but for those of the first polls."""

    first_hour: int
    hours: Sequence[int]
    """Of each later hour."""
    foretold: Pace

    @property
    def mean(self) -> float:
        """Return the requests of an hour after the first one."""
        return sum(self.hours) / len(self.hours)


async def day(
    aws: SimulatedAws, clock: HandClock, services: Mapping[str, Any], poll: Mapping[str, str], *, hours: int = 24
) -> Day:
    """Return what the doctor foretells, and what an exporter then requests in an hour and in so many more."""
    settings = configured(aws.endpoint_url, services, poll={**_IDLE, **poll})
    rate = await foretold(settings, clock)
    async with running(settings, clock) as exporter:
        counts = [aws.requests.total()]
        for _ in range(hours + 1):
            await exporter.elapse(HOUR)
            counts.append(aws.requests.total())
    first, *later = (after - before for before, after in pairwise(counts))
    return Day(first, later, rate)


async def foretold(settings: Settings, clock: HandClock) -> Pace:
    """Return what the doctor foretells."""
    async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as parts:
        examination = Examination(settings, CATALOG, parts.poller)
        await examination.examine(parts.roots)
    return total(finding.rate for finding in in_turns(examination.findings))


def kind_of(name: str) -> Kind:
    """Return a kind by its full name."""
    service, _, key = name.partition("/")
    return CATALOG[service].kinds[key]


def add_scopes(world: World, name: str, number: int) -> list[SimulatedScope]:
    """Add scopes of a kind; the innermost must be the only one."""
    kind = kind_of(name)
    return [world.add_scope(kind.service, kind.outer_scope) for _ in range(number)]


def add_daily(
    world: World, name: str, scope: SimulatedScope | None = None, *, days: Iterable[float], runs: float = 600.0
) -> None:
    """Add jobs that run for so many seconds, each so many days before now; below 0, it is still to come."""
    kind = kind_of(name)
    path = [(0.0, _status(kind, State.RUNNING)), (runs, _status(kind, State.SUCCEEDED))]
    for number in days:
        world.add_job(kind, scope=scope, created=NOW - number * DAY, path=path)


def add_busy(world: World, numbers: Mapping[str, int] = BUSY) -> None:
    """Add scopes with a job on each day of a week that ended two days ago; since then nothing happens."""
    for name, number in numbers.items():
        for scope in add_scopes(world, name, number):
            add_daily(world, name, scope, days=range(2, 9))


def _status(kind: Kind, state: State) -> str:
    return kind.states[state][0]
