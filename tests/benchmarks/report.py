"""The report of a benchmark: its measurements beside their targets, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.pace import pace


class Row(NamedTuple):
    """One measurement."""

    name: str
    value: float
    unit: str
    pace: float = 1.0
    """How much slower than the targets' machine this one was just before; see `pace`."""


class Target(NamedTuple):
    """The most, or the least, that a measurement should be."""

    most: float | None = None
    least: float | None = None
    is_time: bool = False
    """Whether a machine that is slower may take that much longer."""

    def is_met(self, row: Row) -> bool:
        """Whether a measurement meets the target."""
        value = row.value / (row.pace if self.is_time else 1)
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def shown(self, row: Row) -> str:
        """Return the target of a measurement as text."""
        if self.most is None:
            return f">= {self.least:,g}"
        return f"<= {self.most:,g}" + (f" x {row.pace:.1f}" if self.is_time else "")


_STORES = "store", "store with a file"
_FIRST = "first listing of 100,000 beside a busy loop"
_MANY = "10,000 sources with 100 jobs each"
_SEARCHES = (
    "a page of jobs",
    "a page of failed jobs",
    "a page of jobs by name",
    "a page of jobs that do not exist",
    "the first page",
)

_LATER_HOUR = {
    "empty account, default configuration": 500,
    "empty account, seven services": 250,
    "138 scopes in seven services, quiet": 3000,
    "the same at the intervals of docs/events.md": 700,
}
"""The most requests to AWS in an hour, after the first one."""

_DASHBOARDS = "accounts", "overview", "kind", "health"

_ORGANIZATIONS = "200 accounts, no jobs", "200 accounts, 10 jobs in some lists"

TARGETS = {
    "boto3's paginator / first poll, CPU of a job, same times and messages": Target(least=22),
    "boto3's paginator / first poll, CPU of a job, every time, name and message different": Target(least=15),
    "first poll of 100,000 jobs, memory at its peak above that of a poll of one": Target(most=60),
    "boto3's paginator / exporter, CPU of a listed job": Target(least=25),
    "boto3's paginator / store, CPU of a listed job, first listing": Target(least=30),
    "store, CPU of a poll, ten jobs change and ten leave, 1,000,000 held / 1,000": Target(most=2),
    "store, 10,000 sources of 10 active jobs, polled every minute": Target(most=4, is_time=True),
    "store with a file, bytes written by a quiet poll, only what can have changed is read": Target(most=0),
    "store with a file, bytes written by a quiet poll, everything is read": Target(most=0),
    **{f"{store}, {_FIRST}, longest hold": Target(most=8, is_time=True) for store in _STORES},
    **{f"{store}, {_FIRST}, longest poll of another source": Target(most=250, is_time=True) for store in _STORES},
    "store, memory of a finished job, RSS": Target(most=200),
    "store with a file, memory of a finished job, RSS": Target(most=40),
    "store with a file, disk of a finished job": Target(most=220),
    "start with 10,000 sources and 1,000,000 finished jobs stored, until scraped": Target(most=10, is_time=True),
    **{f"CPU of {page}, {_MANY}": Target(most=150, is_time=True) for page in _SEARCHES},
    **{f"CPU of {page}, {_MANY}, on the event loop": Target(most=20, is_time=True) for page in _SEARCHES},
    "list calls of a steady poll, exporter": Target(most=2),
    "prometheus_client, identity / exporter, identity, 0 sources polled since": Target(least=100),
    "prometheus_client, gzip / exporter, gzip, 0 sources polled since": Target(least=100),
    "Pushgateway, identity / exporter, identity, 0 sources polled since": Target(least=1),
    "Pushgateway, gzip / exporter, gzip, 0 sources polled since": Target(least=1),
    "that p99 / median, idle, seldom": Target(most=5),
    **{f"{organization}: RSS": Target(most=600) for organization in _ORGANIZATIONS},
    **{f"{organization}: until ready": Target(most=60) for organization in _ORGANIZATIONS},
    **{f"{organization}: until all were read once": Target(most=300) for organization in _ORGANIZATIONS},
    **{f"{organization}: CPU, steady": Target(most=0.4, is_time=True) for organization in _ORGANIZATIONS},
    **{
        f"{organization}: longest answer of /-/healthy": Target(most=20, is_time=True)
        for organization in _ORGANIZATIONS
    },
    "40,000 sources: all rules, evaluated once": Target(most=3, is_time=True),
    **{f"40,000 sources, {name}: slowest panel": Target(most=2, is_time=True) for name in _DASHBOARDS},
    # A tenth of what query.max-samples allows by default.
    **{f"40,000 sources, {name}: most samples at once": Target(most=5_000_000) for name in _DASHBOARDS},
    "10,000 sources: polled in time": Target(least=100),
    "10,000 sources: CPU, steady": Target(most=1),
    **{f"{profile}: requests of a later hour": Target(most=most) for profile, most in _LATER_HOUR.items()},
    **{f"{profile}: what the doctor foretells is off by": Target(most=10) for profile in _LATER_HOUR},
    "requests of a poll, a state machine with 100,000 finished executions, median": Target(most=2),
    # Once in poll.idle_interval, which is ten minutes, and a tenth of it: polls are early or late by so much.
    "a job that starts in an idle list is seen after, longest": Target(most=600),
}
"""The targets of the measurements with these names; other measurements are there to explain them."""


def show(rows: Iterable[Row]) -> None:
    """Print measurements as a table."""
    for row in rows:
        target = TARGETS.get(row.name)
        verdict = "" if target is None else f"{target.shown(row):>14}  {'met' if target.is_met(row) else 'MISSED'}"
        print(f"{row.name:98} {row.value:14,.2f} {row.unit:16}{verdict}".rstrip(), flush=True)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write measurements as JSON, each with its target and whether it is met."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([_entry(row) for row in rows], indent=2) + "\n")


def report(rows: Iterable[Row], arguments: Sequence[str]) -> None:
    """Measure, print the measurements of one benchmark, and write them to the file if one is given."""
    now = pace()
    print(f"A time that is a target may be {now:.1f} times as long: by so much boto3's paginator is slower here.\n")
    measured = [row._replace(pace=now) for row in rows]
    show(measured)
    for path in arguments:
        write(measured, Path(path))


def _entry(row: Row) -> dict[str, object]:
    target = TARGETS.get(row.name)
    if target is None:
        return row._asdict()
    return {**row._asdict(), "target": target.shown(row), "met": target.is_met(row)}
