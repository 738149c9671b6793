"""Whatever AWS lists: either a job whose numbers are numbers, or a response that is reported as invalid."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws.items import job_reader, scope_of, seconds, text
from exporter.aws.poll_error import BadResponseError
from exporter.jobs import Job
from tests.support import responses
from tests.support.effort import bounded
from tests.support.harness import CATALOG, NOW
from tests.support.ledgers import LedgerOfATest
from tests.support.responses import MODELS, listing
from tests.support.wild import anything, is_dated, times

pytestmark = pytest.mark.slow

KINDS = list(CATALOG.kinds())
SCOPES = [(kind.service, scope) for kind in KINDS for _, scope in kind.scopes]
LOOKBACK = 200 * 365 * 86_400.0


def checked(job):
    """Assert that a job keeps the promises of its fields."""
    for time in (job.created, job.started, job.ended, job.updated, job.deadline):
        assert time is None or (isinstance(time, float) and 0 <= time < 253_402_300_800)
    for word in (job.id, job.name, job.status, job.message, job.code, *job.dimensions):
        assert isinstance(word, str)
        word.encode()
    assert job.id
    assert all(type(count) is int and count >= 0 for count in job.records.values())
    return job


@bounded(150)
@given(data=st.data())
def test_wild_items_are_jobs_or_bad_responses(data):
    """Each item of a wild list is read or refused; what was read is counted, each job once."""
    kind = data.draw(st.sampled_from(KINDS), label="kind")
    read = job_reader(kind, sorted(kind.dimensions))
    scopes = {"account_id": "111122223333"}
    jobs: list[Job] = []
    good = []
    for item in data.draw(listing(kind), label="items")[:50]:
        try:
            jobs += map(checked, read([item], scopes))
        except BadResponseError:
            continue
        good.append(item)
    # A page is read column by column, and each job must be what it is alone.
    assert read(good, scopes) == jobs
    ledger = LedgerOfATest(LOOKBACK, lambda _: "other", [60.0])
    ledger.take(jobs, NOW)
    ledger.take(jobs, NOW + 60)
    counted = ledger.sums.values()
    # The later of two jobs with one id counts, and none that had ended nobody knows when.
    known = [job for job in {job.id: job for job in jobs}.values() if is_dated(job)]
    assert sum(tally.statuses.total() for tally in counted) == len(known)
    assert all(math.isfinite(histogram.sum) for tally in counted for histogram in tally.durations.values())
    assert all(finished <= NOW + 60 for tally in counted for finished in tally.last.values())


@bounded(150)
@given(data=st.data())
def test_wild_scopes_have_ids_or_are_bad_responses(data):
    """Each scope of a wild discovery has an id that can be exposed, or is refused."""
    service, scope = data.draw(st.sampled_from(SCOPES), label="scope")
    operation = MODELS.operation(scope.service or service, scope.operation)
    for item in data.draw(responses.scopes(operation, scope), label="items")[:50]:
        try:
            if found := scope_of(scope, item):
                identifier, name = found
                assert identifier
                (identifier + name).encode()
        except BadResponseError:
            pass


@bounded(120)
@given(value=anything | times)
def test_a_time_is_a_number_within_the_calendar_or_none(value):
    """No NaN, no infinity, no year 0 and no year 10000, whatever appears in place of a time."""
    time = seconds(value)
    assert time is None or 0 <= time < 253_402_300_800
    text(value).encode()
