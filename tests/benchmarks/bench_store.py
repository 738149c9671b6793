"""What the store costs: taking in what was listed, the event loop meanwhile, memory, disk, and a start.

Run it with `python -m tests.benchmarks.bench_store [results.json]`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from exporter import app
from exporter.app import assembled, calm_collector
from exporter.aws import Scoped
from exporter.jobs import Job, State
from exporter.poller import AccountSource, JobSource, ScopeSource
from exporter.poller.planner import incremental
from exporter.settings import Settings
from exporter.store import Database, Ledger
from tests.benchmarks import bench_listing
from tests.benchmarks.bench_polling import FLEET, KEYS, Fleet, account_ids, scraped
from tests.benchmarks.children import process, result_of, rss
from tests.benchmarks.report import Row, report
from tests.benchmarks.workload import (
    CATALOG,
    DAY,
    HOUR,
    KIND,
    LOOKBACK,
    MINUTE,
    NOW,
    active,
    classify,
    copy,
    ended,
    finished,
    opened,
    paged,
    take,
)
from tests.support.harness import INFERENCE, REGION

ACTIVE = 10
TURN = 0.002
"""Seconds that each turn of a busy event loop takes."""


class Sizes(NamedTuple):
    """How much of everything is measured."""

    listed: int = 100_000
    others: int = 20_000
    """Jobs that boto3 lists."""
    rounds: int = 3
    few: int = 1000
    many: int = 1_000_000
    """Finished jobs held."""
    sources: int = 10_000
    remembered: int = 500_000
    """Finished jobs whose memory is measured, a fifth of that where it is not the store's."""
    fleet: Fleet = FLEET
    stored: int = 100
    """Finished jobs of each source of the fleet."""


FULL = Sizes()


def rows(sizes: Sizes = FULL) -> Iterator[Row]:
    """Yield every measurement, each in a process of its own."""
    yield from taking_in(sizes)
    yield from flow(sizes)
    yield from quiet(sizes)
    yield from holds(sizes)
    yield from memory(sizes)
    yield from start(sizes)


def _sent(pipe: Connection, work: Coroutine[Any, Any, Any]) -> None:
    pipe.send(asyncio.run(work))


# Taking in.


def taking_in(sizes: Sizes) -> Iterator[Row]:
    """Compare taking in a listed job with listing it with boto3's paginator, one after the other."""
    costs: dict[str, list[float]] = {"boto3": [], "first": [], "again": [], "classified": []}
    with bench_listing.simulated(sizes.others) as url:
        for _ in range(sizes.rounds):
            costs["boto3"].append(bench_listing.measured("boto3", url, sizes.others))
            first, again = result_of(_taken_in, sizes.listed, "one reason")
            classified, _again = result_of(_taken_in, sizes.listed, "built-in rules")
            for name, cost in (("first", first), ("again", again), ("classified", classified)):
                costs[name].append(cost)
    boto3, first, again, classified = (statistics.median(costs[name]) for name in costs)
    yield Row("boto3's paginator, CPU of a job, beside the store", boto3, "us")
    yield Row("store, CPU of taking in a listed job, first listing", first, "us")
    yield Row("store, CPU of taking in a listed job, listed again", again, "us")
    yield Row("store, CPU of taking in a listed job, first listing, with the rules of reasons", classified, "us")
    yield Row("boto3's paginator / store, CPU of a listed job, first listing", boto3 / first, "times")
    yield Row("boto3's paginator / store, CPU of a listed job, listed again", boto3 / again, "times")


def _taken_in(pipe: Connection, jobs: int, reasons: str) -> None:
    """Send the CPU of taking in a job for the first time, and of one that is listed again, in microseconds."""
    _sent(pipe, _take_twice(jobs, REASONS[reasons]))


def _one_reason(_job: Job) -> str:
    """Return a reason at once, where the rules are not what is measured."""
    return "throttled"


REASONS = {"one reason": _one_reason, "built-in rules": classify}


