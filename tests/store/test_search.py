"""Jobs are found by filters, in any order, page by page, each once; and counted."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import State
from exporter.store import JobFilter
from exporter.store.inventory import Places
from exporter.store.search import USUAL, Order
from tests.support.harness import CATALOG
from tests.support.inside import (
    BEDROCK,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    TRAINING,
    Polled,
    empty_database,
    job,
    listed,
    searching,
    status,
)

EVERYWHERE = Places()
ALL = JobFilter()


@pytest.fixture(autouse=True)
def database():
    """Begin each test without jobs."""
    empty_database()


def inventory(*sources):
    """Return an inventory that searches these sources."""
    return searching(lambda: sources)


async def names(found, job_filter=ALL, places=EVERYWHERE, order=USUAL):
    """Return the names of the jobs found, in order."""
    page = await found.jobs(places, job_filter, 1000, order=order)
    return [each.record.job.name for each in page.jobs]


async def every_page(found, job_filter, limit, order=USUAL, places=EVERYWHERE):
    """Return the jobs of all pages."""
    jobs, position = [], None
    while True:
        page = await found.jobs(places, job_filter, limit, position, order)
        assert len(page.jobs) <= limit
        jobs += page.jobs
        position = page.next
        if position is None:
            return jobs


async def test_active_jobs_come_first_then_the_last_to_finish():
    """The order does not depend on their sources."""
    running = [job("old", State.RUNNING, NOW - DAY), job("new", State.RUNNING, NOW - MINUTE)]
    done = [job("before", created=NOW - 3 * HOUR), job("just", created=NOW - HOUR)]
    between = [job("between", created=NOW - 2 * HOUR)]
    found = inventory(listed([*running, *done]), Polled(status()), listed(between, TRAINING))
    assert await names(found) == ["new", "old", "just", "between", "before"]


async def test_a_job_that_never_started_has_no_run_time_to_sort_by():
    """Its list tells when jobs start, and it was stopped while it waited; another list has no starts at all."""
    compilation = CATALOG["sagemaker"].kinds["compilation_job"]
    waited = [job("waited", State.STOPPED), job("ran", started=NOW - HOUR)]
    found = inventory(listed(waited, compilation), listed([job("shorter")._replace(ended=NOW - HOUR + 1)]))
    assert await names(found, order=Order("duration")) == ["shorter", "ran", "waited"]


async def test_jobs_whose_end_nobody_knows_come_last():
    """A list without times may be long, and nothing in it is news."""
    asked = {"id": "asked"}
    unknown = [job(f"old-{number}")._replace(created=None, ended=None, details=asked) for number in range(3)]
    found = inventory(listed([*unknown, job("known", created=NOW - DAY), job("active", State.RUNNING)]))
    assert (await names(found))[:2] == ["active", "known"]
    pages = await every_page(found, ALL, 2)
    assert sorted(each.record.job.name for each in pages) == ["active", "known", "old-0", "old-1", "old-2"]


STATES = [State.PENDING, State.RUNNING, State.UNKNOWN, State.SUCCEEDED, State.FAILED, State.STOPPED, State.DELETING]
SORTS = ["name", "status", "created", "started", "finished", "duration", "reason"]
TIMES = st.none() | st.integers(1, 150).map(lambda hours: NOW - hours * HOUR)
NAMES = st.sampled_from(["", "job", "Job-1", "job_1", "Ünï", "ünï*", "a/b"])


def made(fields):
    """Return a job; one that ended did so after it was created."""
    created, state = fields["created"], fields["state"]
    ended = None if created is None or not fields["has_end"] or not state.is_final else created + fields["length"]
    started = None if created is None else created + 1
    return job(
        fields["name"], state, NOW, code=fields["code"], status=fields["status"] or state.value, updated=created
    )._replace(
        id=fields["prefix"] + fields["id"],
        created=created,
        started=started if fields["has_start"] else None,
        ended=ended,
    )


JOBS: st.SearchStrategy[Any] = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([f"j{number}" for number in range(30)]),
            "prefix": st.sampled_from(["", "arn:aws:bedrock:job/", "Arn/x/"]),
            "name": NAMES,
            "state": st.sampled_from(STATES),
            "status": st.sampled_from(["", "Failed", "unknown", "Zzz"]),
            "code": st.sampled_from(["throttled", "timeout"]),
            "created": st.none() | st.integers(1, 6 * 24 * 4).map(lambda quarters: NOW - quarters * 15 * MINUTE),
            "length": st.sampled_from([0.0, 0.25, 60.0, 3600.0]),
            "has_end": st.booleans(),
            "has_start": st.booleans(),
        }
    ).map(made),
    max_size=30,
    unique_by=lambda each: each.id,
)
FILTERS = st.builds(
    JobFilter,
    states=st.frozensets(st.sampled_from(STATES), max_size=2),
    statuses=st.just(frozenset()) | st.just(frozenset({"Failed", "pending"})) | st.just(frozenset({"unknown"})),
    reasons=st.just(frozenset()) | st.just(frozenset({"timeout"})),
    text=st.sampled_from(["", "job", "b_1", "ünï", "ünï*", "j1", "arn", "job/j", "s:bedrock:job/j1", "x/", "a/b", "%"]),
    created_since=TIMES,
    created_until=TIMES,
    finished_since=TIMES,
    finished_until=TIMES,
)
ORDERS = st.just(USUAL) | st.builds(Order, st.sampled_from(SORTS), st.booleans())


def is_match(wanted, found):
    """Return whether a job matches a filter."""
    each, state = found.job, found.job.state
    label = "unknown" if state is State.UNKNOWN else each.status
    end = found.finished if found.is_dated else None

    def is_within(time, since, until):
        if since is None and until is None:
            return True
        return time is not None and (since is None or time >= since) and (until is None or time < until)

    return (
        (not wanted.states or state in wanted.states)
        and (not wanted.statuses or label in wanted.statuses)
        and (not wanted.reasons or (state is State.FAILED and found.reason in wanted.reasons))
        and (wanted.text in each.name.lower() or wanted.text in each.id.lower())
        and is_within(each.created, wanted.created_since, wanted.created_until)
        and is_within(end, wanted.finished_since, wanted.finished_until)
    )


def rank_and_value(sort, found):
    """Return what a job is ordered by."""
    each = found.job
    if not sort:
        rank = 0 if found.finished is None else 1 if found.is_dated else 2
        return rank, (each.created if found.finished is None else found.finished) or 0.0
    end = each.updated if each.ended is None else each.ended
    begin = each.created if each.started is None else each.started
    has_length = found.finished is not None and each.state is not State.DELETING and None not in (begin, end)
    value = {
        "name": each.name or None,
        "status": each.status,
        "created": each.created,
        "started": each.started,
        "finished": found.finished if found.is_dated else None,
        "duration": max(0.0, end - begin) if has_length else None,
        "reason": found.reason if each.state is State.FAILED else None,
    }[sort]
    return value is None, value


def is_in_order(order, before, after):
    """Return whether two jobs that follow each other may do so."""
    (rank, value), (later_rank, later_value) = (rank_and_value(order.sort, each.record) for each in (before, after))
    if rank != later_rank:
        return rank < later_rank
    if value == later_value:
        return True
    return value > later_value if order.is_descending or not order.sort else value < later_value


def all_records(*sources):
    """Return the records of all jobs, without a search."""
    return [found for source in sources for found in source.ledger.newest(1000, 1000)]


@pytest.mark.slow
@given(first=JOBS, second=JOBS, job_filter=FILTERS, order=ORDERS, limit=st.integers(1, 20))
async def test_all_pages_together_have_every_match(first, second, job_filter, order, limit):
    """Each job occurs once, in order; a total, where there is one, is correct."""
    empty_database()
    sources = [listed(first), listed(second, TRAINING)]
    listed([job("gone")])
    everything = inventory(*sources)
    matches = [found for found in all_records(*sources) if is_match(job_filter, found)]
    found = await every_page(everything, job_filter, limit, order)
    assert sorted(each.record for each in found) == sorted(matches)
    assert len({each.position for each in found}) == len(found)
    assert all(is_in_order(order, *pair) for pair in itertools.pairwise(found))
    total = (await everything.jobs(EVERYWHERE, job_filter, 1)).total
    is_summed = job_filter == JobFilter(job_filter.states, job_filter.statuses, job_filter.reasons)
    assert total == (len(matches) if is_summed else None)


@pytest.mark.slow
@given(jobs=JOBS, job_filter=FILTERS, order=ORDERS)
async def test_one_source_alone_is_searched_the_same_way(jobs, job_filter, order):
    """Few jobs are looked up by their source, many are read through; nobody can tell."""
    empty_database()
    wanted, other = listed(jobs), listed([job("other")], TRAINING)
    place = Places(kind=frozenset({BEDROCK.key}))
    alone = await every_page(inventory(wanted, other), job_filter, 7, order, place)
    among = await every_page(inventory(wanted), job_filter, 1000, order)
    assert [each.position for each in alone] == [each.position for each in among]
    totals = [(await inventory(wanted, *more).jobs(place, job_filter, 1)).total for more in ((), (other,))]
    assert totals[0] == totals[1]


@pytest.mark.parametrize("sort", ["", *SORTS])
@pytest.mark.parametrize("is_descending", [False, True])
async def test_jobs_that_come_and_go_move_no_others(sort, is_descending):
    """A cursor is a position among all jobs, not a row number: what was there all the time is shown once."""

    def some(numbers):
        return [
            job(
                f"job-{number:02}",
                STATES[number % len(STATES)],
                NOW - number * HOUR,
                started=NOW - number * HOUR + number,
                code=f"code-{number % 5}",
                updated=NOW - number,
            )
            for number in numbers
        ]

    order = Order(sort, is_descending)
    source: Any = listed(some(range(1, 40, 2)))
    found, shown, position, place = inventory(source), [], None, 0
    while place == 0 or position:
        page = await found.jobs(EVERYWHERE, ALL, 3, position, order)
        shown += [each.record.job.name for each in page.jobs]
        position, place = page.next, place + 1
        # One more comes each time, and another goes: two lists lack it.
        kept = some([*range(1 + 2 * min(place, 2), 40, 2), 2 * place])
        for _ in range(2):
            source.ledger.take(kept, NOW)
    assert len(shown) == len(set(shown))
    stayed = {f"job-{number:02}" for number in range(5, 40, 2)}
    assert stayed <= set(shown)


@pytest.mark.parametrize(
    "job_filter", [ALL, JobFilter(states=frozenset({State.FAILED})), JobFilter(reasons=frozenset({"timeout"}))]
)
async def test_a_total_is_reported_where_the_sums_have_it(job_filter):
    """Counting a million jobs one by one would take long."""
    jobs = [job(str(number), State.FAILED, code="timeout") for number in range(3)]
    page = await inventory(listed(jobs), listed(jobs, TRAINING)).jobs(EVERYWHERE, job_filter, 1)
    assert (len(page.jobs), page.total) == (1, 6)


async def test_a_search_by_name_has_no_total():
    """The reader then only sees that there are more."""
    page = await inventory(listed([job("a1"), job("a2")])).jobs(EVERYWHERE, JobFilter(text="a"), 1)
    assert (page.total, page.next is None) == (None, False)


@pytest.mark.parametrize("other", [{"states": frozenset({State.STOPPED})}, {"statuses": frozenset({"Stopped"})}])
async def test_a_reason_in_another_state_has_a_total(other):
    """No job has both, and the sums tell as much."""
    timeouts = JobFilter(reasons=frozenset({"timeout"}), **other)
    page = await inventory(listed([job("a", State.FAILED, code="timeout")])).jobs(EVERYWHERE, timeouts, 1)
    assert (page.jobs, page.total) == ([], 0)


async def test_a_job_that_is_being_deleted_is_not_found_by_a_reason():
    """Only a failed job is, as in the metrics."""
    failed = [job("a", State.FAILED, code="timeout"), job("b", State.FAILED, code="timeout")]
    source: Any = listed(failed)
    source.ledger.take([failed[0]._replace(status="Deleting", state=State.DELETING), failed[1]], NOW)
    assert await names(inventory(source), JobFilter(reasons=frozenset({"timeout"}))) == ["b"]


async def test_jobs_of_a_source_that_is_gone_are_not_found():
    """They are still in the database for a while."""
    kept = listed([job("kept", State.FAILED)])
    listed([job("gone", State.FAILED), job("overdue", State.RUNNING, NOW - 30 * DAY)])
    found = inventory(kept)
    page = await found.jobs(EVERYWHERE, ALL, 1)
    assert ([each.record.job.name for each in page.jobs], page.next, page.total) == (["kept"], None, 1)
    assert await found.states() == {"bedrock": {State.FAILED: 1}}
    assert sum(count for _, count in await found.failures(24)) == 1
    assert await names(found, JobFilter(longer_than_usual_at=NOW)) == []
    assert (await inventory().jobs(EVERYWHERE, ALL, 1)).total == 0


async def test_a_source_that_comes_while_a_list_is_shown_is_searched_next_time():
    """Sources are known by number, which a new one gets with its first poll."""
    sources = [listed([job("first")])]
    found = searching(lambda: sources)
    assert await names(found) == ["first"]
    sources.append(listed([job("second", created=NOW - MINUTE)], TRAINING))
    assert await names(found) == ["second", "first"]
    sources.pop(0)
    assert await names(found) == ["second"]


async def test_a_name_is_found_in_any_case_and_in_the_id():
    """People paste whatever they have at hand."""
    found = inventory(listed([job("Nightly-Scoring"), job("Ünïcode")]))
    assert await names(found, JobFilter(text="nightly-s")) == ["Nightly-Scoring"]
    assert await names(found, JobFilter(text="ünï")) == ["Ünïcode"]
    assert await names(found, JobFilter(text="model-invocation-job/nightly")) == ["Nightly-Scoring"]
    assert len(await names(found, JobFilter(text="arn:aws:bedrock"))) == 2


@pytest.mark.parametrize("time", ["created", "finished"])
async def test_a_span_includes_its_start_but_not_its_end(time):
    """Two adjacent spans therefore have no job in common; to the millisecond, as the API has times."""
    found = inventory(listed([job("a", created=NOW - 0.877, ended=NOW - 0.877)]))
    spans = [(NOW - 0.878, NOW - 0.877), (NOW - 0.877, NOW - 0.876), (NOW - 0.876, NOW)]
    filters: list[Any] = [{f"{time}_since": since, f"{time}_until": until} for since, until in spans]
    assert [await names(found, JobFilter(**each)) for each in filters] == [[], ["a"], []]


async def test_a_name_that_is_not_part_of_the_id_is_found():
    """Many ids are just numbers."""
    found = inventory(listed([job("Nightly")._replace(id="0815")]))
    assert await names(found, JobFilter(text="night")) == ["Nightly"]
    assert await names(found, JobFilter(text="081")) == ["Nightly"]


async def test_a_job_whose_end_is_unknown_is_not_found_by_an_end_time():
    """The time at which it was first seen finished says nothing."""
    found = inventory(listed([job("a", State.FAILED)._replace(created=None, ended=None, details={"id": "a"})]))
    assert await names(found) == ["a"]
    assert await names(found, JobFilter(finished_since=NOW - DAY)) == []


async def test_a_status_that_the_catalog_does_not_know_is_found_by_its_label():
    """A dashboard links with the label's value."""
    found = inventory(listed([job("odd", State.UNKNOWN, status="Levitating")]))
    assert await names(found, JobFilter(statuses=frozenset({"unknown"}))) == ["odd"]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (Places(aws_service=frozenset({"sagemaker"})), ["training"]),
        (Places(kind=frozenset({BEDROCK.key})), ["batch"]),
        (Places(account_id=frozenset({"1"})), ["training"]),
        (Places(region=frozenset({"eu-west-1", "us-west-2"})), ["training"]),
        (Places(scope=frozenset({"s"}), region=frozenset({"us-east-1"})), []),
    ],
)
async def test_jobs_are_found_by_their_source(places, expected):
    """Every label of a source counts."""
    other = listed([job("training")], TRAINING, account_id="1", region="eu-west-1", scope="s")
    assert await names(inventory(listed([job("batch")]), other), places=places) == expected


