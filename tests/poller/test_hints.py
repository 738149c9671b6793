"""Hints: when a source is due because of one, and what is measured."""

from __future__ import annotations

import math

import pytest

from exporter.jobs import SourceKey
from exporter.poller.hints import Hints, is_late
from exporter.telemetry import PollErrorReason, SourceStatus, Telemetry
from tests.support.harness import NOW, HandClock

KEY = SourceKey("111122223333", "us-east-1", "batch", "job", "queue")
OTHER = KEY._replace(scope="another")


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@pytest.fixture
def telemetry():
    """Return instruments of their own."""
    return Telemetry(process=False)


@pytest.fixture
def hints(clock, telemetry):
    """Return no hints."""
    return Hints(clock, telemetry)


def status(key=KEY, **more):
    """Return the status of a source whose last poll succeeded just now, in no time."""
    found = SourceStatus(key, 60.0)
    vars(found).update({"attempts": 1, "last_success": NOW, **more})
    return found


def lags(telemetry):
    """Return how many lags were measured, and their sum."""
    found = {sample.name: sample.value for family in telemetry.hints_lag.collect() for sample in family.samples}
    name = "aws_job_exporter_hints_lag_seconds"
    return found.get(f"{name}_count", 0), found.get(f"{name}_sum", 0)


def test_a_hint_is_due_at_once_and_again_five_seconds_after_the_poll(hints, clock):
    """Then it is forgotten; other sources are not concerned."""
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == math.inf
    hints.add(KEY, NOW)
    assert hints.wait(KEY) == 0
    clock.now += 1
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == 5
    clock.now += 5
    assert hints.wait(KEY) == 0
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == math.inf
    assert hints.wait(OTHER) == math.inf


def test_a_hint_during_a_poll_has_it_repeated(hints, clock):
    """The poll began before, and may have read the list already."""
    hints.add(KEY, NOW)
    began = clock.now
    clock.now += 3
    hints.add(KEY, clock.now)
    hints.polled(status(), began)
    assert hints.wait(KEY) == 2
    clock.now += 2
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == 5


def test_the_next_hint_does_not_come_sooner_than_the_pause(hints, clock):
    """However they come, no source is polled more often because of hints."""
    hints.add(KEY, NOW)
    hints.polled(status(), clock.now)
    clock.now += 5
    hints.polled(status(), clock.now)
    clock.now += 1
    hints.add(KEY, clock.now)
    assert hints.wait(KEY) == 4


def test_a_poll_five_seconds_after_the_hint_shows_what_that_told(hints, clock):
    """The source waited for its turn that long: no second look."""
    hints.add(KEY, NOW)
    clock.now += 4.9
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == 5
    clock.now += 0.1
    hints.polled(status(), clock.now)
    assert hints.wait(KEY) == math.inf


def test_a_hint_that_is_overdue_is_due_now(hints, clock):
    """However long its source waits for a slot."""
    hints.add(KEY, NOW)
    hints.polled(status(), clock.now)
    clock.now += 60
    assert hints.wait(KEY) == 0


def test_a_source_that_is_gone_has_no_hints(hints, clock):
    """One that comes back begins anew."""
    hints.add(KEY, NOW)
    hints.polled(status(), clock.now)
    hints.forget(KEY)
    assert hints.wait(KEY) == math.inf
    hints.add(KEY, NOW)
    assert hints.wait(KEY) == 0


def test_a_poll_measures_the_first_of_its_hints(hints, clock, telemetry):
    """Once; the second look measures nothing."""
    hints.add(KEY, NOW - 3)
    hints.add(KEY, NOW - 1)
    hints.polled(status(), clock.now)
    assert lags(telemetry) == (1, 3)
    clock.now += 5
    hints.polled(status(), clock.now)
    assert lags(telemetry) == (1, 3)


def test_a_poll_that_failed_or_began_before_measures_nothing(hints, clock, telemetry):
    """The next one does."""
    clock.now += 1
    hints.add(KEY, NOW)
    hints.polled(status(), clock.now - 0.5)
    hints.polled(status(consecutive_failures=1, reason=PollErrorReason.TIMEOUT), clock.now)
    assert lags(telemetry) == (0, 0)
    clock.now += 9
    hints.polled(status(), clock.now)
    assert lags(telemetry) == (1, 10)


def test_an_event_of_the_future_has_no_lag(hints, clock, telemetry):
    """AWS's clock may be ahead."""
    hints.add(KEY, NOW + 100)
    hints.polled(status(), clock.now)
    assert lags(telemetry) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        ({}, True),
        ({"last_duration": 0.1}, False),
        ({"last_success": NOW - 0.1}, False),
        ({"consecutive_failures": 1}, False),
        ({"attempts": 0}, False),
        ({"last_success": None}, False),
    ],
    ids=str,
)
def test_an_event_is_late_a_minute_before_a_poll_began(changes, late):
    """And only if that poll succeeded; what was known before a restart was not polled."""
    assert is_late(status(**changes), NOW - 60) is late
