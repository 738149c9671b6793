"""Which lists to request now: those that bring a ledger up to date, given what the ledger knows.

The law: after every poll, incremental reading leaves the ledger in the same state as reading everything would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from exporter.catalog import Kind
from exporter.jobs import ALL, Query
from exporter.store import EVERYTHING, SKEW, Ledger

MARGIN = 600.0
"""Seconds by which a query reaches back further: AWS lists jobs late, and a poll takes time."""


_OLDER = 90 * 86_400.0
"""Seconds by which a first listing looks further back for active jobs, where their list takes a bound."""


class Plan(NamedTuple):
    """Queries to run in order, and the creation time since which they omit no job.

    `complete_from` is None if a job's absence does not show that it was deleted.
    """

    queries: Sequence[Query]
    complete_from: float | None
    shows_ends: bool = False
    """Whether an active job that is not listed has not ended either."""


def full(kind: Kind, ledger: Ledger, now: float, lookback: float) -> Plan:
    """Return the queries that find every job that counts, whatever the ledger knows.

    If the list can be bounded by creation, it is read from the lookback plus the kind's longest usual run ago, or from
    the oldest known active job if that is older. In a first read, and while the creation time of an active job is
    unknown, active jobs are also listed by their status, since they may be older still.
    """
    is_first = ledger.read_in_full is None or ledger.has_undated
    # Where only the order bounds a list, a first reading goes to its end: most lists are short, and a request for each
    # status would be several.
    is_unbounded = is_first and kind.filters.created_after is None
    if is_unbounded or not (kind.is_bounded or kind.has_changes_first):
        return Plan([ALL], EVERYTHING)
    # A job counts by its end, but lists are filtered by creation: hence the longest run.
    start = now - kind.listed_for(lookback) - kind.reach - MARGIN
    if ledger.oldest_active is not None:
        start = min(start, ledger.oldest_active - MARGIN)
    if ledger.last_read is not None:
        # After a gap that was longer than the lookback, what came and went meanwhile is counted all the same.
        start = min(start, ledger.last_read - SKEW - MARGIN)
    older: list[Query] = []
    if is_first:
        # Without a bound, some services go through all that there ever was. What has no creation may be before any.
        older = _by_active_status(kind, None if ledger.has_undated else start - _OLDER)
    # What was created before and ended since comes first in a list of changes.
    rest = Query(changed_after=start) if kind.has_changes_first else Query(created_after=start)
    # It is read last and takes precedence, because a job may change its status in between.
    return Plan([*older, rest], start)


async def incremental(kind: Kind, ledger: Ledger, page_size: int) -> Plan | None:
    """Return the fewest queries that find every change since the last poll; None if only a full read can.

    A change is a new job, or an active one with another status. One list from the oldest active job on finds both. If
    most of its pages would be finished jobs, new jobs are listed by creation and active ones by status instead; then
    `missing` says what else to list. Of a kind that restarts, what counts and has ended may have changed as well. Where
    changes come first in the list, they are read alone.
    """
    if ledger.read_in_full is None or ledger.since is None or ledger.has_undated:
        return None
    if kind.has_changes_first:
        last_read = ledger.last_read or ledger.since
        return Plan([Query(changed_after=last_read - SKEW - MARGIN)], None, shows_ends=True)
    if not kind.is_bounded:
        return None
    # If no job has been seen yet, the first will have been created after the first listing.
    newest = (ledger.since - SKEW if ledger.newest_created is None else ledger.newest_created) - MARGIN
    if kind.restarts:
        # What had been created within the lookback when it ran again, which was after the last poll.
        newest = (ledger.last_read or ledger.since) - ledger.rules.lookback - SKEW - MARGIN
    start = newest if ledger.oldest_active is None else min(newest, ledger.oldest_active - MARGIN)
    separate = [*_by_active_status(kind, start), Query(created_after=newest)]
    if kind.filters.status:
        # Plus one, because an empty list takes a request, too.
        created = await ledger.created_since(start, limit=page_size * len(separate))
        # Each of the separate queries takes one request at least, as does each page.
        if len(separate) < math.ceil((created + 1) / page_size):
            return Plan(separate, None)
    return Plan([Query(created_after=start)], start)


def missing(lost: float) -> Plan:
    """Return the query that shows what became of active jobs that are not listed, the oldest created at `lost`.

    An active job that is in no list by active status has finished or was deleted.
    """
    start = lost - MARGIN
    return Plan([Query(created_after=start)], start)


def _by_active_status(kind: Kind, start: float | None) -> list[Query]:
    """Return a query for each active status, of jobs created after `start` where one request takes both."""
    if kind.filters.status is None:
        return []
    bound = start if kind.filters.combined else None
    return [Query(bound, status) for status, state in kind.state_of.items() if state.is_active]
