"""A limit on memory that is reached: the exporter is gone or says so, and no number is wrong."""

import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import Simulator, World
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION
from tests.support.memory import grouped, refused
from tests.support.patience import eventually
from tests.support.stack import exporter_command, free_ports, process, ready

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a running process"),
]

FEW, MANY = 100, 12_000
NAME = "n" * 4_000
"""Each job takes as many bytes or more."""
ROOM = 20 << 20
"""Bytes that the exporter may take beyond those of the few jobs: half of what the many would need."""


@asynccontextmanager
async def growing(folder: Path) -> AsyncIterator[tuple[Process, str, World]]:
    """Yield an exporter that knows a few jobs, its address and the world it reads."""
    (port,) = free_ports(1)
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws:
        add_jobs(aws.world, FEW)
        command = exporter_command(folder, aws.endpoint_url, port, {"bedrock": {"kinds": [BEDROCK.key]}})
        async with process(folder, *command) as exporter:
            await ready(f"http://127.0.0.1:{port}/-/ready")
            yield exporter, f"http://127.0.0.1:{port}", aws.world


def add_jobs(world: World, number: int) -> None:
    """Add active jobs."""
    for _ in range(number):
        world.add_job(BEDROCK, created=time.time() - 60, path=[(0, "InProgress")], name=NAME)


async def fetched(url: str) -> str | None:
    """Return a response's text; None if none came."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return await response.text()
    except aiohttp.ClientError:
        return None


class Watch:
    """Looks at an exporter until the limit shows."""

    def __init__(self, exporter: Process, address: str) -> None:
        self._exporter, self._address = exporter, address
        self.counts: set[float] = set()
        self.why = ""

    async def is_over(self) -> bool:
        """Return whether the process is gone, or says that the list cannot be read; note what it showed."""
        page = await fetched(f"{self._address}/metrics")
        for family in text_string_to_metric_families(page or ""):
            for sample in family.samples:
                if sample.name == "aws_jobs" and sample.labels["status"] == "InProgress":
                    self.counts.add(sample.value)
                if sample.name == "aws_job_exporter_source_failure_info":
                    self.why = sample.labels["reason"]
        return self._exporter.returncode is not None or bool(self.why)


@pytest.mark.parametrize("limit", [grouped, refused], ids=["killed by a control group", "refused by the system"])
async def test_a_limit_on_memory_makes_no_number_wrong(
    limit: Callable[[int, int], AbstractContextManager[None]], tmp_path: Path
) -> None:
    """The process is gone, and its numbers with it; or the source is down with a reason, and all else goes on."""
    async with growing(tmp_path) as (exporter, address, world):
        watch = Watch(exporter, address)
        await watch.is_over()
        assert watch.counts == {FEW}
        with ExitStack() as limits:
            try:
                limits.enter_context(limit(exporter.pid, ROOM))
            except OSError as error:
                pytest.skip(f"no such limit can be set here: {error}")
            add_jobs(world, MANY)
            await eventually(watch.is_over)
            assert watch.counts == {FEW}
            assert exporter.returncode or await fetched(f"{address}/-/healthy")
            if limit is grouped:
                await exporter.wait()
                assert exporter.returncode == -signal.SIGKILL
