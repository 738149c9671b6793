"""How long a source waits for its next poll."""

from __future__ import annotations

import random

from exporter.aws import PollErrorReason

_JITTER = 0.1
_REFUSED_MOST = 300.0
"""Seconds; a permission that was granted a moment ago should show within minutes."""


def pause(interval: float, failures: int, reason: PollErrorReason | None, rng: random.Random) -> float:
    """Return the seconds from the begin of a poll to the begin of the next.

    A success waits for the interval, with jitter, so that sources spread. A fault of the moment (network, time-out,
    server error) is tried again within the interval. A refusal (throttled, denied, not found) is asked again ever
    more rarely, with full jitter between the interval and twice, four times ... that, at most 5 minutes.
    """
    if reason is None:
        return interval * rng.uniform(1 - _JITTER, 1 + _JITTER)
    if not reason.is_refusal:
        return interval * rng.uniform(0.5, 1.0)
    most = max(interval, min(interval * 2.0 ** min(failures, 16), _REFUSED_MOST))
    return rng.uniform(interval, most)
