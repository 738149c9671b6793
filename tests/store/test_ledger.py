"""What a ledger counts, for how long, and what it takes as the end of a job."""

from typing import Any

import pytest

from exporter.jobs import Job, State
from exporter.store import EVERYTHING
from tests.support.ledgers import LedgerOfATest as Ledger

DAY = 86_400.0


@pytest.fixture
def ledger() -> Ledger:
    """Return a ledger with a lookback of one day that takes a job's message as its reason."""
    return Ledger(lookback=DAY, classify=lambda job: job.message or "unspecified")


def job(identifier: str = "a", state: State = State.RUNNING, **fields: Any) -> Job:
    """Return a job whose status is its state's name."""
    return Job(id=identifier, status=str(state), state=state, **fields)


def ids(ledger: Ledger, now: float) -> set[str]:
    """Return the ids of the jobs that count after a poll that found nothing new."""
    ledger.take([], now, complete_from=None)
    return {record.job.id for record in ledger.newest(10**9)}


def test_an_active_job_counts_however_old_it_is(ledger):
    """A job that runs for longer than the lookback must still be seen."""
    ledger.take([job(created=0.0)], now=100 * DAY)
    assert ids(ledger, 100 * DAY) == {"a"}


def test_a_finished_job_counts_until_the_lookback_after_it_finished(ledger):
    """Its age is measured from the end, not from the creation."""
    ledger.take([job(state=State.FAILED, created=0.0, ended=10 * DAY)], now=10 * DAY)
    assert ids(ledger, 11 * DAY) == {"a"}
    assert ids(ledger, 11 * DAY + 1) == set()


def test_a_job_that_two_complete_listings_lack_is_forgotten(ledger):
    """One may lack it because a page shifted while it was read; two are the truth."""
    ledger.take([job("a"), job("b")], now=0.0)
    ledger.take([job("b")], now=1.0)
    assert (ids(ledger, 1.0), ledger.missed) == ({"a", "b"}, 1)
    ledger.take([job("b")], now=2.0)
    assert (ids(ledger, 2.0), ledger.missed) == ({"b"}, 0)
    assert len(ledger) == 1


@pytest.mark.parametrize("state", [State.RUNNING, State.SUCCEEDED])
def test_a_job_that_one_listing_lacks_must_be_missed_twice_again(ledger, state):
    """What a listing shows again is there, however often others lacked it."""
    listing = [job(state=state, created=1.0, ended=2.0 if state.is_final else None)]
    for now in (2.0, 4.0, 6.0):
        ledger.take(listing, now)
        ledger.take([], now + 1)
        assert ids(ledger, now + 1) == {"a"}


def test_an_end_known_only_from_an_update_time_is_frozen(ledger):
    """Publishing a finished job's logs changes its update time; it did not finish again."""
    finished = job(state=State.SUCCEEDED, created=0.0, updated=10.0)
    ledger.take([finished], now=20.0)
    ledger.take([job(state=State.SUCCEEDED, created=0.0, updated=DAY)], now=DAY)
    assert [record.finished for record in ledger.newest(10**9)] == [10.0]


def test_the_frozen_end_outlives_the_lookback_while_the_job_is_listed(ledger):
    """A job that left the lookback must not come back because its update time changed."""
    ledger.take([job(state=State.FAILED, created=0.0, updated=10.0)], now=20.0)
    ledger.take([job(state=State.FAILED, created=0.0, updated=3 * DAY)], now=3 * DAY)
    assert ids(ledger, 3 * DAY) == set()
    assert not ledger.failed_total


def test_the_frozen_end_outlives_listings_that_start_later(ledger):
    """An incremental poll requests newer jobs only; a full one lists the old job again, and it is still finished."""
    ledger.take([job(state=State.FAILED, created=0.0, updated=10.0)], now=20.0)
    for minute in range(3):
        now = 2 * DAY + 60 * minute
        ledger.take([job("new", created=2 * DAY)], now, complete_from=2 * DAY - 600)
    ledger.take([job("new", created=2 * DAY), job(state=State.FAILED, created=0.0, updated=now)], now, complete_from=-1)
    assert ids(ledger, now) == {"new"}
    assert not ledger.failed_total


def test_a_job_with_an_end_time_is_not_held_beyond_the_lookback(ledger):
    """The same end would be read again, so memory need not hold it."""
    ledger.take([job(state=State.SUCCEEDED, ended=10.0)], now=10.0)
    ledger.take([job(state=State.SUCCEEDED, ended=10.0)], now=2 * DAY)
    assert len(ledger) == 0


def test_without_end_and_update_times_the_poll_that_saw_the_change_is_the_end(ledger):
    """Lookout for Equipment reports neither."""
    ledger.take([job(created=5.0)], now=10.0)
    ledger.take([job(state=State.SUCCEEDED, created=5.0)], now=70.0)
    assert [record.finished for record in ledger.newest(10**9)] == [70.0]


def test_without_end_and_update_times_an_old_job_did_not_just_finish(ledger):
    """A restart must not make a week of history finish at once."""
    ledger.take([job(state=State.SUCCEEDED, created=5.0)], now=DAY)
    assert [record.finished for record in ledger.newest(10**9)] == [5.0]


UNDATED = {"no time": {}, "created long before the lookback": {"created": 9.5 * DAY}}
"""Of a job that had ended before the first listing, at 11 days: its end may be within the lookback or long before."""


def test_a_job_that_ended_nobody_knows_when_is_in_no_window():
    """After each restart, executions that failed months ago would be this week's failures."""
    ledger = Ledger(lookback=DAY, classify=str)
    ledger.take([job(state=State.FAILED, message="cause")], now=11 * DAY)
    assert (ledger.sums, len(ledger)) == ({}, 0)
    # What is new after that ended meanwhile, whether AWS says when or not.
    ledger.take([job(state=State.FAILED), job("b", State.FAILED)], now=11 * DAY + 60)
    assert [record.job.id for record in ledger.newest(9)] == ["b"]
    (tally,) = ledger.tallies.values()
    assert (tally.statuses, tally.finished_total) == ({("failed", State.FAILED): 1}, {State.FAILED: 1})
    assert tally.last == {State.FAILED: (11 * DAY + 60, None)}


