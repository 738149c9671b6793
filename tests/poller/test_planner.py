"""The law of incremental reading: it produces the same ledger as reading everything at every poll."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws.last_page import last_page
from exporter.catalog.kind import ListOrder
from exporter.jobs import ALL, Job, Query, State
from exporter.poller.planner import MARGIN, Plan, full, incremental, missing
from exporter.store import EVERYTHING, SKEW, Listing
from tests.support.effort import bounded
from tests.support.harness import BEDROCK, CATALOG
from tests.support.ledgers import LedgerOfATest as Ledger
from tests.support.ledgers import waited

HOUR, DAY = 3600.0, 86_400.0
LOOKBACK = 2 * DAY
START = 100 * DAY
PAGE = 3
"""So small that a few finished jobs are many pages."""

BOTH = BEDROCK
BY_CREATION = BEDROCK.model_copy(update={"filters": BEDROCK.filters.model_copy(update={"status": None})})
BY_NOTHING = BEDROCK.model_copy(update={"filters": type(BEDROCK.filters)(), "order": None})
COMBINED = BEDROCK.model_copy(update={"filters": BEDROCK.filters.model_copy(update={"combined": True})})
NEWEST_FIRST = {
    name: BY_NOTHING.model_copy(update={"order": ListOrder(newest_first=name, source="https://docs.aws.amazon.com")})
    for name in ("created", "ended")
}
ORDERED, CHANGES = NEWEST_FIRST.values()
BY_STATUS = BEDROCK.filters.model_copy(update={"created_after": None})
ORDERED_AND_STATUS, CHANGES_AND_STATUS = (kind.model_copy(update={"filters": BY_STATUS}) for kind in (ORDERED, CHANGES))
RESTARTING_IN_ORDER, REDRIVEN = (kind.model_copy(update={"restarts": True}) for kind in (ORDERED, CHANGES_AND_STATUS))
RESTARTING = BEDROCK.model_copy(update={"restarts": True})
RESTARTING_BY_CREATION = BY_CREATION.model_copy(update={"restarts": True})


LIVE = [status for status, state in BEDROCK.state_of.items() if state.is_active]


@dataclass(frozen=True)
class History:
    """A job as AWS knows it: when it was created, and when its status changed."""

    number: int
    created: float
    starts: float
    ends: float
    final: str
    reports_end: bool
    again: tuple[float, float] | None = None
    """When it ran once more under the same id, and when that ended."""

    def job(self, now):
        """Return the job as AWS lists it at a time."""
        starts, ends = self.again if self.again and now >= self.again[0] else (self.starts, self.ends)
        status = "Submitted" if now < starts else "InProgress" if now < ends else self.final
        moved = max((t for t in (self.created, starts, ends) if t <= now), default=self.created)
        ended = ends if now >= ends and self.reports_end else None
        return Job(
            id=f"job/{self.number}",
            status=status,
            state=BEDROCK.state_of[status],
            created=self.created,
            updated=moved,
            ended=ended,
            message="Rate exceeded" if status == "Failed" else "",
        )


def histories(oldest, reports_end, restarts):
    """Return histories around the polls: equal times, short jobs, and some very long ones; jobs that run twice."""
    when = st.one_of(st.integers(-oldest, 40).map(lambda n: n * 1800.0), st.sampled_from([0.0, 60.0, 600.0]))
    run = st.one_of(st.integers(0, 20).map(lambda n: n * 300.0), st.sampled_from([0.0, 5 * DAY, 50 * DAY]))
    again = st.tuples(st.integers(1, 40).map(lambda n: n * HOUR), run) if restarts else st.none()
    drafts = st.tuples(when, run, run, st.sampled_from(["Completed", "Failed", "Stopped", "Expired"]), again)

    def made(drawn):
        every = [
            history(number, START + at, wait, work, final, again)
            for number, (at, wait, work, final, again) in enumerate(drawn)
        ]
        # A first listing misses a job that outlasted its kind's longest usual run and ended before the first poll.
        return [job for job in every if job.ends > START or job.created > START - LOOKBACK - BEDROCK.longest_run]

    def history(number, created, wait, work, final, again):
        starts, ends = created + wait, created + wait + work
        # What runs again later than a lookback after its creation is found by the next reading in full.
        second = (ends + again[0], ends + sum(again)) if again and ends + again[0] <= created + LOOKBACK else None
        return History(number, created, starts, ends, final, reports_end, second)

    return st.lists(drafts, max_size=12).map(made)


def listed(kind, world, query, now):
    """Return the jobs of AWS's response, as far as the exporter reads it."""
    jobs = [history.job(now) for history in world if history.created <= now]
    jobs = [job for job in jobs if query.status in (None, job.status)]
    if query.created_after is not None and kind.filters.created_after:
        return [job for job in jobs if job.created > query.created_after]
    if kind.order is None:
        return jobs
    is_last, found = last_page(kind, query), []
    jobs.sort(key=lambda job: job.updated if kind.has_changes_first else job.created, reverse=True)
    for start in range(0, len(jobs), PAGE):
        found += jobs[start : start + PAGE]
        if is_last(jobs[start : start + PAGE]):
            break
    return found


