"""What the ledger costs: memory per finished job, and CPU of a poll's bookkeeping regardless of the history's size.

Run it with `python -m tests.benchmarks.bench_ledger [results.json]`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client import CollectorRegistry

from exporter.catalog import Catalog
from exporter.exposition import Exposition
from exporter.families import JOB_FAMILIES, job_views, metrics
from exporter.jobs import Job, SourceKey, State
from exporter.poller.planner import incremental
from exporter.settings import Metrics
from exporter.store import Ledger
from tests.benchmarks.children import process, result_of, rss
from tests.benchmarks.report import Row, report

KIND = Catalog()["bedrock"].kinds["model_invocation_job"]
KEY = SourceKey("111122223333", "us-east-1", "bedrock", KIND.key, "")
NOW, DAY, MINUTE = 1_790_000_000.0, 86400.0, 60.0
LOOKBACK = 7 * DAY
ALIVE = 10
POLLS = 200
LISTING = 10_000
TIMES = ("submitTime", "lastModifiedTime", "endTime", "jobExpirationTime")


def job(rng: random.Random, created: float, state: State = State.SUCCEEDED) -> Job:
    """Return a job as the reader builds it from a listed item."""
    token = f"{rng.getrandbits(60):015x}"[:12]
    ended = created + rng.uniform(60, 3600) if state.is_final else None
    done = rng.randrange(10**6)
    return Job(
        id=f"arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/{token}",
        name=f"nightly-scoring-{token[:6]}",
        status="InProgress" if ended is None else "Completed",
        state=state,
        created=created,
        updated=ended,
        ended=ended,
        deadline=created + DAY,
        records={"total": done + 10, "processed": done + 10, "succeeded": done, "failed": 10},
    )


def item(finished: Job) -> dict[str, Any]:
    """Return a finished job as botocore gives it."""
    times = (finished.created, finished.updated, finished.ended, finished.deadline)
    token = finished.id.rpartition("/")[2]
    return {
        "jobArn": finished.id,
        "jobName": finished.name,
        "modelId": f"anthropic.claude-3-{token[:1]}",
        "roleArn": f"arn:aws:iam::111122223333:role/batch-{token[:1]}",
        "status": finished.status,
        **{key: datetime.fromtimestamp(time or 0.0, UTC) for key, time in zip(TIMES, times, strict=True)},
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://scoring-input/{token}/"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://scoring-output/{token}/"}},
        **{f"{count}RecordCount": value for count, value in finished.records.items()},
    }


def listings(jobs: int, size: int) -> Iterator[list[Job]]:
    """Yield listings of this many jobs each, created one after the other in the first six days of the lookback."""
    rng = random.Random(1)
    for start in range(0, jobs, size):
        numbers = range(start, min(start + size, jobs))
        yield [job(rng, NOW - LOOKBACK + MINUTE + (LOOKBACK - DAY) * number / jobs) for number in numbers]


def ledger(jobs: int, size: int) -> Ledger:
    """Return a ledger that has taken in these listings."""
    filled = Ledger(LOOKBACK, lambda _: "throttled", Metrics().duration_buckets)
    for listed in listings(jobs, size):
        filled.take(listed, NOW, None)
    return filled


# Memory.


@dataclass(slots=True)
class Slotted:
    """A job as a program would keep it without counting bytes."""

    id: str
    name: str
    status: str
    state: State
    created: float | None
    started: float | None
    ended: float | None
    updated: float | None
    deadline: float | None
    records: Mapping[str, int]


def slotted(finished: Job) -> Slotted:
    """Return a job as a plain object."""
    return Slotted(**{name: getattr(finished, name) for name in Slotted.__slots__})


HOLD: dict[str, Callable[[int], Any]] = {
    "exporter": lambda jobs: ledger(jobs, LISTING),
    "as dicts": lambda jobs: [item(each) for listed in listings(jobs, LISTING) for each in listed],
    "as slotted objects": lambda jobs: [slotted(each) for listed in listings(jobs, LISTING) for each in listed],
}
"""Ways to hold finished jobs."""


def rows(jobs: int = 1_000_000, others: int = 100_000) -> Iterator[Row]:
    """Measure in separate processes; the exporter gets more jobs than the others."""
    traced = {way: result_of(_traced, way, others) for way in HOLD if way != "exporter"}
    with process(_traced, "exporter", jobs) as tracing:
        sizes = [size for size in (1000, 10_000, 100_000, 1_000_000) if size <= jobs]
        grown = {size: result_of(_grown, size) for size in sizes}
        traced["exporter"] = tracing.recv()
    yield from memory(traced, grown[sizes[-1]][0])
    yield from bookkeeping({size: cost for size, (_, cost, _) in grown.items()})
    yield Row(f"CPU of a poll, {sizes[-1]:,} held, the oldest leave the lookback", grown[sizes[-1]][2], "us")


def memory(traced: Mapping[str, float], grown: float) -> Iterator[Row]:
    """Yield the bytes per job."""
    yield Row("memory of a finished job, tracemalloc", traced["exporter"], "bytes")
    yield Row("memory of a finished job, RSS", grown, "bytes")
    for way in ("as dicts", "as slotted objects"):
        yield Row(f"memory of a finished job {way}, tracemalloc", traced[way], "bytes")
        yield Row(f"memory of a finished job {way} / exporter", traced[way] / traced["exporter"], "times")


def bookkeeping(costs: Mapping[int, float]) -> Iterator[Row]:
    """Yield the CPU of a poll that lists ten active jobs while ever more finished jobs are held."""
    least = min(costs)
    for size, cost in costs.items():
        yield Row(f"CPU of a poll, {size:,} finished jobs held", cost, "us")
    for size in sorted(costs.keys() - {least}):
        yield Row(f"CPU of a poll, {size:,} finished jobs held / {least:,}", costs[size] / costs[least], "times")


def _traced(pipe: Connection, way: str, jobs: int) -> None:
    """Send the bytes of Python objects that each job adds."""
    tracemalloc.start()
    held = HOLD[way](jobs)
    gc.collect()
    pipe.send(tracemalloc.get_traced_memory()[0] / jobs)
    del held


def _grown(pipe: Connection, jobs: int) -> None:
    """Send the bytes that each job adds to the process, and the cost of a poll at that point."""
    ledger(LISTING, LISTING)  # one-time allocations of the process do not count toward a job
    gc.collect()
    before = rss()
    filled = ledger(jobs, LISTING)
    grown = (rss() - before) / jobs
    pipe.send((grown, asyncio.run(_polled(filled, 0.0)), asyncio.run(_polled(filled, MINUTE))))


async def _polled(filled: Ledger, pause: float) -> float:
    """Return the median CPU of polls that list ten active jobs, with a pause between them, in microseconds."""
    exposition, rng = Exposition(CollectorRegistry(), lambda: NOW), random.Random(2)
    costs = []
    for poll in range(POLLS):
        listed = [job(rng, NOW - MINUTE * number, State.RUNNING) for number in range(ALIVE)]
        began = time.process_time_ns()
        await _keep(filled, listed, exposition, NOW + poll * pause)
        costs.append((time.process_time_ns() - began) / 1e3)
    return statistics.median(costs)


async def _keep(filled: Ledger, jobs: list[Job], exposition: Exposition, now: float) -> None:
    """Do what a poll does once the list has been read."""
    plan = incremental(KIND, filled, 1000)
    filled.take(jobs, now, plan.complete_from if plan else None)
    views = [((*KEY, *view.dimensions), view) for view in job_views(KIND, filled, Metrics(), now)]
    await exposition.publish_in_turns("jobs", metrics(JOB_FAMILIES, SourceKey._fields, views))


if __name__ == "__main__":
    report(list(rows()), sys.argv[1:])
