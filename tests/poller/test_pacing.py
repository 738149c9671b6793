"""How long a source waits: spread out on success, and never longer than its interval after a failure."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws import PollErrorReason
from exporter.poller.pacing import pause

REFUSALS = [reason for reason in PollErrorReason if reason.is_refusal]
FAULTS = [reason for reason in PollErrorReason if not reason.is_refusal]

intervals = st.floats(min_value=0.1, max_value=86_400.0)
dice = st.randoms(use_true_random=False)


def test_refusals_are_what_aws_understood_and_declined():
    """An immediate retry would change nothing; a transient fault may be over."""
    assert set(REFUSALS) == {"throttled", "access_denied", "not_found", "expired_credentials", "invalid_request"}


@given(intervals, dice)
def test_a_success_waits_for_the_interval_with_jitter(interval, rng):
    """The wait is within a tenth of it, so that sources that started together spread out."""
    assert interval * 0.9 <= pause(interval, None, rng) <= interval * 1.1


def test_jitter_spreads_to_both_sides():
    """On average the interval is kept."""
    rng = random.Random(1)
    waits = [pause(60.0, None, rng) for _ in range(1000)]
    assert min(waits) < 55.0
    assert max(waits) > 65.0
    assert sum(waits) / len(waits) == pytest.approx(60.0, rel=0.01)


@given(intervals, st.floats(min_value=1.0, max_value=10.0), dice)
def test_an_idle_list_is_read_no_later_than_promised(interval, factor, rng):
    """Its pause ends within the longest interval, jitter included, and is hardly shorter where it has reached that."""
    longest = interval * factor
    assert interval * 0.9 <= pause(interval, None, rng, longest) <= min(longest, interval * 1.1)
    assert longest - 1.0 <= pause(longest, None, rng, longest) <= longest


@given(intervals, st.sampled_from(FAULTS), dice)
def test_a_transient_fault_is_retried_within_the_interval(interval, reason, rng):
    """The retry comes neither at once nor later than usual."""
    assert interval * 0.5 <= pause(interval, reason, rng) <= interval


@given(intervals, st.sampled_from(REFUSALS), dice)
def test_a_refusal_waits_for_the_interval_but_never_longer(interval, reason, rng):
    """A refused source is not polled more often, and shows within one interval that the refusal is over."""
    assert interval * 0.9 <= pause(interval, reason, rng) <= interval


@pytest.mark.parametrize("reason", PollErrorReason)
def test_failures_spread(reason):
    """Sources that failed together are not retried together."""
    rng = random.Random(1)
    assert len({pause(60.0, reason, rng) for _ in range(100)}) == 100


@pytest.mark.parametrize(("reasons", "shortest"), [(FAULTS, 0.5), (REFUSALS, 0.9)], ids=["faults", "refusals"])
def test_waits_after_failures_use_their_whole_range(reasons, shortest):
    """They may be as short as allowed, so that a transient fault is soon over, or as long as the interval."""
    rng = random.Random(1)
    waits = [pause(60.0, reason, rng) / 60.0 for reason in reasons for _ in range(200)]
    assert min(waits) == pytest.approx(shortest, abs=0.02)
    assert max(waits) == pytest.approx(1.0, abs=0.02)