async def _take_twice(jobs: int, reason: Callable[[Job], str]) -> list[float]:
    pages, costs = list(paged(finished(jobs))), []
    calm_collector()  # as the exporter does when it starts
    ledger = await opened(Database.memory(), reason=reason)
    for _ in range(2):
        before = time.process_time()
        await take(ledger, pages)
        costs.append((time.process_time() - before) / jobs * 1e6)
        _expect(len(ledger), jobs)
    return costs


def _expect(held: int, jobs: int) -> None:
    if held != jobs:
        raise RuntimeError(f"{held} jobs are held, not {jobs}")


# Polls with few changes, and with none.


def flow(sizes: Sizes) -> Iterator[Row]:
    """Compare polls in which ten jobs change and ten leave the lookback, with few jobs held and with many."""
    with process(_flow, sizes.many) as one:
        many = one.recv()
    few = result_of(_flow, sizes.few)
    name = "store, CPU of a poll, ten jobs change and ten leave"
    yield Row(f"{name}, {sizes.few:,} held", few, "us")
    yield Row(f"{name}, {sizes.many:,} held", many, "us")
    yield Row(f"{name}, {sizes.many:,} held / {sizes.few:,}", many / few, "times")


def _flow(pipe: Connection, held: int) -> None:
    """Send the median CPU of a poll in which ten jobs change and ten leave, in microseconds."""
    _sent(pipe, _flowing(held))


async def _flowing(held: int) -> float:
    calm_collector()
    ledger = await opened(Database.memory(), reason=_one_reason)
    await take(ledger, paged(finished(held)))
    rng, now, step = random.Random(2), NOW, LOOKBACK / held * ACTIVE
    # In one poll ten jobs start, in the next one they end.
    costs, running = [], list[Job]()
    for _ in range(200):
        now += step
        if running:
            listed, running = [ended(job, now - 0.001) for job in running], []
        else:
            listed = running = [active(rng, now - step / 2) for _ in range(ACTIVE)]
        before = time.process_time()
        await take(ledger, [listed], now, None, is_full=False)
        costs.append((time.process_time() - before) * 1e6)
    return statistics.mean(map(statistics.median, (costs[::2], costs[1::2])))


async def _poll(ledger: Ledger, listed: list[Job], now: float) -> None:
    """Do what a poll of a list that can be filtered asks of the store."""
    plan = await incremental(KIND, ledger, 1000)
    await take(ledger, [listed], now, plan.complete_from if plan else None, is_full=False)


def quiet(sizes: Sizes) -> Iterator[Row]:
    """Measure polls in which nothing changes, of sources with ten active jobs each."""
    cost = result_of(_quiet, sizes.sources)
    name = f"store, {sizes.sources:,} sources of {ACTIVE} active jobs"
    yield Row(f"{name}, CPU of a quiet poll", cost, "us")
    yield Row(f"{name}, polled every minute", cost * sizes.sources / MINUTE / 1e4, "% of a core")
    with TemporaryDirectory() as directory:
        for way, is_full in (("only what can have changed is read", False), ("everything is read", True)):
            cost, written = result_of(_quiet_stored, f"{directory}/{is_full}", is_full)
            yield Row(f"store with a file, CPU of a quiet poll, {way}", cost, "us")
            yield Row(f"store with a file, bytes written by a quiet poll, {way}", written, "bytes")


def _quiet(pipe: Connection, sources: int) -> None:
    """Send the mean CPU of a quiet poll of many sources, in microseconds."""
    _sent(pipe, _all_quiet(sources))


async def _all_quiet(sources: int) -> float:
    database, rng, polled = Database.memory(), random.Random(3), []
    for number in range(sources):
        listed = [active(rng, NOW - MINUTE * age) for age in range(1, ACTIVE + 1)]
        ledger = await opened(database, number)
        await take(ledger, [listed])
        polled.append((ledger, listed))
    calm_collector()
    before = time.process_time()
    for ledger, listed in polled:
        await _poll(ledger, listed, NOW + MINUTE)
    return (time.process_time() - before) / sources * 1e6


