"""What jobs add up to: counts, buckets, and the extremes of their times."""

import itertools
from collections import Counter

import pytest

from exporter.jobs import Job, State
from exporter.store import RunTimes, Sums
from tests.support.ledgers import LedgerOfATest, Tally

BOUNDS = (60.0, 300.0)
NUMBERS = itertools.count()
NOW = 1000.0


def job(state=State.RUNNING, *, status=None, **fields):
    """Return a job whose status is its state's name."""
    return Job(id=str(next(NUMBERS)), status=status or str(state), state=state, **fields)


def ledger_of(*jobs):
    """Return a ledger whose first listing has some jobs, and whose reasons are their messages."""
    made = LedgerOfATest(86_400.0, lambda each: each.message, BOUNDS)
    made.take(jobs, NOW)
    return made


def sums(*jobs):
    """Return what some jobs add up to."""
    return ledger_of(*jobs).tallies.get((), Tally(Sums()))


def counted(*jobs):
    """Return what jobs add up to that ended after the first listing."""
    ledger = ledger_of()
    ledger.take(jobs, NOW + 2000)
    return ledger.sums[()]


def test_buckets_are_cumulative_and_include_their_bound():
    """A job of exactly one minute took at most a minute."""
    lengths = (0.0, 60.0, 60.001, 300.0, 1000.0)
    found = counted(*(job(State.SUCCEEDED, created=NOW, ended=NOW + length) for length in lengths))
    times = found.durations[State.SUCCEEDED]
    assert times.buckets(BOUNDS) == [("60.0", 2.0), ("300.0", 4.0), ("+Inf", 5.0)]
    assert (times.count, times.sum) == (5, pytest.approx(1420.001))


def test_what_was_counted_under_other_bounds_is_in_a_bucket_that_is_certain():
    """A counter does not start over because the buckets are others: Prometheus would see a million jobs at once."""
    times = RunTimes(counts=Counter({60_000: 2, 300_000: 1, 2**62: 4}))
    assert times.buckets((30.0, 100.0, 500.0)) == [("30.0", 0.0), ("100.0", 2.0), ("500.0", 3.0), ("+Inf", 7.0)]


def test_run_times_are_counted_once_and_for_good():
    """Neither the first listing counts, which nobody saw end, nor does what left the lookback subtract."""
    ledger = ledger_of(job(State.FAILED, created=0.0, ended=50.0))
    ends = job(State.FAILED, created=NOW, started=NOW + 2, ended=NOW + 12)
    ledger.take([ends], NOW + 20)
    ledger.take([ends], NOW + 80)
    ledger.take([], NOW + 100 * 86_400)
    times, waits = ledger.sums[()].durations[State.FAILED], ledger.sums[()].waits
    assert (times.count, times.sum, times.quantiles) == (1, 10.0, {})
    assert (waits.count, waits.sum, waits.quantiles) == (1, 2.0, {})


def test_a_counter_is_born_at_zero():
    """Nobody could see its first step otherwise; other numbers, and counters that were seen, are never held back."""
    ledger = LedgerOfATest(86_400.0, lambda each: each.message, born_at_zero=True)
    ledger.take([], NOW)
    first, second = (job(State.FAILED, created=NOW, ended=NOW + 10, message=reason) for reason in ("quota", "access"))
    ledger.take([first], NOW + 20)

    def shown():
        tally = ledger.tallies[()]
        return tally.finished_total, tally.failed_total, tally.durations[State.FAILED].count, tally.statuses.total()

    assert shown() == ({State.FAILED: 0}, {"quota": 0}, 0, 1)
    newborn = ledger.newborn
    ledger.take([first, second], NOW + 80)
    assert shown() == ({State.FAILED: 0}, {"quota": 0, "access": 0}, 0, 2)
    ledger.show(newborn)
    assert shown() == ({State.FAILED: 2}, {"quota": 1, "access": 0}, 2, 2)
    ledger.show(ledger.newborn)
    assert shown() == ({State.FAILED: 2}, {"quota": 1, "access": 1}, 2, 2)
    assert not ledger.newborn


def test_nothing_adds_up_to_nothing():
    """No job, no extreme, no duration."""
    empty = sums()
    assert (empty.statuses, empty.durations, empty.last, empty.oldest_active) == ({}, {}, {}, {})
    assert (empty.last_created, empty.next_deadline) == (None, None)
    assert empty.waits.buckets(BOUNDS) == [("60.0", 0.0), ("300.0", 0.0), ("+Inf", 0.0)]


