"""What an organization costs: many accounts in which little happens, over HTTPS.

Run it with `python -m tests.benchmarks.bench_accounts [results.json]`.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp

from exporter import app
from exporter.poller import JobSource
from exporter.settings import Settings, load
from exporter.simulator import Simulator, World
from tests.benchmarks.bench_polling import KEYS, account_ids, scraped, through_roles
from tests.benchmarks.children import process, result_of, rss
from tests.benchmarks.report import Row, report
from tests.support.greeting import self_signed
from tests.support.harness import ACCOUNT, CATALOG, REGION

SERVICES = ("batch", "bedrock", "emr", "emr-serverless", "glue", "sagemaker", "stepfunctions")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")
BUSY = (
    ("bedrock", "model_invocation_job"),
    ("bedrock", "model_customization_job"),
    ("sagemaker", "training_job"),
    ("sagemaker", "processing_job"),
)
"""The kinds that have jobs, in the measurement with jobs: about one source of ten."""
JOBS = 10


class Organization(NamedTuple):
    """Accounts that are read by a role each, in the same regions, with or without jobs."""

    accounts: int = 200
    regions: tuple[str, ...] = REGIONS
    has_jobs: bool = False
    watched: float = 66.0
    """Seconds for which the steady state is measured."""

    def settings(self, url: str) -> Settings:
        """Return what an operator would write, at the default rates."""
        return load(
            CATALOG,
            defaults={
                "accounts": through_roles(account_ids(self.accounts), self.regions),
                "aws": {"endpoint_url": url},
                "limits": {"sources": 100_000},
                "services": {service: {} for service in SERVICES},
                "web": {"listen_address": ["127.0.0.1:0"]},
            },
        )


class Measured(NamedTuple):
    """What an exporter needed for an organization."""

    sources: int
    ready: float
    """Seconds until `/-/ready`."""
    read: float
    """Seconds until every source was read once."""
    cpu: float
    """Seconds of CPU until then."""
    memory: int
    steady: float
    """Cores, afterward."""
    health: float
    """Longest answer of `/-/healthy`, in seconds."""
    size: int
    series: int


def rows(*organizations: Organization) -> Iterator[Row]:
    """Measure exporters, each in a process of its own, as is the simulated AWS."""
    for organization in organizations or (Organization(), Organization(has_jobs=True)):
        with TemporaryDirectory() as folder:
            certificate, key = self_signed("aws", "127.0.0.1")
            (Path(folder) / "bundle.pem").write_bytes(certificate)
            (Path(folder) / "key.pem").write_bytes(key)
            with process(_serve, organization, folder) as aws:
                url = aws.recv()
                base = result_of(_idle)
                yield from _rows(organization, base, result_of(_watch, organization, url, folder))


def _rows(organization: Organization, base: int, found: Measured) -> Iterator[Row]:
    jobs = f"{JOBS} jobs in some lists" if organization.has_jobs else "no jobs"
    name = f"{organization.accounts} accounts, {jobs}"
    yield Row(f"{name}: sources", found.sources, "")
    yield Row(f"{name}: RSS", found.memory / 1e6, "MB")
    yield Row(f"{name}: RSS above an empty process, a source", (found.memory - base) / 1e3 / found.sources, "kB")
    yield Row(f"{name}: until ready", found.ready, "s")
    yield Row(f"{name}: until all were read once", found.read, "s")
    yield Row(f"{name}: CPU until then", found.cpu, "s")
    yield Row(f"{name}: CPU, steady", found.steady, "cores")
    yield Row(f"{name}: longest answer of /-/healthy", found.health * 1e3, "ms")
    yield Row(f"{name}: series", found.series, "")
    yield Row(f"{name}: a scrape", found.size / 1e6, "MB")


def _serve(pipe: Connection, organization: Organization, folder: str) -> None:
    asyncio.run(_simulate(pipe, organization, Path(folder)))


async def _simulate(pipe: Connection, organization: Organization, folder: Path) -> None:
    world = World(CATALOG, account=ACCOUNT, region=REGION)
    if organization.has_jobs:
        for account in account_ids(organization.accounts):
            for region in organization.regions:
                _populate(world, account, region)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "bundle.pem", folder / "key.pem")
    async with Simulator(world, tls=tls) as simulator:
        pipe.send(simulator.endpoint_url)
        await asyncio.Event().wait()


def _populate(world: World, account: str, region: str) -> None:
    began = time.time()
    for service, name in BUSY:
        kind = CATALOG[service].kinds[name]
        for number in range(JOBS):
            path = [(0.0, next(status for status, state in kind.state_of.items() if state.is_active))]
            world.add_job(kind, created=began - 60 * number, path=path, account=account, region=region)


def _idle(pipe: Connection) -> None:
    """Send the memory of a process that has only imported what it needs."""
    pipe.send(rss())


def _watch(pipe: Connection, organization: Organization, url: str, folder: str) -> None:
    os.environ["AWS_CA_BUNDLE"] = f"{folder}/bundle.pem"
    pipe.send(asyncio.run(_measured(organization, url)))


async def _measured(organization: Organization, url: str) -> Measured:
    app.calm_collector()
    began, cpu = time.monotonic(), time.process_time()
    async with app.running(organization.settings(url), CATALOG, REGION, credentials=KEYS) as exporter:
        probe = Probe()
        asking = asyncio.create_task(probe.ask(*exporter.addresses[0]))
        calming = asyncio.create_task(app.skip_sources(exporter.poller))  # as `serve` does
        await exporter.poller.progress.complete.wait()
        read, used = time.monotonic() - began, time.process_time() - cpu
        down = [source.status for source in exporter.poller.sources if not source.status.is_up]
        if down:
            raise RuntimeError(f"{len(down)} sources are down, such as {down[0]}")
        cpu = time.process_time()
        await asyncio.sleep(organization.watched)
        steady = (time.process_time() - cpu) / organization.watched
        memory = rss()
        asking.cancel()
        await asyncio.wait([asking, calming])
        size, series = await scraped(exporter)
        sources = sum(isinstance(source, JobSource) for source in exporter.poller.sources)
        return Measured(sources, probe.ready - began, read, used, memory, steady, probe.longest, size, series)


class Probe:
    """Asks for health and readiness ten times a second, as Kubernetes does every few seconds."""

    longest = 0.0
    """Seconds that an answer took."""
    ready = math.nan
    """When it was ready for the first time."""

    async def ask(self, host: str, port: int) -> None:
        """Ask until cancelled."""
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            while True:
                began = time.monotonic()
                async with session.get("/-/healthy"):
                    self.longest = max(self.longest, time.monotonic() - began)
                async with session.get("/-/ready") as response:
                    if math.isnan(self.ready) and response.ok:
                        self.ready = time.monotonic()
                await asyncio.sleep(0.1)


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
