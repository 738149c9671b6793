"""What one listed job costs: with boto3's paginator, plain aiobotocore, and the exporter's reader."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import boto3
from aiobotocore.session import AioSession

from exporter.app import calm_collector
from exporter.aws import Clients, Credentials, Limiters, Place, PollRun, Reader, Scoped, catalog_loader
from exporter.catalog import Catalog
from exporter.catalog.models import Models
from exporter.clock import Clock
from exporter.settings import Account, Aws, Rates, Settings
from exporter.simulator import Simulator, World
from exporter.telemetry import Telemetry
from tests.benchmarks.children import process, result_of

CATALOG = Catalog()
KIND = CATALOG["bedrock"].kinds["model_invocation_job"]
REGION = "us-east-1"
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
OPTIONS = {"region_name": REGION, "aws_access_key_id": KEYS.access_key, "aws_secret_access_key": KEYS.secret_key}
PAGES = {"PaginationConfig": {"PageSize": 1000}}


class Row(NamedTuple):
    """A way to list jobs: CPU per job in microseconds, and how many times cheaper that is than boto3."""

    way: str
    microseconds: float
    times_less: float


def rows(jobs: int = 20_000, rounds: int = 3) -> list[Row]:
    """Measure every way in a separate process; the simulated AWS runs in another."""
    with simulated(jobs) as url:
        costs = {way: measured(way, url, jobs, rounds) for way in WAYS}
    return [Row(way, cost, costs["boto3"] / cost) for way, cost in costs.items()]


def measured(way: str, url: str, jobs: int, rounds: int = 1) -> float:
    """Return the CPU of a listed job in microseconds, the median of some listings by a separate process."""
    return float(result_of(_measure, way, url, jobs, rounds))


@contextmanager
def simulated(jobs: int) -> Iterator[str]:
    """Yield the URL of a simulated AWS with finished jobs, in a separate process."""
    with process(_serve, jobs) as aws:
        url = aws.recv()
        measured("exporter", url, jobs)  # warm up: the simulator caches what it has written once
        yield url


def _serve(pipe: Connection, jobs: int) -> None:
    """Simulate an AWS with finished jobs, send its URL and serve until killed."""
    asyncio.run(_simulate(pipe, jobs))


async def _simulate(pipe: Connection, jobs: int) -> None:
    world, now = World(CATALOG, region=REGION), time.time()
    for number in range(jobs):
        records = {"total": 1000, "processed": 1000, "succeeded": 990, "failed": 10}
        path = [(0, "Submitted"), (60, "InProgress"), (600, "Completed")]
        world.add_job(KIND, created=now - 1000 - number, path=path, records=records)
    async with Simulator(world) as simulator:
        pipe.send(simulator.endpoint_url)
        await asyncio.Event().wait()


def _measure(pipe: Connection, way: str, url: str, jobs: int, rounds: int) -> None:
    """Send the median cost per job over several listings of all jobs."""
    pipe.send(asyncio.run(_cost(WAYS[way], url, jobs, rounds)))


async def _cost(way: Way, url: str, jobs: int, rounds: int) -> float:
    costs = []
    async with way(url) as count:
        for _ in range(rounds):
            before = time.process_time()
            counted = await count()
            costs.append((time.process_time() - before) / jobs * 1e6)
            if counted != jobs:
                raise RuntimeError(f"{counted} jobs were listed, not {jobs}")
    return statistics.median(costs)


@asynccontextmanager
async def _boto3(url: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    paginator = boto3.client("bedrock", endpoint_url=url, **OPTIONS).get_paginator("list_model_invocation_jobs")

    async def count() -> int:
        return sum(len(page["invocationJobSummaries"]) for page in paginator.paginate(**PAGES))

    yield count


@asynccontextmanager
async def _aiobotocore(url: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    async with AioSession().create_client("bedrock", endpoint_url=url, **OPTIONS) as client:
        paginator = client.get_paginator("list_model_invocation_jobs")

        async def count() -> int:
            return sum([len(page["invocationJobSummaries"]) async for page in paginator.paginate(**PAGES)])

        yield count


@asynccontextmanager
async def _exporter(url: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    calm_collector()  # as the exporter does when it starts
    loader = catalog_loader(CATALOG)
    settings = Settings(aws=Aws(endpoint_url=url, requests_per_second=1e6, burst=1000))
    telemetry = Telemetry()
    limiters = Limiters(Rates(settings, CATALOG), telemetry, Clock())
    async with Clients(settings, telemetry, limiters, loader, KEYS) as clients:
        reader = Reader(clients, Models(loader))

        async def count() -> int:
            pages = reader.jobs(PollRun(), Place(Account(), REGION), KIND, Scoped({}))
            return sum([len(page) async for page in pages])

        yield count


Way = Callable[[str], AbstractAsyncContextManager[Callable[[], Awaitable[int]]]]
"""Connects to a URL and returns a function that lists all jobs and counts them."""

WAYS: dict[str, Way] = {"boto3": _boto3, "aiobotocore": _aiobotocore, "exporter": _exporter}


def main() -> None:
    """Print a table, and write it as JSON to the given file."""
    measured = rows()
    lines = [f"{row.way:12}{row.microseconds:10.1f}{row.times_less:12.1f}" for row in measured]
    sys.stdout.write("\n".join([f"{'':12}{'us a job':>10}{'times less':>12}", *lines, ""]))
    for path in sys.argv[1:]:
        Path(path).write_text(json.dumps([row._asdict() for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
