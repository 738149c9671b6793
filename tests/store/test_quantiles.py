"""Quantiles of run times: exact, whatever comes and goes."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.jobs import Job, State
from exporter.store.quantiles import QUANTILES
from tests.support.ledgers import LedgerOfATest

LOOKBACK = 1_000.0
NOW = 1_790_000_000.0

runs = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from([State.SUCCEEDED, State.FAILED, State.RUNNING]),
        # Few lengths, so that many are equal.
        st.sampled_from([0.0, 0.001, 1.0, 2.0, 3.0, 60.0, 7200.0]),
        st.floats(0.0, 900.0).map(round),
    ),
    max_size=30,
)
"""Listings: jobs by their number, state, run time, and age of their end."""


def listed(run, now):
    """Return a job as it is listed."""
    number, state, length, age = run
    end = now - age
    ended = end if state.is_final else None
    return Job(str(number), str(state), state, created=end - length - 5, started=end - length, ended=ended)


def expected(ledger):
    """Return the quantiles by their definition: the nearest rank among all run times."""
    lengths: dict[State, list[float]] = {}
    for record in ledger.newest(10**9):
        if record.job.state.is_final:
            lengths.setdefault(record.job.state, []).append(round(record.job.ended - record.job.started, 3))
    return {
        state: {q / 1000: sorted(each)[math.ceil(q * len(each) / 1000) - 1] for q in QUANTILES}
        for state, each in lengths.items()
    }


def found(ledger):
    """Return the quantiles that are shown."""
    durations = {state: times.quantiles for each in ledger.sums.values() for state, times in each.durations.items()}
    return {state: quantiles for state, quantiles in durations.items() if quantiles}


@settings(max_examples=200)
@given(st.lists(runs, min_size=1, max_size=8))
def test_quantiles_are_exact_whatever_comes_and_goes(listings):
    """Jobs end, run again, leave the lookback, or are deleted."""
    ledger = LedgerOfATest(LOOKBACK, lambda job: job.message)
    for number, each in enumerate(listings):
        now = NOW + 300 * number
        jobs = {run[0]: listed(run, now) for run in each}
        ledger.take(jobs.values(), now)
        assert found(ledger) == expected(ledger)
        waits = {0.5: 5.0, 0.9: 5.0, 0.99: 5.0} if expected(ledger) else {}
        assert not ledger.sums or ledger.sums[()].waits.quantiles == waits


@pytest.mark.parametrize("many", [1_500, 400])
def test_quantiles_are_exact_where_many_come_and_go_at_once(many):
    """What is too much for the event loop is found in another way, and the next few jobs walk on from there."""
    ledger = LedgerOfATest(LOOKBACK, lambda job: job.message)

    def jobs(first, last):
        return [listed((n, State.SUCCEEDED, float(n * 7919 % 1009), 0), NOW) for n in range(first, last)]

    for first, last in ((0, many), (0, many + 3), (0, 2 * many), (many, 2 * many), (many, 2 * many)):
        ledger.take(jobs(first, last), NOW)
        assert found(ledger) == expected(ledger)
    ledger.take([], NOW + 2 * LOOKBACK)
    assert (found(ledger), len(ledger)) == ({}, 0)
    ledger.take([listed((1, State.SUCCEEDED, 9.0, 0), NOW + 2 * LOOKBACK)], NOW + 2 * LOOKBACK)
    assert found(ledger) == {State.SUCCEEDED: {0.5: 9.0, 0.9: 9.0, 0.99: 9.0}}


def test_other_rules_find_the_same_run_times():
    """A reload sums everything up anew."""
    before = LedgerOfATest(LOOKBACK, lambda job: job.message)
    before.take([listed((n, State.FAILED, float(n), 10), NOW) for n in range(50)], NOW)
    after = LedgerOfATest(LOOKBACK, lambda _: "other", before=before)
    assert found(after) == expected(before) == {State.FAILED: {0.5: 24.0, 0.9: 44.0, 0.99: 49.0}}


def test_one_source_does_not_move_the_quantiles_of_another():
    """They share the tables."""
    first = LedgerOfATest(LOOKBACK, lambda job: job.message)
    second = LedgerOfATest(LOOKBACK, lambda job: job.message, database=first.database)
    for ledger, lengths in ((first, (1.0, 2.0)), (second, (100.0, 200.0, 300.0)), (first, (1.0, 2.0, 3.0, 4.0))):
        ledger.take([listed((n, State.SUCCEEDED, length, 0), NOW) for n, length in enumerate(lengths)], NOW)
    assert found(first)[State.SUCCEEDED][0.5] == 2.0
    assert found(second)[State.SUCCEEDED][0.5] == 200.0
