"""The exporter as a process, and ways for a test to handle one."""

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]


WITH_GRACE = """
import sys
from exporter import cli
from exporter.cli import signals
from exporter.web.server import listening
signals._GRACE = listening._GRACE = float(sys.argv.pop(1))
sys.exit(cli.main())
"""


@asynccontextmanager
async def started(*arguments, grace=None):
    """Yield a process of the exporter, which may take `grace` seconds to stop; kill it if it outlives the block."""
    program = ("-m", "exporter") if grace is None else ("-c", WITH_GRACE, str(grace))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, "--web.listen-address=127.0.0.1:0", *arguments),
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
    """Read lines until one contains an address."""
    async with asyncio.timeout(PATIENCE):
        while line := await stream.readline():
            if match := re.search(pattern, line.decode()):
                return match[1]
        _, err = await process.communicate()
    pytest.fail(f"it ended without saying where it listens: {err.decode()}")


async def stopped(process, number):
    """Send a signal; return the exit code and what was written to stderr."""
    process.send_signal(number)
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def scrape(url):
    """Return the metrics of an exporter by name."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return {family.name: family for family in text_string_to_metric_families(await response.text())}
