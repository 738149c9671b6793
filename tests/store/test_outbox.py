"""Which transitions of jobs are noted for the event log, and when."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import Job, State
from exporter.store import Outbox
from exporter.store.upkeep import forget as forget_source
from tests.support.effort import bounded
from tests.support.ledgers import LedgerOfATest, waited

HOUR, DAY, NOW = 3600.0, 86_400.0, 1_790_000_000.0


@pytest.fixture
def ledger():
    """Return the ledger of a source whose first listing had no jobs."""
    return begun()


def begun(*first):
    """Return a ledger that was first listed an hour ago, with these jobs."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message or "unspecified")
    ledger.database.keeps_events = True
    ledger.take(first, NOW - HOUR)
    return ledger


def job(state, name="a", created=NOW - 600, started=None, **fields):
    """Return a job that AWS lists."""
    return Job(f"arn/{name}", state.value.upper(), state, created=created, started=started, **fields)


PENDING = job(State.PENDING)
RUNNING = job(State.RUNNING, started=NOW - 300)
FAILED = job(State.FAILED, started=NOW - 300, ended=NOW - 60, message="cause")
SUCCEEDED = FAILED._replace(status="SUCCEEDED", state=State.SUCCEEDED, message="")
TO_BE_ASKED = FAILED._replace(message="", details={"id": "a"})


def told(ledger):
    """Return what is to be written, which then counts as written."""

    async def taken():
        outbox = Outbox(ledger.database)
        _, transitions = await outbox.take(1000)
        if transitions:
            await outbox.done(transitions[-1].number)
        return transitions

    return waited(taken())


def events(ledger):
    """Return the events that are to be written."""
    return [each.event for each in told(ledger)]


@pytest.mark.parametrize(
    ("listings", "expected"),
    [
        ([PENDING], ["created"]),
        ([RUNNING], ["created", "started"]),
        ([SUCCEEDED], ["created", "started", "succeeded"]),
        ([SUCCEEDED._replace(started=None)], ["created", "succeeded"]),
        ([PENDING, PENDING, RUNNING, RUNNING, FAILED, FAILED], ["created", "started", "failed"]),
        ([PENDING, FAILED], ["created", "started", "failed"]),
        ([PENDING, FAILED._replace(started=None)], ["created", "failed"]),
        ([RUNNING, RUNNING._replace(status="STOPPING", state=State.STOPPING), RUNNING], ["created", "started"]),
        (
            [PENDING, PENDING._replace(status="STOPPING", state=State.STOPPING), job(State.STOPPED)],
            ["created", "stopped"],
        ),
        ([PENDING, job(State.EXPIRED)], ["created", "expired"]),
        ([RUNNING, job(State.PARTIAL)], ["created", "started", "partial"]),
        ([RUNNING, RUNNING._replace(name="renamed")], ["created", "started"]),
        # It runs again, and ends later.
        (
            [FAILED, RUNNING._replace(started=NOW - 30), SUCCEEDED._replace(started=NOW - 30, ended=NOW - 10)],
            ["created", "started", "failed", "started", "succeeded"],
        ),
        ([FAILED, FAILED._replace(ended=NOW - 10)], ["created", "started", "failed", "failed"]),
        # A status of which nobody knows what it means.
        ([job(State.UNKNOWN)], ["created"]),
        # The record of what it did is deleted, or another status is found for the same end.
        ([SUCCEEDED, SUCCEEDED._replace(status="DELETING", state=State.DELETING)], ["created", "started", "succeeded"]),
        ([FAILED, FAILED._replace(status="STOPPED", state=State.STOPPED)], ["created", "started", "failed"]),
    ],
)
def test_a_job_is_created_starts_and_ends(ledger, listings, expected):
    """Each is told once, however often it is listed."""
    for number, listed in enumerate(listings):
        ledger.take([listed], NOW + number)
    assert events(ledger) == expected
    assert events(ledger) == []


@pytest.mark.parametrize("before", [PENDING, RUNNING, SUCCEEDED])
def test_the_first_listing_tells_nothing(before):
    """What was there before is no event; what becomes of it is."""
    ledger = begun(before)
    assert events(ledger) == []
    ledger.take([FAILED._replace(started=None)], NOW)
    assert events(ledger) == ([] if before is SUCCEEDED else ["failed"])


def test_an_old_job_that_shows_up_late_is_no_event(ledger):
    """A scope that was found, or a permission that was given, may bring thousands."""
    old = NOW - 2 * HOUR
    ledger.take([job(State.RUNNING, created=old, started=old), job(State.FAILED, "b", created=old, ended=old)], NOW)
    assert events(ledger) == []
    ledger.take([FAILED._replace(created=old)], NOW)
    assert events(ledger) == ["failed"]


