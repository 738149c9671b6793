"""Jobs are found by filters, the newest first, page by page, each once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import Job, SourceKey, State
from exporter.store import JobFilter, Record
from exporter.store.search import Places
from exporter.telemetry import SourceStatus
from tests.support.inside import BEDROCK, DAY, HOUR, MINUTE, NOW, TRAINING, Polled, job, listed, searching, status

EVERYWHERE = Places()
ALL = JobFilter()


def inventory(*sources):
    """Return an inventory that searches these sources."""
    return searching(lambda: sources)


async def names(found, job_filter=ALL, places=EVERYWHERE, limit=1000):
    """Return the names of the jobs found, in order."""
    return [each.record.job.name for each in (await found.jobs(places, job_filter, limit)).jobs]


async def every_page(found, job_filter, limit):
    """Return the jobs of all pages."""
    jobs, position = [], None
    while True:
        page = await found.jobs(EVERYWHERE, job_filter, limit, position)
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


STATES = [State.PENDING, State.RUNNING, State.SUCCEEDED, State.FAILED, State.STOPPED]
JOBS: st.SearchStrategy[Any] = st.lists(
    st.builds(
        dict,
        state=st.sampled_from(STATES),
        created=st.integers(1, 6 * 24 * 4).map(lambda quarters: NOW - quarters * 15 * MINUTE),
        code=st.sampled_from(["throttled", "timeout"]),
    ),
    max_size=40,
)
TIMES = st.none() | st.integers(1, 150).map(lambda hours: NOW - hours * HOUR)
FILTERS = st.builds(
    JobFilter,
    states=st.frozensets(st.sampled_from(STATES), max_size=2),
    statuses=st.just(frozenset()) | st.just(frozenset({"Failed", "pending"})),
    reasons=st.just(frozenset()) | st.just(frozenset({"timeout"})),
    text=st.sampled_from(["", "job-1", "-job/job-2", "no such", "arn:aws"]),
    created_since=TIMES,
    created_until=TIMES,
    finished_since=TIMES,
    finished_until=TIMES,
)


@given(first=JOBS, second=JOBS, job_filter=FILTERS, limit=st.integers(1, 30))
async def test_all_pages_together_have_every_match(first, second, job_filter, limit):
    """Each job occurs once, in order; a total, where there is one, is correct."""
    sources = [
        listed([job(f"Job-{number}-{place}", **fields) for number, fields in enumerate(jobs)], kind)
        for place, (jobs, kind) in enumerate([(first, BEDROCK), (second, TRAINING)])
    ]
    found = await every_page(inventory(*sources), job_filter, limit)
    assert [each.position for each in found] == sorted({each.position for each in found})
    records = [
        record
        for source in sources
        for record in [*source.ledger.active_matching(ALL), *source.ledger.finished]
        if job_filter.matches(record)
    ]
    assert sorted(each.record.job.name for each in found) == sorted(record.job.name for record in records)
    total = (await inventory(*sources).jobs(EVERYWHERE, job_filter, 1)).total
    assert total in {None, len(records)}


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
async def test_a_search_for_a_reason_in_another_state_has_no_total(other):
    """The sum of a reason does not distinguish states and statuses."""
    timeouts = JobFilter(reasons=frozenset({"timeout"}), **other)
    page = await inventory(listed([job("a", State.FAILED, code="timeout")])).jobs(EVERYWHERE, timeouts, 1)
    assert (page.jobs, page.total) == ([], None)


def test_a_job_that_is_being_deleted_is_not_found_by_a_reason():
    """Only a failed job is, as in the metrics."""
    record = Record(Job(id="a", status="Deleting", state=State.DELETING), finished=NOW, reason="timeout")
    assert not JobFilter(reasons=frozenset({"timeout"})).matches(record)


async def test_a_job_added_between_two_pages_moves_no_other():
    """A cursor is a position among all jobs, not a row number."""
    jobs = [job(f"{number}", created=NOW - number * HOUR) for number in range(1, 5)]
    source = listed(jobs)
    found = inventory(source)
    first = await found.jobs(EVERYWHERE, ALL, 2)
    source.ledger.take([*jobs, job("new", created=NOW - HOUR / 2)], NOW)
    second = await found.jobs(EVERYWHERE, ALL, 2, first.next)
    assert [each.record.job.name for each in second.jobs] == ["3", "4"]


async def test_a_name_is_found_in_any_case_and_in_the_id():
    """People paste whatever they have at hand."""
    found = inventory(listed([job("Nightly-Scoring"), job("Ünïcode")]))
    assert await names(found, JobFilter(text="nightly-s")) == ["Nightly-Scoring"]
    assert await names(found, JobFilter(text="ünï")) == ["Ünïcode"]
    assert await names(found, JobFilter(text="model-invocation-job/nightly")) == ["Nightly-Scoring"]
    assert len(await names(found, JobFilter(text="arn:aws:bedrock"))) == 2


SINCE = {"created": lambda time: JobFilter(created_since=time), "finished": lambda time: JobFilter(finished_since=time)}
UNTIL = {"created": lambda time: JobFilter(created_until=time), "finished": lambda time: JobFilter(finished_until=time)}


@pytest.mark.parametrize("time", ["created", "finished"])
def test_a_span_includes_its_start_but_not_its_end(time):
    """Two adjacent spans therefore have no job in common."""
    record = Record(Job(id="a", status="Failed", state=State.FAILED, created=100.0), finished=100.0)
    starts = [start for start in (99.0, 100.0, 101.0) if SINCE[time](start).matches(record)]
    ends = [end for end in (99.0, 100.0, 101.0) if UNTIL[time](end).matches(record)]
    assert (starts, ends) == ([99.0, 100.0], [101.0])


def test_a_name_that_is_not_part_of_the_id_is_found():
    """Many ids are just numbers."""
    record = Record(Job(id="0815", status="Running", state=State.RUNNING, name="Nightly"))
    assert JobFilter(text="night").matches(record)


def test_a_job_whose_end_is_unknown_is_not_found_by_an_end_time():
    """The time at which it was first seen finished says nothing."""
    record = Record(Job(id="a", status="Failed", state=State.FAILED), finished=NOW, is_dated=False)
    assert ALL.matches(record)
    assert not JobFilter(finished_since=NOW - DAY).matches(record)


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


async def test_jobs_that_run_longer_than_usual_for_their_kind_are_overdue():
    """The oldest come first, and only those that are really active."""
    usual = BEDROCK.longest_run
    jobs = [
        job("overdue", State.RUNNING, NOW - usual - MINUTE),
        job("more", State.PENDING, NOW - usual - HOUR),
        job("in time", State.RUNNING, NOW - usual + MINUTE),
        job("odd", State.UNKNOWN, NOW - usual - MINUTE, updated=NOW),
        job("nobody knows", State.RUNNING, created=0.0)._replace(created=None),
    ]
    assert [each.record.job.name for each in await inventory(listed(jobs)).overdue(5)] == ["more", "overdue"]


def test_sources_are_listed_in_the_order_of_their_keys():
    """Both those with jobs and those without."""
    account = SourceStatus(SourceKey("", "us-east-1", "sts", "account", ""), 600.0)
    found = inventory(listed([], TRAINING), Polled(account), listed([]))
    assert [each.key.aws_service for each in found.statuses()] == ["sts", "bedrock", "sagemaker"]
    chosen = found.statuses(Places(kind=frozenset({"account"})))
    assert [each.key.kind for each in chosen] == ["account"]


async def test_a_poll_in_the_middle_of_a_search_does_no_harm():
    """The event loop runs other tasks while many jobs are searched."""
    jobs = [job(str(number), created=NOW - HOUR - number) for number in range(2000)]
    source = listed(jobs)
    steps = source.ledger.finished.search(ALL, int((NOW - HOUR) // HOUR))
    next(steps)
    source.ledger.take([job("other")], NOW)
    assert sum(map(len, steps)) == 0
