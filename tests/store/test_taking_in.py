"""The life of a row: what is known of a job, what a list says of it, and what becomes of it."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from exporter.catalog import Retention
from exporter.jobs import Job, State
from exporter.store import Listing
from exporter.store.tables import OF_A_SOURCE, STATES
from tests.support.ledgers import LedgerOfATest, waited

HOUR, DAY, NOW = 3600.0, 86_400.0, 1_790_000_000.0
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


def odd(at=NOW - 60):
    """Return a job in a status that nobody knows, last updated at a time."""
    return active(updated=at)._replace(status="ODD", state=State.UNKNOWN)


NOTHING = ()
LEAVING = NOW - 7 * DAY - 30
"""Within the lookback up to the last listing but one."""
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
    "active, in an unknown status": ([[active()]], odd(), State.UNKNOWN, 0, None, 0),
    "active, in an unknown status for long": ([[active()]], odd(OLD), None, 0, None, 0),
    "unknown, ends": ([[odd()]], ended(), State.FAILED, 1, FIRST, 0),
    "finished, in an unknown status": ([[active()], [ended()]], odd(), State.UNKNOWN, 0, None, 0),
    "finished, in an unknown status for long": ([[active()], [ended()]], odd(OLD), None, 0, None, 1),
    "finished, ran again, same end that left the lookback": ([[active()], [ended(LEAVING)], [active()]], ended(LEAVING),
                                                             None, 0, None, 0),
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


@pytest.fixture
def bystander():
    """Return another source's ledger with a job of each sort, which nothing may touch."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, limit=2)
    ledger.database.keeps_events = True
    runs, fails = active()._replace(id="runs"), ended()._replace(id="fails", message="", details={"id": "x"})
    is_odd = active(updated=NOW - 6.99 * DAY)._replace(id="odd", status="ODD", state=State.UNKNOWN)
    ends = [updated(at)._replace(id=f"{at}") for at in (OLD + 3 * DAY, OLD + 4 * DAY)]
    ledger.take([active(), runs, is_odd], NOW - 3 * HOUR)
    used = ended()._replace(used={"dpu/G.1X": 2.0})
    ledger.take([used, updated(OLD)._replace(id="old"), runs, is_odd], NOW - 2 * HOUR)
    ledger.take([*ends, fails, ended(), is_odd], NOW - HOUR)
    return ledger


def everything(ledger):
    """Return all rows of a source."""
    connection, number = ledger.database.connection, ledger.number
    found = {
        table: connection.execute(f"SELECT * FROM {table} WHERE source = ?", (number,)).fetchall()
        for table in OF_A_SOURCE
    }
    return {table: sorted(rows, key=repr) for table, rows in found.items()}


def test_a_bystander_has_rows_of_each_sort(bystander):
    """Otherwise nothing could be seen to happen to them."""
    assert [table for table, rows in everything(bystander).items() if not rows] == []
    assert (bystander.active, bystander.held, bystander.dropped, bystander.missed) == (2, 2, 2, 1)


@pytest.mark.parametrize("case", CASES)
def test_a_row_becomes(case, bystander):
    """Each way from what is known to what is known next, with another source in the same tables."""
    before, listed, state, counted, finished, past = CASES[case]
    others = everything(bystander)
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, database=bystander.database)
    for number, listing in enumerate(before):
        ledger.take(listing, NOW - 60 * (len(before) - number))
    already = sum(ledger.finished_total.values())
    ledger.take([listed] if listed else [], NOW)
    held = ledger.newest(9)
    assert [record.job.state for record in held] == ([state] if state else [])
    assert [record.finished for record in held] == ([finished] if state else [])
    assert sum(ledger.finished_total.values()) - already == counted
    assert len(everything(ledger)["past"]) == past
    assert everything(bystander) == others
    # Sums follow the rows.
    assert sum(tally.statuses.total() for tally in ledger.sums.values()) == len(held)


@pytest.fixture
def ledger():
    """Return a ledger that takes a job's message as its reason."""
    return LedgerOfATest(7 * DAY, lambda job: job.message)


