"""An exporter whose event log goes to a stdout that nobody reads."""

import asyncio
import json
import os

import aiohttp
import pytest

from exporter.simulator import Simulator, World
from tests.support.feed import feeding
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.patience import PATIENCE, eventually
from tests.support.stack import exporter_command, free_ports, ready

pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": REGION}
FULL = 'aws_job_exporter_event_log_errors_total{reason="ETIMEDOUT"}'


async def test_a_stdout_that_nobody_reads_stops_nothing(tmp_path):
    """Polls and scrapes go on, and so does the end; what was read are whole lines, one after the other."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    reader, writer = os.pipe()
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws, feeding(aws.world):
        command = exporter_command(tmp_path, aws.endpoint_url, port, {"bedrock": {"kinds": [BEDROCK.key]}})
        running = await asyncio.create_subprocess_exec(
            *command,
            "--log.events=stdout",
            stdout=writer,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **KEYS},
        )
        os.close(writer)
        await ready(f"{url}/-/ready")
        await eventually(lambda: has(url, FULL))
        running.terminate()
        assert await asyncio.wait_for(running.wait(), PATIENCE) == 0
    # A pipe holds 64 kB, which is what was written before it was full.
    *lines, _ = os.read(reader, 1 << 20).split(b"\n")
    os.close(reader)
    assert [json.loads(line)["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 10


async def has(url, series):
    """Return whether a series is exported and above 0."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        values = [line for line in (await response.text()).splitlines() if line.startswith(series)]
    return any(not line.endswith(" 0.0") for line in values)
