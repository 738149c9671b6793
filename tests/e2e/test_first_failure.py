"""The first failure that a source ever has, as a real Prometheus sees it: a counter that is 0 before it is 1."""

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from functools import partial

import pytest

from exporter.simulator import Simulator, World
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.patience import eventually
from tests.support.stack import BEAT, exporter_command, free_ports, process, prometheus_command, query, ready

pytestmark = pytest.mark.slow

POLL = 4 * BEAT
"""Seconds between two polls. What matters is how many scrapes there are between them: it stands for a minute."""

FAILED = f'aws_jobs_failed_total{{kind="{BEDROCK.key}", reason="throttled"}}'
FINISHED = f'aws_jobs_finished_total{{kind="{BEDROCK.key}", state="failed"}}'
RUN_TIMES = f'aws_job_duration_seconds_count{{kind="{BEDROCK.key}", state="failed"}}'
HELD = f'aws_jobs{{kind="{BEDROCK.key}", state="failed", reason="throttled"}}'


async def test_each_prometheus_sees_the_first_failure_as_an_increase(tmp_path, tool):
    """Each has 0 and then 1, though all run on one host; the gauge shows the job as soon as the counter is born.

    Two scrape every 15 s and one every 60 s.
    """
    scrapes = [POLL // 4, POLL // 4, POLL]
    port, *ports = free_ports(1 + len(scrapes))
    addresses = [f"http://127.0.0.1:{each}" for each in ports]
    async with AsyncExitStack() as stack:
        aws = await stack.enter_async_context(Simulator(World(CATALOG, account=ACCOUNT, region=REGION)))
        poll = {"interval": f"{POLL}s", "idle_interval": f"{POLL}s", "stale_after": f"{3 * POLL}s"}
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        command = exporter_command(tmp_path, aws.endpoint_url, port, services, poll=poll)
        await stack.enter_async_context(process(tmp_path, *command))
        for number, (interval, at) in enumerate(zip(scrapes, ports, strict=True)):
            folder = tmp_path / str(number)
            folder.mkdir()
            scraper = prometheus_command(
                folder,
                tool("prometheus"),
                at,
                "",
                exporters=[f"127.0.0.1:{port}"],
                alertmanagers=[],
                interval=interval,
            )
            await stack.enter_async_context(process(folder, *scraper))
        await asyncio.gather(*(ready(f"{address}/-/ready") for address in addresses))
        await asyncio.gather(*(eventually(partial(is_read, url)) for url in addresses))
        path = [(0, "InProgress"), (BEAT / 2, "Failed")]
        aws.world.add_job(BEDROCK, created=time.time(), path=path, message="Rate exceeded")
        await asyncio.gather(*(eventually(partial(has_risen, url)) for url in addresses))
        for address in addresses:
            for counter in (FAILED, FINISHED, RUN_TIMES):
                times = await samples(address, counter)
                assert [value for value, _ in itertools.groupby(times.values())] == [0, 1]
                ((born, _), *_) = times.items()
                assert (await samples(address, HELD))[born] == 1
            ((_, increase),) = [result["value"] for result in await query(address, f"increase({FAILED}[1h])")]
            assert float(increase) >= 1


async def samples(url: str, series: str) -> dict[float, float]:
    """Return what a Prometheus has scraped of one series, by time."""
    found = await query(url, f"{series}[1h]")
    return {at: float(value) for result in found for at, value in result["values"]}


async def is_read(url: str) -> bool:
    """Return whether a Prometheus has scraped that the list was read."""
    return 1 in (await samples(url, f'aws_job_exporter_source_up{{kind="{BEDROCK.key}"}}')).values()


async def has_risen(url: str) -> bool:
    """Return whether a Prometheus has scraped the failure."""
    return 1 in (await samples(url, FAILED)).values()