@pytest.mark.parametrize("states", [(State.RUNNING, State.RUNNING), (State.FAILED, State.FAILED)])
def test_statuses_are_counted_with_their_state(states):
    """Two statuses may mean the same state."""
    first, second = states
    ended = NOW if first.is_final else None
    found = sums(
        *(job(state, status=status, ended=ended) for state, status in ((first, "A"), (first, "A"), (second, "B")))
    )
    assert found.statuses == {("A", first): 2, ("B", second): 1}


def test_a_status_that_the_catalog_does_not_know_is_counted_without_its_text():
    """Free text becomes no label."""
    found = sums(job(State.UNKNOWN, status="Pondering"), job(State.UNKNOWN, status="Brooding"))
    assert found.statuses == {("unknown", State.UNKNOWN): 2}


def test_only_failed_jobs_with_a_reason_count_among_the_failures():
    """A job whose reason has yet to be requested waits, and a deleted record is not a failure."""
    failed = [job(State.FAILED, ended=1.0, message="capacity") for _ in range(2)]
    waits = job(State.FAILED, ended=3.0, details={"id": "x"})
    deleted = job(State.FAILED, updated=4.0, message="capacity")
    ledger = ledger_of(*failed, waits, deleted)
    ledger.take([*failed, waits, deleted._replace(status="deleting", state=State.DELETING)], NOW + 60)
    assert +ledger.tallies[()].reasons == {"capacity": 2}


def test_records_of_all_jobs_are_summed():
    """This covers active and finished jobs."""
    found = sums(job(records={"total": 10, "failed": 1}), job(State.SUCCEEDED, ended=1.0, records={"total": 5}))
    assert +found.records == {"total": 15, "failed": 1}


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"created": 10.0, "started": 20.0, "ended": 50.0, "updated": 90.0}, 30.0),
        ({"created": 10.0, "ended": 50.0, "updated": 90.0}, 40.0),
        ({"created": 10.0, "updated": 90.0}, 80.0),
        ({"started": 0.0, "ended": 50.0}, 50.0),
        ({"created": 50.0, "ended": 49.0}, 0.0),
    ],
)
def test_a_run_lasts_from_start_or_creation_to_end_or_update(times, seconds):
    """These are the closest times that AWS reports; two clocks that disagree do not make a negative run."""
    found = sums(job(State.SUCCEEDED, **times))
    assert found.durations[State.SUCCEEDED].quantiles[0.5] == found.last[State.SUCCEEDED][1] == seconds


@pytest.mark.parametrize(("times", "finished"), [({"created": 10.0}, 10.0), ({"ended": 30.0}, 30.0)])
def test_a_run_without_a_start_or_an_end_has_no_duration(times, finished):
    """Nobody guesses; the finish is still counted."""
    found = sums(job(State.FAILED, **times))
    assert found.durations == {}
    assert found.last == {State.FAILED: (finished, None)}


def test_a_job_whose_record_is_being_deleted_has_no_duration():
    """Its update time is that of the deletion, not of the work."""
    found = sums(job(State.DELETING, created=10.0, updated=99.0))
    assert found.durations == {}
    assert found.last == {State.DELETING: (99.0, None)}


def test_an_active_job_has_no_duration():
    """It is not over."""
    found = sums(job(created=10.0, updated=99.0))
    assert (found.durations, found.last) == ({}, {})


@pytest.mark.parametrize("newest", [0, 1, 2])
def test_the_last_duration_is_that_of_the_latest_finish(newest):
    """Per state, and in whatever order the jobs are listed."""
    finishes = [100.0, 200.0, 150.0]
    finishes = finishes[newest:] + finishes[:newest]
    jobs = [job(State.SUCCEEDED, created=end - end / 10, ended=end) for end in finishes]
    found = sums(*jobs, job(State.FAILED, created=0.0, ended=900.0))
    assert found.last == {State.SUCCEEDED: (200.0, 20.0), State.FAILED: (900.0, 900.0)}