@pytest.mark.parametrize("created", [NOW - 2 * HOUR, NOW - 600], ids=["before the first listing", "since"])
def test_a_job_that_left_the_lookback_is_known(created):
    """If it runs again, it starts; it is not created once more."""
    began = job(State.RUNNING, created=created, started=created)
    ledger = begun(*([began] if created < NOW - HOUR else []))
    ended = began._replace(status="SUCCEEDED", state=State.SUCCEEDED, updated=NOW)
    ledger.take([began], NOW - 60)
    ledger.take([ended], NOW)
    told(ledger)
    ledger.take([ended], NOW + 8 * DAY)
    assert (len(ledger), ledger.rows("past")) == (0, 1)
    ledger.take([began], NOW + 8 * DAY + 60)
    assert events(ledger) == ["started"]


def test_an_end_before_a_run_that_was_deleted_is_told(ledger):
    """With its own time, although the job was running when it was last seen."""
    ledger.take([TO_BE_ASKED], NOW)
    ledger.take([RUNNING], NOW + 60)
    for minute in (2, 3):
        ledger.take([], NOW + 60 * minute)
    (*_, failed) = told(ledger)
    assert (failed.event, failed.record.finished) == ("failed", NOW - 60)


def test_without_an_event_log_nothing_is_noted():
    """Nobody would ever take it away."""
    ledger = begun()
    ledger.database.keeps_events = False
    ledger.take([TO_BE_ASKED], NOW)
    assert (ledger.rows("event"), ledger.rows("awaited")) == (0, 0)


def test_a_transition_has_what_was_listed(ledger):
    """Its numbers rise by one."""
    ledger.take([FAILED._replace(name="nightly", code="E1", dimensions=("x",))], NOW)
    created, started, failed = told(ledger)
    assert [each.number for each in (created, started, failed)] == [1, 2, 3]
    assert failed.seen == NOW
    assert failed.source == ledger.key
    record = failed.record
    assert (record.finished, record.reason, record.is_dated) == (NOW - 60, "cause", True)
    assert record.job == FAILED._replace(name="nightly", code="E1", dimensions=("x",), details=None)


def test_an_end_waits_for_its_reason(ledger):
    """AWS is asked for it right after the list was taken in."""
    ledger.take([TO_BE_ASKED], NOW)
    assert events(ledger) == ["created", "started"]
    ledger.complete(TO_BE_ASKED._replace(message="because"), NOW + 5)
    (failed,) = told(ledger)
    assert (failed.event, failed.record.reason, failed.record.job.message) == ("failed", "because", "because")
    assert failed.seen == NOW
    assert ledger.failed_total == {((), "because"): 1}


def test_an_end_waits_for_its_times(ledger):
    """A list may tell neither when a job started nor when it ended."""
    listed = SUCCEEDED._replace(started=None, ended=None, updated=NOW - 50, details={"id": "a"})
    ledger.take([listed], NOW)
    assert events(ledger) == ["created"]
    ledger.complete(listed._replace(started=NOW - 300, ended=NOW - 60), NOW + 5)
    (ended,) = told(ledger)
    assert (ended.event, ended.record.job.started, ended.record.finished) == ("succeeded", NOW - 300, NOW - 60)
    assert ended.record.reason is None


def test_a_reason_that_aws_refuses_is_not_waited_for(ledger):
    """It may be given later on, and is no second end then."""
    ledger.take([TO_BE_ASKED], NOW)
    ledger.complete(TO_BE_ASKED, NOW, is_refused=True)
    (*_, failed) = told(ledger)
    assert (failed.event, failed.record.reason) == ("failed", "unspecified")
    ledger.ask_again()
    ledger.complete(TO_BE_ASKED._replace(message="because"), NOW)
    assert events(ledger) == []


@pytest.mark.parametrize(
    "listings",
    [
        [[], []],
        [[FAILED._replace(details={"id": "a"}, message="", ended=NOW + 100)]],
        [[TO_BE_ASKED._replace(status="STOPPED", state=State.STOPPED)]],
        [[TO_BE_ASKED._replace(status="ODD", state=State.UNKNOWN, updated=NOW - 9 * DAY)]],
    ],
    ids=["deleted", "ended again", "stopped after all", "in an unknown status"],
)
def test_an_end_that_cannot_be_explained_any_more_is_told(ledger, listings):
    """It is counted as unspecified at the same time."""
    ledger.take([TO_BE_ASKED], NOW)
    assert events(ledger) == ["created", "started"]
    for number, listed in enumerate(listings, 1):
        ledger.take(listed, NOW + 120 * number)
    failed, *_ = told(ledger)
    assert (failed.event, failed.record.reason, failed.record.finished) == ("failed", "unspecified", NOW - 60)
    assert ledger.failed_total == {((), "unspecified"): 1}