@pytest.mark.parametrize("times", UNDATED.values(), ids=UNDATED)
def test_a_job_whose_end_only_its_details_tell_counts_once_they_arrive(ledger, times):
    """Until then it is in no number; then it has ended when it did, and is not counted as ending now."""
    old = job(state=State.FAILED, message="cause", details={"id": "a"}, **times)
    ledger.take([old], now=11 * DAY)
    assert (len(ledger), ledger.newest(1)) == (1, [])
    assert [(tally.statuses, tally.reasons, tally.last) for tally in ledger.tallies.values()] == [({}, {}, {})]
    (waiting,) = ledger.waiting()
    told = {"created": 9 * DAY, "started": 10 * DAY, "ended": 10.5 * DAY}
    ledger.complete(waiting._replace(details=None, **{**told, **times}), now=11 * DAY)
    for now in (11 * DAY, 11 * DAY + 60):
        (tally,) = ledger.tallies.values()
        assert (tally.statuses["failed", State.FAILED], tally.reasons["cause"]) == (1, 1)
        assert tally.last == {State.FAILED: (10.5 * DAY, 0.5 * DAY)}
        assert not ledger.finished_total
        assert (ledger.waiting(), ledger.unexplained) == ([], 0)
        ledger.take([old], now)


@pytest.mark.parametrize("told", [{"ended": 9.9 * DAY}, {"updated": 9.9 * DAY}, {"created": 9.9 * DAY}, {}], ids=str)
@pytest.mark.parametrize("times", UNDATED.values(), ids=UNDATED)
def test_a_job_whose_details_tell_of_an_end_long_ago_is_forgotten(ledger, times, told):
    """Also where they do not tell it either. As long as AWS lists it, it does not end again."""
    old = job(state=State.SUCCEEDED, details={"id": "a"}, **times)
    ledger.take([old], now=11 * DAY)
    (waiting,) = ledger.waiting()
    ledger.complete(waiting._replace(details=None, **{**times, **told}), now=11 * DAY)
    assert not any(tally.statuses for tally in ledger.tallies.values())
    for now in (11 * DAY + 60, 11 * DAY + 120):
        ledger.take([old], now)
        assert (len(ledger), ledger.waiting(), dict(ledger.finished_total)) == (0, [], {})


def test_what_was_created_too_long_before_the_lookback_is_not_asked_about(ledger):
    """An account may list years of executions, each of which would cost a request."""
    ledger.take([job(state=State.FAILED, created=8 * DAY, details={"id": "a"})], now=11 * DAY)
    assert (ledger.waiting(), len(ledger)) == ([], 0)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.STOPPED])
def test_a_job_counts_by_status_before_its_details_tell_its_times(ledger, state):
    """It has no run time until then; nothing is counted twice when they arrive."""
    ledger.take([], now=11 * DAY)
    ended = job(state=state, created=11 * DAY + 10, message="cause", details={"id": "a"})
    ledger.take([ended], now=11 * DAY + 60)
    counted = {State.FAILED: 1} if state is State.FAILED else {}
    (tally,) = ledger.tallies.values()
    assert (tally.statuses, tally.finished_total) == ({(str(state), state): 1}, {state: 1})
    assert (tally.durations, tally.last) == ({}, {})
    assert tally.failed_total == ({"cause": 1} if counted else {})
    (waiting,) = ledger.waiting()
    ledger.complete(waiting._replace(started=11 * DAY + 20, ended=11 * DAY + 50, details=None), now=11 * DAY + 61)
    ledger.take([ended], now=11 * DAY + 120)
    (tally,) = ledger.tallies.values()
    assert (tally.statuses, tally.finished_total) == ({(str(state), state): 1}, {state: 1})
    assert tally.failed_total == ({"cause": 1} if counted else {})
    assert tally.last == {state: (11 * DAY + 50, 30.0)}
    assert {state: (times.count, times.sum) for state, times in tally.durations.items()} == {state: (1, 30.0)}


def test_what_aws_refuses_to_tell_is_asked_again_later(ledger):
    """A role gets its permission one day: the reason is known then, and the failure was counted before."""
    ledger.take([], now=0.0)
    ledger.take([job(state=State.FAILED, ended=1.0, details={"id": "a"})], now=2.0)
    (waiting,) = ledger.waiting()
    ledger.complete(waiting, now=3.0, is_refused=True)
    (tally,) = ledger.tallies.values()
    assert (tally.reasons, tally.failed_total) == ({"unspecified": 1}, {"unspecified": 1})
    assert (ledger.waiting(), ledger.unexplained, ledger.refused) == ([], 0, 1)
    ledger.ask_again()
    (waiting,) = ledger.waiting()
    assert waiting.details == {"id": "a"}
    ledger.complete(waiting._replace(message="capacity", details=None), now=4.0)
    (tally,) = ledger.tallies.values()
    assert (+tally.reasons, tally.failed_total) == ({"capacity": 1}, {"unspecified": 1})
    ledger.ask_again()
    assert (ledger.waiting(), ledger.refused) == ([], 0)


def test_an_old_job_without_any_end_stays_old_when_inherited(ledger):
    """A reload does not make it look new either."""
    ledger.take([job(state=State.FAILED, details={"id": "a"})], now=100.0)
    successor = Ledger(lookback=DAY, classify=str, before=ledger)
    (tally,) = successor.tallies.values()
    assert (tally.statuses, tally.last) == ({}, {})
    assert len(successor) == 1


def test_jobs_that_had_finished_at_the_first_listing_are_not_counted_as_finishing(ledger):
    """Counters start with the exporter."""
    ledger.take([job(state=State.FAILED, ended=1.0)], now=2.0)
    assert not ledger.finished_total
    assert not ledger.failed_total


def test_a_finish_is_counted_once(ledger):
    """Later listings of the same job add nothing."""
    ledger.take([job()], now=0.0)
    for now in (1.0, 2.0, 3.0):
        ledger.take([job(state=State.FAILED, ended=0.5, message="quota_exceeded")], now=now)
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert ledger.failed_total == {((), "quota_exceeded"): 1}


