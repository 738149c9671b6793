"""What must be asked now: the listings that bring a ledger up to date, from what the ledger knows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporter.catalog import Kind
from exporter.jobs import ALL, Query
from exporter.store import EVERYTHING, Ledger

MARGIN = 600.0
"""Seconds by which a listing of new jobs reaches back: AWS lists late, clocks differ, and a poll takes its time."""


class Plan(NamedTuple):
    """Listings, and since which creation they leave out no job; None where nothing follows from a job's absence."""

    queries: Sequence[Query]
    complete_from: float | None


def full(kind: Kind, ledger: Ledger, now: float, lookback: float) -> Plan:
    """Return the listings that find every job that counts, whatever the ledger knows.

    Where the operation takes a time, they begin with the lookback and the kind's longest usual run before it, or with
    the oldest active job that the ledger knows; what has been active for longer, or nobody knows how long, is found by
    its status.
    """
    if not _takes_creation(kind):
        return Plan([ALL], EVERYTHING)
    begin = now - lookback - kind.longest_run - MARGIN
    if ledger.oldest_active is not None:
        begin = min(begin, ledger.oldest_active - MARGIN)
    older = _live(kind) if ledger.since is None or ledger.has_undated else []
    # A job may move while the lists are read: the one by creation, read last, has the final word.
    return Plan([*older, Query(created_after=begin)], begin)


def incremental(kind: Kind, ledger: Ledger, page_size: int) -> Plan | None:
    """Return the fewest listings that can hold a change since the last poll; None where only a full read can.

    A change is a new job, or an active one that moved. One listing from the oldest active job on finds both. If that
    would be many pages of finished jobs, the new ones are listed, and the active ones by their status; then `missing`
    tells what is left to ask.
    """
    if ledger.since is None or ledger.has_undated or not _takes_creation(kind):
        return None
    newest = (ledger.since if ledger.newest_created is None else ledger.newest_created) - MARGIN
    begin = min(newest, newest if ledger.oldest_active is None else ledger.oldest_active - MARGIN)
    apart = [*_live(kind), Query(created_after=newest)]
    pages = math.ceil((ledger.created_since(begin) + 1) / page_size)
    if kind.filters.status and len(apart) < pages:
        return Plan(apart, None)
    return Plan([Query(created_after=begin)], begin)


def missing(ledger: Ledger, found: Iterable[str]) -> Plan | None:
    """Return the listing that tells what became of the active jobs that were not found; None where all were."""
    lost = ledger.active_unless(found)
    if not lost:
        return None
    begin = min(lost) - MARGIN
    return Plan([Query(created_after=begin)], begin)


def _takes_creation(kind: Kind) -> bool:
    return kind.filters.created_after is not None and kind.times.created is not None


def _live(kind: Kind) -> list[Query]:
    if kind.filters.status is None:
        return []
    return [Query(status=status) for status, state in kind.state_of.items() if state.is_active]