def read(kind, ledger, world, now, plan, skew=0.0):
    """Update a ledger as a source does; its clock differs from AWS's by `skew` seconds."""

    async def take():
        async with Listing.of(ledger.ledger) as listing:
            await listing.add([job for query in plan.queries for job in listed(kind, world, query, now)], now + skew)
            complete_from = plan.complete_from
            is_open = complete_from is None and not plan.shows_ends
            if is_open and (lost := await listing.lost()) is not None:
                rest = missing(lost)
                await listing.add(
                    [job for query in rest.queries for job in listed(kind, world, query, now)], now + skew
                )
                complete_from = rest.complete_from
            await listing.take_in(now + skew, complete_from, is_full=True)

    waited(take())


def ledger():
    """Return an empty ledger."""
    return Ledger(LOOKBACK, classify=lambda job: job.message or "unspecified", bounds=(60.0, 3600.0))


def known(ledger, now):
    """Return everything that the metrics are made from."""
    return (
        sorted((record.job.id, record.job.status, record.finished) for record in ledger.newest(10**9)),
        {
            dimensions: (
                *(+tally.statuses, +tally.reasons, tally.oldest_active, tally.next_deadline),
                # Of two jobs that ended at the same moment, either is the last one, with its own run time.
                {state: end for state, (end, _) in tally.last.items()},
                {state: times.quantiles for state, times in tally.durations.items() if times.quantiles},
                tally.waits.quantiles,
            )
            for dimensions, tally in ledger.tallies.items()
        },
        ledger.finished_total,
        ledger.failed_total,
    )


def follow(kind, world, steps, skew):
    """Compare a ledger that reads everything with one that reads only what can have changed, after each poll."""
    complete, frugal = ledger(), ledger()
    now = START
    for step in steps:
        complete.take(listed(kind, world, ALL, now), now + skew)
        plan = waited(incremental(kind, frugal, PAGE)) or full(kind, frugal, now + skew, LOOKBACK)
        read(kind, frugal, world, now, plan, skew)
        assert known(frugal, now + skew) == known(complete, now + skew)
        now += step


STEPS = st.lists(st.sampled_from([30.0, 60.0, 300.0, 7200.0, DAY]), min_size=1, max_size=12)
CLOCKS = st.sampled_from([0.0, 120.0, -120.0, SKEW, -SKEW])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "oldest"),
    [
        (BOTH, 3000),
        (COMBINED, 3000),
        (BY_CREATION, 90),
        (BY_NOTHING, 3000),
        (RESTARTING, 3000),
        (RESTARTING_BY_CREATION, 90),
        (ORDERED, 3000),
        (ORDERED_AND_STATUS, 3000),
        (RESTARTING_IN_ORDER, 3000),
        (CHANGES, 3000),
        (CHANGES_AND_STATUS, 3000),
        (REDRIVEN, 3000),
    ],
    ids=[
        *("both", "combined", "creation", "nothing", "restarting", "restarting, creation"),
        *("order", "order and status", "restarting, order", "changes", "changes and status", "redriven"),
    ],
)
@pytest.mark.parametrize("reports_end", [True, False], ids=["end known", "end unknown"])
@bounded(50)
@given(data=st.data())
def test_incremental_reading_ends_in_the_same_ledger(kind, oldest, reports_end, data):
    """After every poll both agree, whatever was created, changed or finished since, and however long jobs run."""
    world = data.draw(
        histories(oldest, reports_end, kind.restarts or kind in (BY_NOTHING, CHANGES, CHANGES_AND_STATUS))
    )
    follow(kind, world, data.draw(STEPS), data.draw(CLOCKS))


