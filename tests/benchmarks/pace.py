"""How fast the machine is at the moment, by work that is like the exporter's and is not the exporter's."""

from __future__ import annotations

import statistics

from tests.benchmarks import bench_listing

REFERENCE = 150.0
"""Microseconds of CPU that boto3's paginator took for a job on the machine that the targets' times are meant for."""


def pace(jobs: int = 2000, rounds: int = 3) -> float:
    """Return by what factor boto3's paginator is slower now: times that are targets are that much longer.

    A loop of Python would not do: machines on which it is as fast as ever can need three times as long for memory.
    """
    with bench_listing.simulated(jobs) as url:
        return statistics.median(bench_listing.measured("boto3", url, jobs) for _ in range(rounds)) / REFERENCE
