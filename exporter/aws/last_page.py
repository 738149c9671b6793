"""Where a list that has the newest first can end early: what comes after is older than everything that matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from exporter.catalog import Kind
from exporter.jobs import Job, Query


def last_page(kind: Kind, query: Query) -> Callable[[Sequence[Job]], bool]:
    """Return a function that tells of a page with all of its jobs whether a query needs no further one.

    A page counts as a whole, because AWS's order may be off by a moment, which the margin of a query allows for.
    """
    if query.changed_after is not None:
        return _by_changes(kind, query.changed_after)
    if query.created_after is not None and kind.filters.created_after is None:
        return _by_creation(query.created_after)
    return lambda _: False


def _by_creation(after: float) -> Callable[[Sequence[Job]], bool]:
    def is_last(jobs: Sequence[Job]) -> bool:
        return all(job.created is not None and job.created < after for job in jobs)

    return is_last


def _by_changes(kind: Kind, after: float) -> Callable[[Sequence[Job]], bool]:
    # What runs stands where it started, or was redriven, which no item tells: what has ended decides.
    by_update = kind.order is not None and kind.order.newest_first == "updated"

    def is_last(jobs: Sequence[Job]) -> bool:
        times = [job.updated if by_update else job.ended for job in jobs if by_update or job.state.is_final]
        return bool(times) and all(time is not None and time < after for time in times)

    return is_last