def finished(count, *, since=6 * DAY):
    """Return histories of finished jobs only, spread over days."""
    return [
        History(number, START - since + number, START - since + number, START - HOUR, "Completed", reports_end=True)
        for number in range(count)
    ]


def polled(kind, world, now=START):
    """Return a ledger that has read a world once."""
    made = ledger()
    read(kind, made, world, now, full(kind, made, now, LOOKBACK))
    return made


def test_a_first_reading_finds_jobs_that_have_been_active_for_very_long():
    """They are found by their status, because they were created long before the lookback."""
    old = History(1, START - 90 * DAY, START - 90 * DAY, START + DAY, "Completed", reports_end=True)
    assert [record.job.id for record in polled(BOTH, [old]).newest(10**9)] == ["job/1"]


def test_a_full_reading_starts_with_the_lookback_and_the_longest_usual_run():
    """At first the active jobs are also listed by status; later the ledger knows how far back they go."""
    start = START - LOOKBACK - BEDROCK.longest_run - MARGIN
    first, later = (full(BOTH, made, START, LOOKBACK) for made in (ledger(), polled(BOTH, [])))
    # One criterion in each request: most operations accept no more.
    assert first.queries == [*(Query(status=status) for status in LIVE), Query(created_after=start)]
    assert later == Plan([Query(created_after=start)], start)


def test_lists_by_status_are_bounded_where_one_request_takes_both():
    """Some services go through all jobs that there ever were for them: a first listing looks back three months more."""
    first = full(COMBINED, ledger(), START, LOOKBACK)
    start = START - LOOKBACK - BEDROCK.longest_run - MARGIN
    assert first == Plan([*(Query(start - 90 * DAY, status) for status in LIVE), Query(created_after=start)], start)
    active = History(9999, START - 10 * DAY, START - 10 * DAY, START + DAY, "Completed", reports_end=True)
    made = polled(COMBINED, [*finished(1000), active])
    plan = waited(incremental(COMBINED, made, page_size=10))
    bound = active.created - MARGIN
    newest = Query(created_after=made.newest_created - MARGIN)
    assert plan == Plan([*(Query(bound, status) for status in LIVE), newest], None)


def test_a_job_without_a_creation_is_looked_for_by_its_status_alone():
    """A bound might leave it out."""
    made = polled(COMBINED, [])
    made.take([UNDATED], START, None)
    assert Query(None, "InProgress") in full(COMBINED, made, START, LOOKBACK).queries


def test_where_jobs_run_without_end_a_first_reading_goes_back_a_day_and_lists_the_active_ones():
    """A stream may have been started years ago; to list all of them would mean to list everything."""
    streams = CATALOG["emr-serverless"].kinds["job_run"]
    plan = full(streams, ledger(), START, LOOKBACK)
    active = [status for status, state in streams.state_of.items() if state.is_active]
    assert [query.status for query in plan.queries] == [*active, None]
    assert plan.queries[-1] == Query(created_after=START - LOOKBACK - DAY - MARGIN)


@pytest.mark.parametrize(("age", "is_older"), [(90 * DAY, True), (HOUR, False)])
def test_a_full_reading_starts_with_the_oldest_active_job_if_that_is_older(age, is_older):
    """Otherwise its end would be missed."""
    active = History(1, START - age, START - age, START + DAY, "Completed", reports_end=True)
    start = (START - age if is_older else START - LOOKBACK - BEDROCK.longest_run) - MARGIN
    assert full(BOTH, polled(BOTH, [active]), START, LOOKBACK) == Plan([Query(created_after=start)], start)


def test_a_full_reading_after_a_long_gap_starts_with_the_last_one():
    """What came and went while the exporter was stopped is counted, even where the gap is longer than the lookback."""
    made, now = polled(BOTH, []), START + 90 * DAY
    start = START - SKEW - MARGIN
    assert full(BOTH, made, now, LOOKBACK) == Plan([Query(created_after=start)], start)