def test_a_job_that_came_and_went_between_two_polls_is_counted(ledger):
    """Short jobs finish too."""
    ledger.take([], now=0.0)
    ledger.take([job(state=State.SUCCEEDED, created=10.0, ended=20.0)], now=60.0)
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_an_old_job_that_shows_up_late_is_not_counted_as_finishing(ledger):
    """A scope that is discovered later brings its history along."""
    ledger.take([], now=1000.0)
    ledger.take([job(state=State.FAILED, ended=99.0)], now=1060.0)
    assert not ledger.finished_total


def test_an_end_that_the_first_listing_lacked_counts_though_awss_clock_is_behind(ledger):
    """By up to fifteen minutes: beyond, AWS refuses what is signed."""
    ledger.take([job("before", State.FAILED, ended=100.0)], now=1000.0)
    ledger.take([job("before", State.FAILED, ended=100.0), job("after", State.FAILED, ended=100.0)], now=1060.0)
    assert sum(ledger.finished_total.values()) == 1


def test_deleting_the_record_of_a_finished_job_is_not_a_second_finish(ledger):
    """ACTIVE then DELETE_PENDING: the work finished once."""
    ledger.take([job()], now=0.0)
    ledger.take([job(state=State.SUCCEEDED, updated=1.0)], now=2.0)
    ledger.take([job(state=State.DELETING, updated=3.0)], now=4.0)
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}
    assert [(record.job.state, record.finished) for record in ledger.newest(10**9)] == [(State.SUCCEEDED, 1.0)]


def test_a_job_that_runs_again_can_finish_again(ledger):
    """A resumed job is active again, and its new end counts."""
    ledger.take([job()], now=0.0)
    ledger.take([job(state=State.STOPPED, ended=1.0)], now=2.0)
    ledger.take([job()], now=3.0)
    ledger.take([job(state=State.SUCCEEDED, ended=4.0)], now=5.0)
    assert ledger.finished_total == {((), State.STOPPED): 1, ((), State.SUCCEEDED): 1}


def test_a_failure_has_no_reason_until_its_details_are_requested(ledger):
    """Neither the gauge nor the counter guesses."""
    ledger.take([job()], now=0.0)
    ledger.take([job(state=State.FAILED, ended=1.0, details={"id": "a"})], now=2.0)
    assert [pending.id for pending in ledger.waiting()] == ["a"]
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert not ledger.failed_total


def test_a_requested_reason_is_kept_and_counted_once(ledger):
    """The request has a cost, so its result is kept across listings."""
    failed = job(state=State.FAILED, ended=1.0, details={"id": "a"})
    ledger.take([job()], now=0.0)
    ledger.take([failed], now=2.0)
    ledger.complete(job(state=State.FAILED, ended=1.0, message="capacity"))
    ledger.take([failed], now=3.0)
    assert ledger.waiting() == []
    assert ledger.failed_total == {((), "capacity"): 1}
    assert [record.reason for record in ledger.newest(10**9)] == ["capacity"]


def test_the_newest_failures_are_explained_first(ledger):
    """They are the ones that somebody is investigating."""
    ends = {"old": 1.0, "new": 3.0, "middle": 2.0}
    ledger.take([job(name, State.FAILED, ended=end, details={}) for name, end in ends.items()], now=4.0)
    assert [pending.id for pending in ledger.waiting()] == ["new", "middle", "old"]


def test_an_unknown_status_counts_while_it_is_recent(ledger):
    """It is neither active nor finished, so it ages from its last change."""
    ledger.take([job(state=State.UNKNOWN, updated=0.0)], now=1.0)
    assert ids(ledger, 1.0) == {"a"}
    assert ids(ledger, DAY + 1) == set()


def test_a_finish_missing_from_one_listing_is_not_counted_again(ledger):
    """A page boundary that shifts during a listing may hide a job once."""
    done = job(state=State.FAILED, ended=30.0, message="capacity")
    for now, listing in ((0.0, []), (60.0, [done]), (120.0, []), (180.0, [done])):
        ledger.take(listing, now)
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert ledger.failed_total == {((), "capacity"): 1}


def test_an_old_unknown_status_does_not_widen_later_listings(ledger):
    """A final status that AWS adds must not make every later listing start at its first job."""
    ledger.take([job(state=State.UNKNOWN, created=0.0)], now=1.0)
    assert ledger.oldest_active == 0.0
    ledger.take([], 3 * DAY, complete_from=None)
    assert ledger.oldest_active is None
    assert len(ledger) == 0


def test_a_later_final_status_does_not_change_the_run_time(ledger):
    """CREATE_FAILED then INACTIVE: the update time of the second status is not the end of the first."""
    ledger.take([job(state=State.FAILED, created=0.0, updated=100.0)], now=200.0)
    ledger.take([job(state=State.STOPPED, created=0.0, updated=5000.0)], now=6000.0)
    (tally,) = ledger.tallies.values()
    assert tally.last[State.STOPPED] == (100.0, 100.0)


def test_a_failure_that_waits_for_its_reason_survives_another_failed_status(ledger):
    """CREATE_FAILED then CANCEL_FAILED: its details are still requested, and it is counted once."""
    ledger.take([job()], now=0.0)
    ledger.take([job(state=State.FAILED, updated=1.0, details={})], now=2.0)
    ledger.take([job(state=State.FAILED, updated=3.0, details={})._replace(status="CANCEL_FAILED")], now=4.0)
    (waiting,) = ledger.waiting()
    ledger.complete(waiting._replace(message="capacity", details=None))
    assert ledger.failed_total == {((), "capacity"): 1}


def test_a_final_job_that_turns_out_to_have_failed_has_a_reason(ledger):
    """Its previous status makes no difference."""
    ledger.take([job(state=State.STOPPED, updated=1.0)], now=2.0)
    ledger.take([job(state=State.FAILED, updated=3.0, message="capacity")], now=4.0)
    (tally,) = ledger.tallies.values()
    assert +tally.reasons == {"capacity": 1}


def test_a_job_that_left_the_lookback_before_it_was_seen_finished_is_counted(ledger):
    """An outage longer than the lookback does not hide that an active job finished."""
    ledger.take([job()], now=0.0)
    ledger.take([job(state=State.FAILED, ended=10.0, message="capacity")], now=3 * DAY)
    ledger.take([job(state=State.FAILED, ended=10.0, message="capacity")], now=3 * DAY + 60)
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert ledger.failed_total == {((), "capacity"): 1}


