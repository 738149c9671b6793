"""What serving the series of 1,000 sources costs: here, with plain prometheus_client, and with a Pushgateway.

Run it with `python -m tests.benchmarks.bench_exposition [results.json]`.
"""

import asyncio
import http.client
import json
import multiprocessing
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, Metric, make_wsgi_app

from exporter.catalog import Catalog
from exporter.exposition import Exposition, Format
from exporter.families import JOB_FAMILIES, job_views, metrics, source_families
from exporter.jobs import Job, SourceKey, State
from exporter.settings import Metrics
from exporter.store import Database, Ledger, Rules
from exporter.telemetry import SourceStatus, Telemetry
from exporter.web import Site, create_app, listen, serve
from tests.benchmarks.workload import NOW, take

SOURCES = 1000
KIND = Catalog()["bedrock"].kinds["model_invocation_job"]
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
HOST = "127.0.0.1"
ENCODINGS = ("identity", "gzip")
CPU = "ms of CPU/scrape"


class Row(NamedTuple):
    """One measurement."""

    name: str
    value: float
    unit: str


SETTINGS = Metrics(zero_fill="all")
"""With every series that a source can have."""


class Feed:
    """Sources that each gain one finished job whenever they are polled: about 50 series."""

    def __init__(self) -> None:
        """Start with sources that were polled once."""
        self._rng = random.Random(1)
        self._ids = count()
        self.keys = [SourceKey("111122223333", "us-east-1", "bedrock", KIND.key, f"scope-{n}") for n in range(SOURCES)]
        database, rules = Database.memory(), Rules(7 * 86400.0)
        self._ledgers = [Ledger(database, key, lambda _: "throttled", rules) for key in self.keys]
        self._jobs: list[list[Job]] = [[] for _ in range(SOURCES)]

    async def poll(self, number: int) -> list[Metric]:
        """Return a source's families after another poll."""
        ledger, jobs = self._ledgers[number], self._jobs[number]
        jobs.append(self._job())
        if not ledger.is_open:
            await ledger.open()
        await take(ledger, [jobs], is_full=False)
        views = job_views(KIND, ledger.sums, (), SETTINGS)
        return metrics(JOB_FAMILIES, SourceKey._fields, [(self.keys[number], view) for view in views])

    def status(self, number: int) -> list[Metric]:
        """Return the status of the source."""
        status = SourceStatus(self.keys[number], 60.0, attempts=1, jobs=len(self._jobs[number]))
        status.last_success, status.last_duration = time.time(), self._rng.random()
        return metrics(source_families(SETTINGS), SourceKey._fields, [(status.key, status)])

    def _job(self) -> Job:
        created = NOW - self._rng.uniform(3600, 6 * 86400)
        return Job(
            id=f"job-{next(self._ids)}",
            status="Completed",
            state=State.SUCCEEDED,
            created=created,
            ended=created + self._rng.uniform(10, 3600),
            records={result: self._rng.randrange(10**6) for result in KIND.records},
        )


