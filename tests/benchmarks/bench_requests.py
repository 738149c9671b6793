"""How many requests to AWS an exporter makes in a simulated day, and whether `doctor` foretold them.

Run it with `python -m tests.benchmarks.bench_requests [results.json]`.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.jobs import State
from exporter.poller import JobSource
from exporter.simulator import World
from tests.benchmarks.report import Row, report
from tests.support.days import DAY, HOUR, SEVEN, Day, add_busy, add_scopes, day, kind_of
from tests.support.harness import BEDROCK, NOW, HandClock, Running, configured, running, simulated

EXECUTION = kind_of("stepfunctions/execution")
IDLE_INTERVAL = 600.0
POLL = {"idle_interval": f"{IDLE_INTERVAL:g}s"}


class Profile(NamedTuple):
    """An account in one region, in which nothing happens, and how it is read."""

    name: str
    services: Mapping[str, Any]
    add: Callable[[World], None] = lambda _: None
    poll: Mapping[str, str] = {}


PROFILES = (
    Profile("empty account, default configuration", {}),
    Profile("empty account, seven services", SEVEN),
    Profile("138 scopes in seven services, quiet", SEVEN, add_busy),
    Profile(
        "the same at the intervals of docs/events.md", SEVEN, add_busy, {"interval": "15m", "idle_interval": "30m"}
    ),
)


def days(profiles: Sequence[Profile], hours: int) -> Iterator[Row]:
    """Count the requests of the first hour and of as many more, beside those that the doctor foretells."""
    for profile in profiles:
        found = asyncio.run(_day(profile, hours))
        yield Row(f"{profile.name}: requests of the first hour", found.first_hour, "")
        yield Row(f"{profile.name}: requests of a later hour", found.mean, "")
        off = 100 * abs(found.foretold.expected / found.mean - 1)
        yield Row(f"{profile.name}: what the doctor foretells is off by", off, "%")


async def _day(profile: Profile, hours: int) -> Day:
    clock = HandClock()
    async with simulated(clock) as aws:
        profile.add(aws.world)
        return await day(aws, clock, profile.services, profile.poll, hours=hours)


def executions(number: int) -> Iterator[Row]:
    """Count the requests of a poll of a state machine with so many executions that finished within the lookback."""
    for name, value in asyncio.run(_executions(number)).items():
        yield Row(f"requests of a poll, a state machine with {number:,} finished executions, {name}", value, "")


async def _executions(number: int) -> dict[str, float]:
    clock, services = HandClock(), dict[str, Any](stepfunctions={})
    path = [(0.0, EXECUTION.states[State.RUNNING][0]), (60.0, EXECUTION.states[State.SUCCEEDED][0])]
    async with simulated(clock) as aws:
        (machine,) = add_scopes(aws.world, "stepfunctions/execution", 1)
        for index in range(number):
            aws.world.add_job(EXECUTION, scope=machine, created=NOW - 6 * DAY + index * 5 * DAY / number, path=path)
        # One that never ends, so that it is polled every minute.
        aws.world.add_job(EXECUTION, scope=machine, created=NOW - DAY / 2, path=path[:1])
        async with running(configured(aws.endpoint_url, services, poll=POLL), clock) as exporter:
            polls = [await _list(exporter) for _ in range(66)]
    return {"median": statistics.median(polls), "mean of an hour with its resync": statistics.mean(polls)}


async def _list(exporter: Running) -> int:
    """Return how many requests the next poll of the only list makes."""
    (source,) = (source for source in exporter.poller.sources if isinstance(source, JobSource))
    before, attempts = source.status.calls, source.status.attempts
    while source.status.attempts == attempts:
        await _next(exporter)
    return source.status.calls - before


async def _next(exporter: Running) -> None:
    """Let time pass until the next poll."""
    await exporter.turn(max(0.0, exporter.clock.due - exporter.clock.now))


def seen(jobs: int) -> Iterator[Row]:
    """Measure how long it takes until the first job is seen in a list in which nothing has happened for hours."""
    waits = asyncio.run(_seen(jobs))
    yield Row("a job that starts in an idle list is seen after, mean", statistics.mean(waits), "s")
    yield Row("a job that starts in an idle list is seen after, longest", max(waits), "s")


async def _seen(jobs: int) -> list[float]:
    clock, rng, waits = HandClock(), random.Random(1), list[float]()
    async with simulated(clock) as aws:
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        async with running(configured(aws.endpoint_url, services, poll=POLL), clock) as exporter:
            (source,) = (source for source in exporter.poller.sources if isinstance(source, JobSource))
            for _ in range(jobs):
                await exporter.elapse(2 * HOUR + rng.uniform(0, IDLE_INTERVAL))
                start = clock.now
                aws.world.add_job(BEDROCK, created=start, path=[(0, "InProgress"), (2 * IDLE_INTERVAL, "Completed")])
                while not source.ledger.active:
                    await _next(exporter)
                waits.append(clock.now - start)
    return waits


def rows(
    profiles: Sequence[Profile] = PROFILES, *, hours: int = 24, finished: int = 100_000, jobs: int = 100
) -> Iterator[Row]:
    """Yield every measurement."""
    yield from days(profiles, hours)
    yield from executions(finished)
    yield from seen(jobs)


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
