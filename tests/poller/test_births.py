"""New counters begin at 0, so that PromQL sees their first step; everything else is shown at once."""

import asyncio
from contextlib import asynccontextmanager

from exporter import app
from exporter.exposition import Format
from tests.support.faults import Fault
from tests.support.harness import (
    BEDROCK,
    CATALOG,
    KEYS,
    NOW,
    REGION,
    HandClock,
    Reading,
    Running,
    configured,
    simulated,
)

SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}}


@asynccontextmanager
async def scraped(settings, clock):
    """Yield an exporter after its first polls, and what scrapes it under a name."""
    async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=clock, is_scraped=True) as parts:
        exporter = Running(parts.poller, parts.exposition, clock)

        async def scrape(name="prometheus"):
            body = await parts.exposition.body(Format.TEXT, name, gzipped=False)
            reading = Reading(b"".join(body.pieces).decode().split("\n"))
            # What is to be shown now is published before anyone comes again.
            await parts.exposition.newborns.show()
            return reading

        async with asyncio.TaskGroup() as group:
            polling = group.create_task(parts.poller.run(parts.roots))
            await exporter.settle()
            try:
                yield exporter, scrape
            finally:
                polling.cancel()


def failed(reading):
    """Return the counters about the failures, and the gauge."""
    return (
        reading.value("aws_jobs_failed_total", reason="throttled"),
        reading.value("aws_jobs_finished_total", state="failed"),
        reading.value("aws_job_duration_seconds_count", state="failed"),
        reading.value("aws_jobs", state="failed", reason="throttled"),
    )


def fails(aws, at, name="b"):
    """Have a job begin that fails for a known reason a minute later."""
    aws.world.add_job(BEDROCK, created=at, path=[(0, "InProgress"), (60, "Failed")], name=name, message="Rate exceeded")


async def test_a_first_failure_is_an_increase():
    """The counters are absent, then 0, then 1, in three scrapes that follow each other; the gauge tells at once."""
    clock = HandClock()
    async with simulated(clock) as aws:
        fails(aws, NOW - 30)
        async with scraped(configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "seen"}), clock) as (
            it,
            scrape,
        ):
            assert failed(await scrape()) == (None, None, None, None)
            await it.turn(90)
            assert failed(await scrape()) == (0, 0, 0, 1)
            assert failed(await scrape()) == (1, 1, 1, 1)
            fails(aws, clock.now - 30, "c")
            await it.turn(90)
            assert failed(await scrape()) == (2, 2, 2, 2)


async def test_a_restart_shows_what_was_seen_and_no_more(tmp_path):
    """Whoever saw 0 is shown 1, and whoever did not is shown 0 first, whenever the exporter was killed."""
    storage = {"path": str(tmp_path / "storage")}
    for was_scraped, after in ((True, 1), (False, 0)):
        clock = HandClock()
        async with simulated(clock) as aws:
            fails(aws, NOW - 30)
            settings = configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "seen"}, storage=storage)
            async with scraped(settings, clock) as (it, scrape):
                await it.turn(90)
                if was_scraped:
                    await scrape()
            async with scraped(settings, clock) as (it, scrape):
                assert failed(await scrape())[0] == after
                assert failed(await scrape())[0] == 1
        (tmp_path / "storage").rename(tmp_path / f"storage of {was_scraped}")


async def test_two_scrapers_both_see_the_first_step():
    """Each has its own series."""
    clock = HandClock()
    async with simulated(clock) as aws:
        fails(aws, NOW + 100)
        async with scraped(configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "seen"}), clock) as (
            it,
            scrape,
        ):
            for _ in range(2):
                for name in ("first", "second"):
                    await scrape(name)
                await it.turn(60)
            await it.turn(90)
            seen = {name: [failed(await scrape(name))[0] for _ in range(2)] for name in ("first", "second")}
            assert seen == {"first": [0, 0], "second": [0, 1]}
            assert failed(await scrape("first"))[0] == 1


async def test_with_zeros_everywhere_nothing_is_held_back():
    """Each counter has been there from the start."""
    clock = HandClock()
    async with simulated(clock) as aws:
        fails(aws, NOW - 30)
        async with scraped(configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "all"}), clock) as (it, scrape):
            assert failed(await scrape())[:2] == (0, 0)
            await it.turn(90)
            assert failed(await scrape())[:2] == (1, 1)


async def test_a_counter_that_nobody_saw_before_an_outage_rises_after_it():
    """The series were withdrawn meanwhile: they return at 0, and do not stay there."""
    clock = HandClock()
    async with simulated(clock) as aws:
        fails(aws, NOW - 30)
        async with scraped(configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "seen"}), clock) as (
            it,
            scrape,
        ):
            await it.turn(90)
            aws.faults.add(Fault.throttled(), service="bedrock", until=clock.now + 930)
            for _ in range(15):
                await it.turn(60)
            assert failed(await scrape()) == (None, None, None, None)
            await it.turn(120)
            assert failed(await scrape())[0] == 0
            assert failed(await scrape())[0] == 1


async def test_a_counter_born_while_another_is_shown_waits_for_its_own_scrape():
    """A poll may come between the scrape that saw the one at 0 and the moment at which it rises."""
    clock = HandClock()
    async with simulated(clock) as aws:
        fails(aws, NOW - 30)
        async with scraped(configured(aws.endpoint_url, SERVICES, metrics={"zero_fill": "seen"}), clock) as (
            it,
            scrape,
        ):
            await it.turn(90)
            (_, show), *_ = it.exposition.newborns._waiting.values()
            aws.world.add_job(BEDROCK, created=clock.now, path=[(0, "InProgress"), (30, "Completed")], name="c")
            await it.turn(90)
            await show()
            finished = it.read().by("state", "aws_jobs_finished_total")
            assert finished == {"failed": 1, "succeeded": 0}
            await scrape()
            assert (await scrape()).by("state", "aws_jobs_finished_total") == {"failed": 1, "succeeded": 1}
