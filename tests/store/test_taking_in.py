"""The life of a row: what is known of a job, what a list says of it, and what becomes of it."""

from typing import Any

import pytest

from exporter.jobs import Job, State
from exporter.store.tables import STATES
from tests.support.ledgers import LedgerOfATest

DAY, NOW = 86_400.0, 1_790_000_000.0
OLD, FIRST, SECOND = NOW - 9 * DAY, NOW - 3600, NOW - 1800


def active(**fields):
    """Return a job that runs."""
    return Job("a", "Running", State.RUNNING, created=OLD - 60, **fields)


def ended(at=FIRST, state=State.FAILED, **fields):
    """Return a job that AWS says ended at a time."""
    return Job("a", str(state), state, created=OLD - 60, ended=at, message="cause", **fields)


def updated(at=FIRST, **fields):
    """Return a job that ended, of which AWS tells only when it was last updated."""
    return ended(**fields)._replace(ended=None, updated=at)


NOTHING = ()
GONE, UNREPORTED = [ended(OLD)], [updated(OLD)]
"""Listings whose job left the lookback long ago."""

# What was listed before, one listing after the other; what is listed now; the state that is held now, whether the job
# counts as having finished now, its end, and whether an end is kept of a job that is not held.
CASES: dict[str, tuple[Any, ...]] = {
    "first seen active": ([NOTHING], active(), State.RUNNING, 0, None, 0),
    "first seen ended in the first listing": ([], ended(), State.FAILED, 0, FIRST, 0),
    "first seen ended later": ([NOTHING], ended(NOW), State.FAILED, 1, NOW, 0),
    "first seen ended, before the first listing": ([NOTHING], ended(OLD + 8 * DAY), State.FAILED, 0, OLD + 8 * DAY, 0),
    "first seen ended, before the lookback": ([NOTHING], ended(OLD), None, 0, None, 0),
    "first seen ended, before the lookback, end not reported": ([NOTHING], updated(OLD), None, 0, None, 1),
    "active, seen ended": ([[active()]], ended(), State.FAILED, 1, FIRST, 0),
    "active, seen ended, end not reported": ([[active()]], updated(), State.FAILED, 1, FIRST, 0),
    "active, seen ended, no time at all": ([[active()]], updated(None), State.FAILED, 1, NOW, 0),
    "active, seen ended, end in the future": ([[active()]], ended(NOW + DAY), State.FAILED, 1, NOW, 0),
    "active, seen ended before the lookback": ([[active()]], ended(OLD), None, 1, None, 0),
    "active, seen ended before the lookback, end not reported": ([[active()]], updated(OLD), None, 1, None, 1),
    "active, no longer listed": ([[active()]], None, State.RUNNING, 0, None, 0),
    "active, not listed for a second time": ([[active()], NOTHING], None, None, 0, None, 0),
    "finished, listed again": ([[active()], [ended()]], ended(), State.FAILED, 0, FIRST, 0),
    "finished, updated later": ([[active()], [updated()]], updated(SECOND), State.FAILED, 0, FIRST, 0),
    "finished, in another final status": ([[active()], [updated()]], updated(SECOND, state=State.DELETING),
                                          State.DELETING, 0, FIRST, 0),
    "finished, runs again": ([[active()], [ended()]], active(), State.RUNNING, 0, None, 0),
    "finished, ran again, same end": ([[active()], [ended()], [active()]], ended(), State.FAILED, 0, FIRST, 0),
    "finished, ran again, later end": ([[active()], [ended()], [active()]], ended(SECOND), State.FAILED, 1, SECOND, 0),
    "finished, ends later": ([[active()], [ended()]], ended(SECOND), State.FAILED, 1, SECOND, 0),
    "finished, ends later in the future": ([[active()], [ended()]], ended(NOW + DAY), State.FAILED, 0, FIRST, 0),
    "finished, created later": ([[active()], [updated()]], updated(SECOND)._replace(created=SECOND - 60),
                                State.FAILED, 1, SECOND, 0),
    "finished, no longer listed": ([[active()], [ended()]], None, State.FAILED, 0, FIRST, 0),
    "finished, not listed for a second time": ([[active()], [ended()], NOTHING], None, None, 0, None, 1),
    "past, listed again": ([[active()], [ended()], NOTHING, NOTHING], ended(), State.FAILED, 0, FIRST, 0),
    "past, ended later": ([[active()], [ended()], NOTHING, NOTHING], ended(SECOND), State.FAILED, 1, SECOND, 0),
    "left the lookback, still listed": ([[active()], GONE], ended(OLD), None, 0, None, 0),
    "left the lookback, end not reported, still listed": ([[active()], UNREPORTED], updated(SECOND), None, 0, None, 1),
    "left the lookback, runs again": ([[active()], UNREPORTED], active(), State.RUNNING, 0, None, 0),
    "left the lookback, ends again": ([[active()], GONE], ended(NOW), State.FAILED, 1, NOW, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_row_becomes(case):
    """Each way from what is known to what is known next."""
    before, listed, state, counted, finished, past = CASES[case]
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message)
    for number, listing in enumerate(before):
        ledger.take(listing, NOW - 60 * (len(before) - number))
    already = sum(ledger.finished_total.values())
    ledger.take([listed] if listed else [], NOW)
    held = ledger.newest(9)
    assert [record.job.state for record in held] == ([state] if state else [])
    assert [record.finished for record in held] == ([finished] if state else [])
    assert sum(ledger.finished_total.values()) - already == counted
    assert ledger.rows("past") == past
    # Sums follow the rows.
    assert sum(tally.statuses.total() for tally in ledger.sums.values()) == len(held)


def test_every_state_has_a_place_by_which_active_and_final_ones_are_told_apart():
    """Statements compare the numbers."""
    unknown = STATES.index(State.UNKNOWN)
    assert set(STATES) == set(State)
    assert [state.is_active for state in STATES] == [number < unknown for number in range(len(STATES))]
    assert [state.is_final for state in STATES] == [number > unknown for number in range(len(STATES))]
