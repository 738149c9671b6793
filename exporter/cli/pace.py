"""How many requests a source makes in an hour, told from what its polls took and from when its jobs ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

from exporter.poller import idle

HOUR, DAY = 3600.0, 86_400.0

MONTH = 730.0
"""Hours of a month, as AWS counts them in its prices."""

Run = tuple[float | None, float | None]
"""When a job was created and when it ended, in seconds; None for what is not known, or has not happened."""


class Pace(NamedTuple):
    """Requests in an hour."""

    expected: float = 0.0
    """If everything goes on as in the last day."""
    most: float = 0.0
    """If something happens in every list all the time."""

    def plus(self, other: Pace) -> Pace:
        """Return both together."""
        return Pace(self.expected + other.expected, self.most + other.most)

    def times(self, factor: float) -> Pace:
        """Return so many times the rate."""
        return Pace(self.expected * factor, self.most * factor)


def total(rates: Iterable[Pace]) -> Pace:
    """Return the sum of rates."""
    return reduce(Pace.plus, rates, Pace())


def steady(requests: float, interval: float) -> Pace:
    """Return the rate of requests that are made at an interval, in seconds, whatever happens."""
    rate = requests * HOUR / interval
    return Pace(rate, rate)


class Reading(NamedTuple):
    """What reading a list of jobs takes: requests, and how often they are made, in seconds."""

    later: int
    """Requests of a poll that reads what can have changed."""
    resync: int
    """Requests of one that reads everything."""
    resync_interval: float
    scopes: int = 0
    """Requests that look for the inner scopes."""
    scopes_interval: float = 0.0
    """0 where every poll looks for them."""
    details: float = 0.0
    """Requests in an hour about single jobs, however often the list is read."""

    def at(self, polls: float) -> float:
        """Return the requests of an hour with so many polls."""
        resyncs = _every(self.resync_interval, polls)
        lists = (polls - resyncs) * self.later + resyncs * self.resync
        return lists + self.scopes * _every(self.scopes_interval, polls) + self.details


def listed(reading: Reading, runs: Sequence[Run], now: float, *, usual: float, longest: float) -> Pace:
    """Return the rate of a list that is read at the interval `usual`, and while nothing happens at most at `longest`.

    What it is expected to be follows from when the jobs of the last day ran.
    """
    return Pace(reading.at(polls(runs, now, usual=usual, longest=longest)), reading.at(HOUR / usual))


def polls(runs: Sequence[Run], now: float, *, usual: float, longest: float) -> float:
    """Return how often an hour the exporter would have polled a list in the last day."""
    events, active = _history(runs)
    # Two days, of which the second counts: what happened before decides about its first interval.
    time, count = now - 2 * DAY, 0
    while time < now:
        passed = bisect_right(events, time)
        quiet = time - events[passed - 1] if passed else DAY
        count += time >= now - DAY
        time += idle(usual, longest, 0.0 if active[passed] else quiet)
    return count * HOUR / DAY


def _history(runs: Sequence[Run]) -> tuple[Sequence[float], Sequence[int]]:
    """Return when jobs were created or ended, and how many were active before the first of these times and after each.

    A job whose creation nobody knows has always been active, or was never seen to be.
    """
    always = sum(created is None and ended is None for created, ended in runs)
    changes = [(created, 1) for created, _ in runs if created is not None]
    changes += [(ended, -1 if created is not None else 0) for created, ended in runs if ended is not None]
    changes.sort()
    return [time for time, _ in changes], [*accumulate((change for _, change in changes), initial=always)]


def _every(interval: float, polls: float) -> float:
    """Return how often an hour a poll comes that is at least an interval after the last such poll."""
    pause = HOUR / polls
    # Polls are early or late, so that the first one after an interval is half a pause late on average.
    return HOUR / (pause if pause > interval else interval + pause / 2)
