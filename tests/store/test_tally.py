"""The sums of jobs: counts, buckets, and the extremes of their times."""

import math

import pytest

from exporter.jobs import Job, State
from exporter.store import Histogram, Record, Tally

BOUNDS = (60.0, 300.0)


def record(state=State.RUNNING, *, status=None, finished=None, reason=None, **fields):
    """Return a record of a job whose status is its state's name."""
    job = Job(id=str(fields), status=status or str(state), state=state, **fields)
    return Record(job, finished, reason)


def tally(records, bounds):
    """Return the tally of some records."""
    result = Tally(bounds)
    for each in records:
        result.add(each)
    return result


def test_buckets_are_cumulative_and_include_their_bound():
    """A job of exactly one minute took at most a minute."""
    histogram = Histogram(BOUNDS)
    for seconds in (0.0, 60.0, 60.001, 300.0, 1000.0):
        histogram.observe(seconds)
    assert histogram.cumulative() == [("60.0", 2.0), ("300.0", 4.0), ("+Inf", 5.0)]
    assert histogram.sum == pytest.approx(1420.001)


def test_nothing_adds_up_to_nothing():
    """No job, no extreme, no duration."""
    empty = tally([], BOUNDS)
    assert (empty.statuses, empty.durations, empty.last, empty.oldest_active) == ({}, {}, {}, {})
    assert (empty.last_created, empty.next_deadline) == (None, None)
    assert empty.queue.cumulative() == [("60.0", 0.0), ("300.0", 0.0), ("+Inf", 0.0)]


def test_statuses_are_counted_with_their_state():
    """Two statuses may mean the same state."""
    records = [record(status="Submitted"), record(status="Submitted"), record(status="Scheduled")]
    assert tally(records, BOUNDS).statuses == {("Submitted", State.RUNNING): 2, ("Scheduled", State.RUNNING): 1}


def test_a_status_that_the_catalog_does_not_know_is_counted_without_its_text():
    """Free text becomes no label."""
    found = tally([record(State.UNKNOWN, status="Pondering"), record(State.UNKNOWN, status="Brooding")], BOUNDS)
    assert found.statuses == {("unknown", State.UNKNOWN): 2}


def test_only_failed_jobs_with_a_reason_count_among_the_failures():
    """A job whose reason has yet to be requested waits, and a deleted record is not a failure."""
    records = [
        record(State.FAILED, finished=1.0, reason="capacity"),
        record(State.FAILED, finished=2.0, reason="capacity"),
        record(State.FAILED, finished=3.0),
        record(State.DELETING, finished=4.0, reason="capacity"),
    ]
    assert tally(records, BOUNDS).reasons == {"capacity": 2}


def test_records_of_all_jobs_are_summed():
    """This covers active and finished jobs."""
    records = [record(records={"total": 10, "failed": 1}), record(State.SUCCEEDED, finished=1.0, records={"total": 5})]
    assert tally(records, BOUNDS).records == {"total": 15, "failed": 1}


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
    found = tally([record(State.SUCCEEDED, finished=99.0, **times)], BOUNDS)
    assert found.durations[State.SUCCEEDED].sum == found.last[State.SUCCEEDED][1] == seconds


@pytest.mark.parametrize("times", [{}, {"created": 10.0}, {"ended": 10.0}])
def test_a_run_without_a_start_or_an_end_has_no_duration(times):
    """Nobody guesses; the finish is still counted."""
    found = tally([record(State.FAILED, finished=99.0, **times)], BOUNDS)
    assert found.durations == {}
    assert found.last == {State.FAILED: (99.0, None)}


def test_a_job_whose_record_is_being_deleted_has_no_duration():
    """Its update time is that of the deletion, not of the work."""
    found = tally([record(State.DELETING, finished=50.0, created=10.0, updated=99.0)], BOUNDS)
    assert found.durations == {}
    assert found.last == {State.DELETING: (50.0, None)}


def test_an_active_job_has_no_duration():
    """It is not over."""
    found = tally([record(created=10.0, updated=99.0)], BOUNDS)
    assert (found.durations, found.last) == ({}, {})


