"""How many messages the shipped rules and Alertmanager's routes make of a week of the demo's account.

Run it with `python -m tests.benchmarks.bench_notifications [DAYS [SERVICE...]]`. It needs promtool.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from exporter.simulator import populate
from tests.benchmarks.report import Row
from tests.support.harness import CATALOG, HandClock, Running, configured, running, simulated
from tests.support.notifying import Labels, notifications
from tests.support.recorded import FILE, GROUPS

DAY = 86400
STEP = 300
"""Seconds from one evaluation of the rules to the next."""
INTERVAL = 900
"""Seconds from one poll to the next: what is told does not depend on it, and the benchmark takes less time."""

_TARGET = 'instance="exporter:10058",job="aws-job-exporter"'
_READ = {
    name for group in GROUPS for rule in group["rules"] for name in re.findall(r"(?<![:\w])aws_job\w+", rule["expr"])
}


def rows(days: float = 7, services: Sequence[str] = (), learning: float = 1) -> Iterator[Row]:
    """Measure the messages of a day, on average and at most, after some days that do not count."""
    with TemporaryDirectory() as folder:
        timeline = asyncio.run(_timeline(Path(folder), days, learning, services or list(CATALOG.names)))
    yield from measured(timeline)


def measured(timeline: Sequence[set[Labels]]) -> Iterator[Row]:
    """Yield what a timeline of alerts leads to."""
    fired = Counter(
        dict(labels)["alertname"]
        for before, now in zip([set(), *timeline], timeline, strict=False)
        for labels in now - before
    )
    sent = notifications(timeline, STEP)
    days = Counter(int(at // DAY) for at, _ in sent)
    length = len(timeline) * STEP / DAY
    yield Row("alerts that begin to fire in a day", fired.total() / length, "")
    for alert, number in fired.most_common():
        yield Row(f"of these {alert}", number / length, "")
    yield Row("messages of a day", len(sent) / length, "")
    yield Row("most messages of a day", max(days.values(), default=0), "")


async def _timeline(folder: Path, days: float, learning: float, services: Sequence[str]) -> list[set[Labels]]:
    """Return what fires at each step of the days that count."""
    clock = HandClock()
    series: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    first, steps = (int(length * DAY // STEP) for length in (learning, learning + days))
    async with simulated(clock) as aws:
        kinds = [kind for name in services for kind in CATALOG[name].kinds.values()]
        populate(aws.world, kinds, now=clock.now)
        poll = {"interval": f"{INTERVAL}s", "idle_interval": f"{INTERVAL}s"}
        settings = configured(aws.endpoint_url, dict.fromkeys(services), poll=poll)
        async with running(settings, clock) as exporter:
            async for step in _steps(exporter, steps):
                for line in exporter.read().lines:
                    name = line.partition("{")[0]
                    if name in _READ:
                        labels, _, value = line.rpartition(" ")
                        series[labels].append((step, value))
    start = clock.now - steps * STEP
    test = folder / "week.yml"
    test.write_text(_unit_test(series, first, steps, start))
    return await asyncio.to_thread(_fired, test, first, steps)


async def _steps(exporter: Running, steps: int) -> AsyncIterator[int]:
    """Yield the number of each step once its time has come."""
    for step in range(steps):
        await exporter.elapse(STEP)
        yield step


def _unit_test(series: Mapping[str, list[tuple[int, str]]], first: int, steps: int, start: float) -> str:
    """Return a unit test for promtool, whose time starts at 0, with a query for what fires at each step."""
    inputs = []
    for labels, samples in series.items():
        if len({value for _, value in samples}) > 1 or not labels.startswith(("aws_jobs", "aws_job_records")):
            name = labels.replace("{", f"{{{_TARGET},", 1) if "{" in labels else f"{labels}{{{_TARGET}}}"
            inputs.append(
                {"series": name, "values": _values(samples, start if "timestamp" in labels.partition("{")[0] else 0)}
            )
    queries = [
        {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{step * STEP}s", "exp_samples": []}
        for step in range(first, steps)
    ]
    test = {"interval": f"{STEP}s", "input_series": inputs, "promql_expr_test": queries}
    names = [group["name"] for group in GROUPS]
    return yaml.dump(
        {"rule_files": [str(FILE)], "evaluation_interval": f"{STEP}s", "group_eval_order": names, "tests": [test]},
        Dumper=yaml.CSafeDumper,
        width=10**9,
    )


def _values(samples: list[tuple[int, str]], start: float) -> str:
    """Return samples in promtool's notation: what is missing is stale."""
    words, at = [], 0
    for value, run in groupby(samples, key=lambda sample: sample[1]):
        for first, length in _stretches([step for step, _ in run]):
            if first > at:
                words += ["stale"] if at else ["_"]
                words += [f"_x{first - at - 1}"] if first - at > 1 else []
            number = float(value) - start
            words.append(f"{number:.3f}".rstrip("0").rstrip(".") + (f"x{length - 1}" if length > 1 else ""))
            at = first + length
    return " ".join(words)


def _stretches(steps: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first step and the length of each stretch of consecutive ones."""
    for _, group in groupby(enumerate(steps), key=lambda pair: pair[1] - pair[0]):
        found = [step for _, step in group]
        yield found[0], len(found)


def _fired(test: Path, first: int, steps: int) -> list[set[Labels]]:
    """Return what fires at each step: promtool prints it, as the test expects nothing."""
    done = subprocess.run(["promtool", "test", "rules", str(test)], capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    found: dict[int, set[Labels]] = {}
    for time, got in re.findall(r"time: (\S+),\n\s+exp: nil\n\s+got: (.*)", text):
        found[_seconds(time)] = {
            frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
            - {("__name__", "ALERTS"), ("alertstate", "firing")}
            for labels in re.findall(r"\{(.*?)\} 1E\+00", got)
        }
    if not found and "SUCCESS" not in text:
        raise RuntimeError(text[:2000])
    return [found.get(step * STEP, set()) for step in range(first, steps)]


def _seconds(text: str) -> int:
    units = {"d": DAY, "h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


if __name__ == "__main__":
    length, *chosen = sys.argv[1:] or ["7"]
    for row in rows(float(length), chosen):
        sys.stdout.write(f"{row.name}: {row.value:.1f}\n")