def test_a_list_that_says_the_same_again_changes_nothing(ledger):
    """A quiet poll must not write; there are thousands of them."""
    jobs = [
        active(deadline=NOW + DAY, records={"total": 5})._replace(id="runs"),
        ended()._replace(id="ended"),
        updated()._replace(id="updated"),
        ended(NOW + DAY)._replace(id="will end"),
        active(updated=NOW - 60)._replace(id="odd", status="ODD", state=State.UNKNOWN),
    ]
    ledger.take(jobs, NOW)
    before, ledger.ledger.has_changed = everything(ledger), False
    for minutes in range(1, 4):
        ledger.take([job for job in jobs if job.id != "odd"] if minutes == 3 else jobs, NOW + 60 * minutes)
        assert ledger.has_changed == (minutes == 3)
        assert minutes == 3 or everything(ledger) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "renamed"},
        {"status": "Starting"},
        {"started": NOW - 30},
        {"updated": NOW - 30},
        {"deadline": NOW + DAY},
        {"dimensions": ("new",)},
        {"message": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"},
        {"records": {"total": 7}},
        {"records": {"processed": 7}},
        {"records": {"succeeded": 7}},
        {"records": {"failed": 7}},
    ],
    ids=str,
)
def test_what_changes_of_an_active_job_is_shown(ledger, change):
    """Each of it, alone."""
    ledger.take([active()], NOW - 60)
    ledger.take([active()._replace(**change)], NOW)
    (record,) = ledger.newest(9)
    assert record.job == active()._replace(**change)


def test_why_a_job_waits_is_shown_while_it_does(ledger):
    """It comes, changes and goes with what AWS says, and is nobody's reason of a failure."""
    waiting = active()._replace(status="RUNNABLE", state=State.PENDING)
    for minute, reason in enumerate(("", "capacity", "quota_exceeded", "")):
        ledger.take([waiting._replace(waits=reason)], NOW - 300 + 60 * minute)
        (record,) = ledger.newest(9)
        assert record.reason == (reason or None)
        assert +ledger.sums[()].statuses == {("RUNNABLE", State.PENDING, reason): 1}
    ledger.take([waiting._replace(waits="capacity", message="CAPACITY:NONE")], NOW - 45)
    ledger.take([waiting._replace(waits="capacity")], NOW - 30)
    assert [(each.reason, each.job.message) for each in ledger.newest(9)] == [("capacity", "")]
    ledger.take([ended()], NOW)
    (record,) = ledger.newest(9)
    assert record.reason == "cause"
    assert +ledger.sums[()].statuses == {("failed", State.FAILED, "cause"): 1}


def test_another_status_of_a_finished_job_is_shown(ledger):
    """With the same state, the same end and no further count."""
    ledger.take([active()], NOW - 120)
    ledger.take([ended()], NOW - 60)
    ledger.take([ended()._replace(status="FailedForGood")], NOW)
    (record,) = ledger.newest(9)
    assert (record.job.status, record.finished) == ("FailedForGood", FIRST)
    assert ledger.finished_total == {((), State.FAILED): 1}


def test_all_ends_before_the_lookback_are_remembered(ledger):
    """Several that a poll sees to have ended long ago count once, however late others are that ended meanwhile."""
    names = ("a", "b", "c")
    ledger.take([active()._replace(id=name) for name in names], OLD - DAY)
    late = [ended(OLD + n)._replace(id=name) for n, name in enumerate(names)]
    recent = ended(NOW - 60)._replace(id="recent")
    for listing in ([*late, recent], [*late, recent]):
        ledger.take(listing, NOW, complete_from=None)
        assert ledger.finished_total == {((), State.FAILED): 4}
    ledger.take([ended(NOW - 100)._replace(id="found later")], NOW + 60, complete_from=None)
    assert ledger.finished_total == {((), State.FAILED): 5}
    assert ledger.failed_total == {((), "cause"): 5}