def test_nothing_can_be_continued_before_the_first_reading():
    """Everything has to be read, as for a kind without a filter by creation time, and as by other rules."""
    assert waited(incremental(BOTH, ledger(), PAGE)) is None
    by_other_rules = Ledger(2 * LOOKBACK, classify=str, before=polled(BOTH, []))
    assert waited(incremental(BOTH, by_other_rules.ledger, PAGE)) is None


@pytest.mark.parametrize(("number", "page_size", "is_apart"), [(17, 3, False), (18, 3, True), (59, 10, False)])
def test_active_jobs_are_listed_separately_where_that_takes_fewer_requests(number, page_size, is_apart):
    """Six requests versus the pages from the oldest active job on; at the same cost, one listing reads everything."""
    active = History(9999, START - 10 * DAY, START - 10 * DAY, START + DAY, "Completed", reports_end=True)
    plan = planned(polled(BOTH, [*finished(number - 1), active]), page_size)
    assert (len(plan.queries) > 1) == is_apart
    assert (plan.complete_from is None) == is_apart


def planned(made, page_size):
    """Return the plan of the next poll."""
    plan = waited(incremental(BOTH, made, page_size))
    assert plan is not None
    return plan


def test_a_quiet_poll_is_one_listing_of_what_is_new():
    """The number of jobs that finished earlier makes no difference."""
    made = polled(BOTH, finished(1000))
    plan = planned(made, page_size=1000)
    assert plan == Plan([Query(created_after=made.newest_created - MARGIN)], made.newest_created - MARGIN)


def test_recently_created_active_jobs_are_found_together_with_the_new_ones():
    """One listing starts at the oldest of them."""
    active = History(9999, START - HOUR, START - HOUR, START + DAY, "Completed", reports_end=True)
    plan = planned(polled(BOTH, [*finished(1000), active]), page_size=1000)
    assert plan == Plan([Query(created_after=START - HOUR - MARGIN)], START - HOUR - MARGIN)


@pytest.mark.parametrize(("ahead", "start"), [(-3 * HOUR, START - 3 * HOUR), (HOUR, START)])
def test_an_incremental_reading_starts_with_an_active_job_that_is_older_than_the_newest(ahead, start):
    """It skips a job created in the future: starting there would miss one that is created now."""
    made = polled(BOTH, [])
    active = Job(id="job/active", status="InProgress", state=State.RUNNING, created=START + ahead)
    new = Job(id="job/new", status="Completed", state=State.SUCCEEDED, created=START, ended=START)
    made.take([active, new], START, None)
    assert planned(made, page_size=1000) == Plan([Query(created_after=start - MARGIN)], start - MARGIN)


def test_of_a_kind_that_restarts_the_lookback_is_listed_at_each_poll():
    """What ended within it may run again, and its creation does not tell."""
    plan = waited(incremental(RESTARTING, polled(RESTARTING, finished(10, since=DAY)), page_size=1000))
    start = START - LOOKBACK - SKEW - MARGIN
    assert plan == Plan([Query(created_after=start)], start)


def test_an_old_active_job_is_found_by_its_status_where_that_is_cheaper():
    """Days of finished jobs are not listed for it."""
    active = History(9999, START - 10 * DAY, START - 10 * DAY, START + DAY, "Completed", reports_end=True)
    made = polled(BOTH, [*finished(1000), active])
    plan = planned(made, page_size=10)
    assert {query.status for query in plan.queries} == {
        "Submitted",
        "Validating",
        "Scheduled",
        "InProgress",
        "Stopping",
        None,
    }
    assert plan.complete_from is None
    assert len(planned(made, page_size=1000).queries) == 1


def lost(made, listed):
    """Return when the oldest of the active jobs that are not among the listed ones was created."""

    async def search():
        async with Listing.of(made.ledger) as listing:
            await listing.add([each if isinstance(each, Job) else each.job(START) for each in listed], START)
            return await listing.lost()

    return waited(search())


def test_a_job_missing_from_the_active_ones_is_searched_for():
    """It either finished or was deleted."""
    active = History(1, START - 10 * DAY, START - 10 * DAY, START + DAY, "Completed", reports_end=True)
    made = polled(BOTH, [active])
    assert lost(made, [active]) is None
    assert missing(lost(made, [])) == Plan([Query(created_after=active.created - MARGIN)], active.created - MARGIN)


