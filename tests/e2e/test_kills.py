"""An exporter that is killed again and again counts what AWS lists, as a real Prometheus sees it."""

import asyncio
import random
import signal
import sys

import pytest

from exporter.simulator import Simulator, World
from tests.support.feed import feeding
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.patience import eventually
from tests.support.stack import BEAT, exporter_command, free_ports, process, prometheus_command, query, ready

pytestmark = pytest.mark.slow

KILLS = 10


async def value(url: str, expression: str) -> float | None:
    """Return the value of an expression that has one series."""
    found = await query(url, expression)
    return float(found[0]["value"][1]) if found else None


async def test_prometheus_counts_what_failed_over_ten_kills(tmp_path, tool):
    """Its increase is AWS's truth: nothing is counted twice, nothing is missed, and no counter is reset."""
    port, prometheus = free_ports(2)
    address = f"http://127.0.0.1:{prometheus}"
    rng = random.Random(2)
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws:
        command = exporter_command(tmp_path, aws.endpoint_url, port, {"bedrock": {"kinds": [BEDROCK.key]}})
        command += [f"--storage.path={tmp_path / 'storage'}"]
        scraper = prometheus_command(
            tmp_path, tool("prometheus"), prometheus, "", exporters=[f"127.0.0.1:{port}"], alertmanagers=[]
        )
        async with process(tmp_path, *scraper):
            await ready(f"{address}/-/ready")
            async with process(tmp_path, *command):
                await ready(f"http://127.0.0.1:{port}/-/ready")
                await eventually(lambda: is_up(address))
            async with feeding(aws.world) as feed:
                for _ in range(KILLS):
                    async with process(tmp_path, *command) as running:
                        await ready(f"http://127.0.0.1:{port}/-/ready")
                        await asyncio.sleep(rng.uniform(0, 3 * BEAT))
                        running.send_signal(signal.SIGKILL)
            async with process(tmp_path, *command):
                await eventually(lambda: seen(address, feed.failing))
                await asyncio.sleep(2 * BEAT)
                assert await value(address, total("{}")) == feed.failing
                assert await value(address, total("resets({}[1h])")) == 0
                increase = await value(address, total("increase({}[1h])"))
    sys.stdout.write(f"{feed.failing} failed, increase {increase}, {KILLS} kills\n")
    # Prometheus extrapolates by half of the mean time between two scrapes, of which the kills cost some.
    assert increase == pytest.approx(feed.failing, rel=0.25)


def total(expression: str) -> str:
    """Return an expression about the counter, summed over its reasons."""
    return f"sum({expression.format('aws_jobs_failed_total')})"


async def is_up(address: str) -> bool:
    """Return whether Prometheus has scraped that the list was read."""
    return await value(address, f'aws_job_exporter_source_up{{kind="{BEDROCK.key}"}}') == 1


async def seen(address: str, failed: int) -> bool:
    """Return whether Prometheus has scraped this many failures."""
    return await value(address, total("{}")) == failed