def test_a_list_from_a_time_on_lacks_only_what_was_created_after_it(bystander):
    """Of older jobs, and of other sources, it says nothing. Twice, because a page may have shifted."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, database=bystander.database)
    others, start = everything(bystander), NOW - HOUR
    before, after = {"created": start - 60}, {"created": start + 60}
    jobs = [
        active()._replace(id="stays, active", **before),
        ended(NOW - 300)._replace(id="stays, ended", **before),
        ended(start - 30)._replace(id="stays, ended before", **before),
        active()._replace(id="goes, active", **after),
        active()._replace(id="goes, of unknown age", created=None),
        ended(NOW - 300)._replace(id="goes, ended", **after),
        ended(NOW - 200)._replace(id="stays, listed", **after),
    ]
    ledger.take(jobs, NOW - 120)
    for now in (NOW - 60, NOW):
        assert len(ledger) == len(jobs)
        ledger.take([jobs[-1]], now, complete_from=start)
    assert {record.job.id for record in ledger.newest(9)} == {job.id for job in jobs if job.id.startswith("stays")}
    assert everything(bystander) == others


def test_the_oldest_lost_job_is_one_of_the_own_source_that_the_own_list_lacks(bystander):
    """From its creation on everything is listed anew."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, database=bystander.database)
    jobs = [
        active()._replace(id=name, created=NOW - age) for name, age in [("listed", HOUR), ("lost", 900), ("new", 60)]
    ]
    ledger.take([*jobs, ended()._replace(id="ended")], NOW)

    async def lost():
        async with Listing.of(ledger.ledger) as listing, Listing.of(bystander.ledger) as other:
            await other.add(jobs, NOW)
            await listing.add(jobs[:1], NOW)
            return await listing.lost()

    assert waited(lost()) == NOW - 900


def test_other_rules_apply_to_their_own_source_alone(bystander):
    """A reload changes the reasons and the lookback of one source's jobs."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, bounds=(10.0,), database=bystander.database)
    jobs = [ended(NOW - age * HOUR)._replace(id=f"{age}") for age in (1, 2, 100)]
    ledger.take([*jobs, active(), ended(state=State.SUCCEEDED)._replace(id="fine")], NOW)
    others = everything(bystander)
    again = LedgerOfATest(2 * DAY, lambda job: f"other {job.message}", bounds=(20.0,), before=ledger)
    assert again.tallies[()].reasons == {"other cause": 3}
    assert again.tallies[()].last_failed == {"other cause": NOW - HOUR}
    assert again.tallies[()].last[State.SUCCEEDED][0] == FIRST
    again.take([], NOW + 60, complete_from=None)
    assert {record.job.id for record in again.newest(9)} == {"1", "2", "a", "fine"}
    assert everything(bystander) == others


def test_only_what_nobody_knows_ages_out(bystander):
    """And only of the source that is polled."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, database=bystander.database)
    others = everything(bystander)
    aged, recent = odd(NOW - 7 * DAY + 30)._replace(id="aged"), odd(NOW - 7 * DAY + 90)._replace(id="recent")
    ledger.take([aged, recent, active(), ended(NOW - 7 * DAY + 90)._replace(id="ended")], NOW)
    ledger.take([], NOW + 60, complete_from=None)
    assert {record.job.id for record in ledger.newest(9)} == {"a", "recent", "ended"}
    assert everything(bystander) == others


def test_dropped_jobs_add_up_by_the_hour_until_they_leave_the_lookback(bystander):
    """Of each source by itself."""
    ledger = LedgerOfATest(DAY, lambda job: job.message, limit=1, database=bystander.database)
    others, hour = everything(bystander), NOW // HOUR * HOUR
    ledger.take([], hour - 3 * HOUR)
    for number in range(4):
        job = ended(hour - 2 * HOUR + 60 * number)._replace(id=f"{number}")
        ledger.take([job], hour - HOUR + number, complete_from=None)
    assert ledger.dropped == 3
    for number in range(4, 7):
        ledger.take([ended(hour + 60 * number)._replace(id=f"{number}")], hour + 1000, complete_from=None)
    assert ledger.dropped == 6
    ledger.take([], hour + DAY - HOUR / 2, complete_from=None)
    assert (ledger.held, ledger.dropped) == (1, 2)
    assert everything(bystander) == others


