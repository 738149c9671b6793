"""A limit on the requests of an hour: every interval is longer by the same factor, and nobody is left out."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import SourceKey
from exporter.poller.stretch import Stretch
from tests.support.harness import BEDROCK, CATALOG, NOW, HandClock, configured, running, simulated
from tests.support.patience import eventually

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LIMIT = 240
SERVICES = {
    "bedrock": {},
    "comprehend": {"kinds": list(CATALOG["comprehend"].kinds)[:10], "interval": "5m"},
    "lookoutequipment": {"kinds": ["inference_execution"]},
}
"""Lists that are read each minute, lists that are read every five minutes, and scopes that are to be found."""


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


def key(number):
    """Return the key of a source."""
    return SourceKey("", "", "", "", str(number))


# The factor.


@given(
    sources=st.lists(st.tuples(st.integers(1, 50), st.sampled_from([60.0, 300.0, 600.0])), min_size=1, max_size=30),
    per_hour=st.integers(10, 10_000),
)
def test_with_the_factor_all_polls_together_keep_to_the_limit(sources, per_hour):
    """Once each source's polls are known, and with a tenth to spare; without need, nothing is longer."""
    stretch = Stretch(most=per_hour / HOUR)
    for number, (requests, interval) in enumerate(sources):
        stretch.begin(key(number), interval)
        for _ in range(60):
            stretch.polled(key(number), requests, interval)
    usual = sum(requests * HOUR / interval for requests, interval in sources)
    assert stretch.rate * HOUR == pytest.approx(usual, rel=1e-5)
    assert stretch.factor == pytest.approx(max(1.0, usual / (0.9 * per_hour)), rel=1e-5)


def test_without_a_limit_no_interval_is_longer():
    """However much there is to request."""
    stretch = Stretch()
    stretch.begin(key(1), 0.001)
    assert (stretch.rate, stretch.factor) == (1000, 1)


def test_a_source_that_was_never_polled_is_expected():
    """Hundreds of lists are found at once, before the first of them has been read."""
    stretch = Stretch(most=1.0)
    for number in range(180):
        stretch.begin(key(number), 60.0)
    assert stretch.rate == pytest.approx(3)
    assert stretch.factor == pytest.approx(3 / 0.9)


def test_one_costly_poll_lengthens_intervals_for_a_while():
    """A list that is read in full once an hour must not have everybody wait an hour, and counts all the same."""
    stretch = Stretch(most=1.0)
    for number in range(60):
        stretch.begin(key(number), 60.0)
        stretch.polled(key(number), 1, 60.0)
    stretch.polled(key(0), 41, 60.0)
    factors = [stretch.factor]
    for _ in range(30):
        stretch.polled(key(0), 1, 60.0)
        factors.append(stretch.factor)
    usual = factors[-1]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] == pytest.approx(usual * (1 + 10 / 60), rel=1e-3)
    # What it cost more is what the following polls save.
    assert sum(factor - usual for factor in factors) == pytest.approx(usual * 40 / 60, rel=1e-2)


def test_a_source_that_is_gone_counts_no_more():
    """Nor does one that nobody knows; one that comes back starts over, whether its begin was noted or not."""
    stretch = Stretch(most=1.0)
    for _ in range(2):
        stretch.begin(key(1), 50.0)
        assert stretch.rate == pytest.approx(0.02)
        stretch.polled(key(1), 41, 50.0)
        assert stretch.rate == pytest.approx(0.22)
        stretch.end(key(1))
        stretch.end(key(2))
        assert (stretch.rate, stretch.factor) == (0, 1)
    stretch.polled(key(1), 41, 50.0)
    assert stretch.rate == pytest.approx(0.22)


# An exporter with a limit.


@asynccontextmanager
async def limited(clock, aws, limit=LIMIT, **sections):
    """Yield an exporter that may send so many requests in an hour; its first polls may still be waiting."""
    settings = configured(aws.endpoint_url, SERVICES, aws={"calls_per_hour": limit}, **sections)
    async with running(settings, clock, settled=False) as exporter:
        yield exporter


def waiting(exporter):
    """Return how many sources wait for their turn, or for a request, and do not sleep by the clock."""
    lanes = exporter.poller._admission._lanes.values()
    queued = sum(
        not waiter.done() for lane in lanes for queue in lane.waiting for kind in queue.values() for waiter in kind
    )
    limiter = exporter.poller._context.allowance._limiter
    return queued + max(0, limiter._waiters - 1)


async def pass_time(exporter, seconds, step=20.0):
    """Let time pass, and after each step everything happen that is due."""
    for _ in range(int(seconds / step)):
        await exporter.clock.turn(step)
        await calm(exporter)


async def calm(exporter):
    """Wait until nobody does anything before time passes."""
    await eventually(lambda: len(exporter.clock._sleepers) == len(exporter.poller._tasks) - waiting(exporter) > 0)