async def test_jobs_are_counted_by_service_and_state():
    """Both active and finished jobs are counted."""
    sources = [listed([job("a", State.RUNNING), job("b"), job("c")]), listed([job("d", State.FAILED)], TRAINING)]
    assert await inventory(*sources).states() == {
        "bedrock": {State.RUNNING: 1, State.SUCCEEDED: 2},
        "sagemaker": {State.FAILED: 1},
    }


async def test_failures_are_counted_by_hour():
    """One count for each hour of the last day, the current hour last."""
    start = NOW - NOW % HOUR
    failing = [start - HOUR - 2 * MINUTE, start - HOUR, start - HOUR + MINUTE, start]
    jobs = [job(str(number), State.FAILED, created) for number, created in enumerate(failing)]
    counts = await inventory(listed([*jobs, job("well", created=start)])).failures(3)
    assert counts == [(start - 2 * HOUR, 1), (start - HOUR, 2), (start, 1)]


def plans(database, sql):
    """Return how SQLite carries out a statement: the lines that name the table of jobs."""
    # Before version 3.36 it said TABLE, too.
    rows = [row[-1].replace(" TABLE ", " ") for row in database.connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    return {detail for detail in rows if re.match(r"(SCAN|SEARCH) job\b", detail)}


BY_STATE, BY_SOURCE, ONE_BY_ONE = "job_state (state=?", "job_finished (source=?", "SCAN job"


@pytest.mark.parametrize(
    ("wanted", "sort", "places", "expected"),
    [
        (ALL, "", EVERYWHERE, {BY_STATE, ONE_BY_ONE}),
        (JobFilter(states=frozenset({State.FAILED})), "", EVERYWHERE, {BY_STATE, ONE_BY_ONE}),
        (JobFilter(reasons=frozenset({"timeout"})), "", EVERYWHERE, {BY_STATE, ONE_BY_ONE}),
        (JobFilter(finished_since=NOW - DAY), "", EVERYWHERE, {BY_STATE, ONE_BY_ONE}),
        (JobFilter(longer_than_usual_at=NOW), "", EVERYWHERE, {BY_STATE, ONE_BY_ONE}),
        (JobFilter(longer_than_usual_at=NOW), "created", EVERYWHERE, {BY_STATE}),
        (JobFilter(states=frozenset({State.RUNNING}), text="a"), "name", EVERYWHERE, {BY_STATE}),
        (JobFilter(text="a"), "", EVERYWHERE, {ONE_BY_ONE}),
        (JobFilter(text="a", states=frozenset({State.FAILED})), "", EVERYWHERE, {ONE_BY_ONE}),
        (JobFilter(text="ü", finished_since=NOW - DAY), "", EVERYWHERE, {ONE_BY_ONE}),
        (JobFilter(statuses=frozenset({"Failed"})), "", EVERYWHERE, {ONE_BY_ONE}),
        (JobFilter(created_since=NOW - DAY), "", EVERYWHERE, {ONE_BY_ONE}),
        *[(ALL, sort, EVERYWHERE, {ONE_BY_ONE}) for sort in SORTS],
        (ALL, "", Places(region=frozenset({"us-east-1"})), {BY_SOURCE}),
        (JobFilter(text="a"), "name", Places(region=frozenset({"us-east-1"})), {BY_SOURCE}),
    ],
)
async def test_a_search_uses_the_index_that_was_chosen_for_it(wanted, sort, places, expected):
    """SQLite has no statistics, and would guess: a rare name through an index by time takes ten times as long.

    Those with an unknown end are read one by one, and only where the page has room for them.
    """
    source = listed([job("a"), job("b", State.FAILED)])
    statements: list[str] = []
    source.ledger.database.connection.set_trace_callback(statements.append)
    await inventory(source).jobs(places, wanted, 1, order=Order(sort))
    source.ledger.database.connection.set_trace_callback(None)
    [page] = [each for each in statements if "json_array(rank" in each]
    found = plans(source.ledger.database, page)
    assert found
    assert {name for name in (BY_STATE, BY_SOURCE, ONE_BY_ONE) if any(name in each for each in found)} == expected
    assert all(any(name in each for name in expected) for each in found)