def test_records_of_several_polls_add_up(ledger):
    """Each count by itself."""
    counts = {"total": 10, "processed": 9, "succeeded": 7, "failed": 2}
    for number in range(3):
        job = ended(NOW - 60 + number, state=State.SUCCEEDED, records=counts)._replace(id=f"{number}")
        ledger.take([job], NOW + number, complete_from=None)
    assert ledger.sums[()].records == {name: 3 * count for name, count in counts.items()}


def test_failures_that_nobody_can_explain_any_more_add_up(ledger):
    """One in each of two polls."""
    ledger.take([], NOW - 240)
    for number in range(2):
        failed = ended(NOW - 200 + number)._replace(id=f"{number}", message="", details={"id": "x"})
        ledger.take([failed], NOW - 180 + number, complete_from=None)
    for number in range(2):
        again = ended(NOW - 100 + number)._replace(id=f"{number}", message="", details={"id": "x"})
        ledger.take([again], NOW - 60 + number, complete_from=None)
    assert ledger.failed_total == {((), "unspecified"): 2}


def test_a_first_list_that_is_taken_in_page_by_page_takes_nothing_of_another(ledger):
    """Its pages are dropped as they are taken in, between those of a list that is read at the same time."""
    other = LedgerOfATest(7 * DAY, lambda job: job.message, database=ledger.database)
    pages = [[ended()._replace(id=f"{page}-{number}") for number in range(600)] for page in range(2)]

    async def read():
        async with Listing.of(ledger.ledger) as listing, Listing.of(other.ledger) as beside:
            await beside.add([ended()._replace(id="before")], NOW)
            for number, page in enumerate(pages):
                await listing.add(page, NOW)
                await beside.add([ended()._replace(id=f"after {number}")], NOW)
            await listing.take_in(NOW)
            await beside.take_in(NOW)

    waited(read())
    assert (len(ledger), len(other)) == (1200, 3)


def test_ends_that_were_forgotten_do_not_count_again(ledger):
    """Jobs that were missing for a while, then left the lookback, and are listed once more."""
    ledger.take([], OLD - DAY)
    jobs = [ended(OLD + n)._replace(id=f"{n}") for n in (1, 2)]
    for minutes, listing in enumerate([jobs, [], []]):
        ledger.take(listing, OLD + HOUR + 60 * minutes)
    assert (len(ledger), ledger.rows("past")) == (0, 2)
    new = active()._replace(id="new", created=NOW - 60)
    ledger.take([new], NOW)
    assert ledger.rows("past") == 0
    ledger.take([*jobs, new], NOW + 60)
    assert ledger.finished_total == {((), State.FAILED): 2}


