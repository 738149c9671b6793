"""How long a source waits for its next poll."""

from __future__ import annotations

import math
import random

from exporter.telemetry import PollErrorReason

_JITTER = 0.1
"""The part of an interval by which a poll is early or late: without it, sources that start together stay together."""

_LEAST_JITTER = 1.0
"""Seconds by which a list is early that waits for as long as it may: it was spread on the way there."""


def pause(interval: float, reason: PollErrorReason | None, rng: random.Random, longest: float = math.inf) -> float:
    """Return the seconds from the start of one poll to the start of the next.

    After a success it is the interval, with jitter so that sources spread, but never more than `longest`, within which
    what begins in an idle list is promised to be seen. After a failure it is at most one interval,
    so that recovery shows within one: nearly all of it where AWS refused (throttled, denied, not found), which asking
    sooner would not change, and at least half of it after a transient fault (network, time-out, server error). The
    interval of what AWS denies is longer: see `BackOff`.
    """
    if reason is not None:
        return interval * rng.uniform(*_range(reason))
    jitter = min(interval * _JITTER, max(_LEAST_JITTER, longest - interval))
    return min(longest, interval + rng.uniform(-jitter, jitter))


def mean_pause(interval: float, reason: PollErrorReason | None) -> float:
    """Return what `pause` returns on average."""
    return interval * sum(_range(reason)) / 2


def _range(reason: PollErrorReason | None) -> tuple[float, float]:
    """Return the shortest and the longest pause, in intervals."""
    if reason is None:
        return 1 - _JITTER, 1 + _JITTER
    return 1 - _JITTER if reason.is_refusal else 0.5, 1.0


_QUIET = 6.0
"""How many intervals fit into the time for which nothing has happened."""


def idle(usual: float, longest: float, quiet: float) -> float:
    """Return the interval of a list in which nothing has happened for `quiet` seconds; never shorter than `usual`."""
    return max(usual, min(longest, quiet / _QUIET))