def test_the_last_failure_is_known_for_each_reason():
    """Even if the reason came from a later request; a job that did not fail has none."""
    asked = job(State.FAILED, ended=200.0, details={"id": "x"})
    jobs = [job(State.FAILED, ended=end, message="capacity") for end in (100.0, 300.0, 150.0)]
    ledger = ledger_of(*jobs, job(State.SUCCEEDED, ended=500.0), asked, job(State.FAILED, ended=600.0, details={}))
    ledger.complete(asked._replace(message="quota"))
    assert ledger.tallies[()].last_failed == {"capacity": 300.0, "quota": 200.0}
    assert ledger.tallies[()].reasons == {"capacity": 3, "quota": 1}


def test_a_failure_that_has_its_reason_now_is_none_without_one():
    """A series without a reason would stay for ever, and tell of a failure twice; that of another one stays."""
    first, second, other = (job(State.FAILED, ended=end, details={"id": "x"}) for end in (100.0, 200.0, 150.0))
    other = other._replace(dimensions=("nova",))
    ledger = ledger_of(first, second, other)
    assert ledger.sums[()].last == {(State.FAILED, ""): 200.0}
    ledger.complete(first._replace(message="quota"))
    assert ledger.sums[()].last == {(State.FAILED, ""): 200.0, (State.FAILED, "quota"): 100.0}
    ledger.complete(second._replace(message="access"))
    assert ledger.sums[()].last == {(State.FAILED, "access"): 200.0, (State.FAILED, "quota"): 100.0}
    assert ledger.sums["nova",].last == {(State.FAILED, ""): 150.0}


def test_a_wait_lasts_from_creation_to_start():
    """Of finished jobs, as a run time is; two clocks that disagree do not make a negative wait."""
    waited = [job(State.FAILED, created=10.0, started=started, ended=500.0) for started in (9.0, 40.0, 410.0)]
    found = sums(job(created=0.0, started=300.0), *waited, job(State.STOPPED, created=0.0, ended=5.0))
    assert found.waits.quantiles == {0.5: 30.0, 0.9: 400.0, 0.99: 400.0}
    low = sums(job(State.FAILED, created=10.0, started=9.0, ended=20.0))
    assert low.waits.quantiles[0.5] == 0.0


def test_it_is_known_since_when_the_oldest_job_is_in_each_active_status():
    """A running job runs from its start: what waited for a day is not late. A finished job is not stuck."""
    found = sums(
        job(State.PENDING, status="Submitted", created=30.0),
        job(State.PENDING, status="Submitted", created=20.0),
        job(status="InProgress", created=25.0),
        job(status="Busy", created=1.0, started=50.0),
        job(State.STOPPING, status="Stopping"),
        job(State.UNKNOWN, created=5.0),
        job(State.SUCCEEDED, ended=9.0, created=1.0),
    )
    assert found.oldest_active == {
        ("Submitted", State.PENDING): 20.0,
        ("InProgress", State.RUNNING): 25.0,
        ("Busy", State.RUNNING): 50.0,
    }


def test_the_next_deadline_is_the_earliest_of_an_active_job():
    """A finished job has no deadline to meet."""
    jobs = [*(job(deadline=deadline) for deadline in (50.0, 40.0, 45.0)), job(status="Waiting", deadline=60.0), job()]
    assert sums(*jobs, job(State.FAILED, ended=1.0, deadline=10.0)).next_deadline == 40.0


def test_the_next_deadline_is_the_earliest_of_all_statuses():
    """Whatever their order."""
    jobs = [job(status=status, deadline=deadline) for status, deadline in (("A", 60.0), ("B", 40.0), ("C", 50.0))]
    assert sums(*jobs).next_deadline == 40.0


def test_the_last_failure_is_the_latest_of_all_reasons():
    """Whatever their order."""
    ends = [("access", 100.0), ("capacity", 300.0), ("quota", 200.0)]
    jobs = [job(State.FAILED, created=end - end / 10, ended=end, message=reason) for reason, end in ends]
    assert sums(*jobs).last == {State.FAILED: (300.0, 30.0)}


def test_a_reason_that_was_seen_once_stays_at_zero():
    """A series that ends looks like a failure that is over."""
    ledger = ledger_of(job(State.FAILED, created=0.0, ended=100.0, message="capacity"))
    ledger.take([], NOW + 100_000)
    assert ledger.tallies[()].reasons == {"capacity": 0}


def test_the_newest_of_all_jobs_is_known():
    """Its state makes no difference; a time in the future is not one that something was created at."""
    jobs = [job(created=10.0), job(State.EXPIRED, ended=99.0, created=30.0), job(created=20.0), job()]
    assert sums(*jobs, job(created=NOW + 1)).last_created == 30.0