def whole(job_id: str, state: State, at: float) -> Job:
    """Return a job with every value that can be summed: it waited for a minute, and ran for two."""
    times = {"created": at, "started": at + 60, "ended": at + 180}
    return job(job_id, state, message="cause", records={"total": 5}, **times)


def sums(ledger: Ledger, now: float) -> Any:
    """Return the sums of a ledger's only tally, without what outlives the jobs."""
    (tally,) = ledger.tallies.values()
    counts = +tally.statuses, +tally.reasons, +tally.records
    return counts, {state: times.quantiles for state, times in tally.durations.items()}, tally.waits.quantiles


@pytest.mark.parametrize("state", [State.FAILED, State.SUCCEEDED])
@pytest.mark.parametrize("cause", ["is too old", "is not listed", "is one too many"])
def test_a_job_that_no_longer_counts_is_in_no_sum(cause, state):
    """The sums equal those of a ledger that never saw it."""
    first, second = whole("a", state, 1000.0), whole("b", State.FAILED, 5000.0)
    most = 1 if cause == "is one too many" else 10
    both, alone = (Ledger(DAY, lambda job: job.message, bounds=(90.0, 150.0), limit=most) for _ in range(2))
    both.take([first, second], now=6000.0)
    now = DAY + 2000.0 if cause == "is too old" else 6060.0
    for later in (now, now + 60):
        both.take([second] if cause == "is not listed" else [first, second], later)
    alone.take([second], now=6000.0)
    assert sums(both, now) == sums(alone, now)


@pytest.mark.parametrize("cause", ["is too old", "is not listed"])
def test_the_last_end_of_a_state_outlives_its_job(ledger, cause):
    """Nothing has succeeded for nine days: that can be told with a lookback of seven."""
    done, broken = whole("a", State.SUCCEEDED, 1000.0), whole("b", State.FAILED, 5000.0)
    ledger.take([done, broken], now=6000.0)
    now = 9 * DAY if cause == "is too old" else 6060.0
    for later in (now, now + 60):
        ledger.take([], later)
    (tally,) = ledger.tallies.values()
    assert len(ledger) == 0
    assert tally.last == {State.SUCCEEDED: (1180.0, 120.0), State.FAILED: (5180.0, 120.0)}
    assert tally.last_failed == {"cause": 5180.0}
    assert tally.last_created == 5000.0


def test_the_last_end_is_the_latest_whatever_the_order_of_the_listing(ledger):
    """Of each state and each reason."""
    jobs = [whole(name, State.FAILED, at) for name, at in {"b": 3000.0, "a": 1000.0, "c": 5000.0}.items()]
    jobs[2] = jobs[2]._replace(message="another cause")
    for number in range(len(jobs)):
        ledger.take(jobs[: number + 1], now=6000.0 + number)
    (tally,) = ledger.tallies.values()
    assert tally.last == {State.FAILED: (5180.0, 120.0)}
    assert tally.last_failed == {"cause": 3180.0, "another cause": 5180.0}


def test_returned_sums_stay_unchanged(ledger):
    """A caller that holds the sums of one moment does not see them change."""
    ledger.take([whole("a", State.FAILED, 1000.0)], now=2000.0)
    (tally,) = ledger.tallies.values()
    counts = [tally.statuses, tally.reasons, tally.records, tally.last, tally.last_failed]
    before = [dict(each) for each in counts]
    ledger.take([whole(name, State.FAILED, 1000.0) for name in "ab"], now=3000.0)
    assert [dict(each) for each in counts] == before
    assert (tally.waits.count, tally.waits.quantiles[0.5]) == (0, 60.0)
    assert {state: (times.count, times.quantiles[0.5]) for state, times in tally.durations.items()} == {
        State.FAILED: (0, 120.0)
    }


def test_a_job_is_the_oldest_active_one_as_long_as_it_is_active(ledger):
    """Finished jobs make no difference."""
    ledger.take([whole("a", State.SUCCEEDED, 0.0), job("b", created=500.0), job("c", created=700.0)], now=1000.0)
    (tally,) = ledger.tallies.values()
    assert tally.oldest_active == {("running", State.RUNNING): 500.0}
    ledger.take([job("b", State.SUCCEEDED, created=500.0), job("c", created=700.0)], 1060.0, complete_from=None)
    (tally,) = ledger.tallies.values()
    assert tally.oldest_active == {("running", State.RUNNING): 700.0}
    assert ledger.oldest_active == 700.0


def test_forgotten_jobs_leave_nothing_behind(ledger):
    """Memory follows what is held, however long the exporter runs."""
    for day in range(100):
        listing = [job(f"parent/{day}/{n}", State.SUCCEEDED, created=day * DAY, updated=day * DAY) for n in range(10)]
        ledger.take(listing, (day + 0.5) * DAY, complete_from=day * DAY - 1)
    assert len(ledger) <= 20
    assert ledger.rows("past") <= 45 * 10
    assert ledger.rows("listed") <= 20


def test_an_old_failure_at_the_first_listing_creates_no_series_for_its_reason(ledger):
    """Nobody saw it fail, so it is not counted."""
    ledger.take([job(state=State.FAILED, ended=0.0)], now=10 * DAY)
    assert ledger.tallies == {}


def inherited(ledger, lookback=DAY, classify=lambda job: job.message or "unspecified", bounds=()):
    """Return a ledger with other rules that continues another one."""
    return Ledger(lookback, classify, bounds, before=ledger)


HISTORY = [
    job("running", created=5.0, updated=6.0),
    job("done", State.SUCCEEDED, created=0.0, started=10.0, ended=200.0),
    job("broken", State.FAILED, created=3.0, started=10.0, ended=50.0, message="licence"),
    job("other", State.SUCCEEDED, created=0.0, ended=70.0, dimensions=("model",)),
]


def test_inherited_jobs_add_up_as_if_they_had_been_seen(ledger):
    """The new buckets and rules apply."""
    rules = (DAY, lambda job: job.message.upper(), (60.0, 120.0))
    ledger.take(HISTORY, now=300.0)
    before = ids(ledger, 300.0)
    fresh = Ledger(*rules)
    fresh.take(HISTORY, now=300.0)
    successor = inherited(ledger, *rules)
    assert successor.tallies == fresh.tallies
    assert ids(successor, 300.0) == before