def test_the_search_for_missing_jobs_starts_at_the_oldest_one():
    """One listing finds them all."""
    lost_jobs = [
        Job(id=f"job/{n}", status="InProgress", state=State.RUNNING, created=START - n * HOUR) for n in range(4)
    ]
    made = polled(BOTH, [])
    made.take(lost_jobs, START, None)
    start = START - 2 * HOUR - MARGIN
    assert missing(lost(made, [lost_jobs[0], lost_jobs[3]])) == Plan([Query(created_after=start)], start)


def test_without_a_filter_by_status_there_is_one_listing_of_any_length():
    """Without it there is no other way to find the active jobs."""
    active = History(9999, START - 10 * DAY, START - 10 * DAY, START + DAY, "Completed", reports_end=True)
    plan = waited(incremental(BY_CREATION, polled(BY_CREATION, [*finished(1000), active]), page_size=10))
    start = START - LOOKBACK - BEDROCK.longest_run - MARGIN
    assert plan is not None
    assert [query.status for query in plan.queries] == [None]
    assert plan.complete_from is not None
    assert full(BY_CREATION, ledger(), START, LOOKBACK) == Plan([Query(created_after=start)], start)


def test_a_kind_whose_creation_times_are_unknown_is_read_in_full():
    """A filter by creation exists, but nobody knows which time to start from."""
    kind = BEDROCK.model_copy(update={"times": BEDROCK.times.model_copy(update={"created": None})})
    assert waited(incremental(kind, polled(BOTH, []), PAGE)) is None
    assert full(kind, ledger(), START, LOOKBACK) == Plan([ALL], EVERYTHING)


def test_a_kind_without_a_filter_by_creation_is_read_in_full():
    """There is no other request that would find its jobs."""
    assert waited(incremental(BY_NOTHING, polled(BY_NOTHING, []), PAGE)) is None
    assert full(BY_NOTHING, ledger(), START, LOOKBACK) == Plan([ALL], EVERYTHING)


def test_a_resync_forgets_what_was_deleted():
    """Incremental reading may never notice the deletion."""
    world = finished(5, since=DAY)
    made = polled(BOTH, world)
    read(BOTH, made, world[1:], START + 60, planned(made, PAGE))
    for later in (3600, 3660):
        read(BOTH, made, world[1:], START + later, full(BOTH, made, START + later, LOOKBACK))
    assert len(made.newest(10**9)) == 4


def test_an_active_job_that_was_deleted_is_forgotten_after_two_polls():
    """Two listings that would have shown it did not include it."""
    active = History(1, START - HOUR, START - HOUR, START + DAY, "Completed", reports_end=True)
    made = polled(BOTH, [active])
    read(BOTH, made, [], START + 60, planned(made, PAGE))
    assert [record.job.id for record in made.newest(10**9)] == ["job/1"]
    read(BOTH, made, [], START + 120, planned(made, PAGE))
    assert made.newest(10**9) == []


UNDATED = Job(id="job/undated", status="InProgress", state=State.RUNNING)
"""A job whose creation time, if AWS gave one, could not be read."""


def test_everything_is_read_while_the_creation_of_an_active_job_is_unknown():
    """A listing by creation time might not include it."""
    made = polled(BOTH, [])
    made.take([UNDATED], START, None)
    assert waited(incremental(BOTH, made, PAGE)) is None
    assert Query(status="InProgress") in full(BOTH, made, START, LOOKBACK).queries
    made.take([UNDATED._replace(status="Completed", state=State.SUCCEEDED, ended=START)], START, None)
    assert waited(incremental(BOTH, made, PAGE)) is not None


def test_an_active_job_without_a_creation_time_is_dropped_once_two_listings_lack_it():
    """It does not disappear before that."""
    made = polled(BOTH, [])
    made.take([UNDATED], START, START - DAY)
    made.take([UNDATED], START + 60, full(BOTH, made, START + 60, LOOKBACK).complete_from)
    assert made.active == 1
    for minute in (2, 3):
        made.take([], START + minute * 60, full(BOTH, made, START + minute * 60, LOOKBACK).complete_from)
    assert made.active == 0
