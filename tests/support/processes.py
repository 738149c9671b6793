"""The exporter as a process, and what a test does to one."""

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.harness import PATIENCE

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def started(*arguments):
    """Yield a process of the exporter, and kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def announced(process, stream, pattern):
    """Read lines until one has an address."""
    async with asyncio.timeout(PATIENCE):
        while line := await stream.readline():
            if match := re.search(pattern, line.decode()):
                return match[1]
        _, err = await process.communicate()
    pytest.fail(f"it ended without saying where it listens: {err.decode()}")


async def stopped(process, number):
    """Send a signal; return the exit code and what was written to stderr, within five seconds."""
    process.send_signal(number)
    async with asyncio.timeout(5):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def scrape(url):
    """Return the metrics of an exporter by their names."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return {family.name: family for family in text_string_to_metric_families(await response.text())}
