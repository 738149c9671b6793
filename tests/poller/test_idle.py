"""A source in which nothing happens is asked less and less often, and at once as often as ever when anything does."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from tests.support.faults import Fault
from tests.support.harness import BEDROCK, NOW, HandClock, configured, running, simulated

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LIST = ("bedrock", BEDROCK.operation)
ONE = {"bedrock": {"kinds": [BEDROCK.key]}}


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, aws, **sections):
    """Yield an exporter of one list that lets quiet lists be."""
    poll = {"idle_interval": "10m", "resync": "30d", **sections.pop("poll", {})}
    async with running(configured(aws.endpoint_url, ONE, poll=poll, **sections), clock) as exporter:
        yield exporter


async def polls(aws, exporter, minutes):
    """Return how often the list is requested in so many minutes."""
    before = aws.requests[LIST]
    for _ in range(6 * minutes):
        await exporter.turn(MINUTE / 6)
    return aws.requests[LIST] - before


def interval(exporter):
    """Return how often the list is read now, in seconds."""
    return exporter.value("aws_job_exporter_source_interval_seconds", kind=BEDROCK.key)


async def test_a_list_in_which_nothing_happens_is_read_less_and_less_often(clock):
    """An account without a job must not pay for 60 requests an hour for each list."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        first, second, third = [await polls(aws, exporter, 60) for _ in range(3)]
        assert 20 <= first <= 40
        assert 5 <= third <= second <= 8
        assert interval(exporter) == 10 * MINUTE


async def test_a_list_with_an_active_job_is_read_as_often_as_ever(clock):
    """However long it runs, its end is seen within the interval."""
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 5 * DAY, path=[(0, "InProgress")])
        async with reading(clock, aws) as exporter:
            for _ in range(2):
                assert await polls(aws, exporter, 60) >= 54
            assert interval(exporter) == MINUTE


async def test_what_happens_in_a_quiet_list_is_seen_within_the_idle_interval(clock):
    """From then on it is read as often as ever, and after its end for a while, too."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        await polls(aws, exporter, 120)
        aws.world.add_job(BEDROCK, created=clock.now, path=[(0, "Submitted"), (40 * MINUTE, "Failed")])
        await polls(aws, exporter, 11)
        assert exporter.value("aws_jobs", status="Submitted") == 1
        assert interval(exporter) == MINUTE
        assert await polls(aws, exporter, 27) >= 24
        await polls(aws, exporter, 4)
        assert exporter.value("aws_jobs_finished_total", state="failed") == 1
        assert interval(exporter) == MINUTE


async def test_the_numbers_of_a_quiet_list_stay_between_its_polls(clock):
    """They go stale by the interval that it has, not by the one that busy lists have."""
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - DAY, path=[(0, "InProgress"), (60, "Completed")])
        async with reading(clock, aws, poll={"stale_after": "5m"}) as exporter:
            for _ in range(60):
                await exporter.turn(MINUTE)
                assert exporter.value("aws_jobs", status="Completed") == 1
            assert interval(exporter) == 10 * MINUTE


async def test_a_failure_in_a_quiet_list_is_tried_again_as_soon_as_ever(clock):
    """Ten minutes without numbers would be long, and the request is cheap."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        await polls(aws, exporter, 120)
        rule = aws.faults.add(Fault.server_error(), operation=BEDROCK.operation)
        await polls(aws, exporter, 12)
        assert exporter.up(kind=BEDROCK.key) == 0
        aws.faults.remove(rule)
        await polls(aws, exporter, 2)
        assert exporter.up(kind=BEDROCK.key) == 1
        assert interval(exporter) == 10 * MINUTE


async def test_a_restart_does_not_make_a_quiet_list_a_busy_one(clock, tmp_path):
    """With storage, the exporter knows that nothing has happened, and what it knows counts until the next poll."""
    storage = {"path": str(tmp_path / "storage")}
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - DAY, path=[(0, "InProgress"), (60, "Completed")])
        async with reading(clock, aws, storage=storage) as exporter:
            await polls(aws, exporter, 60)
        clock.now += 12 * MINUTE
        aws.faults.add(Fault.server_error(), operation=BEDROCK.operation)
        async with reading(clock, aws, storage=storage) as exporter:
            assert exporter.value("aws_jobs", status="Completed") == 1
            assert interval(exporter) == 10 * MINUTE


async def test_it_can_be_turned_off(clock):
    """Who wants to know within a minute pays for it."""
    async with simulated(clock) as aws, reading(clock, aws, poll={"idle_interval": "1m"}) as exporter:
        for _ in range(2):
            assert await polls(aws, exporter, 60) >= 54
