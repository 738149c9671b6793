"""When the next success is due: some time after the last one, or by a schedule."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exporter.poller.due import expected
from exporter.settings.groups import Group

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = Group(name="payroll", expect="06:00 Europe/Berlin")
WEEKDAYS = Group(name="payroll", expect="Mon-Fri 06:00 Europe/Berlin")
OFTEN = Group(name="payroll", expect_every="24h")


def at(text):
    """Return a time in Berlin, of the year 2026, in seconds."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=BERLIN).timestamp()


def moment(expectation):
    """Return the moment of something that is expected."""
    assert expectation is not None
    return expectation.due


def due(group, now, *successes):
    """Return when the next success is due after these, each of which is seen when it ends, as a time in Berlin."""
    expectation = expected(group, at(now), None, None)
    for success in successes:
        for _ in range(2):  # looking twice changes nothing
            expectation = expected(group, at(success), at(success), expectation)
    return f"{datetime.fromtimestamp(moment(expectation), BERLIN):%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("group", "successes", "next_due"),
    [
        (OFTEN, [], "09-22 12:00"),
        (OFTEN, ["09-21 13:00"], "09-22 13:00"),
        (DAILY, [], "09-22 06:00"),
        # In time.
        (DAILY, ["09-22 05:40"], "09-23 06:00"),
        # Twice in time, which is no more than once.
        (DAILY, ["09-22 05:40", "09-22 05:50"], "09-23 06:00"),
        # Late: the next one is due all the same.
        (DAILY, ["09-22 06:30"], "09-23 06:00"),
        (DAILY, ["09-22 06:30", "09-23 05:40"], "09-24 06:00"),
        # Several days late.
        (DAILY, ["09-25 06:30"], "09-26 06:00"),
        # A weekend in between: 2026-09-25 is a Friday.
        (WEEKDAYS, ["09-25 05:40"], "09-28 06:00"),
        (WEEKDAYS, ["09-25 05:40", "09-27 20:00"], "09-29 06:00"),
        # Clocks are put back in the night to 2026-10-25.
        (DAILY, ["10-24 05:40"], "10-25 06:00"),
        (DAILY, ["10-25 05:40"], "10-26 06:00"),
    ],
)
def test_a_success_is_due_by_the_next_moment_that_none_counts_for(group, successes, next_due):
    """It counts for the moment that it is in time for, or late for."""
    assert due(group, "09-21 12:00", *successes) == next_due


def test_of_a_success_from_before_nobody_knows_what_it_counts_for():
    """It counts for the moment after it, so that a restart of the exporter alone makes nobody late."""
    expectation = expected(DAILY, at("09-22 12:00"), at("09-22 05:40"), None)
    assert moment(expectation) == at("09-23 06:00")


def test_another_expectation_begins_anew():
    """Whoever declares it has not been late before."""
    before = expected(OFTEN, at("09-21 12:00"), None, None)
    assert expected(OFTEN, at("09-25 12:00"), None, before) == before
    other = Group(name="payroll", expect_every="1h")
    assert moment(expected(other, at("09-25 12:00"), None, before)) == at("09-25 13:00")
    assert moment(expected(DAILY, at("09-25 12:00"), None, before)) == at("09-26 06:00")


def test_nothing_may_be_expected():
    """A group may be declared for its numbers alone."""
    assert expected(Group(name="payroll"), 0.0, None, None) is None
