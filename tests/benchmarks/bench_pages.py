"""What a page costs with many jobs held: the CPU of its whole response, and of the longest turn of the event loop.

Run it with `python -m tests.benchmarks.bench_pages [results.json]`.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Iterator

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.jobs import Job, State
from exporter.store.search import JobList
from exporter.web import Site, create_app
from tests.benchmarks.report import Row, report
from tests.support.inside import BEDROCK, DAY, LOOKBACK, MINUTE, NOW, inside, listed

ROUNDS = 9
FAILING = 0.05
RARE = "the-one-that-is-looked-for"
MESSAGE = "ValidationException: the model returned no output for the record; see the manifest in the output bucket."


def jobs(number: int, rng: random.Random) -> Iterator[Job]:
    """Yield finished jobs across the whole lookback, one in twenty failed; the oldest has a unique name."""
    for index in range(number):
        created = NOW - LOOKBACK + MINUTE + (LOOKBACK - 2 * MINUTE) * index / number
        failed = rng.random() < FAILING
        token = f"{rng.getrandbits(48):012x}"
        yield Job(
            id=f"arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/{token}",
            name=f"nightly-scoring-{token[:6]}" if index else RARE,
            status="Failed" if failed else "Completed",
            state=State.FAILED if failed else State.SUCCEEDED,
            created=created,
            ended=created + MINUTE,
            message=MESSAGE if failed else "",
            code="throttled" if failed else "",
        )


def sources(held: int, number: int) -> list[JobList]:
    """Return sources that together hold this many jobs."""
    rng = random.Random(1)
    return [listed(jobs(held // number, rng), BEDROCK, scope=str(index)) for index in range(number)]


def pages(held: int) -> dict[str, str]:
    """Return the URLs of the pages, keyed by what is measured."""
    day = NOW - 6 * DAY
    return {
        f"CPU of a page of jobs, {held:,} held": "/jobs",
        f"CPU of a page of failed jobs, {held:,} held": "/jobs?state=failed",
        f"CPU of a page of jobs of six days ago, {held:,} held": f"/jobs?finished_until={day}",
        f"CPU of a page of jobs by a rare name, {held:,} held": f"/jobs?name={RARE}",
        f"CPU of a page of jobs that do not exist, {held:,} held": "/jobs?name=no-such-job",
        f"CPU of the API's answer with 1,000 jobs, {held:,} held": "/api/v1/jobs?limit=1000",
        f"CPU of the first page, {held:,} held": "/",
    }


def widespread(held: int, number: int) -> dict[str, str]:
    """Return the URLs for pages of many sources with few jobs each."""
    return {
        f"CPU of a page of jobs, {held:,} held by {number:,} sources": "/jobs",
        f"CPU of a page of failed jobs, {held:,} held by {number:,} sources": "/jobs?state=failed",
        f"CPU of a page of jobs that do not exist, {held:,} held by {number:,} sources": "/jobs?name=no-such-job",
        f"CPU of the first page, {held:,} held by {number:,} sources": "/",
    }


def rows(jobs: int = 100_000, sources: int = 100, many: int = 10_000) -> Iterator[Row]:
    """Measure every page in one process."""
    yield from asyncio.run(_measured(pages(jobs), jobs, sources))
    yield from asyncio.run(_measured(widespread(jobs, many), jobs, many))


async def _measured(addresses: dict[str, str], held: int, number: int) -> list[Row]:
    filled = sources(held, number)
    app = create_app(
        Site(Exposition(CollectorRegistry(), lambda: NOW), lambda: True, "/metrics", inside(lambda: filled))
    )
    found = []
    for name, path in addresses.items():
        cost, turn = await _cost(app, path)
        found += [Row(name, cost, "ms"), Row(f"{name}, longest turn", turn, "ms")]
    return found


async def _cost(app: web.Application, path: str) -> tuple[float, float]:
    """Return the median CPU of a response and the CPU of the longest turn of the loop, in milliseconds."""
    costs, turns = [], []
    for _ in range(ROUNDS):
        request = make_mocked_request("GET", path, app=app)
        match = await app.router.resolve(request)
        request._match_info = match
        watch = asyncio.ensure_future(_longest_turn())
        await asyncio.sleep(0)
        began = time.process_time()
        response = await match.handler(request)
        costs.append((time.process_time() - began) * 1e3)
        watch.cancel()
        turns.append(await watch)
        if response.status != web.HTTPOk.status_code:
            raise RuntimeError(f"{path}: {response.status}")
    return statistics.median(costs), statistics.median(turns)


async def _longest_turn() -> float:
    """Return the most CPU between two turns of the loop until cancelled, in milliseconds."""
    longest, before = 0.0, time.process_time()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.process_time()
            longest, before = max(longest, now - before), now
    except asyncio.CancelledError:
        return max(longest, time.process_time() - before) * 1e3


if __name__ == "__main__":
    report(list(rows()), sys.argv[1:])