def test_a_source_knows_its_oldest_job_and_what_must_be_asked_for(bystander):
    """What the next poll's plan follows from."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, database=bystander.database)
    jobs = [active()._replace(id=f"{age}", created=NOW - age) for age in (60, 900, 300)]
    asked = ended()._replace(id="asked", message="", details={"id": "x"})
    ledger.take([*jobs, asked, ended()], NOW)
    assert (ledger.oldest_active, ledger.has_undated, ledger.unexplained) == (NOW - 900, False, 1)
    assert (ledger.active, ledger.held) == (3, 2)
    ledger.take([*jobs, asked, ended(), active()._replace(id="undated", created=None)], NOW + 60)
    assert (ledger.oldest_active, ledger.has_undated, ledger.unexplained) == (NOW - 900, True, 1)


def test_a_job_in_an_unknown_status_ended_for_no_counter(ledger):
    """Not even where another one ends in the same poll."""
    ledger.take([active(), active()._replace(id="odd")], NOW - 60)
    ledger.take([ended(), odd()._replace(id="odd")], NOW)
    assert ledger.finished_total == {((), State.FAILED): 1}


def test_reasons_that_were_asked_for_add_up(ledger):
    """One after the other, as AWS gives them."""
    ledger.take([], NOW - 120)
    jobs = [ended(NOW - 100)._replace(id=name, message="", details={"id": name}) for name in "ab"]
    ledger.take(jobs, NOW - 60)
    assert ledger.failed_total == {}
    for job in jobs:
        ledger.complete(job._replace(message="cause"))
    assert ledger.failed_total == {((), "cause"): 2}
    assert ledger.tallies[()].reasons == {"cause": 2}


def test_a_job_that_is_listed_again_is_no_longer_missed_and_others_still_are(ledger, bystander):
    """One source's list says nothing of another's."""
    other = LedgerOfATest(7 * DAY, lambda job: job.message, database=ledger.database)
    for each in (ledger, other):
        each.take([active(), ended()._replace(id="b")], NOW - 180)
        each.take([], NOW - 120)
        assert each.missed == 2
    ledger.take([active(), ended()._replace(id="b")], NOW - 60)
    other.take([], NOW)
    assert (len(ledger), len(other)) == (2, 0)


def test_what_the_first_slice_of_a_long_list_says_counts(ledger):
    """A list is staged in slices; that of the first one, and the jobs in it, must not be forgotten."""
    others = [ended(NOW)._replace(id=f"{n}") for n in range(300)]
    newest = ended(NOW, started=NOW - 60)._replace(id="newest", created=NOW - 90)
    ledger.take(NOTHING, FIRST)
    ledger.take([newest, *others], NOW)
    assert ledger.newest_created == NOW - 90
    assert sum(ledger.finished_total.values()) == len(ledger) == 301
    assert ledger.sums[()].waits.count == 1


def test_lists_that_are_read_at_the_same_time_do_not_mix(ledger):
    """Their pages come in any order, and one of them may never become whole."""
    others = [LedgerOfATest(7 * DAY, lambda job: job.message, database=ledger.database) for _ in range(2)]

    async def read():
        async with AsyncExitStack() as stack:
            ledgers = [each.ledger for each in (ledger, *others)]
            listings = [await stack.enter_async_context(Listing.of(each)) for each in ledgers]
            for page in range(3):
                for number, listing in enumerate(listings):
                    await listing.add([ended()._replace(id=f"{number}-{page}")], NOW)
            for listing in listings[:2]:
                await listing.take_in(NOW)

    for _ in range(2):
        waited(read())
        for number, each in enumerate((ledger, others[0])):
            assert {record.job.id for record in each.newest(9)} == {f"{number}-{page}" for page in range(3)}
        assert len(others[1]) == 0


def test_every_state_has_a_place_by_which_active_and_final_ones_are_told_apart():
    """Statements compare the numbers."""
    unknown = STATES.index(State.UNKNOWN)
    assert set(STATES) == set(State)
    assert [state.is_active for state in STATES] == [number < unknown for number in range(len(STATES))]
    assert [state.is_final for state in STATES] == [number > unknown for number in range(len(STATES))]


def test_when_everything_was_last_listed_is_kept_to_ten_minutes(ledger):
    """Some kinds are listed in full by every poll, and a quiet one must not write; other scopes are noted at once."""
    noted = []
    for now, is_full, scopes in [
        (FIRST, False, "x"),
        (FIRST, True, "a"),
        (FIRST + 599, True, "a"),
        (FIRST + 600, True, "a"),
        (FIRST + 601, True, "b"),
        (FIRST + DAY, False, "c"),
        (FIRST - DAY, True, "b"),
    ]:
        ledger.take(NOTHING, now, is_full=is_full, scopes=scopes)
        noted.append((ledger.read_in_full, ledger.scopes))
    full, later, other = (FIRST, "a"), (FIRST + 600, "a"), (FIRST + 601, "b")
    assert noted == [(None, ""), full, full, later, other, other, (FIRST - DAY, "b")]


def test_what_changed_is_stored_with_the_time_at_which_it_was_read(ledger):
    """Otherwise a restart would show numbers under a time at which AWS said something else."""
    ledger.take([active()], FIRST)
    assert ledger.stored()["last_success"] == FIRST * 1000
    ledger.take([active(name="renamed")], FIRST + 60)
    assert ledger.stored()["last_success"] == (FIRST + 60) * 1000
    ledger.take([active(name="renamed")], FIRST + 120)
    assert ledger.stored()["last_success"] == (FIRST + 60) * 1000  # Nothing changed: written by the minute, for all.
    ledger.take([active(name="renamed")], FIRST + 180, is_full=True)
    assert ledger.stored()["last_success"] == (FIRST + 180) * 1000
    assert ledger.last_read == FIRST + 180


def test_the_newest_creation_is_that_of_all_lists(ledger):
    """The planner requests jobs from then on: an earlier time costs requests, a later one hides jobs."""
    for created, newest in [(FIRST, FIRST), (OLD, FIRST), (SECOND, SECOND), (NOW + DAY, NOW), (OLD, NOW)]:
        ledger.take([active()._replace(created=created)], NOW)
        assert ledger.newest_created == newest
        assert ledger.stored()["newest_created"] == newest * 1000


def test_what_a_long_first_list_says_of_its_source_is_stored(ledger):
    """Page by page: what was taken in is no longer staged, and what ended before the lookback is known to have."""
    jobs = [ended(NOW - DAY)._replace(id=f"{n}", created=OLD + n) for n in range(1200)]
    staged = []

    async def take_in():
        async with Listing.of(ledger.ledger) as listing:
            await listing.add([ended(OLD + 90)._replace(id="late", created=OLD), *jobs], NOW)
            staged.append(ledger.rows("listed"))
            await listing.add([active()], NOW)
            await listing.take_in(NOW)

    waited(take_in())
    assert staged == [201]
    assert ledger.newest_created == OLD + 1199
    assert ledger.row.items() <= (ledger.stored() | {"last_success": NOW * 1000}).items()
    assert len(ledger) == 1201


def test_what_the_limit_dropped_long_ago_does_not_keep_what_leaves_the_lookback(ledger):
    """The limit shortens the lookback, and never lengthens it."""
    small = LedgerOfATest(7 * DAY, lambda job: job.message, limit=1)
    small.take([ended(FIRST + n)._replace(id=f"{n}") for n in range(3)], NOW)
    assert (len(small), small.dropped) == (1, 2)
    small.take(NOTHING, NOW + 8 * DAY, complete_from=None)
    assert (len(small), small.dropped) == (0, 0)


@pytest.mark.parametrize(("ahead", "is_right"), [(0, True), (DAY, False)])
def test_what_was_dropped_while_the_clock_was_ahead_is_held_once_it_is_right(ahead, is_right):
    """It is right if AWS has created nothing after it, and what was created just now was not created after it."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, limit=1)
    both = [updated(None)._replace(id=name, created=NOW + ahead) for name in "ab"]
    ledger.take([active()._replace(id=name, created=NOW + ahead) for name in "ab"], NOW)
    ledger.take(both, NOW + 5 * DAY)
    assert len(ledger) == 0
    ledger.take([ended(NOW)._replace(id="new", created=NOW)], NOW, complete_from=None)
    assert len(ledger) == is_right


