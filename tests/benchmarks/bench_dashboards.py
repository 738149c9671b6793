"""What rules and dashboards cost Prometheus with the series of 40,000 lists of jobs.

Run it with `python -m tests.benchmarks.bench_dashboards [results.json]`. It needs prometheus and promtool.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import aiohttp

from tests.benchmarks.population import HOUR, MINUTE, Past, Population
from tests.benchmarks.report import Row, report
from tests.support.dashboards import EVERYTHING, Target, expanded, targets
from tests.support.patience import PATIENCE
from tests.support.recorded import FILE, GROUPS
from tests.support.stack import free_ports, ready

HOURS = 6
"""The time range of the panels."""

BLOCK = 2 * HOUR
"""Prometheus stores a block for each two hours; promtool reads its input once for each."""


class Cost(NamedTuple):
    """What a query costs, or all queries of a panel."""

    title: str
    seconds: float
    cpu: float
    peak: int
    """The most samples that a query held at once: what query.max-samples limits."""


def rows(population: Population | None = None, interval: int = MINUTE, rounds: int = 3) -> Iterator[Row]:
    """Measure all rules, evaluated so often, and all panels, if the programs are installed."""
    if shutil.which("prometheus") and shutil.which("promtool"):
        with TemporaryDirectory() as folder:
            yield from asyncio.run(_measured(Path(folder), population or Population(), interval, rounds))
    else:
        sys.stderr.write("prometheus or promtool is not installed\n")


async def _measured(folder: Path, population: Population, interval: int, rounds: int) -> list[Row]:
    now = time.time()
    exposition = b"".join(population.exposition(now))
    shown = population.kinds[0]
    name = f"{len(population.lists):,} sources"
    await asyncio.to_thread(_backfill, folder, Past(exposition, shown), now)
    found = [Row(f"{name}: series of a scrape", exposition.count(b"\n"), "")]
    async with _prometheus(folder, FILE.read_text(), interval) as prometheus:
        seconds, cpu = await prometheus.rules(interval, rounds)
        found.append(Row(f"{name}: all rules, evaluated once", seconds, "s"))
        found.append(Row(f"{name}: CPU of that", cpu, "s"))
    async with _prometheus(folder, "", interval) as prometheus:
        chosen = {"aws_service": shown.service, "kind": shown.key}
        for dashboard, panels in (await prometheus.panels(now, chosen, rounds)).items():
            slowest, largest = max(panels, key=lambda cost: cost.seconds), max(panels, key=lambda cost: cost.peak)
            costliest = max(panels, key=lambda cost: cost.cpu)
            found.append(Row(f"{name}, {dashboard}: slowest panel", slowest.seconds, f"s ({slowest.title})"))
            found.append(Row(f"{name}, {dashboard}: most CPU of a panel", costliest.cpu, f"s ({costliest.title})"))
            found.append(Row(f"{name}, {dashboard}: most samples at once", largest.peak, f"({largest.title})"))
    return found


def _backfill(folder: Path, past: Past, now: float) -> None:
    """Write the blocks of the hours before."""
    file = folder / "past.om"
    start = now - HOURS * HOUR
    while start < now:
        end = min(start // BLOCK * BLOCK + BLOCK, now)
        minutes = range(int((now - start) // MINUTE), int((now - end) // MINUTE) - (end == now), -1)
        with file.open("w") as output:
            output.writelines(past.samples(minutes, now))
            output.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(folder / "tsdb")]
        subprocess.run(command, check=True, capture_output=True)
        start = end
    file.unlink()


@asynccontextmanager
async def _prometheus(folder: Path, rules: str, interval: int) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes nothing: it finds the last samples, however long it took to write them."""
    (port,) = free_ports(1)
    (folder / "prometheus.yml").write_text(f"{{global: {{evaluation_interval: {interval}s}}, rule_files: [rules.yml]}}")
    (folder / "rules.yml").write_text(re.sub(r"interval: \d+m", f"interval: {interval}s", rules))
    with (folder / "prometheus.log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--query.lookback-delta=2h",
            stdout=log,
            stderr=log,
        )
    try:
        await ready(f"http://127.0.0.1:{port}/-/ready")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session:
            yield Prometheus(f"http://127.0.0.1:{port}", running.pid, session)
    finally:
        running.terminate()
        await running.wait()