@pytest.mark.parametrize("newest", [0, 1, 2])
def test_the_last_duration_is_that_of_the_latest_finish(newest):
    """Per state, and in whatever order the jobs are listed."""
    finishes = [100.0, 200.0, 150.0]
    finishes = finishes[newest:] + finishes[:newest]
    records = [record(State.SUCCEEDED, finished=end, created=end - end / 10, ended=end) for end in finishes]
    found = tally([*records, record(State.FAILED, finished=900.0, created=0.0, ended=900.0)], BOUNDS)
    assert found.last == {State.SUCCEEDED: (200.0, pytest.approx(20.0)), State.FAILED: (900.0, 900.0)}


def test_the_last_failure_is_known_for_each_reason():
    """Even if the reason came from a later request; a job that did not fail has none."""
    records = [
        record(State.FAILED, finished=100.0, reason="capacity"),
        record(State.FAILED, finished=300.0, reason="capacity"),
        record(State.FAILED, finished=150.0, reason="capacity"),
        record(State.DELETING, finished=400.0, reason="capacity"),
        record(State.SUCCEEDED, finished=500.0),
        record(State.FAILED, finished=600.0),
    ]
    found = tally(records, BOUNDS)
    found.explain(record(State.FAILED, finished=200.0, reason="quota"))
    assert found.last_failed == {"capacity": 300.0, "quota": 200.0}
    assert found.reasons == {"capacity": 3, "quota": 1}


def test_the_last_failure_of_a_reason_disappears_with_its_last_job():
    """It is determined anew where others failed for the same reason."""
    older, newer = (record(State.FAILED, finished=end, reason="capacity") for end in (100.0, 300.0))
    found = tally([older, newer], BOUNDS)
    found.remove(newer)
    assert found.is_without_last
    found.forget_last()
    found.note_last(older)
    assert (found.last_failed, found.is_without_last) == ({"capacity": 100.0}, False)
    found.remove(older)
    assert found.last_failed == {}


def test_queue_time_lasts_from_creation_to_start():
    """Active jobs are included; a job that has not started is in no bucket yet."""
    records = [record(created=0.0, started=30.0), record(created=0.0, started=400.0), record(created=0.0)]
    queue = tally(records, BOUNDS).queue
    assert queue.cumulative() == [("60.0", 1.0), ("300.0", 1.0), ("+Inf", 2.0)]
    assert queue.sum == 430.0


def test_a_start_before_the_creation_is_not_a_wait():
    """Two clocks that disagree do not make a negative wait."""
    queue = tally([record(created=10.0, started=started) for started in (9.0, 10.0)], BOUNDS).queue
    assert (queue.sum, queue.cumulative()[0]) == (0.0, ("60.0", 2.0))


def test_the_oldest_job_of_each_active_status_is_known():
    """A finished job is not stuck, and one without a creation time cannot be judged."""
    records = [
        record(status="Submitted", created=30.0),
        record(status="Submitted", created=20.0),
        record(status="InProgress", created=25.0),
        record(status="Stopping"),
        record(State.SUCCEEDED, finished=9.0, created=1.0),
    ]
    assert tally(records, BOUNDS).oldest_active == {
        ("Submitted", State.RUNNING): 20.0,
        ("InProgress", State.RUNNING): 25.0,
    }


def test_the_next_deadline_is_the_earliest_of_an_active_job():
    """A finished job has no deadline to meet."""
    records = [
        record(deadline=50.0),
        record(deadline=40.0),
        record(deadline=45.0),
        record(),
        record(State.FAILED, finished=1.0, deadline=10.0),
    ]
    assert tally(records, BOUNDS).next_deadline == 40.0


def test_the_newest_of_all_jobs_is_known():
    """Its state makes no difference."""
    records = [record(created=10.0), record(State.EXPIRED, finished=99.0, created=30.0), record(created=20.0), record()]
    assert tally(records, BOUNDS).last_created == 30.0


def test_no_observation_is_lost():
    """The last bucket holds every observation."""
    histogram = Histogram(BOUNDS)
    for seconds in range(0, 1000, 7):
        histogram.observe(float(seconds))
    assert histogram.cumulative()[-1] == ("+Inf", math.ceil(1000 / 7))
