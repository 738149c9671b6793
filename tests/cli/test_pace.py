"""How often a list is read, and how many requests that takes, told from when its jobs ran."""

from __future__ import annotations

import pytest

from exporter.cli.pace import Pace, Reading, listed, polls, steady, total

NOW, MINUTE, HOUR, DAY = 1_790_000_000.0, 60.0, 3600.0, 86_400.0
NEVER = float("inf")


def often(*runs, usual=MINUTE, longest=10 * MINUTE):
    """Return how often an hour a list with these jobs would have been polled in the last day."""
    return polls(runs, NOW, usual=usual, longest=longest)


def test_a_list_without_jobs_is_read_at_the_idle_interval():
    """Nothing has ever happened in it."""
    assert often() == 6


def test_an_active_job_has_its_list_read_at_the_usual_interval():
    """All day, if it has been active for so long, whether its creation is known or not."""
    assert often((NOW - 3 * DAY, None)) == 60
    assert often((None, None)) == 60


def test_a_job_has_its_list_read_while_it_runs_and_for_a_while_after():
    """Twelve hours at 60, less and less within one more hour, the rest at 6."""
    assert often((NOW - 18 * HOUR, NOW - 6 * HOUR)) == pytest.approx((12 * 60 + 20 + 11 * 6) / 24, abs=0.4)


def test_jobs_that_overlap_count_once():
    """The list is read no more often for two than for one."""
    one = (NOW - 18 * HOUR, NOW - 6 * HOUR)
    assert often(one, (NOW - 12 * HOUR, NOW - 11 * HOUR)) == often(one)


def test_what_was_over_two_days_ago_counts_no_more():
    """Nor does a job whose end is known and whose creation is not, but for the time after its end."""
    assert often((NOW - 4 * DAY, NOW - 3 * DAY)) == 6
    assert often((None, NOW - 12 * HOUR)) == pytest.approx(6 + 14 / 24, abs=0.3)


def test_what_happened_before_the_last_day_decides_about_its_beginning():
    """A job that ended a moment before it has its list read often still."""
    assert often((NOW - DAY - 2 * HOUR, NOW - DAY)) > 6.4


def test_an_idle_interval_below_the_usual_one_changes_nothing():
    """Reading never gets slower than the usual interval says, nor faster."""
    assert often(usual=15 * MINUTE) == 4
    assert often((NOW - 3 * DAY, None), usual=15 * MINUTE) == 4


@pytest.mark.parametrize(
    ("reading", "requests"),
    [
        (Reading(1, 1, HOUR), 60),
        (Reading(1, 101, HOUR), 60 + 100 * HOUR / (HOUR + 30)),
        (Reading(2, 2, HOUR, scopes=3, scopes_interval=600), 120 + 3 * HOUR / 630),
        (Reading(1, 1, HOUR, scopes=3), 240),
        (Reading(1, 5, 30.0), 300),
        (Reading(1, 1, HOUR, details=2.5), 62.5),
    ],
    ids=["list", "resync", "scopes", "scopes of each poll", "resync at each poll", "details"],
)
def test_what_a_poll_takes_is_multiplied(reading, requests):
    """A resync, or a look for scopes, comes with the first poll after its interval, half a pause late on average."""
    assert reading.at(60) == pytest.approx(requests)


def test_the_expected_rate_is_that_of_the_last_day_and_the_highest_that_of_every_day():
    """What happens in a list decides between the two."""
    reading = Reading(2, 2, HOUR)
    assert listed(reading, [], NOW, usual=MINUTE, longest=10 * MINUTE) == Pace(12, 120)


def test_rates_add_up():
    """Those that are the same whatever happens, too; none are nothing."""
    assert total([Pace(1, 2), steady(3, 600)]) == Pace(19, 20)
    assert total([]) == Pace()
