"""The rate of requests: a limit for each service that falls when AWS throttles and recovers with each success."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

from exporter.aws.poll import PollRun
from exporter.aws.poll_error import error_reason
from exporter.bucket import Bucket
from exporter.clock import Clock
from exporter.settings import Account, Aws
from exporter.telemetry import PollErrorReason, Telemetry

_FLOOR = 0.1
"""Lowest rate, in requests per second. Never zero: a service that is not called cannot be seen to recover."""

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
        # The configured rate itself may be lower than the floor.
        self.rate = max(self.rate / 2, min(self._full, _FLOOR))

    def succeeded(self) -> None:
        """Restore a step of the rate."""
        self.rate = min(self.rate + self._full * _STEP, self._full)


class Limiter:
    """Holds back every request that one bucket is for: listing, discovery and details, retries included."""

    def __init__(self, bucket: AdaptiveBucket, clock: Clock, note_wait: Callable[[float], None]) -> None:
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

    def learn(self, response: Mapping[str, Any]) -> None:
        """Follow what AWS responds."""
        if response["ResponseMetadata"]["HTTPStatusCode"] < _REDIRECTS:
            self.bucket.succeeded()
        elif error_reason(response) is PollErrorReason.THROTTLED:
            self.bucket.throttled()


class Limiters:
    """One limiter for each account, region and service, because that is what AWS's quotas are for."""

    def __init__(self, settings: Aws, telemetry: Telemetry, clock: Clock, shards: int = 1) -> None:
        # The shards do not talk to each other and share one quota, so each takes an equal part of it.
        # At least one, because a bucket smaller than a token would never let a request through.
        self._rate, self._burst = settings.requests_per_second / shards, max(1, settings.burst // shards)
        self._telemetry = telemetry
        self._clock = clock
        self._limiters: dict[tuple[str, str, str], Limiter] = {}
        self._own = ""

    def of(self, account: Account, region: str, service: str) -> Limiter:
        """Return the limiter of a service; all roles of one account share it."""
        key = (account.account_id or self._own, region, service)
        if key not in self._limiters:
            bucket = AdaptiveBucket(self._burst, self._rate, self._clock.monotonic)
            self._limiters[key] = Limiter(bucket, self._clock, self._telemetry.rate_limit_wait.labels(service).inc)
            self._publish(*key)
        return self._limiters[key]

    def drop(self, account: Account, region: str) -> None:
        """Drop the limiters of an account in a region, and their series."""
        account_id = account.account_id or self._own
        for key in [key for key in self._limiters if key[:2] == (account_id, region)]:
            del self._limiters[key]
            if account_id:
                self._telemetry.rate_limit.remove(*key)

    def note_own(self, account_id: str) -> None:
        """Note the account of the default credentials, and file the limiters made before it was known under it."""
        self._own = account_id
        for key in [key for key in self._limiters if not key[0]]:
            limiter = self._limiters.pop(key)
            if self._limiters.setdefault((account_id, *key[1:]), limiter) is limiter:
                self._publish(account_id, *key[1:])

    def _publish(self, account_id: str, region: str, service: str) -> None:
        """Export the rate of a limiter once its account is known."""
        if account_id:
            bucket = self._limiters[account_id, region, service].bucket
            self._telemetry.rate_limit.labels(account_id, region, service).set_function(lambda: bucket.rate)
