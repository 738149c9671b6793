"""The rate of requests: limits for services and operations, which follow what AWS responds, and one for the process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

from exporter.aws.poll import PollRun
from exporter.aws.poll_error import error_reason
from exporter.bucket import Bucket
from exporter.clock import Clock
from exporter.settings import Account, Rate, Rates
from exporter.telemetry import PollErrorReason, Telemetry

_FLOOR = 0.1
"""Lowest rate, in requests per second; a quarter of the full one where that is less.

Never zero: a service that is not called cannot be seen to recover.
"""

_STEP = 0.02
"""Share of the full rate that each success restores: 25 successes make up for one halving."""

_SHOCK = 5.0
"""Seconds in which throttled responses count as one event: those requests were in flight when the first was refused."""

_REDIRECTS = 300
"""The first HTTP status that is not a success."""


class AdaptiveBucket(Bucket):
    """A bucket whose rate follows AWS: additive increase, multiplicative decrease.

    Clients that share a quota in this way converge on equal shares of it, and we share ours with the account's other
    programs.
    """

    def __init__(self, capacity: float, rate: float, monotonic: Callable[[], float]) -> None:
        super().__init__(capacity, rate, monotonic)
        self._full = rate
        self._slowed = -math.inf

    def throttled(self) -> None:
        """Halve the rate and drop the tokens saved up: AWS's own bucket is empty."""
        now = self._monotonic()
        if now - self._slowed < _SHOCK:
            return
        self._slowed = now
        self.drain()
        self.rate = max(self.rate / 2, min(self._full / 4, _FLOOR))

    def succeeded(self) -> None:
        """Restore a step of the rate."""
        self.rate = min(self.rate + self._full * _STEP, self._full)


class Limiter:
    """Holds back every request that one bucket is for: listing, discovery and details, retries included."""

    def __init__(self, bucket: Bucket, clock: Clock, note_wait: Callable[[float], None]) -> None:
        self.bucket = bucket
        self._clock = clock
        self._note_wait = note_wait
        # asyncio's lock is fair: whoever waits for it first gets it first.
        self._turn = asyncio.Lock()
        self._waiters = 0

    async def wait(self, poll: PollRun) -> None:
        """Return when a request may be sent: first come, first served, and a waiter that gives up takes no token."""
        began = self._clock.monotonic()
        if not self._waiters and not self.bucket.take():
            return
        self._waiters += 1
        try:
            async with poll.waiting(), self._turn:
                # Again after each sleep: AWS may have throttled meanwhile, so that the next token comes later.
                while seconds := self.bucket.take():
                    await self._clock.sleep(seconds)
        finally:
            self._waiters -= 1
            self._note_wait(self._clock.monotonic() - began)


class AdaptiveLimiter(Limiter):
    """A limiter whose rate follows what AWS responds."""

    bucket: AdaptiveBucket

    def learn(self, response: Mapping[str, Any]) -> None:
        """Follow what AWS responds."""
        if response["ResponseMetadata"]["HTTPStatusCode"] < _REDIRECTS:
            self.bucket.succeeded()
        elif error_reason(response) is PollErrorReason.THROTTLED:
            self.bucket.throttled()


_AT_ONCE = 0.05
"""The part of an hour's requests that may be sent at once, after a pause. The others come in evenly."""

_HOUR = 3600.0


class Allowance:
    """What the whole process may send in any hour: `aws.calls_per_hour`. It lasts, whatever is reloaded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter: Limiter | None = None
        self.per_hour = math.inf
        """The most requests in any hour."""

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return math.isfinite(self.per_hour)

    def allow(self, per_hour: float) -> None:
        """Allow so many requests in an hour from now on, infinitely many for no limit."""
        self.per_hour = per_hour
        if not self.is_limited:
            self._limiter = None
        elif self._limiter is None:
            bucket = Bucket(self._at_once, self.rate, self._clock.monotonic)
            self._limiter = Limiter(bucket, self._clock, lambda _: None)
        else:
            self._limiter.bucket.resize(self._at_once, self.rate)

    @property
    def rate(self) -> float:
        """The requests per second that come in: in an hour, with those saved up, as many as there may be."""
        return (self.per_hour - self._at_once) / _HOUR if self.is_limited else math.inf

    @property
    def _at_once(self) -> float:
        return max(1.0, self.per_hour * _AT_ONCE)

    async def wait(self, poll: PollRun) -> None:
        """Return when the process may send another request."""
        if self._limiter:
            await self._limiter.wait(poll)


class Limiters:
    """Limiters for each account, region and service, because that is what AWS's quotas are for."""

    def __init__(self, rates: Rates, telemetry: Telemetry, clock: Clock, allowance: Allowance | None = None) -> None:
        self.allowance = allowance or Allowance(clock)
        self._rates = rates
        self._telemetry = telemetry
        self._clock = clock
        self._limiters: dict[_Key, AdaptiveLimiter] = {}
        self._own = ""

    def of(self, account: Account, region: str, service: str, operation: str = "") -> tuple[AdaptiveLimiter, ...]:
        """Return what holds back the requests of an operation, in the order of waiting.

        All of a service's requests share one limiter, and all roles of an account do. An operation with a low quota has
        one of its own before that, so that those who wait for it keep nobody else waiting.
        """
        key = (account.account_id or self._own, region, service)
        own = self._rates.of_operation(service, operation)
        shared = self._limiter((*key, ""), self._rates.of_service(service))
        return (self._limiter((*key, operation), own), shared) if own else (shared,)

    def _limiter(self, key: _Key, rate: Rate) -> AdaptiveLimiter:
        if key not in self._limiters:
            bucket = AdaptiveBucket(rate.burst, rate.per_second, self._clock.monotonic)
            waits = self._telemetry.rate_limit_wait
            self._limiters[key] = AdaptiveLimiter(
                bucket, self._clock, lambda seconds: waits.inc(key[2], amount=seconds)
            )
            self._publish(key)
        return self._limiters[key]

    def drop(self, account: Account, region: str) -> None:
        """Drop the limiters of an account in a region, and their series."""
        account_id = account.account_id or self._own
        for key in [key for key in self._limiters if key[:2] == (account_id, region)]:
            del self._limiters[key]
            if _is_shown(key):
                self._telemetry.rate_limit.remove(*key[:3])

    def note_own(self, account_id: str) -> None:
        """Note the account of the default credentials, and file the limiters made before it was known under it."""
        self._own = account_id
        for key in [key for key in self._limiters if not key[0]]:
            limiter, known = self._limiters.pop(key), (account_id, *key[1:])
            if self._limiters.setdefault(known, limiter) is limiter:
                self._publish(known)

    def _publish(self, key: _Key) -> None:
        """Export the rate of a service's limiter once its account is known."""
        if _is_shown(key):
            bucket = self._limiters[key].bucket
            self._telemetry.rate_limit.labels(*key[:3]).set_function(lambda: bucket.rate)


_Key = tuple[str, str, str, str]
"""Account, region, service and operation, which is empty for the service's own limiter."""


def _is_shown(key: _Key) -> bool:
    account_id, _, _, operation = key
    return bool(account_id) and not operation
