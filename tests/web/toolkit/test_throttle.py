"""The rate limit counts as Go's does."""

import pytest

from exporter.web.toolkit.throttle import RateLimiter


class Watch:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self):
        """Return what it shows."""
        return self.now


def allowed(limiter, times):
    """Return what the limiter says to so many requests at once."""
    return [limiter.allows() for _ in range(times)]


def test_without_an_interval_there_is_no_limit():
    """Whatever the burst is."""
    assert all(allowed(RateLimiter(0.0, 0, Watch()), 100))


def test_without_a_burst_nothing_passes():
    """Not even after a long time: the bucket holds nothing."""
    watch = Watch()
    limiter = RateLimiter(1.0, 0, watch)
    watch.now += 1000
    assert not any(allowed(limiter, 10))


def test_a_bucket_is_full_at_first_and_fills_with_time():
    """One token for each interval, never more than the burst."""
    watch = Watch()
    limiter = RateLimiter(2.0, 3, watch)
    assert allowed(limiter, 4) == [True, True, True, False]
    watch.now += 1.0
    assert allowed(limiter, 1) == [False]
    watch.now += 1.0
    assert allowed(limiter, 2) == [True, False]
    watch.now += 1000
    assert allowed(limiter, 4) == [True, True, True, False]


@pytest.mark.parametrize("interval", [0.001, 1.0, 3600.0])
def test_time_that_stands_gives_nothing(interval):
    """Asking does not fill the bucket."""
    limiter = RateLimiter(interval, 1, Watch())
    assert allowed(limiter, 3) == [True, False, False]
