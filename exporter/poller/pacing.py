"""How long a source waits for its next poll."""

from __future__ import annotations

import random

from exporter.aws import PollErrorReason

_JITTER = 0.1


def pause(interval: float, reason: PollErrorReason | None, rng: random.Random) -> float:
    """Return the seconds from the begin of a poll to the begin of the next.

    A success waits for the interval, with jitter, so that sources spread. A failure waits for one interval at most, so
    that whatever it was, its end shows within one: a refusal (throttled, denied, not found) for all of it, a fault of
    the moment (network, time-out, server error) for half of it at least.
    """
    if reason is None:
        return interval * rng.uniform(1 - _JITTER, 1 + _JITTER)
    return interval * rng.uniform(1 - _JITTER if reason.is_refusal else 0.5, 1.0)