class Exporter:
    """The exposition of a feed behind the real server, with a path for each request that the benchmark makes."""

    def __init__(self) -> None:
        """Start with every source published."""
        self._feed = Feed()
        self._next = 0
        self._exposition = Exposition(Telemetry().registry, time.time)
        self._publishing: asyncio.Task[None] | None = None

    async def run(self, ready: Any) -> None:
        """Report the port, then serve until killed."""
        await self._publish(SOURCES)
        site = Site(self._exposition, lambda: True, "/metrics")
        app = create_app(site)
        app.router.add_get("/cpu", self._cpu)
        app.router.add_get("/publish/{sources}", self._publish_now)
        app.router.add_get("/publishing/{seconds}", self._publish_steadily)
        app.router.add_get("/lag", self._lag)
        async with serve(app, await listen([f"{HOST}:0"])) as [(_, port)]:
            ready.send(port)
            await asyncio.Event().wait()

    async def _publish(self, sources: int, pause: float = 0.0) -> None:
        for _ in range(sources):
            number = self._next = (self._next + 1) % SOURCES
            await self._exposition.publish_in_turns(("jobs", number), await self._feed.poll(number))
            self._exposition.publish(("source", number), self._feed.status(number))
            await asyncio.sleep(pause)

    async def _longest_turn(self, work: asyncio.Task[None]) -> float:
        """Return the longest time between two turns of the loop while a task runs."""
        longest, last = 0.0, time.perf_counter()
        while not work.done():
            await asyncio.sleep(0)
            longest, last = max(longest, (now := time.perf_counter()) - last), now
        return longest

    async def _cpu(self, _request: web.Request) -> web.Response:
        return web.json_response(time.process_time())

    async def _publish_now(self, request: web.Request) -> web.Response:
        await self._publish(int(request.match_info["sources"]))
        return web.json_response(None)

    async def _publish_steadily(self, request: web.Request) -> web.Response:
        pause = float(request.match_info["seconds"]) / SOURCES
        self._publishing = asyncio.create_task(self._publish(SOURCES, pause))
        return web.json_response(None)

    async def _lag(self, _request: web.Request) -> web.Response:
        return web.json_response(await self._longest_turn(asyncio.create_task(self._publish(SOURCES))))


def _serve(ready: Any) -> None:
    asyncio.run(Exporter().run(ready))


@contextmanager
def exporter() -> Iterator[http.client.HTTPConnection]:
    """Yield a connection to an exporter in a separate process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield http.client.HTTPConnection(HOST, here.recv())
    finally:
        process.terminate()
        process.join()


def get(connection: http.client.HTTPConnection, path: str, encoding: str = "identity") -> bytes:
    """Return the body of a response."""
    connection.request("GET", path, headers={"Accept": OPENMETRICS, "Accept-Encoding": encoding})
    return connection.getresponse().read()


def scraping(connection: http.client.HTTPConnection, encoding: str, sources: int, scrapes: int) -> float:
    """Return the exporter's CPU for one scrape, in ms, with this many sources polled since the previous scrape."""
    costs: list[float] = []
    for _ in range(scrapes):
        get(connection, f"/publish/{sources}")
        before = json.loads(get(connection, "/cpu"))
        get(connection, "/metrics", encoding)
        costs.append(json.loads(get(connection, "/cpu")) - before)
    return 1000 * statistics.mean(costs)


def latencies(connection: http.client.HTTPConnection, scrapes: int, pause: float) -> list[float]:
    """Return the durations of some scrapes, in ms."""
    took = []
    for _ in range(scrapes):
        began = time.perf_counter()
        get(connection, "/metrics", "gzip")
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(pause)
    return took


def ours() -> Iterator[Row]:
    """Measure the exporter."""
    with exporter() as connection:
        yield Row("series", sum(line[:1] != b"#" for line in get(connection, "/metrics").splitlines()), "")
        for sources in (0, 10, 250):
            for encoding in ENCODINGS:
                cost = scraping(connection, encoding, sources, 50 if sources < 50 else 10)
                yield Row(f"exporter, {encoding}, {sources} sources polled since", cost, CPU)
        lag = 1000 * json.loads(get(connection, "/lag"))
        yield Row("longest turn of the loop while 1,000 sources publish", lag, "ms")
        yield from scrape_times(connection)


def scrape_times(connection: http.client.HTTPConnection) -> Iterator[Row]:
    """Measure how long scrapes take; `seldom` means that the exporter's own metrics are rendered anew for each."""
    burst, seldom = (statistics.median(latencies(connection, *how)) for how in ((100, 0.0), (15, 1.1)))
    get(connection, "/publishing/4")
    busy = sorted(latencies(connection, 100, 0.03))
    yield Row("median of scrapes, idle, burst", burst, "ms")
    yield Row("median of scrapes, idle, seldom", seldom, "ms")
    yield Row("median of 100 scrapes while 1,000 sources poll", statistics.median(busy), "ms")
    yield Row("p99 of 100 scrapes while 1,000 sources poll", busy[98], "ms")
    yield Row("that p99 / median, idle, seldom", busy[98] / seldom, "times")


