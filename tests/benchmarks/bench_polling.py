"""What polling costs: list requests compared with boto3's paginator, and CPU and memory with many sources.

Run it with `python -m tests.benchmarks.bench_polling [results.json]`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import aiohttp
import boto3

from exporter import app
from exporter.aws import Credentials
from exporter.poller import JobSource
from exporter.settings import Settings, load
from exporter.simulator import RequestContext, Simulator, World
from tests.benchmarks.children import process, result_of, rss
from tests.benchmarks.report import Row, report
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    INFERENCE,
    NOW,
    REGION,
    HandClock,
    configured,
    running,
    simulated,
)

WEEK, DAY, HOUR, MINUTE = 7 * 86400.0, 86400.0, 3600.0, 60.0
ACTIVE = 10
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")


# List calls.


def calls(jobs: int) -> Iterator[Row]:
    """Count the requests that list 10 active and `jobs` finished jobs of the last week, for growing numbers of them."""
    for name, value in asyncio.run(_calls(jobs)).items():
        yield Row(f"list calls of a steady poll, {name}", value, "calls")


async def _calls(jobs: int) -> dict[str, float]:
    clock, counted = HandClock(), dict[str, float]()
    async with simulated(clock) as aws:
        _add_history(aws.world, jobs)
        for size in (100, 1000):
            counted[f"boto3's paginator, pages of {size:,}"] = await _paginated(aws, size)
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            polls = [await _counted(aws, partial(exporter.turn, 66.0)) for _ in range(55)]
            counted["exporter"] = sorted(polls)[len(polls) // 2]
            counted["exporter, mean of an hour with its resync"] = sum(polls) / len(polls)
        aws.world.add_job(BEDROCK, created=NOW - DAY, path=[(0, "InProgress")])
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            counted["exporter, one job active for a day"] = await _counted(aws, partial(exporter.turn, 66.0))
    return counted


def _add_history(world: World, jobs: int) -> None:
    """Create jobs at a steady pace, from a week before until two hours after, so that ten are active at a time."""
    pace = WEEK / jobs
    for number in range(int((WEEK + 2 * HOUR) / pace)):
        path = [(0, "InProgress"), (pace * ACTIVE, "Completed")]
        world.add_job(BEDROCK, created=NOW - WEEK + number * pace, path=path)


async def _paginated(aws: Simulator, size: int) -> float:
    client = boto3.client(
        "bedrock",
        region_name=REGION,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key,
    )
    paginator = client.get_paginator("list_model_invocation_jobs").paginate(PaginationConfig={"PageSize": size})
    return await _counted(aws, partial(asyncio.to_thread, lambda: sum(1 for _ in paginator)))


async def _counted(aws: Simulator, work: Any) -> float:
    """Return the number of list requests during some work."""
    before = aws.requests[BEDROCK.service, BEDROCK.operation]
    await work()
    return aws.requests[BEDROCK.service, BEDROCK.operation] - before


# Many sources.


def account_ids(number: int) -> list[str]:
    """Return the ids of so many accounts."""
    return [f"{100_000_000_000 + account}" for account in range(number)]


def through_roles(ids: Iterable[str], regions: Sequence[str]) -> list[dict[str, Any]]:
    """Return the configuration of accounts that are read by a role each."""
    return [{"role_arn": f"arn:aws:iam::{account}:role/exporter", "regions": regions} for account in ids]


class Fleet(NamedTuple):
    """Accounts with regions with collaborations, each of which is a source with ten active jobs."""

    accounts: int
    regions: tuple[str, ...]
    collaborations: int
    interval: float = 60.0
    latency: float = 0.02

    @property
    def sources(self) -> int:
        """Return the number of sources."""
        return self.accounts * len(self.regions) * self.collaborations

    def configuration(self, url: str) -> dict[str, Any]:
        """Return what an operator would write, with a rate high enough to poll every source in time."""
        return {
            "accounts": through_roles(account_ids(self.accounts), self.regions),
            "aws": {"endpoint_url": url, "requests_per_second": max(2.0, 12 * self.collaborations / self.interval)},
            "poll": {"interval": f"{self.interval:g}s", "idle_interval": f"{self.interval:g}s"},
            "services": {INFERENCE.service: {"kinds": [INFERENCE.key]}},
            "web": {"listen_address": ["127.0.0.1:0"]},
        }

    def settings(self, url: str) -> Settings:
        """Return the same as settings."""
        return load(CATALOG, defaults=self.configuration(url))


FLEET = Fleet(10, ("us-east-1", "eu-west-1"), 500)


class Steady(NamedTuple):
    """What an exporter did while every source was polled about once."""

    started: float
    """Seconds until every source had been polled."""
    seconds: float
    polls: int
    in_time: float
    """Percentage of the sources that were polled within an interval and its jitter."""
    cpu: float
    rss: int
    scrape_bytes: int
    scrape_series: int


def sources(fleet: Fleet) -> Iterator[Row]:
    """Measure an exporter with many sources in a separate process; the simulated AWS runs in another."""
    with process(serve, fleet) as aws:
        url = aws.recv()
        base = result_of(_idle)
        steady: Steady = result_of(_poll, fleet, url)
    name = f"{fleet.sources:,} sources"
    yield Row(f"{name}: until all were polled once", steady.started, "s")
    yield Row(f"{name}: polled in time", steady.in_time, "%")
    yield Row(f"{name}: polls", steady.polls / steady.seconds, "a second")
    yield Row(f"{name}: CPU, steady", steady.cpu / steady.seconds, "cores")
    yield Row(f"{name}: CPU of a poll", 1e3 * steady.cpu / max(steady.polls, 1), "ms")
    yield Row(f"{name}: RSS", steady.rss / 1e6, "MB")
    yield Row(f"{name}: RSS above an empty process, a source", (steady.rss - base) / 1e3 / fleet.sources, "kB")
    yield Row(f"{name}: series", steady.scrape_series, "")
    yield Row(f"{name}: a scrape", steady.scrape_bytes / 1e6, "MB")


def serve(pipe: Connection, fleet: Fleet) -> None:
    """Send the address of an AWS with these sources, and serve it."""
    asyncio.run(_simulate(pipe, fleet))


async def _simulate(pipe: Connection, fleet: Fleet) -> None:
    world = World(CATALOG, account=ACCOUNT, region=REGION)
    for account in account_ids(fleet.accounts):
        for region in fleet.regions:
            _populate(world, fleet.collaborations, account, region)

    async def latency(_call: RequestContext) -> None:
        await asyncio.sleep(fleet.latency)

    async with Simulator(world) as simulator:
        simulator.hooks.append(latency)
        pipe.send(simulator.endpoint_url)
        await asyncio.Event().wait()


def _populate(world: World, collaborations: int, account: str, region: str) -> None:
    began = time.time()
    for _ in range(collaborations):
        scope = world.add_scope(INFERENCE.service, "collaboration", account=account, region=region)
        for number in range(ACTIVE):
            path = [(0, "CREATE_PENDING"), (60, "CREATE_IN_PROGRESS")]
            world.add_job(INFERENCE, created=began - MINUTE * number, path=path, scope=scope)


def _idle(pipe: Connection) -> None:
    """Send the memory of a process that has only imported what it needs."""
    pipe.send(rss())


def _poll(pipe: Connection, fleet: Fleet, url: str) -> None:
    pipe.send(asyncio.run(_steady(fleet, url)))


async def _steady(fleet: Fleet, url: str) -> Steady:
    began = time.monotonic()
    async with app.running(fleet.settings(url), CATALOG, REGION, credentials=KEYS) as exporter:
        await exporter.poller.progress.complete.wait()
        started, cpu = time.monotonic(), time.process_time()
        before = _attempts(exporter)
        await asyncio.sleep(1.1 * fleet.interval + 1)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        polls = [attempts - before[key] for key, attempts in _attempts(exporter).items()]
        memory = rss()
        size, series = await scraped(exporter)
        in_time = 100 * sum(number > 0 for number in polls) / fleet.sources
        return Steady(started - began, seconds, sum(polls), in_time, cpu, memory, size, series)


def _attempts(exporter: app.Exporter) -> dict[Any, int]:
    """Return the number of successful polls of each source of jobs."""
    statuses = [source.status for source in exporter.poller.sources if isinstance(source, JobSource)]
    return {status.key: status.attempts for status in statuses if status.is_up}


async def scraped(exporter: app.Exporter) -> tuple[int, int]:
    """Return the bytes and the series of a scrape."""
    host, port = exporter.addresses[0]
    size = series = 0
    async with _scrape(f"http://{host}:{port}/metrics") as response:
        async for line in response.content:
            size, series = size + len(line), series + (line[:1] != b"#")
    return size, series


@asynccontextmanager
async def _scrape(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        yield response


def rows(jobs: int = 100_000, fleet: Fleet = FLEET) -> Iterator[Row]:
    """Yield every measurement."""
    yield from calls(jobs)
    yield from sources(fleet)


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