def test_an_end_that_leaves_the_lookback_unexplained_is_told(ledger):
    """It is the last moment to tell it."""
    ledger.take([TO_BE_ASKED], NOW)
    ledger.take([], NOW + 8 * DAY, complete_from=None)
    assert events(ledger) == ["created", "started", "failed"]
    assert ledger.rows("awaited") == 0


def test_a_reason_that_the_list_has_after_all_is_told(ledger):
    """In another status, it may say what it did not."""
    ledger.take([TO_BE_ASKED], NOW)
    ledger.take([FAILED._replace(status="FAILED_AT_LAST")], NOW + 60)
    (*_, failed) = told(ledger)
    assert (failed.event, failed.record.reason, failed.record.job.status) == ("failed", "cause", "FAILED_AT_LAST")
    assert ledger.failed_total == {((), "cause"): 1}


def test_a_source_that_is_forgotten_leaves_its_ends(ledger):
    """They are written even so."""
    ledger.take([TO_BE_ASKED], NOW)

    async def forget():
        async with ledger.database.exclusive():
            await forget_source(ledger.database, ledger.number)

    waited(forget())
    assert events(ledger) == ["created", "started", "failed"]


def test_what_is_noted_can_be_dropped(ledger):
    """The oldest first, and their numbers are not used again."""
    outbox = Outbox(ledger.database)
    ledger.take([job(State.PENDING, f"{number}") for number in range(10)], NOW)
    assert waited(outbox.size()) == 10
    assert (waited(outbox.trim(4)), waited(outbox.trim(4))) == (6, 0)
    assert [each.number for each in told(ledger)] == [7, 8, 9, 10]
    assert waited(outbox.size()) == 0
    ledger.take([TO_BE_ASKED], NOW + 1)
    waited(outbox.clear())
    assert (ledger.rows("event"), ledger.rows("awaited")) == (0, 0)
    ledger.take([job(State.PENDING, "b")], NOW + 2)
    assert [each.number for each in told(ledger)] == [13]


STATES = [State.PENDING, State.RUNNING, State.FAILED, State.SUCCEEDED, State.STOPPED]

lives = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(0, 4), st.sampled_from(STATES[2:]), st.booleans()),
    max_size=8,
)
"""Of jobs: when each is created, how long it waits, how long it runs, how it ends, and whether its list tells why."""


def listed(life, number, now):
    """Return how AWS lists a job at a time; None before it was created."""
    born, waits, runs, final, tells = life
    start, end = born + waits, born + waits + runs
    if now < born:
        return None
    times = {"created": at(born), "started": at(start) if now >= start else None}
    state = State.PENDING if now < start else State.RUNNING if now < end else final
    if state is not final:
        return job(state, f"{number}", **times)
    more = {} if tells or final is not State.FAILED else {"details": {"id": f"{number}"}}
    return job(final, f"{number}", ended=at(end), message="cause" if tells else "", **times, **more)


def at(hour):
    """Return a time."""
    return NOW + hour * HOUR


def truth(life, first, polls):
    """Return what is to be told of a job that was listed at these times."""
    born, waits, runs, final, _ = life
    start, end = born + waits, born + waits + runs
    seen = [time for time in polls if time > first]
    found = []
    for event, time in (("created", born), ("started", start), (final, end)):
        found += [event] if time > first and any(each >= time for each in seen) else []
    return found


@given(lives, st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=12))
@bounded(100)
def test_what_is_told_is_what_happened(lives, polls):
    """Of random jobs, by random polls: each transition once, and the ends as often as they are counted."""
    ledger = LedgerOfATest(7 * DAY, lambda job: job.message or "unspecified")
    ledger.database.keeps_events = True
    found, times = [], sorted({time for time, _ in polls})
    for time, explains in sorted(dict(polls).items()):
        jobs = [each for number, life in enumerate(lives) if (each := listed(life, number, time))]
        ledger.take(jobs, at(time))
        for each in ledger.waiting() if explains else ():
            ledger.complete(each._replace(message="asked"), at(time))
        found += told(ledger)
    for each in ledger.waiting():
        ledger.complete(each._replace(message="asked"), at(times[-1]))
    found += told(ledger)
    by_job = [[each.event for each in found if each.record.job.id == f"arn/{number}"] for number in range(len(lives))]
    assert by_job == [truth(life, times[0], times) for life in lives]
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    ends = Counter(each.event for each in found if each.event in STATES[2:])
    assert ends == Counter({state: count for (_, state), count in ledger.finished_total.items()})
    reasons = Counter(each.record.reason for each in found if each.event == State.FAILED)
    assert reasons == Counter({reason: count for (_, reason), count in ledger.failed_total.items()})