def _quiet_stored(pipe: Connection, path: str, is_full: bool) -> None:  # noqa: FBT001 - a process's argument
    """Send the mean CPU of a quiet poll of one source in a file, in microseconds, and the bytes that it writes."""
    _sent(pipe, _quiet_in_a_file(Path(path), is_full=is_full))


async def _quiet_in_a_file(path: Path, *, is_full: bool) -> tuple[float, float]:
    polls, rng = 100, random.Random(3)
    with closing(Database.stored(path)) as database:
        ledger = await opened(database)
        running = [active(rng, NOW - MINUTE * age) for age in range(1, ACTIVE + 1)]
        # None that a list of those created lately would have, too.
        everything = [*(job for job in finished(1000) if (job.ended or 0.0) < NOW - HOUR), *running]
        await take(ledger, [everything])
        before, began = _written(), time.process_time()
        # Each read has a time of its own, but so little passes that nothing leaves the lookback.
        for number in range(polls):
            if is_full:
                await take(ledger, [everything], NOW + number / 1000)
            else:
                await _poll(ledger, running, NOW + number / 1000)
        return (time.process_time() - began) / polls * 1e6, (_written() - before) / polls


def _written() -> int:
    """Return how many bytes this process has written to files."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


# The event loop.


def holds(sizes: Sizes) -> Iterator[Row]:
    """Measure how long a first listing holds the event loop, and keeps another source's polls waiting."""
    with TemporaryDirectory() as directory:
        for way in ("", " with a file"):
            runs = [result_of(_hold, sizes.listed, f"{directory}/{run}" if way else "") for run in range(sizes.rounds)]
            took, hold, wait = (statistics.median(figures) for figures in zip(*runs, strict=True))
            name = f"store{way}, first listing of {sizes.listed:,} beside a busy loop"
            yield Row(f"{name}, in all", took, "ms")
            yield Row(f"{name}, longest hold", hold, "ms")
            yield Row(f"{name}, longest poll of another source", wait, "ms")


def _hold(pipe: Connection, jobs: int, path: str) -> None:
    """Send the duration of a first listing, the longest hold of the loop, and the longest poll of another source."""
    _sent(pipe, _held(jobs, path))


async def _held(jobs: int, path: str) -> tuple[float, float, float]:
    pages = list(paged(finished(jobs)))
    calm_collector()
    with closing(Database.stored(Path(path)) if path else Database.memory()) as database:
        large, small = await opened(database, 1), await opened(database, 2)
        holds, waits = list[float](), list[float]()
        stopped = asyncio.Event()
        tasks = [asyncio.create_task(_keep_polling(small, waits, stopped)), asyncio.create_task(_keep_busy(holds))]
        await asyncio.sleep(0.1)
        holds.clear()
        waits.clear()
        began = time.perf_counter()
        await take(large, pages)
        took = time.perf_counter() - began
        # The poll that still waits counts, too.
        stopped.set()
        await tasks[0]
        tasks[1].cancel()
        return 1e3 * took, 1e3 * max(holds), 1e3 * max(waits)


async def _keep_busy(holds: list[float]) -> None:
    """Keep the loop busy, as scrapes do, and note the time between the end of a turn and the start of the next."""
    while True:
        until = time.perf_counter() + TURN
        while (ended := time.perf_counter()) < until:
            pass
        await asyncio.sleep(0)
        holds.append(time.perf_counter() - ended)


async def _keep_polling(ledger: Ledger, waits: list[float], stopped: asyncio.Event) -> None:
    """Poll a small source again and again, and a last time when it is to stop, and note how long each poll takes."""
    rng = random.Random(4)
    listed = [active(rng, NOW - MINUTE * age) for age in range(1, ACTIVE + 1)]
    is_last = False
    while not is_last:
        is_last = stopped.is_set()
        began = time.perf_counter()
        await take(ledger, [listed], is_full=False)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)