@dataclass
class Prometheus:
    """A Prometheus that is asked what it needs for an answer."""

    url: str
    pid: int
    session: aiohttp.ClientSession

    async def rules(self, interval: int, rounds: int) -> tuple[float, float]:
        """Return the seconds of an evaluation of all groups, added up, and the CPU of one: the median, and the mean."""
        await self._evaluated(interval)
        began, before = time.monotonic(), self._cpu()
        seconds = [await self._evaluated(interval) for _ in range(rounds)]
        intervals = (time.monotonic() - began) / interval
        return statistics.median(seconds), (self._cpu() - before) / intervals

    async def _evaluated(self, interval: int) -> float:
        """Return how long the next evaluation of all groups took, one after the other."""
        began = time.time()
        async with asyncio.timeout(PATIENCE + 10 * interval):
            while True:
                # Seldom, because the answer costs CPU, too.
                await asyncio.sleep(interval / 4)
                async with self.session.get(f"{self.url}/api/v1/rules") as response:
                    groups = (await response.json())["data"]["groups"]
                if all(_seconds(group["lastEvaluation"]) > began for group in groups):
                    break
        broken = [rule["lastError"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]
        if broken or len(groups) != len(GROUPS):
            raise RuntimeError(f"rules are not evaluated: {broken}")
        return sum(float(group["evaluationTime"]) for group in groups)

    async def panels(self, now: float, chosen: dict[str, str], rounds: int) -> dict[str, list[Cost]]:
        """Return what each panel of each dashboard costs at a time; that of one kind is about the chosen one."""
        found: dict[str, list[Cost]] = {}
        for (dashboard, title), queries in groupby(targets(), lambda each: (each.dashboard, each.panel["title"])):
            of_panel = [await self._cost(each, now, chosen if dashboard == "kind" else {}, rounds) for each in queries]
            _, seconds, cpu, peaks = zip(*of_panel, strict=True)
            found.setdefault(dashboard, []).append(Cost(title, sum(seconds), sum(cpu), max(peaks)))
        return found

    async def _cost(self, target: Target, now: float, chosen: dict[str, str], rounds: int) -> Cost:
        """Return what a query costs: the least of some rounds."""
        step = _step(target.panel)
        times = {
            "__interval": f"{step}s",
            "__rate_interval": f"{max(step + MINUTE, 4 * MINUTE)}s",
            "__range": f"{HOURS}h",
            "__from": f"{(now - HOURS * HOUR) * 1000:.0f}",
        }
        query = {"query": expanded(target.query, {**EVERYTHING, **times, **chosen}), "stats": "all"}
        if target.panel["type"] == "timeseries":
            path, moment = "query_range", {"start": f"{now - HOURS * HOUR:.0f}", "end": f"{now:.0f}", "step": f"{step}"}
        else:
            path, moment = "query", {"time": f"{now:.0f}"}
        costs = [await self._asked(target, path, query | moment) for _ in range(rounds)]
        return Cost("", min(cost.seconds for cost in costs), min(cost.cpu for cost in costs), costs[0].peak)

    async def _asked(self, target: Target, path: str, query: dict[str, str]) -> Cost:
        began, before = time.monotonic(), self._cpu()
        async with self.session.post(f"{self.url}/api/v1/{path}", data=query) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise RuntimeError(f"{target}: {answer}")
        peak = answer["data"]["stats"]["samples"]["peakSamples"]
        return Cost("", time.monotonic() - began, self._cpu() - before, peak)

    def _cpu(self) -> float:
        """Return the seconds of CPU that it has used."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _step(panel: dict[str, Any]) -> int:
    """Return the seconds between two points of a panel, as Grafana rounds them: to whole minutes here."""
    least: int = {"1m": MINUTE, "5m": 5 * MINUTE}[panel.get("interval", "1m")]
    points: int = panel.get("maxDataPoints", 1000)
    return max(least, math.ceil(HOURS * HOUR / points / MINUTE) * MINUTE)


def _seconds(moment: str) -> float:
    """Return a time of Prometheus, which has nanoseconds, in seconds since 1970-01-01 UTC."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", moment)).timestamp()


if __name__ == "__main__":
    report(rows(), sys.argv[1:])
