"""How long a source waits: spread while all is well, briefly after a fault, ever longer when refused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws import PollErrorReason
from exporter.poller.schedule import pause

REFUSALS = [reason for reason in PollErrorReason if reason.is_refusal]
FAULTS = [reason for reason in PollErrorReason if not reason.is_refusal]
CAP = 300.0

intervals = st.floats(min_value=0.1, max_value=86_400.0)
failures = st.integers(min_value=1, max_value=10_000)
dice = st.randoms(use_true_random=False)


class Longest(random.Random):
    """Dice that always fall on the longest wait."""

    def uniform(self, a: float, b: float) -> float:
        """Return the greater bound."""
        return max(a, b)


def test_refusals_are_what_aws_understood_and_declined():
    """Asking again at once would change nothing; a fault of the moment may be over."""
    assert set(REFUSALS) == {"throttled", "access_denied", "not_found", "expired_credentials", "invalid_request"}


@given(intervals, dice)
def test_a_success_waits_for_the_interval_with_jitter(interval, rng):
    """Within a tenth of it, so that sources that began together spread."""
    assert interval * 0.9 <= pause(interval, 0, None, rng) <= interval * 1.1


def test_jitter_spreads_to_both_sides():
    """On average the interval is kept."""
    rng = random.Random(1)
    waits = [pause(60.0, 0, None, rng) for _ in range(1000)]
    assert min(waits) < 55.0
    assert max(waits) > 65.0
    assert sum(waits) / len(waits) == pytest.approx(60.0, rel=0.01)


@given(intervals, failures, st.sampled_from(FAULTS), dice)
def test_a_fault_of_the_moment_is_tried_again_within_the_interval(interval, failed, reason, rng):
    """However often it happens, neither at once nor later than usual."""
    assert interval * 0.5 <= pause(interval, failed, reason, rng) <= interval


@pytest.mark.parametrize("reason", REFUSALS)
def test_refusals_back_off_exponentially_up_to_the_cap(reason):
    """Twice, four times ... the interval, and five minutes at most."""
    longest = [pause(10.0, failed, reason, Longest()) for failed in range(1, 8)]
    assert longest == [20.0, 40.0, 80.0, 160.0, CAP, CAP, CAP]


@given(intervals, failures, st.sampled_from(REFUSALS), dice)
def test_a_refusal_is_never_asked_again_before_the_interval(interval, failed, reason, rng):
    """Being refused is no reason to ask more often, nor never again."""
    assert interval <= pause(interval, failed, reason, rng) <= max(interval, CAP)


@pytest.mark.parametrize("reason", REFUSALS)
def test_an_interval_longer_than_the_cap_is_kept(reason):
    """An hourly source is asked hourly."""
    assert pause(3600.0, 5, reason, Longest()) == 3600.0


def test_a_refusal_that_never_ends_overflows_nothing():
    """A source that is refused for a year is asked still."""
    assert pause(60.0, 10**6, PollErrorReason.ACCESS_DENIED, Longest()) == CAP