# Memory and disk.


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
    message: str
    records: Mapping[str, int]


def slotted(job: Job) -> Slotted:
    """Return a job as a plain object."""
    return Slotted(**{name: getattr(job, name) for name in Slotted.__slots__})


def item(job: Job) -> dict[str, Any]:
    """Return a finished job as botocore gives it."""
    token = job.id.rpartition("/")[2]
    times = {"submitTime": job.created, "lastModifiedTime": job.updated, "endTime": job.ended}
    return {
        "jobArn": job.id,
        "jobName": job.name,
        "modelId": f"anthropic.claude-3-{token[:1]}",
        "roleArn": f"arn:aws:iam::111122223333:role/batch-{token[:1]}",
        "status": job.status,
        "message": job.message,
        **{name: datetime.fromtimestamp(time or 0.0, UTC) for name, time in times.items()},
        "jobExpirationTime": datetime.fromtimestamp((job.created or 0.0) + DAY, UTC),
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": f"s3://scoring-input/{token}/"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://scoring-output/{token}/"}},
        **{f"{count}RecordCount": value for count, value in job.records.items()},
    }


def _stored_in(path: str, size: int) -> Callable[[int], Coroutine[Any, Any, Database]]:
    async def fill(jobs: int) -> Database:
        database = Database.stored(Path(path)) if path else Database.memory()
        ledger = await opened(database, reason=_one_reason)
        if size:
            # Fewer than the lookback has come in a poll, so nothing is missed.
            for page in paged(finished(jobs), size):
                await take(ledger, paged(page), complete_from=None)
        else:
            await take(ledger, paged(finished(jobs)))
        _expect(len(ledger), jobs)
        return database

    return fill


def _kept(form: Callable[[Job], Any]) -> Callable[[int], Coroutine[Any, Any, list[Any]]]:
    async def fill(jobs: int) -> list[Any]:
        return [form(job) for job in finished(jobs)]

    return fill


WAYS: dict[str, Callable[[str], Callable[[int], Coroutine[Any, Any, Any]]]] = {
    "store": lambda _: _stored_in("", 0),
    "store, in listings of 10,000": lambda _: _stored_in("", 10_000),
    "store with a file": lambda path: _stored_in(path, 0),
    "store with a file, in listings of 10,000": lambda path: _stored_in(path, 10_000),
    "dicts as boto3 gives them": lambda _: _kept(item),
    "slotted objects": lambda _: _kept(slotted),
}
"""Ways to hold finished jobs; those of the store as one listing unless it says otherwise."""


def memory(sizes: Sizes) -> Iterator[Row]:
    """Measure what a finished job takes."""
    with TemporaryDirectory() as directory:
        grown = {
            way: result_of(_grown, way, f"{directory}/{way}", sizes.remembered // (1 if "store" in way else 5))
            for way in WAYS
        }
        size = Path(f"{directory}/store with a file/jobs.sqlite").stat().st_size / sizes.remembered
    for way, each in grown.items():
        yield Row(f"{way}, memory of a finished job, RSS", each, "bytes")
    yield Row("store with a file, disk of a finished job", size, "bytes")
    for way in list(WAYS)[-2:]:
        yield Row(f"{way} / store, memory of a finished job", grown[way] / grown["store"], "times")


def _grown(pipe: Connection, way: str, path: str, jobs: int) -> None:
    """Send the bytes that each job adds to the process."""
    _sent(pipe, _growth(way, path, jobs))


async def _growth(way: str, path: str, jobs: int) -> float:
    calm_collector()
    once = await WAYS[way](f"{path}-once")(10_000)  # what a process needs once does not count toward a job
    gc.collect()
    before = rss()
    held = await WAYS[way](path)(jobs)
    gc.collect()
    grown = (rss() - before) / jobs
    for each in (once, held):
        if isinstance(each, Database):
            each.close()
    return grown


# A start.


def start(sizes: Sizes) -> Iterator[Row]:
    """Measure how long a process takes from its start to the end of the first scrape with all that was stored."""
    # Takes connections and never answers: what is shown is what was stored.
    with TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0), backlog=1000) as aws:
        url = f"http://127.0.0.1:{aws.getsockname()[1]}"
        result_of(_store, directory, url, sizes.fleet, sizes.stored)
        began = time.perf_counter()
        ready, size, series = result_of(_start, directory, url, sizes.fleet, sizes.fleet.sources * sizes.stored)
        took = time.perf_counter() - began
    jobs = sizes.fleet.sources * sizes.stored
    name = f"start with {sizes.fleet.sources:,} sources and {jobs:,} finished jobs stored"
    yield Row(f"{name}, until ready", ready, "s")
    yield Row(f"{name}, until scraped", took, "s")
    yield Row(f"{name}, series", series, "")
    yield Row(f"{name}, the scrape", size / 1e6, "MB")


