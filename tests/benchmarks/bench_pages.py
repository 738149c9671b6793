"""What a page costs with many jobs held: the CPU of its whole response, and the part of that on the event loop.

Run it with `python -m tests.benchmarks.bench_pages [results.json]`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry

from exporter.app import calm_collector
from exporter.exposition import Exposition
from exporter.jobs import SourceKey
from exporter.settings import Settings
from exporter.store import Database
from exporter.store.inventory import Inventory, JobList, Sources
from exporter.telemetry import PollErrorReason, SourceStatus
from exporter.web import Inside, Site, create_app
from tests.benchmarks.children import result_of
from tests.benchmarks.report import Row, report
from tests.benchmarks.workload import CATALOG, DAY, KIND, NOW, copy, finished, key, opened, take

ROUNDS = 15
RARE = "the-one-that-is-looked-for"


class Held(NamedTuple):
    """Jobs and who holds them."""

    sources: int
    each: int
    """Finished jobs of each source."""

    def __str__(self) -> str:
        return f"{self.sources:,} sources with {self.each:,} jobs each"


FEW, MANY = Held(100, 1000), Held(10_000, 100)

PAGES = {
    "a page of jobs": "/jobs",
    "a page of failed jobs": "/jobs?state=failed",
    "a page of jobs by name": "/jobs?sort=name",
    "a page of jobs of six days ago": f"/jobs?finished_until={NOW - 6 * DAY}",
    "a page of jobs with a rare name": f"/jobs?name={RARE}",
    "a page of jobs that do not exist": "/jobs?name=no-such-job",
    "the API's answer with 1,000 jobs": "/api/v1/jobs?limit=1000",
    "the first page": "/",
}


SOURCES = 30_000
PAGES_OF_SOURCES = {
    "the page of sources, folded": "/sources",
    "the page of sources by reason": "/sources?by=reason",
    "a page of sources, sorted": "/sources?by=source&sort=-jobs",
    "the last page of sources": f"/sources?by=source&cursor={SOURCES - 100}",
    "the API's answer with 1,000 sources": "/api/v1/sources?limit=1000",
}


def rows(few: Held = FEW, many: Held = MANY, sources: int = SOURCES) -> Iterator[Row]:
    """Measure every page, in a process for each number of sources."""
    for name, (whole, _) in result_of(_measure_sources, sources).items():
        yield Row(f"CPU of {name}, {sources:,} sources", whole, "ms")
    for held in (few, many):
        for name, (whole, loop) in result_of(_measure, held).items():
            yield Row(f"CPU of {name}, {held}", whole, "ms")
            yield Row(f"CPU of {name}, {held}, on the event loop", loop, "ms")


def _measure(pipe: Connection, held: Held) -> None:
    pipe.send(asyncio.run(_measured(held)))


async def _measured(held: Held) -> dict[str, tuple[float, float]]:
    app = create_app(Site(Exposition(CollectorRegistry(), lambda: NOW), lambda: True, "/metrics", await _inside(held)))
    calm_collector()  # as the exporter does when it starts
    return {name: await _cost(app, path) for name, path in PAGES.items()}


def _measure_sources(pipe: Connection, count: int) -> None:
    pipe.send(asyncio.run(_measured_sources(count)))


async def _measured_sources(count: int) -> dict[str, tuple[float, float]]:
    found = Sources([_polled(number) for number in range(count)], [])
    inventory = Inventory(Database.memory(), lambda: found, now=lambda: NOW)
    inside = Inside(inventory, settings=Settings, catalog=lambda: CATALOG)
    app = create_app(Site(Exposition(CollectorRegistry(), lambda: NOW), lambda: True, "/metrics", inside))
    calm_collector()
    return {name: await _cost(app, path) for name, path in PAGES_OF_SOURCES.items()}


def _polled(number: int) -> SourceStatus:
    """Return a source of 25 lists in each of 3 regions of many accounts, in no order; one of a hundred is down."""
    place = number * 7919 % SOURCES
    key = SourceKey(
        f"{place // 75:012}", f"region-{place // 25 % 3}", f"service-{place % 10}", f"kind-{place % 25}", ""
    )
    status = SourceStatus(key, 60.0, attempts=1, jobs=place % 7, last_success=NOW - place % 60, next_poll=NOW + 30)
    if place % 100 == 0:
        status.consecutive_failures, status.reason, status.error = 3, PollErrorReason.ACCESS_DENIED, "not authorized"
    return status


async def _inside(held: Held) -> Inside:
    """Return what the pages show of sources with jobs, whose names differ."""
    database = Database.memory()
    ledgers = [await opened(database, number) for number in range(held.sources)]
    await take(ledgers[0], [list(finished(held.each))])
    copy(database, ledgers[0].number)
    database.connection.execute("UPDATE job SET name = printf('nightly-scoring-%06x', n * 7919 % 0xffffff)")
    database.connection.execute("UPDATE job SET name = ? WHERE n = 1", (RARE,))
    sources = []
    for number, ledger in enumerate(ledgers):
        await ledger.open()
        status = SourceStatus(key(number), 60.0, attempts=1, jobs=len(ledger), last_success=NOW)
        sources.append(JobList(status, KIND, ledger))
    found = Sources([source.status for source in sources], sources)
    inventory = Inventory(database, lambda: found, now=lambda: NOW)
    return Inside(inventory, settings=Settings, catalog=lambda: CATALOG)


async def _cost(app: web.Application, path: str) -> tuple[float, float]:
    """Return the median CPU of a response, and of the part on the event loop, in milliseconds."""
    costs, parts = [], []
    for _ in range(ROUNDS):
        request = make_mocked_request("GET", path, app=app)
        match = await app.router.resolve(request)
        request._match_info = match
        process, thread = time.process_time(), time.thread_time()
        response = await match.handler(request)
        parts.append((time.thread_time() - thread) * 1e3)
        costs.append((time.process_time() - process) * 1e3)
        if response.status != web.HTTPOk.status_code:
            raise RuntimeError(f"{path}: {response.status}")
    return statistics.median(costs), statistics.median(parts)


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
