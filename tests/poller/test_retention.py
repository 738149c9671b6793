"""Lists that forget: AWS no longer shows what ended long ago, which is no deletion."""

from contextlib import asynccontextmanager

import pytest

from exporter.simulator.values import seconds
from tests.support.harness import CATALOG, HandClock, configured, running, simulated
from tests.support.held import delete_job

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

SPEECH = CATALOG["polly"].kinds["speech_synthesis_task"]
"""Listed for 72 hours from its creation; its list has no end."""
BACKUP = CATALOG["backup"].kinds["backup_job"]
"""Listed for 30 days from its creation; its list has an end and a filter by creation."""
BATCH_OPERATIONS = CATALOG["s3control"].kinds["job"]
"""Listed for 30 days from its end."""

ENDS = {
    SPEECH.service: [(0, "inProgress"), (60, "completed")],
    BACKUP.service: [(0, "RUNNING"), (60, "COMPLETED")],
    BATCH_OPERATIONS.service: [(0, "Active"), (60, "Complete")],
}


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, kind, lookback="7d", age=HOUR, **sections):
    """Yield a simulated AWS with one job that was created `age` seconds ago and has ended, and an exporter."""
    async with simulated(clock) as aws:
        job = aws.world.add_job(kind, created=clock.now - age, path=ENDS[kind.service])
        services = {kind.service: {"kinds": [kind.key]}}
        settings = configured(aws.endpoint_url, services, poll={"lookback": lookback}, **sections)
        async with running(settings, clock) as exporter:
            yield aws, job, exporter


async def polled(exporter, seconds):
    """Let some time pass, and then three polls, of which two alone would find out what was deleted."""
    for each in (seconds, 10 * MINUTE, 10 * MINUTE):
        await exporter.turn(each)


def held(exporter):
    """Return how many jobs count."""
    return sum(exporter.samples("aws_jobs", "status").values())


@pytest.mark.parametrize(
    ("kind", "lookback", "after"), [(SPEECH, "7d", 4), (BACKUP, "60d", 31), (BATCH_OPERATIONS, "60d", 31)]
)
async def test_a_job_that_aws_no_longer_lists_counts_for_the_lookback(clock, kind, lookback, after):
    """It is in no list any more, and counts until it has left the lookback, as any other."""
    async with reading(clock, kind, lookback) as (aws, _, exporter):
        await polled(exporter, after * DAY)
        before = aws.requests[kind.service, kind.operation]
        assert held(exporter) == 1
        await exporter.turn(10 * MINUTE)
        assert aws.requests[kind.service, kind.operation] - before == 1
        await polled(exporter, {"7d": 3 * DAY, "60d": 29 * DAY}[lookback])
        assert held(exporter) == 0
        assert exporter.value("aws_jobs_finished_total", state="succeeded") in {0, None}


@pytest.mark.parametrize("kind", [SPEECH, BACKUP, BATCH_OPERATIONS], ids=str)
async def test_a_job_that_is_deleted_before_that_is_gone(clock, kind):
    """Two complete lists without it show that, where AWS cannot have forgotten it."""
    async with reading(clock, kind) as (_, job, exporter):
        assert held(exporter) == 1
        delete_job(job)
        # Lists by creation show only what is missing among the jobs that they reach: everything is read at a resync.
        await polled(exporter, DAY)
        assert held(exporter) == 0


async def test_a_first_listing_reaches_no_further_back_than_aws_does(clock):
    """What AWS no longer lists cannot be found, however long the lookback is."""
    async with simulated(clock) as aws:
        asked = []

        async def note(call):
            if call.operation == BACKUP.operation:
                asked.append(call.arguments.get("ByCreatedAfter"))

        aws.hooks.append(note)
        services = {"backup": {"kinds": [BACKUP.key]}}
        async with running(configured(aws.endpoint_url, services, poll={"lookback": "1y"}), clock):
            pass
    reach = clock.now - min(seconds(time) for time in asked if time is not None)
    assert 30 * DAY < reach < 31 * DAY + BACKUP.longest_run