def record(aws, clock):
    """Return the times of all requests that are still to come, by operation."""
    times: list[tuple[str, float]] = []

    async def note(call):
        times.append((call.operation, clock.now))

    aws.hooks.append(note)
    return times


@pytest.mark.slow
async def test_six_hours_keep_to_the_limit_and_starve_nobody(clock):
    """From the first poll on: no hour has more requests, each list is read, and each by its own interval."""
    async with simulated(clock) as aws:
        for _ in range(3):
            aws.world.add_scope("lookoutequipment", "inference_scheduler")
        aws.world.add_job(BEDROCK, created=NOW - DAY, path=[(0, "InProgress")])
        times = record(aws, clock)
        async with limited(clock, aws) as exporter:
            await calm(exporter)
            await pass_time(exporter, 2 * HOUR)
            assert not exporter.poller.progress.unread
            settled, overdue = clock.now, 0
            for _ in range(4 * 60):
                await pass_time(exporter, MINUTE)
                overdue = max(overdue, exporter.poller._overdue())
            intervals = exporter.by("kind", "aws_job_exporter_source_interval_seconds")
            factor = exporter.poller.stretch.factor
            down = [source.status.key for source in exporter.poller.sources if not source.status.is_up]
    assert (down, overdue) == ([], 0)
    every = [time for _, time in times]
    assert max(sum(start <= time <= start + HOUR for time in every) for start in every) <= LIMIT
    later = [(operation, time) for operation, time in times if time > settled]
    # The limit is used, too: hardly anything is saved for nothing.
    assert 0.7 * LIMIT < len(later) / 4 < 0.95 * LIMIT
    assert factor > 2
    assert intervals[BEDROCK.key] == pytest.approx(MINUTE * factor, rel=0.1)
    assert intervals["topics_detection_job"] == pytest.approx(5 * MINUTE * factor, rel=0.1)
    assert intervals["account"] == pytest.approx(10 * MINUTE * factor, rel=0.1)
    for operation, interval in (
        ("ListModelInvocationJobs", MINUTE),
        ("ListModelCopyJobs", MINUTE),
        ("ListTopicsDetectionJobs", 5 * MINUTE),
        ("ListInferenceSchedulers", 10 * MINUTE),
    ):
        polls = sorted({time for each, time in later if each == operation})
        gaps = [after - before for before, after in pairwise(polls)]
        assert max(gaps) < 1.5 * interval * factor, operation
        assert min(gaps) > 0.5 * interval * factor, operation


@pytest.mark.slow
async def test_numbers_stay_between_stretched_polls(clock):
    """What was read ten minutes ago is not stale if it is read every ten minutes."""
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - DAY, path=[(0, "InProgress")])
        async with limited(clock, aws, limit=60, poll={"stale_after": "5m", "interval": "1m"}) as exporter:
            await calm(exporter)
            await pass_time(exporter, 2 * HOUR)
            absent = 0
            for _ in range(120):
                await pass_time(exporter, MINUTE)
                absent += exporter.value("aws_jobs", status="InProgress") != 1
            assert exporter.value("aws_job_exporter_source_interval_seconds", kind=BEDROCK.key) > 8 * MINUTE
    assert absent == 0


@pytest.mark.slow
async def test_a_limit_that_is_not_reached_changes_nothing(clock):
    """All intervals are as they were, and the metrics say how much there would be to save."""
    async with simulated(clock) as aws, limited(clock, aws, limit=100_000) as exporter:
        await calm(exporter)
        await pass_time(exporter, 20 * MINUTE)
        assert exporter.poller.stretch.factor == 1
        assert exporter.value("aws_job_exporter_source_interval_seconds", kind=BEDROCK.key) == MINUTE
        requests = Counter(aws.requests)
        await pass_time(exporter, HOUR / 2, step=5.0)
        spent = 2 * sum((Counter(aws.requests) - requests).values())
        assert exporter.poller.stretch.rate * HOUR == pytest.approx(spent, rel=0.1)


async def test_the_metrics_show_the_limit_and_the_factor(clock):
    """A shard has its part of the limit."""
    async with simulated(clock) as aws:
        shard = {"shard": {"count": 4, "index": 0}}
        async with limited(clock, aws, limit=400, **shard) as exporter:
            await calm(exporter)
            await pass_time(exporter, 20 * MINUTE)
            assert exporter.value("aws_job_exporter_calls_per_hour_limit") == 100
            usual = exporter.value("aws_job_exporter_calls_per_hour")
            assert exporter.value("aws_job_exporter_interval_stretch") == pytest.approx(max(1, usual / (0.9 * 95)))
            assert math.isfinite(usual)
    async with simulated(clock) as aws, running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert exporter.value("aws_job_exporter_calls_per_hour_limit") == 0
        assert exporter.value("aws_job_exporter_interval_stretch") == 1