def test_counters_are_inherited_and_continue(ledger):
    """Nothing is counted twice, and nothing that follows is missed."""
    ledger.take([job(created=0.0), job("b", created=0.0, details={"id": "b"})], now=1.0)
    ended = [
        job(state=State.SUCCEEDED, created=0.0, ended=5.0),
        job("b", State.FAILED, created=0.0, ended=6.0, details={"id": "b"}),
    ]
    ledger.take(ended, now=10.0)
    successor = inherited(ledger, lookback=3 * DAY)
    successor.take([*ended, job("c", State.SUCCEEDED, created=2.0, ended=9.0)], now=20.0)
    assert successor.finished_total == {((), State.SUCCEEDED): 2, ((), State.FAILED): 1}
    assert [waiting.id for waiting in successor.waiting()] == ["b"]
    successor.complete(ended[1]._replace(message="licence"))
    assert successor.failed_total == {((), "licence"): 1}


def test_jobs_that_left_a_shorter_lookback_are_not_counted_again(ledger):
    """They return with a longer one, and were counted when they finished."""
    ledger.take([job(created=0.0)], now=1.0)
    ended = job(state=State.SUCCEEDED, created=0.0, ended=5.0)
    ledger.take([ended], now=10.0)
    ledger.take([ended], now=2 * DAY)
    assert ids(ledger, 2 * DAY) == set()
    successor = inherited(ledger, lookback=7 * DAY)
    successor.take([ended, job("late", State.SUCCEEDED, created=6.0, ended=2 * DAY)], now=2 * DAY + 60)
    assert ids(successor, 2 * DAY + 60) == {"a", "late"}
    assert successor.finished_total == {((), State.SUCCEEDED): 2}


def test_a_combination_that_was_counted_once_is_inherited(ledger):
    """Its counters must not disappear with its jobs."""
    ledger.take([job(state=State.SUCCEEDED, created=0.0, ended=5.0, dimensions=("model",))], now=10.0)
    ledger.take([], now=20.0)
    assert set(inherited(ledger).tallies) == {("model",)}


def test_a_ledger_that_has_seen_nothing_passes_nothing_on(ledger):
    """Jobs that had finished before the first listing are still not counted."""
    successor = inherited(ledger)
    successor.take(HISTORY, now=300.0)
    assert successor.since == 300.0
    assert not successor.finished_total


def test_a_long_first_listing_is_taken_in_page_by_page(ledger):
    """Nothing is counted, whatever the pages hold, and a job on two pages is one."""
    jobs = [job(f"job/{n}", State.SUCCEEDED, created=0.0, ended=100.0 + n % 7) for n in range(5000)]
    ledger.take([*jobs, *jobs[:1500]], now=1000.0)
    assert (len(ledger), ledger.finished_total) == (5000, {})
    ledger.take([*jobs, job("new", State.FAILED, ended=1030.0)], now=1060.0)
    assert ledger.finished_total == {((), State.FAILED): 1}
    ledger.take([], DAY + 2000.0, None)
    assert len(ledger) == 0


def bounded(most, ends, now=DAY):
    """Return a ledger that holds few finished jobs and saw one end at each of these times."""
    ledger = Ledger(lookback=DAY, classify=str, limit=most)
    ledger.take([job(f"job/{n}", state=State.SUCCEEDED, ended=end) for n, end in enumerate(ends)], now)
    return ledger


def test_the_last_to_end_of_too_many_finished_jobs_are_held():
    """Their distribution over the hours makes no difference; the others are counted as dropped."""
    ends = [100.0 * n for n in range(1, 201)]
    for most in (1, 3, 36, 37, 165, 199):
        ledger = bounded(most, ends)
        assert sorted(record.finished or 0.0 for record in ledger.newest(10**9)) == ends[-most:]
        assert ledger.dropped == 200 - most
        assert ledger.tallies[()].statuses.total() == most


def test_a_first_listing_of_whole_pages_is_held_to_the_limit():
    """Nothing is new at its end, because all of it was taken in page by page."""
    ledger = bounded(100, [100.0] * 500 + [200.0] * 100)
    assert (len(ledger), ledger.dropped) == (100, 500)
    ledger = bounded(100, [100.0] * 400 + [200.0] * 100)
    assert (len(ledger), ledger.dropped) == (100, 400)


def test_as_many_finished_jobs_as_allowed_are_all_held():
    """The limit itself is allowed."""
    ledger = bounded(200, [100.0 * n for n in range(1, 201)])
    assert (len(ledger), ledger.dropped) == (200, 0)


def test_more_jobs_than_allowed_that_ended_at_one_instant_are_all_dropped():
    """The limit is strict, and keeping some of several equal jobs would be arbitrary."""
    ledger = bounded(5, [50.0] * 6)
    assert (len(ledger), ledger.dropped) == (0, 6)


def test_a_dropped_job_that_is_listed_again_is_not_counted_again():
    """It finished once, and its only trace is still the number of dropped jobs."""
    ledger = Ledger(lookback=DAY, classify=str, limit=2)
    ledger.take([], 0.0)
    jobs = [job(f"job/{n}", state=State.SUCCEEDED, ended=100.0 + n) for n in range(5)]
    for now in (1000.0, 2000.0):
        ledger.take(jobs, now)
        assert ledger.finished_total == {((), State.SUCCEEDED): 5}
        assert (len(ledger), ledger.dropped) == (2, 3)
    ledger.take(jobs, 2 * DAY)
    assert ledger.dropped == 0


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
def test_dropped_jobs_return_when_the_limit_is_raised(end_is_known):
    """All of them, or `dropped` would have to say otherwise; and none is counted a second time."""
    small = Ledger(lookback=DAY, classify=str, limit=2)
    small.take([], 0.0)
    end = "ended" if end_is_known else "updated"
    jobs = [job(f"job/{n}", State.SUCCEEDED, created=50.0 + n, **{end: 100.0 + n}) for n in range(5)]
    small.take(jobs, 1000.0)
    large = Ledger(lookback=DAY, classify=str, limit=10, before=small)
    tagged = [each._replace(updated=1030.0) for each in jobs]
    large.take(tagged, 1060.0)
    assert (len(large), large.dropped) == (5, 0)
    assert large.finished_total == {((), State.SUCCEEDED): 5}


