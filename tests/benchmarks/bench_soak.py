"""What an exporter holds in the long run: 10,000 sources, a fifth of which a reload drops or takes back each minute.

Run it with `python -m tests.benchmarks.bench_soak [minutes]`, half an hour by default; it prints a line a minute.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import yaml

from tests.benchmarks.bench_polling import FLEET, Fleet, serve
from tests.benchmarks.children import process as child
from tests.support.stack import free_ports, process, ready
from tests.support.vitals import Vitals, probing, vitals

MINUTE = 60.0


class Line(NamedTuple):
    """What was seen in one period."""

    seconds: float
    """Since the exporter was ready."""
    vitals: Vitals
    health: float
    """Seconds that the slowest answer to a health check took."""
    lists: int
    """Lists of jobs that are up."""
    accounts: int
    """That the configuration had."""

    def __str__(self) -> str:
        memory, descriptors, threads = self.vitals
        return (
            f"{self.seconds / MINUTE:6.1f} min  {memory / 1e6:7.1f} MB  {descriptors:4} descriptors  "
            f"{threads:3} threads  health {1e3 * self.health:7.1f} ms  "
            f"{self.lists:6} lists up  {self.accounts:3} accounts"
        )


async def soak(fleet: Fleet, periods: int, period: float = MINUTE) -> AsyncIterator[Line]:
    """Yield what an exporter holds at the end of each period; at its start the configuration is another one."""
    (port,) = free_ports(1)
    with child(serve, fleet) as aws, tempfile.TemporaryDirectory() as name:
        folder, whole = Path(name), fleet.configuration(aws.recv())
        whole["web"] = {"listen_address": f"127.0.0.1:{port}"}
        accounts = whole["accounts"]
        file = folder / "exporter.yml"
        file.write_text(yaml.safe_dump(whole))
        command = (sys.executable, "-m", "exporter", "--config.file", str(file), "--log.level=warn")
        async with process(folder, *command) as exporter, probing(port) as probe:
            await ready(f"http://127.0.0.1:{port}/-/ready")
            await probe.longest()
            began = time.monotonic()
            for number in range(periods):
                # A fifth is dropped in turns, and comes back with the next reload.
                kept = accounts[-(-len(accounts) // 5) :] if number % 2 else accounts
                file.write_text(yaml.safe_dump({**whole, "accounts": kept}))
                exporter.send_signal(signal.SIGHUP)
                await asyncio.sleep(period)
                held, up = vitals(exporter.pid), await lists_up(port)
                yield Line(time.monotonic() - began, held, await probe.longest(), up, len(kept))


async def lists_up(port: int) -> int:
    """Return how many lists of jobs an exporter has read."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        lines = (await response.text()).splitlines()
    up = (line for line in lines if line.startswith("aws_job_exporter_source_up{") and line.endswith(" 1.0"))
    return sum('scope=""' not in line for line in up)


async def main(minutes: int) -> None:
    """Print what is seen."""
    async for line in soak(FLEET, minutes):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