def _settings(directory: str, url: str, fleet: Fleet) -> Settings:
    settings = fleet.settings(url)
    storage = settings.storage.model_copy(update={"path": Path(directory)})
    return settings.model_copy(update={"storage": storage})


def _store(pipe: Connection, directory: str, url: str, fleet: Fleet, jobs: int) -> None:
    """Store what an exporter would have, if it had polled the fleet a moment ago."""
    _sent(pipe, _filled(directory, url, fleet, jobs))


async def _filled(directory: str, url: str, fleet: Fleet, jobs: int) -> None:
    now = time.time()
    async with assembled(_settings(directory, url, fleet), CATALOG, REGION, credentials=KEYS) as parts:
        database = parts.database
        # One sync for each source would take minutes.
        database.connection.execute("PRAGMA synchronous = OFF")
        ledgers = [source.ledger async for source in _found(parts.roots, fleet, now)]
        for ledger in ledgers:
            await ledger.open()
        # A minute before the oldest leave the lookback.
        recent = [job._replace(**_shifted(job, now - NOW + MINUTE)) for job in finished(jobs)]
        await take(ledgers[0], [recent], now)
        copy(database, ledgers[0].number)


def _shifted(job: Job, by: float) -> dict[str, Any]:
    times = {name: getattr(job, name) for name in ("created", "ended", "updated", "deadline")}
    return {name: value + by for name, value in times.items() if value is not None}


async def _found(roots: Iterable[Any], fleet: Fleet, now: float) -> Any:
    """Yield the sources of jobs, after their parents have found them."""
    for root, account in zip(roots, (each for each in account_ids(fleet.accounts) for _ in fleet.regions), strict=True):
        assert isinstance(root, AccountSource)
        root.account_id = account
        await root._finding.keep([account, []], now)
        for scopes in root.children():
            assert isinstance(scopes, ScopeSource)
            ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(fleet.collaborations)]
            scopes.found = [Scoped({"account_id": account, INFERENCE.outer_scope: scope}, scope[:8]) for scope in ids]
            await scopes._finding.keep([[dict(found), name, None, None] for found, name, _ in scopes.found], now)
            for source in scopes.children():
                assert isinstance(source, JobSource)
                yield source


def _start(pipe: Connection, directory: str, url: str, fleet: Fleet, jobs: int) -> None:
    """Send the seconds until everything that was stored is shown, and the size and the series of a scrape."""
    _sent(pipe, _started(directory, url, fleet, jobs))


async def _started(directory: str, url: str, fleet: Fleet, jobs: int) -> tuple[float, int, int]:
    began = time.perf_counter()
    async with app.running(_settings(directory, url, fleet), CATALOG, REGION, credentials=KEYS) as exporter:
        await exporter.poller.progress.complete.wait()
        ready = time.perf_counter() - began
        size, series = await scraped(exporter)
        _expect(sum(source.status.jobs or 0 for source in exporter.poller.sources), jobs)
        return ready, size, series


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