def test_active_jobs_are_never_dropped():
    """Their number has to be correct."""
    ledger = Ledger(lookback=DAY, classify=str, limit=2)
    ledger.take([job(f"job/{n}", created=1.0) for n in range(9)], 10.0)
    assert (len(ledger), ledger.active, ledger.dropped) == (9, 9, 0)


def test_the_oldest_active_jobs_are_shown():
    """A job that is shown stays until it ends."""
    ledger = Ledger(lookback=DAY, classify=str)
    ledger.take([job(f"job/{n}", created=float(n)) for n in (3, 1, 2)], 10.0)
    assert [record.job.id for record in ledger.newest(0, active=2)] == ["job/1", "job/2"]


@pytest.mark.parametrize("end_is_known", [True, False])
def test_a_job_that_is_listed_again_after_the_clock_was_ahead_finishes_once(end_is_known):
    """Whether or not AWS reports its end, and whether or not it was active when the clock jumped."""
    end: dict[str, Any] = {"ended" if end_is_known else "updated": 500.0}
    ledger = Ledger(lookback=DAY, classify=str)
    ledger.take([job("active", created=1.0)], 10.0)
    both = [job("active", state=State.SUCCEEDED, created=1.0, **end)]
    both += [job("done", state=State.SUCCEEDED, created=2.0, **end)]
    for now in (600.0, 600.0 + 30 * DAY, 700.0, 800.0):
        ledger.take(both, now)
    assert ledger.finished_total == {((), State.SUCCEEDED): 2}
    assert ledger.tallies[()].statuses.total() == 2


def test_a_time_in_the_future_does_not_move_the_end(ledger):
    """A finished job stays finished: a wrong clock must not keep it counting forever."""
    ledger.take([job(state=State.FAILED, created=0.0, ended=1000 * DAY)], now=DAY)
    assert ids(ledger, 2 * DAY) == {"a"}
    assert ids(ledger, 2 * DAY + 1) == set()


def test_a_job_whose_end_is_in_the_future_finishes_once(ledger):
    """This holds even when it is listed again after it has left the lookback."""
    ledger.take([job(created=0.0)], now=DAY)
    for now in (DAY + 1, 2 * DAY, 3 * DAY, 5 * DAY):
        ledger.take([job(state=State.FAILED, created=0.0, ended=1000 * DAY)], now=now)
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert ids(ledger, 5 * DAY) == set()


def test_a_job_created_in_the_future_hides_no_other(ledger):
    """Jobs created from now on are still requested."""
    ledger.take([job(created=1000 * DAY)], now=DAY)
    assert ledger.newest_created == DAY


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
def test_jobs_dropped_while_the_clock_was_ahead_return(ledger, end_is_known):
    """The end is unchanged though somebody has tagged the job since, and it is not counted a second time."""
    ledger.take([], 0.0)
    end: dict[str, Any] = {"ended" if end_is_known else "updated": 10.0}
    done = job(state=State.SUCCEEDED, created=5.0, **end)
    ledger.take([done], 60.0)
    ledger.take([done], 9 * DAY)
    assert ids(ledger, 9 * DAY) == set()
    ledger.take([done._replace(updated=100.0)], 120.0)
    assert [record.finished for record in ledger.newest(9)] == [10.0]
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_a_longer_lookback_finds_jobs_whose_end_aws_does_not_report(ledger):
    """Their end is when they were first seen finished."""
    ledger.take([job(created=0.0)], 1.0)
    done = job(state=State.SUCCEEDED, created=0.0, updated=10.0)
    ledger.take([done], 60.0)
    ledger.take([done], 2 * DAY)
    assert ids(ledger, 2 * DAY) == set()
    successor = inherited(ledger, lookback=7 * DAY)
    successor.take([done], 2 * DAY + 60)
    assert ids(successor, 2 * DAY + 60) == {"a"}
    assert successor.finished_total == {((), State.SUCCEEDED): 1}


def failed(ended: float | None = None, **fields: Any) -> Job:
    """Return a failed job that was created at 0."""
    return job(state=State.FAILED, **{"created": 0.0, "ended": ended, "message": "first", **fields})


def test_an_execution_that_is_redriven_and_fails_again_between_two_polls_has_failed_twice(ledger):
    """AWS says so: the end is a later one. Its time and its reason are those of the second failure."""
    ledger.take([], now=0.0)
    ledger.take([failed(10.0)], now=60.0)
    ledger.take([failed(100.0, message="second")], now=120.0)
    assert ledger.finished_total == {((), State.FAILED): 2}
    assert ledger.failed_total == {((), "first"): 1, ((), "second"): 1}
    (tally,) = ledger.tallies.values()
    assert +tally.statuses == {("failed", State.FAILED): 1}
    assert +tally.reasons == {"second": 1}
    assert tally.last_failed == {"first": 10.0, "second": 100.0}
    assert [record.finished for record in ledger.newest(9)] == [100.0]


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
def test_a_name_that_is_used_again_is_another_job(ledger, end_is_known):
    """Transcribe's jobs are their names: deleted, made again and done within a second."""
    end = "ended" if end_is_known else "updated"
    ledger.take([job(created=0.0)], now=1.0)
    for number in range(3):
        at = 100.0 * number
        times: dict[str, Any] = {"created": at, end: at + 5}
        ledger.take([job(state=State.SUCCEEDED, **times)], now=at + 60)
    assert ledger.finished_total == {((), State.SUCCEEDED): 3}
    assert [(record.job.created, record.finished) for record in ledger.newest(9)] == [(200.0, 205.0)]
    (tally,) = ledger.tallies.values()
    assert (tally.last_created, tally.last) == (200.0, {State.SUCCEEDED: (205.0, 5.0)})


def test_a_name_that_is_used_again_after_its_job_was_missed_is_another_job(ledger):
    """Between two polls there was no such job, and two polls even said so."""
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([failed(10.0)], now=60.0)
    for now in (120.0, 180.0):
        ledger.take([], now)
    ledger.take([failed(200.0, created=190.0)], now=240.0)
    assert ledger.finished_total == {((), State.FAILED): 2}


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
def test_a_status_that_goes_back_and_forth_with_the_same_end_is_one_end(ledger, end_is_known):
    """A list that is not consistent yet shows a finished job as still running, or not at all."""
    done = failed(10.0) if end_is_known else failed(updated=10.0)
    ledger.take([job(created=0.0)], now=1.0)
    listings = [[done], [job(created=0.0)], [done], [job(created=0.0)], [done], [], [done], [], [], [done]]
    for number, listing in enumerate(listings):
        ledger.take(listing, now=60.0 + number)
    assert ledger.finished_total == {((), State.FAILED): 1}
    assert ledger.failed_total == {((), "first"): 1}
    assert sum(tally.statuses.total() for tally in ledger.tallies.values()) == 1


