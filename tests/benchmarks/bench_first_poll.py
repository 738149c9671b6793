"""What a job costs in a first poll, whole processes, beside boto3's paginator that only lists it; CPU in all.

What a process needs for a list of one job is subtracted: its start, and the first request.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from resource import struct_rusage
from typing import Any

from exporter.catalog import Catalog
from exporter.simulator import Simulator, World
from tests.benchmarks.children import process
from tests.benchmarks.report import Row, report
from tests.support.patience import UNHURRIED_FLAGS

CATALOG = Catalog()
KIND = CATALOG["bedrock"].kinds["model_invocation_job"]
REGION = "us-east-1"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up"}
FAILING = 10
"""One job of so many failed."""

PAGINATOR = """
import sys, boto3
bedrock = boto3.client("bedrock", endpoint_url=sys.argv[1], region_name="us-east-1")
pages = bedrock.get_paginator("list_model_invocation_jobs").paginate(PaginationConfig={"PageSize": 1000})
print(sum(len(page["invocationJobSummaries"]) for page in pages))
"""


def rows(
    jobs: int = 20_000, rounds: int = 3, likeness: Sequence[bool] = (True, False), many: int = 100_000
) -> Iterator[Row]:
    """Yield the costs where jobs have much in common, and where each is unlike all others; then memory."""
    for alike in likeness:
        costs = _costs(jobs, rounds, alike=alike)
        what = "same times and messages" if alike else "every time, name and message different"
        yield from (Row(f"{way}, CPU of a job, {what}", cost, "us") for way, cost in costs.items())
        yield Row(
            f"boto3's paginator / first poll, CPU of a job, {what}", costs["boto3"] / costs["first poll"], "times"
        )
    yield Row(f"first poll of {many:,} jobs, memory at its peak above that of a poll of one", _peak(many), "MiB")


def _peak(jobs: int) -> float:
    """Return how much more memory a first poll of so many jobs needs than one of one job, in MiB."""
    with process(_serve, jobs, False) as many, process(_serve, 1, False) as one:  # noqa: FBT003 - as in `_serve`
        large, small = (_used(_command("first poll", pipe.recv())).ru_maxrss for pipe in (many, one))
    return (large - small) / 1024


def _costs(jobs: int, rounds: int, *, alike: bool) -> dict[str, float]:
    """Return the CPU of a job in microseconds: the median of some processes, which take turns."""
    costs: dict[str, list[float]] = {"boto3": [], "first poll": []}
    with process(_serve, jobs, alike) as many, process(_serve, 1, alike) as one:
        urls = many.recv(), one.recv()
        _cpu(_command("boto3", urls[0]))  # warm up: the simulator caches what it has written once
        for _ in range(rounds):
            for way, found in costs.items():
                large, small = (_cpu(_command(way, url)) for url in urls)
                found.append((large - small) / (jobs - 1) * 1e6)
    return {way: statistics.median(found) for way, found in costs.items()}


def _command(way: str, url: str) -> Sequence[str]:
    if way == "boto3":
        return [sys.executable, "-c", PAGINATOR, url]
    services = json.dumps({KIND.service: {"kinds": [KIND.key]}})
    # The simulator needs a minute for the first answers about a hundred thousand jobs.
    unlimited = ("--aws.requests-per-second=1000", "--aws.burst=1000", *UNHURRIED_FLAGS)
    return [sys.executable, "-m", "exporter", "once", f"--aws.endpoint-url={url}", f"--services={services}", *unlimited]


def _cpu(command: Sequence[str]) -> float:
    """Return the seconds of CPU, user's and system's, that a process takes."""
    used = _used(command)
    return used.ru_utime + used.ru_stime


def _used(command: Sequence[str]) -> struct_rusage:
    """Return what a process used."""
    environment = {**os.environ, **ENVIRONMENT, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command} failed with {child.returncode}")
    return used


def _serve(pipe: Connection, jobs: int, alike: bool) -> None:  # noqa: FBT001 - an argument of a process
    """Simulate an AWS with finished jobs, send its URL and serve until killed."""
    asyncio.run(_simulate(pipe, jobs, alike=alike))


async def _simulate(pipe: Connection, jobs: int, *, alike: bool) -> None:
    world, now, rng = World(CATALOG, region=REGION), time.time(), random.Random(1)
    for number in range(jobs):
        has_failed = number % FAILING == 0
        if alike:
            created, lasts, message = (
                now - 1000 - number // 100,
                600.0,
                "ValidationException: no output for the record.",
            )
        else:
            created, lasts = now - 1000 - number - rng.random(), rng.uniform(60, 600)
            message = f"ValidationException: record {number} of s3://bucket/{rng.getrandbits(64):x} has no output."
        path = [(0, "Submitted"), (60, "InProgress"), (lasts, "Failed" if has_failed else "Completed")]
        options: dict[str, Any] = {"message": message} if has_failed else {}
        world.add_job(KIND, created=created, path=path, records={"total": 1000, "processed": 1000}, **options)
    async with Simulator(world) as simulator:
        pipe.send(simulator.endpoint_url)
        await asyncio.Event().wait()


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
