"""All benchmarks, one after the other: `python -m tests.benchmarks [results.json]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tests.benchmarks import (
    bench_accounts,
    bench_dashboards,
    bench_exposition,
    bench_first_poll,
    bench_listing,
    bench_pages,
    bench_polling,
    bench_requests,
    bench_store,
)
from tests.benchmarks.pace import pace
from tests.benchmarks.report import TARGETS, Row, show, write


def listing() -> Iterator[Row]:
    """Yield what a listed job costs."""
    costs = {row.way: row for row in bench_listing.rows()}
    yield from (Row(f"{way}, CPU of a listed job", row.microseconds, "us") for way, row in costs.items())
    yield Row("boto3's paginator / exporter, CPU of a listed job", costs["exporter"].times_less, "times")


def exposition() -> Iterator[Row]:
    """Yield what a scrape costs."""
    yield from (Row(*row) for row in bench_exposition.bench())


BENCHMARKS: Mapping[str, Callable[[], Iterable[Row]]] = {
    "First poll": bench_first_poll.rows,
    "Listing": listing,
    "Exposition": exposition,
    "Store": bench_store.rows,
    "Pages": bench_pages.rows,
    "Polling": bench_polling.rows,
    "Requests": bench_requests.rows,
    "Accounts": bench_accounts.rows,
    "Dashboards": bench_dashboards.rows,
}


def run() -> list[Row]:
    """Run every benchmark, print its table when it is done, and return all measurements."""
    measured: list[Row] = []
    for name, benchmark in BENCHMARKS.items():
        began, now = time.monotonic(), pace()
        rows = [row._replace(pace=now) for row in benchmark()]
        print(f"\n{name}, in {time.monotonic() - began:.0f} s, boto3's paginator {now:.1f} times slower\n")
        show(rows)
        measured += rows
    return measured


def main(arguments: list[str]) -> None:
    """Print all tables and then the targets, and write everything to the given files."""
    rows = run()
    print("\nTargets\n")
    show(row for row in rows if row.name in TARGETS)
    for path in arguments:
        write(rows, Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])
