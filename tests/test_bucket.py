"""A token bucket lets a burst pass, then a steady rate."""

import pytest

from exporter.bucket import Bucket


class Watch:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self):
        """Return the time that was set."""
        return self.now


def taken(bucket, times):
    """Return which of several requests at the same time get a token."""
    return [not bucket.take() for _ in range(times)]


@pytest.mark.parametrize("rate", [1.0, 1e9])
def test_without_capacity_nothing_passes(rate):
    """The bucket holds nothing, even after a long time."""
    watch = Watch()
    bucket = Bucket(0, rate, watch)
    watch.now += 1000
    assert not any(taken(bucket, 10))


def test_a_bucket_starts_full_and_fills_with_time():
    """It gains one token per interval, up to its capacity."""
    watch = Watch()
    bucket = Bucket(3, 0.5, watch)
    assert taken(bucket, 4) == [True, True, True, False]
    watch.now += 1.0
    assert taken(bucket, 1) == [False]
    watch.now += 1.0
    assert taken(bucket, 2) == [True, False]
    watch.now += 1000
    assert taken(bucket, 4) == [True, True, True, False]


@pytest.mark.parametrize("rate", [1000.0, 1.0, 1 / 3600])
def test_no_token_is_added_while_time_stands_still(rate):
    """Asking does not fill the bucket."""
    assert taken(Bucket(1, rate, Watch()), 3) == [True, False, False]


@pytest.mark.parametrize("rate", [3.0, 0.1, 1 / 3600])
def test_a_token_is_available_after_the_returned_wait(rate):
    """However the clock rounds, a caller that sleeps that long need not sleep again."""
    watch = Watch()
    bucket = Bucket(1, rate, watch)
    for _ in range(100):
        assert bucket.take() == 0
        watch.now += bucket.take()


def test_a_new_rate_applies_from_now_on():
    """Tokens from before were added at the previous rate."""
    watch = Watch()
    bucket = Bucket(10, 1.0, watch)
    taken(bucket, 10)
    watch.now += 2.0
    bucket.rate = 0.5
    assert taken(bucket, 3) == [True, True, False]
    assert bucket.take() == pytest.approx(2.0)


def test_a_drained_bucket_starts_over():
    """Saved tokens are gone; the rate stays."""
    watch = Watch()
    bucket = Bucket(5, 1.0, watch)
    for _ in range(2):
        bucket.drain()
        assert bucket.take() == pytest.approx(1.0)
        watch.now += 1.0
    assert taken(bucket, 2) == [True, False]


def test_a_token_taken_a_moment_too_early_stays_owed():
    """Draining a bucket does not cancel what is owed."""
    watch = Watch()
    bucket = Bucket(1, 1.0, watch)
    bucket.take()
    watch.now += 1.0 - 5e-7
    assert bucket.take() == 0
    bucket.drain()
    assert bucket.take() > 1.0


def test_a_bucket_of_another_size_keeps_what_fits():
    """What was saved up before counts by the rate of that time, and no more than the new capacity stays."""
    watch = Watch()
    bucket = Bucket(4, 1.0, watch)
    taken(bucket, 4)
    watch.now += 3.0
    bucket.resize(8, 0.5)
    assert taken(bucket, 4) == [True, True, True, False]
    assert bucket.rate == 0.5
    watch.now += 100.0
    bucket.resize(2, 0.5)
    assert taken(bucket, 3) == [True, True, False]
    assert bucket.take() == 2.0