def test_a_reason_that_is_still_to_be_asked_for_survives_a_status_that_goes_back_and_forth(ledger):
    """The failure was counted once, and its reason is counted once AWS tells it."""
    waiting = failed(10.0, message="", details={"id": "a"})
    ledger.take([job(created=0.0)], now=1.0)
    for number, listing in enumerate([[waiting], [job(created=0.0)], [waiting]]):
        ledger.take(listing, now=60.0 + number)
    ledger.complete(waiting._replace(message="capacity", details=None))
    assert (ledger.finished_total, ledger.failed_total) == ({((), State.FAILED): 1}, {((), "capacity"): 1})


def test_a_job_that_ends_again_after_it_left_the_lookback_is_counted(ledger):
    """It was redriven weeks later; until then it was long forgotten."""
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([failed(10.0)], now=60.0)
    ledger.take([failed(10.0)], now=20 * DAY)
    ledger.take([failed(20 * DAY + 30)], now=20 * DAY + 60)
    assert ledger.finished_total == {((), State.FAILED): 2}


def test_an_update_time_that_changes_is_no_other_end(ledger):
    """Tags, published logs: who knows."""
    ledger.take([job(created=0.0)], now=1.0)
    for number in range(3):
        ledger.take([failed(updated=10.0 + number)], now=60.0 + number)
    assert ledger.finished_total == {((), State.FAILED): 1}


def test_an_end_in_the_future_that_moves_is_no_other_end(ledger):
    """A clock that is wrong must not make a job fail at each poll."""
    ledger.take([job(created=0.0)], now=1.0)
    for number in range(5):
        ledger.take([failed(1000 * DAY + number)], now=60.0 + number)
    assert ledger.finished_total == {((), State.FAILED): 1}


def test_another_state_for_the_same_status_applies_to_what_is_held(ledger):
    """A catalog that was corrected, or a field that refines the status: the counts follow, the end stays."""
    done = job(state=State.SUCCEEDED, created=0.0, ended=10.0)
    ledger.take([done], now=60.0)
    ledger.take([done._replace(state=State.PARTIAL)], now=120.0)
    (tally,) = ledger.tallies.values()
    assert +tally.statuses == {("succeeded", State.PARTIAL): 1}
    assert not ledger.finished_total


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (State.SUCCEEDED, State.DELETING),
        (State.PARTIAL, State.DELETING),
        (State.SUCCEEDED, State.STOPPED),
        (State.PARTIAL, State.EXPIRED),
    ],
)
def test_what_happens_to_a_job_afterward_does_not_change_what_it_did(ledger, known, listed, end_is_known):
    """Its record is deleted, or its output is no longer there: the job stays what it was."""
    end: dict[str, Any] = {"ended" if end_is_known else "updated": 50.0}
    done = job(state=known, created=0.0, **end)
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([done], now=60.0)
    before = ledger.tallies, ledger.finished_total
    later: dict[str, Any] = {"ended" if end_is_known and listed is State.DELETING else "updated": 100.0}
    for minute in range(3):
        ledger.take([done._replace(state=listed, status="later", **later)], now=120.0 + 60 * minute)
        assert (ledger.tallies, ledger.finished_total) == before


def test_a_job_that_is_run_again_after_a_success_can_be_stopped(ledger):
    """AWS says that it ended later: it is another run, which nobody saw while it was active."""
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([job(state=State.SUCCEEDED, created=0.0, ended=50.0)], now=60.0)
    ledger.take([job(state=State.STOPPED, created=0.0, ended=100.0)], now=120.0)
    assert ledger.finished_total == {((), State.SUCCEEDED): 1, ((), State.STOPPED): 1}


def test_a_job_that_was_stopped_and_is_deleted_stays_stopped(ledger):
    """One that was deleted while it ran was seen to end by its deletion."""
    ledger.take([job("a", created=0.0), job("b", created=0.0)], now=1.0)
    ledger.take([job("a", state=State.STOPPED, created=0.0), job("b", created=0.0)], now=60.0)
    ledger.take([job(name, state=State.DELETING, created=0.0) for name in "ab"], now=120.0)
    assert ledger.finished_total == {((), State.STOPPED): 1, ((), State.DELETING): 1}


ODD: dict[str, Any] = {"status": "Odd", "state": State.UNKNOWN}


@pytest.mark.parametrize("end_is_known", [True, False], ids=["end known", "end unknown"])
def test_a_finished_job_in_an_unknown_status_is_in_no_sum_and_ended_once(ledger, end_is_known):
    """AWS adds a status, or one page is odd: the job ages out, and comes back as one that has already ended."""
    end: dict[str, Any] = {"ended" if end_is_known else "updated": 5 * DAY}
    done = job(state=State.SUCCEEDED, created=0.0, **end)
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([done], now=5 * DAY + 60)
    odd = done._replace(ended=None, updated=None, **ODD)
    for minute, listing in enumerate([[odd], [done], [odd], [odd], [done]]):
        ledger.take(listing, now=5 * DAY + 120 + 60 * minute)
        held = sum(tally.statuses.total() for tally in ledger.tallies.values())
        assert held == len(ledger) == ledger.rows("job")
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_a_counted_job_in_an_unknown_status_that_ages_out_does_not_count_again(ledger):
    """It was last updated within the lookback at first, and later no longer."""
    done = job(state=State.SUCCEEDED, created=0.0, ended=10.0)
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([done], now=60.0)
    ledger.take([done._replace(ended=None, updated=20.0, **ODD)], now=120.0)
    ledger.take([], now=2 * DAY, complete_from=None)
    ledger.take([done._replace(ended=None, updated=2 * DAY)], now=2 * DAY + 60)
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_each_combination_that_is_counted_has_its_own_counter(ledger):
    """Also where the jobs left the lookback before they were seen to end, or changed their labels with their status."""
    ledger.take([], now=0.0)
    late = [job(name, State.SUCCEEDED, created=1.0, ended=10.0, dimensions=(name,)) for name in "xy"]
    ledger.take(late, now=20 * DAY)
    assert ledger.finished_total == {(("x",), State.SUCCEEDED): 1, (("y",), State.SUCCEEDED): 1}
    both = [job(name, State.SUCCEEDED, created=20 * DAY, updated=20 * DAY + 1, dimensions=("old",)) for name in "ab"]
    ledger.take(both, now=20 * DAY + 60)
    changed = [each._replace(status="Half", state=State.PARTIAL, dimensions=(each.id,)) for each in both]
    ledger.take(changed, now=20 * DAY + 120)
    counts = {dims: +tally.statuses for dims, tally in ledger.tallies.items() if +tally.statuses}
    assert counts == {(name,): {("Half", State.PARTIAL): 1} for name in "ab"}


