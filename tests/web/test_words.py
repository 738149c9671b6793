"""Times and durations as people read them."""

import pytest

from exporter.web.views.words import ago, moment, span, usage
from tests.support.inside import DAY, HOUR, MINUTE, NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0 s"),
        (0.0124, "12 ms"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (HOUR, "1 h"),
        (HOUR + 29, "1 h"),
        (26 * HOUR + 5 * MINUTE, "1 d 2 h"),
        (9 * DAY, "9 d"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, words):
    """Smaller units add nothing of interest."""
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("passed", "words"),
    [(0.4, "now"), (5, "5 s ago"), (90, "1 min ago"), (26 * HOUR, "26 h ago"), (3 * DAY, "3 d ago"), (-20, "in 20 s")],
)
def test_a_time_is_relative_to_now(passed, words):
    """People want to know how long ago, not when."""
    assert ago(NOW - passed, NOW) == words


def test_what_a_job_used_has_its_unit():
    """Fractions of much are of no interest; a resource has the type that AWS gives it."""
    used = {"dpu/G.1X": 1200.5, "vcpu": 0.25, "instance/ml.m5.xlarge": 60.0, "bytes": 3.0}
    words = "1,200 DPU-seconds (G.1X), 0.25 vCPU-seconds, 60 instance-seconds (ml.m5.xlarge), 3 bytes"
    assert (usage(used), usage({})) == (words, "")


def test_a_missing_time_is_never():
    """For example, the last success of a source that was never read."""
    assert ago(None, NOW) == "never"


@pytest.mark.parametrize("seconds", [None, 1e18, -1e18, float("inf"), float("nan")])
def test_not_every_number_is_a_time(seconds):
    """AWS's numbers cannot be trusted."""
    assert moment(seconds) is None