def test_a_job_that_is_missed_once_does_not_put_off_another(ledger):
    """Each is looked for twice, whatever else is missing."""
    first, second = active(), active()._replace(id="b")
    ledger.take([first, second], FIRST)
    ledger.take([second], FIRST + 60)
    assert (len(ledger), ledger.missed) == (2, 1)
    ledger.take(NOTHING, FIRST + 120)
    assert (len(ledger), ledger.missed) == (1, 1)
    ledger.take(NOTHING, FIRST + 180)
    assert (len(ledger), ledger.missed) == (0, 0)


def test_a_job_that_is_missed_once_stays_though_another_ages_out(ledger):
    """In the same poll."""
    nobody_knows = odd(NOW - 7 * DAY + 60)._replace(id="odd", created=OLD)
    ledger.take([active(), nobody_knows], NOW)
    ledger.take([nobody_knows], NOW + 61)
    assert [record.job.id for record in ledger.newest(9)] == ["a"]


def test_a_start_that_a_later_answer_lacks_counts_no_longer(ledger):
    """Sums are those of what AWS says now."""
    ledger.take([ended(started=OLD)], FIRST)
    assert len(ledger.sums[()].waits.quantiles) == 3
    ledger.take([ended(SECOND)], NOW)
    assert ledger.sums[()].waits.quantiles == {}


