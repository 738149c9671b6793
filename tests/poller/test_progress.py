"""How far the first round of polls is, for whoever waits for it: probes, people and alerts."""

import asyncio

import pytest
from structlog.testing import capture_logs

from exporter import app
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, KEYS, REGION, HandClock, configured, simulated
from tests.support.patience import eventually


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


async def test_an_exporter_is_ready_after_a_minute_whatever_hangs(clock):
    """One list that never ends must not keep all others from being scraped; how many lack is a metric."""
    never = asyncio.Event()

    async def hang(call):
        if call.operation == CUSTOMIZATION.operation:
            await never.wait()

    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    async with simulated(clock) as aws:
        aws.hooks.append(hang)
        settings = configured(aws.endpoint_url, services)
        async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as parts:
            names = ("aws_job_exporter_sources", "aws_job_exporter_sources_unread")
            polling = asyncio.create_task(parts.poller.run(parts.roots))
            await eventually(lambda: [*map(parts.telemetry.registry.get_sample_value, names)] == [3, 1])
            clock.now += 59
            assert not parts.poller.progress.is_ready
            clock.now += 1
            assert parts.poller.progress.is_ready
            assert not parts.poller.progress.complete.is_set()
            never.set()
            await parts.poller.progress.complete.wait()
            polling.cancel()
            await asyncio.wait([polling])


async def test_a_source_that_is_held_up_for_an_interval_is_overdue(clock):
    """It is up, and its numbers are older than its interval promises; one that is back in time is not overdue."""
    held, never = asyncio.Event(), asyncio.Event()

    async def hold(call):
        if call.operation == CUSTOMIZATION.operation and parts.poller.progress.complete.is_set():
            held.set()
            await never.wait()

    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    async with simulated(clock) as aws:
        aws.hooks.append(hold)
        settings = configured(aws.endpoint_url, services, poll={"interval": "60s"})
        async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as parts:

            def overdue():
                return parts.telemetry.registry.get_sample_value("aws_job_exporter_sources_overdue")

            polling = asyncio.create_task(parts.poller.run(parts.roots))
            await parts.poller.progress.complete.wait()
            for _ in range(2):
                assert overdue() == 0
                await clock.turn(70)
                await held.wait()
                # All others sleep until their next poll.
                await clock.until_asleep(lambda: 2)
            assert overdue() == 1
            never.set()
            polling.cancel()
            await asyncio.wait([polling])


@pytest.mark.parametrize(("took", "expected"), [(0.5, []), (12, [(2, 3), (3, 3)])])
async def test_a_long_first_round_is_logged(clock, took, expected):
    """Every ten seconds, and once at its end; a short one is not worth a line."""

    async def take(call):
        if call.operation != "GetCallerIdentity":
            clock.now += took

    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    async with simulated(clock) as aws:
        aws.hooks.append(take)
        settings = configured(aws.endpoint_url, services, poll={"concurrency": 1})
        async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as parts:
            with capture_logs() as logs:
                polling = asyncio.create_task(parts.poller.run(parts.roots))
                await parts.poller.progress.complete.wait()
                polling.cancel()
                await asyncio.wait([polling])
    assert [(line["read"], line["of"]) for line in logs if line["event"] == "first polls"] == expected
