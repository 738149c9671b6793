"""What jobs used: counted once for each job that is counted, whenever AWS tells it."""

import pytest

from exporter.jobs import Job, State
from exporter.store import Grouping
from tests.support.ledgers import LedgerOfATest

NOW = 1_000_000.0
WEEK = 7 * 86_400.0
USED = {"dpu/G.1X": 1200.5, "bytes": 3.0}


def job(state=State.SUCCEEDED, ended=NOW + 50, **fields):
    """Return a job that has ended."""
    return Job("a", str(state), state, "nightly", created=NOW - 100, ended=ended, **fields)


RUNS = job(State.RUNNING, ended=None)
ASKED = job(details={"id": "a"}, lacks_only_usage=True)


@pytest.fixture
def ledger():
    """Return a ledger that has seen a job run."""
    made = LedgerOfATest(WEEK, str)
    made.take([RUNS], NOW)
    return made


def used(ledger):
    """Return what the jobs used that were counted."""
    return ledger.sums[()].used_total


def test_what_a_job_used_counts_once(ledger):
    """Not at each poll, not again after a restart, and for good."""
    for minutes in range(1, 4):
        ledger.take([job(used=USED)], NOW + 60 * minutes)
        assert used(ledger) == USED
    restarted = LedgerOfATest(WEEK, str, before=ledger)
    restarted.take([job(used=USED)], NOW + 300)
    assert used(restarted) == USED
    restarted.take([], NOW + 2 * WEEK)
    assert used(restarted) == USED


def test_what_had_ended_before_counts_nowhere():
    """The exporter did not see it end; what it used is known all the same."""
    ledger = LedgerOfATest(WEEK, str)
    ledger.take([job(used=USED, ended=NOW - 3600)], NOW)
    assert used(ledger) == {}
    assert ledger.newest(1)[0].job.used == USED


def test_what_runs_again_uses_more(ledger):
    """Its second end is another one."""
    ledger.take([job(used=USED)], NOW + 60)
    ledger.take([RUNS], NOW + 120)
    assert ledger.newest(1)[0].job.used == {}
    ledger.take([job(used={"dpu/G.1X": 1.0, "dpu/G.2X": 2.0}, ended=NOW + 170)], NOW + 180)
    assert used(ledger) == {"dpu/G.1X": 1201.5, "dpu/G.2X": 2.0, "bytes": 3.0}


def test_a_later_status_neither_counts_nor_forgets(ledger):
    """A record that is being deleted is no further use of anything."""
    ledger.take([job(State.FAILED, used=USED, message="why")], NOW + 60)
    ledger.take([job(State.DELETING, message="why")], NOW + 120)
    assert used(ledger) == USED
    assert ledger.newest(1)[0].job.used == USED


def test_details_tell_once(ledger):
    """They are asked for after the end was counted, and again where AWS refused."""
    ledger.take([ASKED], NOW + 60)
    assert (used(ledger), ledger.finished_total) == ({}, {((), State.SUCCEEDED): 1})
    (waiting,) = ledger.waiting()
    ledger.complete(waiting, NOW + 61, is_refused=True)
    assert used(ledger) == {}
    ledger.ask_again()
    (waiting,) = ledger.waiting()
    ledger.complete(waiting._replace(used=USED), NOW + 62)
    assert (used(ledger), ledger.waiting()) == (USED, [])
    ledger.take([ASKED._replace(status="Gone", state=State.STOPPED)], NOW + 120)
    ledger.take([ASKED._replace(status="Gone", state=State.FAILED)], NOW + 180)
    for each in ledger.waiting():
        ledger.complete(each._replace(used={"bytes": 7.0}), NOW + 181)
    assert used(ledger) == USED
    assert ledger.newest(1)[0].job.used == USED


def test_details_of_another_end_count_again(ledger):
    """What a job used in its second run is told by another answer."""
    ledger.take([ASKED], NOW + 60)
    ledger.complete(ledger.waiting()[0]._replace(used={"bytes": 1.0}), NOW + 61)
    ledger.take([ASKED._replace(ended=NOW + 100)], NOW + 120)
    ledger.complete(ledger.waiting()[0]._replace(used={"bytes": 2.0}), NOW + 121)
    assert used(ledger) == {"bytes": 3.0}


def test_nobody_asks_what_a_job_used_that_does_not_count():
    """A first listing may have a hundred thousand of them, and each would cost a request."""
    ledger = LedgerOfATest(WEEK, str)
    ledger.take([ASKED._replace(ended=NOW - 3600)], NOW)
    assert (ledger.waiting(), ledger.unexplained) == ([], 0)
    reason = job(State.FAILED, details={"id": "a"}, ended=NOW - 3600)
    other = LedgerOfATest(WEEK, str)
    other.take([reason], NOW)
    (waiting,) = other.waiting()
    other.complete(waiting._replace(used=USED), NOW + 1)
    assert used(other) == {}


def test_a_question_that_is_open_stays_open(ledger):
    """A status that changes before AWS was asked is no reason not to ask."""
    ledger.take([ASKED], NOW + 60)
    ledger.take([ASKED._replace(status="Other", state=State.PARTIAL)], NOW + 120)
    ledger.complete(ledger.waiting()[0]._replace(used=USED), NOW + 121)
    assert used(ledger) == USED


@pytest.mark.parametrize(("lacks_only_usage", "lines"), [(True, ["succeeded"]), (False, [])])
def test_the_event_log_does_not_wait_for_what_a_job_used(ledger, lacks_only_usage, lines):
    """A line has no usage, and whoever reads it wants to know at once; of other details there is something in it."""
    ledger.database.keeps_events = True
    ledger.take([ASKED._replace(lacks_only_usage=lacks_only_usage)], NOW + 60)
    rows = ledger.database.connection.execute("SELECT event FROM event").fetchall()
    assert [event for (event,) in rows] == lines
    ledger.complete(ledger.waiting()[0]._replace(used=USED), NOW + 61)
    rows = ledger.database.connection.execute("SELECT event FROM event").fetchall()
    assert [event for (event,) in rows] == ["succeeded"]


def test_usage_is_born_at_zero():
    """Each resource and type is a counter of its own, whose first step nobody would see."""
    ledger = LedgerOfATest(WEEK, str, born_at_zero=True)
    ledger.take([RUNS], NOW)
    ledger.take([job(used=USED)], NOW + 60)
    assert used(ledger) == {"dpu/G.1X": 0, "bytes": 0}
    ledger.show(ledger.newborn)
    assert used(ledger) == USED


def test_the_group_of_a_job_used_as_much():
    """Whoever owns it pays, wherever it runs."""
    grouping = Grouping("all", lambda _name, _tags: ("payroll", ""))
    ledger = LedgerOfATest(WEEK, str, grouping=grouping)
    ledger.take([RUNS], NOW)
    ledger.take([job(used=USED)], NOW + 60)
    ledger.take([job(used=USED), ASKED._replace(id="b", ended=NOW + 100)], NOW + 120)
    ledger.complete(ledger.waiting()[0]._replace(used={"bytes": 4.0}), NOW + 121)
    rows = ledger.database.connection.execute("SELECT what, amount FROM used_total WHERE source < 0").fetchall()
    assert dict(rows) == {"dpu/G.1X": 1_200_500, "bytes": 7000}