def test_what_was_dropped_is_not_new_again():
    """It is still listed; meanwhile jobs end earlier and later, and are dropped, too."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message, limit=1)
    others = [ended(at)._replace(id=f"{at}") for at in (FIRST, SECOND)]
    ledger.take([active()], OLD - DAY)
    ledger.take([active(), *others], NOW - 60)
    for now in (NOW, NOW + 60):
        ledger.take([ended(OLD), *others], now)
        assert sum(ledger.finished_total.values()) == 3
    for now in (NOW + 120, NOW + 180):
        ledger.take([ended(NOW)._replace(id="last"), *others], now)
        assert sum(ledger.finished_total.values()) == 4


@pytest.mark.parametrize(("newest", "counted"), [(NOW - 600, 2), (None, 1)])
def test_a_clock_that_is_ahead_for_a_poll_does_not_forget_what_ended(ledger, newest, counted):
    """By the newest creation, it is ahead; where AWS tells no creation, an end that shows up late is taken as known."""
    runs = active()._replace(id="runs", created=newest)
    a = ended(SECOND)._replace(created=newest and OLD)
    for listing, now in [([a._replace(ended=None, state=State.RUNNING)], NOW - 3 * HOUR), ([a], NOW - 900)]:
        ledger.take([runs, *listing], now)
    for now in (NOW - 800, NOW - 700, NOW + 30 * DAY):
        ledger.take([runs], now)
    ledger.take([runs, ended(FIRST)._replace(id="b", created=newest and OLD)], NOW)
    assert sum(ledger.finished_total.values()) == counted


def kept(days, since):
    """Return that AWS lists an ended job for so many days."""
    return Retention(period=f"{days}d", since=since, source="https://docs.aws.amazon.com/")


@pytest.mark.parametrize(
    ("job", "retention", "is_held"),
    [
        (ended(), None, False),
        (ended(), kept(9, "created"), True),
        (ended(), kept(10, "created"), False),
        (ended(NOW - 2 * DAY), kept(2, "ended"), True),
        (ended(NOW - 2 * DAY), kept(3, "ended"), False),
        # AWS may have removed it a few minutes before our clock says so.
        (ended(NOW - 2 * DAY + 600), kept(2, "ended"), True),
        # Whenever it was updated, it may have ended before.
        (updated(NOW - DAY), kept(2, "ended"), True),
        (updated(NOW - DAY)._replace(created=None), kept(2, "ended"), False),
        (updated(NOW - 2 * DAY)._replace(created=None), kept(2, "ended"), True),
        (active(), kept(2, "created"), False),
    ],
)
def test_what_aws_has_forgotten_was_not_deleted(ledger, job, retention, is_held):
    """A list need not have a job that ended so long ago; any other that two lists lack is gone."""
    ledger.take([job], NOW - 120, retention=retention)
    for _ in range(3):
        ledger.take([], NOW, retention=retention)
    assert len(ledger) == is_held
    assert ledger.missed == 0


def test_a_job_that_one_list_lacked_before_aws_forgot_it_stays(ledger):
    """Nobody can tell any more whether it was deleted; it must not be looked for at each poll either."""
    retention = kept(2, "ended")
    ledger.take([ended(NOW - 3600)], NOW, retention=retention)
    ledger.take([], NOW + DAY, retention=retention)
    assert (ledger.held, ledger.missed) == (1, 1)
    ledger.take([], NOW + 3 * DAY, retention=retention)
    assert (ledger.held, ledger.missed) == (1, 0)
    ledger.take([], NOW + 7 * DAY, retention=retention)
    assert len(ledger) == 0