def test_a_job_that_two_listings_lack_as_it_leaves_the_lookback_does_not_count_again(ledger):
    """Its end is remembered either way."""
    ledger.take([], now=0.0)
    done = job(state=State.SUCCEEDED, created=1.0, ended=10.0)
    for now, listing in [(60.0, [done]), (DAY, []), (DAY + 20, []), (DAY + 80, [done])]:
        ledger.take(listing, now)
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_a_job_that_runs_again_and_is_lacking_twice_does_not_count_again_by_the_same_end(ledger):
    """A list that shows it running, then not at all, then as it was."""
    ledger.take([job(created=0.0)], now=1.0)
    for number, listing in enumerate([[failed(10.0)], [job(created=0.0)], [], [], [failed(10.0)]]):
        ledger.take(listing, now=60.0 + number)
    assert ledger.finished_total == {((), State.FAILED): 1}


@pytest.mark.parametrize(
    ("listings", "counted"),
    [
        ([[failed(100.0, message="", details={"id": "a"})]], {"unspecified": 1}),
        ([[failed(10.0, message="")._replace(status="Gone", state=State.DELETING)]], {"unspecified": 1}),
        ([[], []], {"unspecified": 1}),
        ([[failed(10.0)._replace(ended=None, updated=20.0, **ODD)], (2 * DAY, [])], {"unspecified": 1}),
        ([(2 * DAY, [])], {"unspecified": 1}),
        ([[job(created=0.0)], [failed(10.0, message="", details={"id": "a"})]], {}),
    ],
    ids=["fails again", "is deleted", "is gone", "is odd and ages out", "is too old", "goes back and forth"],
)
def test_a_failure_that_can_no_longer_be_explained_is_counted_without_a_reason(ledger, listings, counted):
    """In the end as many are counted by reason as have failed."""
    ledger.take([job(created=0.0)], now=1.0)
    ledger.take([failed(10.0, message="", details={"id": "a"})], now=60.0)
    for number, listing in enumerate(listings):
        now, jobs = listing if isinstance(listing, tuple) else (120.0 + number, listing)
        ledger.take(jobs, now, complete_from=None if now > DAY else EVERYTHING)
    assert ledger.failed_total == {((), reason): number for reason, number in counted.items()}


def test_a_clock_that_was_ahead_for_a_poll_hides_no_job_afterward():
    """More jobs than the limit ended without AWS's times while it was a year ahead."""
    ledger = Ledger(DAY, classify=str, limit=1)
    ledger.take([job(name, created=0.0) for name in "abc"], now=10.0)
    ledger.take([job(name, State.SUCCEEDED, created=0.0) for name in "abc"], now=365 * DAY)
    ledger.take([], now=60.0, complete_from=None)
    ledger.take([job("new", State.SUCCEEDED, created=70.0, ended=80.0)], now=120.0, complete_from=None)
    assert ledger.finished_total == {((), State.SUCCEEDED): 4}
    assert len(ledger) == 1


def test_a_clock_that_was_behind_for_a_while_counts_nothing_twice(ledger):
    """What left the lookback meanwhile, by AWS's time, had been counted when it ended."""
    old, new = (job(name, State.SUCCEEDED, created=at, ended=at + 10) for name, at in [("a", 9 * DAY), ("b", 10 * DAY)])
    ledger.take([], now=8 * DAY)
    ledger.take([old], now=9 * DAY + 60)
    for now, listing in [(10 * DAY + 60, [old, new]), (10.5 * DAY, []), (2 * DAY, []), (10.5 * DAY + 60, [old, new])]:
        ledger.take(listing, now, complete_from=None)
    assert ledger.finished_total == {((), State.SUCCEEDED): 2}


def test_counts_as_large_as_they_may_be_can_be_summed(ledger):
    """The sum of a million of them fits."""
    most = (1 << 40) - 1
    jobs = [job(f"{n}", state, created=1.0, records={"total": most}) for n, state in enumerate([State.RUNNING] * 2)]
    jobs += [job(f"f{n}", State.FAILED, ended=10.0, records={"total": most}) for n in range(2)]
    ledger.take(jobs, now=20.0)
    assert ledger.tallies[()].records["total"] == 4 * most
    assert most * 1_000_000 < 1 << 63


def test_a_past_end_is_forgotten_when_two_complete_listings_lack_it(ledger):
    """One listing that lacks a job may be an accident: listed again with a later update time, it would count again."""
    ledger.take([], now=0.0)
    done = job(state=State.SUCCEEDED, created=1.0, updated=10.0)
    ledger.take([done], now=60.0)
    new, hour = job("new", created=2 * DAY), 3600.0
    for number, listing in enumerate([[done], [], [done], [], []]):
        assert ledger.rows("past") == (1 if number else 0)
        ledger.take([*listing, new], 2 * DAY + number * hour)
    assert ledger.rows("past") == 0
    assert ledger.finished_total == {((), State.SUCCEEDED): 1}


def test_arguments_that_no_database_can_hold_do_not_fail_the_poll(ledger):
    """JSON can have half of a surrogate pair, and what is passed on to AWS is passed on as it is."""
    details = {"name": "half \ud83d"}
    ledger.take([failed(10.0, message="", details=details)], now=60.0)
    assert [each.details for each in ledger.waiting()] == [details]