class Held:
    """The same families, each once, for prometheus_client to collect."""

    def __init__(self) -> None:
        """Collect every source of a feed."""
        merged: dict[str, Metric] = {}
        for family in asyncio.run(self._polled()):
            like = Metric(family.name, family.documentation, family.type)
            merged.setdefault(family.name, like).samples += family.samples
        self._families = [family for family in merged.values() if family.samples]

    async def _polled(self) -> list[Metric]:
        feed = Feed()
        return [family for number in range(SOURCES) for family in (*await feed.poll(number), *feed.status(number))]

    def collect(self) -> list[Metric]:
        """Return the families."""
        return self._families


def prometheus_client_alone() -> Iterator[Row]:
    """Measure prometheus_client's own application, called directly without a server."""
    registry = CollectorRegistry()
    registry.register(Held())
    app: Any = make_wsgi_app(registry)
    for encoding in ENCODINGS:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}
        environ |= {"HTTP_ACCEPT": OPENMETRICS, "HTTP_ACCEPT_ENCODING": encoding}
        cost = timed(partial(app, environ, lambda *_: None))
        yield Row(f"prometheus_client, {encoding}", cost, CPU)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU time of a function, in ms."""
    began = time.process_time()
    for _ in range(3):
        work()
    return 1000 * (time.process_time() - began) / 3


def pushable() -> bytes:
    """Return the series in the text format."""
    exposition = Exposition(CollectorRegistry(), time.time)
    exposition.publish("all", Held().collect())
    lines = exposition.render(Format.TEXT).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"# HELP"))


@contextmanager
def pushgateway(program: str) -> Iterator[tuple[int, http.client.HTTPConnection]]:
    """Yield the process id of a Pushgateway and a connection to it."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([program, f"--web.listen-address={HOST}:{port}"], stderr=subprocess.DEVNULL) as process:
        try:
            connection = http.client.HTTPConnection(HOST, port)
            _wait_for(port)
            yield process.pid, connection
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def cpu_of(pid: int) -> float:
    """Return the CPU that a process has used, in ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pushgateway_alone() -> Iterator[Row]:
    """Measure a Pushgateway with the same series pushed to it, if one is installed."""
    program = shutil.which("prometheus-pushgateway")
    if not program:
        return
    with pushgateway(program) as (pid, connection):
        connection.request("PUT", "/metrics/job/bench", pushable())
        response = connection.getresponse()
        assert response.status == 200, response.read()
        response.read()
        for encoding in ENCODINGS:
            before = cpu_of(pid)
            for _ in range(10):
                get(connection, "/metrics", encoding)
            yield Row(f"Pushgateway, {encoding}", (cpu_of(pid) - before) / 10, CPU)


def bench() -> list[Row]:
    """Return every measurement, and the costs of the others as multiples of the exporter's."""
    rows = [*ours(), *prometheus_client_alone(), *pushgateway_alone()]
    costs = {row.name: row.value for row in rows if row.unit == CPU}
    return [*rows, *(ratio for encoding in ENCODINGS for ratio in ratios(costs, encoding))]


def ratios(costs: Mapping[str, float], encoding: str) -> Iterator[Row]:
    """Compare the costs of scrapes in one encoding."""
    names = [name for name in costs if encoding in name]
    mine = [name for name in names if name.startswith("exporter")]
    for peer in names:
        if peer not in mine:
            yield from (Row(f"{peer} / {name}", costs[peer] / costs[name], "times") for name in mine)


def main(arguments: list[str]) -> None:
    """Print the measurements, and write them to a file if one is given."""
    rows = bench()
    for row in rows:
        print(f"{row.name:70} {row.value:12,.2f} {row.unit}")
    if arguments:
        Path(arguments[0]).write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
