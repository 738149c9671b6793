"""The rate of requests: what a service is asked at most, slower once AWS says that it is too much."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from exporter.aws.poll import Poll, poll_of
from exporter.aws.poll_error import PollErrorReason, error_reason
from exporter.clock import Clock
from exporter.settings import Account, Aws
from exporter.telemetry import Telemetry

_FLOOR = 0.1
"""Requests a second that are left however often AWS throttles: what is asked never, cannot be seen to recover."""

_STEP = 0.02
"""The part of the full rate that each success gives back: 25 of them make up for one halving."""

_SHOCK = 5.0
"""Seconds for which throttled requests are one event: they were on their way when the first of them was answered."""

_INSTANT = 1e-6
"""Seconds that a clock may lose in its arithmetic; a sleep that short might never end."""

_REDIRECTS = 300
"""The first HTTP status that is no success."""


class TokenBucket:
    """Lets `rate` requests a second pass, and `burst` of them at once after a pause.

    Additive increase, multiplicative decrease: who shares a quota in this way ends up with a fair part of it.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float]) -> None:
        self.rate = self._full = rate
        self._burst = self._tokens = float(burst)
        self._now = now
        self._filled = now()
        self._slowed = -math.inf

    def take(self) -> float:
        """Take a token and return 0, else take none and return the seconds until there may be one."""
        self._fill()
        wait = (1 - self._tokens) / self.rate
        if wait > _INSTANT:
            return wait
        self._tokens -= 1
        return 0.0

    def throttled(self) -> None:
        """Halve the rate and drop what was saved up: AWS's own bucket is empty."""
        self._fill()
        if self._filled - self._slowed < _SHOCK:
            return
        self._slowed = self._filled
        self._tokens = min(self._tokens, 0.0)
        self.rate = max(self.rate / 2, min(self._full, _FLOOR))

    def succeeded(self) -> None:
        """Give a little of the rate back."""
        self._fill()
        self.rate = min(self.rate + self._full * _STEP, self._full)

    def _fill(self) -> None:
        """Add what came in since the last time, at the rate of that time."""
        before, self._filled = self._filled, self._now()
        self._tokens = min(self._tokens + (self._filled - before) * self.rate, self._burst)


class Limiter:
    """Stands before every request that one bucket is for: listing, discovery and details, retries included."""

    def __init__(self, bucket: TokenBucket, clock: Clock, note_wait: Callable[[float], None]) -> None:
        self.bucket = bucket
        self._clock = clock
        self._note_wait = note_wait
        self._turn = asyncio.Lock()

    def watch(self, client: Any) -> None:
        """Have a client's requests wait, and learn from their answers."""
        service = client.meta.service_model.service_id.hyphenize()
        # Before anything else sees the request: it is signed and timed when it may go.
        client.meta.events.register_first(f"request-created.{service}", self._hold)
        client.meta.events.register("response-received", self._learn)

    async def wait(self, poll: Poll) -> None:
        """Return when a request may be sent; who came first goes first, and who gives up takes nothing."""
        began = self._clock.monotonic()
        try:
            with poll.paused():
                async with self._turn:
                    while seconds := self.bucket.take():
                        await self._clock.sleep(seconds)
        finally:
            self._note_wait(self._clock.monotonic() - began)

    async def _hold(self, request: Any, **_: Any) -> None:
        await self.wait(poll_of(request.context))

    def _learn(self, parsed_response: Any, **_: Any) -> None:
        if not parsed_response:
            return
        if parsed_response["ResponseMetadata"]["HTTPStatusCode"] < _REDIRECTS:
            self.bucket.succeeded()
        elif error_reason(parsed_response) is PollErrorReason.THROTTLED:
            self.bucket.throttled()


class Limiters:
    """One limiter for each account, region and service, as AWS has a quota for each; `shards` exporters share it."""

    def __init__(self, settings: Aws, telemetry: Telemetry, clock: Clock, shards: int = 1) -> None:
        # AWS's quota is for all shards together.
        self._rate, self._burst = settings.requests_per_second / shards, max(1, settings.burst // shards)
        self._telemetry = telemetry
        self._clock = clock
        self._limiters: dict[tuple[str, str, str], Limiter] = {}
        self._own = ""

    def of(self, account: Account, region: str, service: str) -> Limiter:
        """Return the limiter of a service; whoever reads the same account shares it."""
        key = (account.account_id or self._own, region, service)
        if key not in self._limiters:
            bucket = TokenBucket(self._rate, self._burst, self._clock.monotonic)
            self._limiters[key] = Limiter(bucket, self._clock, self._telemetry.rate_limit_wait.labels(service).inc)
            self._publish(*key)
        return self._limiters[key]

    def note_own(self, account_id: str) -> None:
        """Note which account the default credentials are for: what was asked to find out counts as its own."""
        self._own = account_id
        for key in [key for key in self._limiters if not key[0]]:
            limiter = self._limiters.pop(key)
            if self._limiters.setdefault((account_id, *key[1:]), limiter) is limiter:
                self._publish(account_id, *key[1:])

    def _publish(self, account_id: str, region: str, service: str) -> None:
        """Show the rate of a limiter, once it is known whose it is."""
        if account_id:
            bucket = self._limiters[account_id, region, service].bucket
            self._telemetry.rate_limit.labels(account_id, region, service).set_function(lambda: bucket.rate)
