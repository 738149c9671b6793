"""The health of each source: up or down, since when, and why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from exporter.jobs import SourceKey


class PollErrorReason(StrEnum):
    """Why a poll failed, of a closed list."""

    THROTTLED = "throttled"
    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    EXPIRED_CREDENTIALS = "expired_credentials"
    INVALID_REQUEST = "invalid_request"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    NETWORK = "network"
    BAD_RESPONSE = "bad_response"
    INTERNAL = "internal"

    @property
    def is_refusal(self) -> bool:
        """Whether AWS will most likely answer the same in a minute: it understood, and declined."""
        return self in _REFUSALS


_REFUSALS = {
    PollErrorReason.THROTTLED,
    PollErrorReason.ACCESS_DENIED,
    PollErrorReason.NOT_FOUND,
    PollErrorReason.EXPIRED_CREDENTIALS,
    PollErrorReason.INVALID_REQUEST,
}


class Denial(NamedTuple):
    """That AWS denies a source, poll after poll; times in seconds since 1970-01-01 UTC."""

    since: float
    """The first of these polls."""
    last: float

    @property
    def lasted(self) -> float:
        """Seconds from the first of these polls to the last."""
        return self.last - self.since


@dataclass
class SourceStatus:
    """How the polls of one source went; times in seconds since 1970-01-01 UTC. Only the poller writes it."""

    key: SourceKey
    interval: float
    scope_kind: str = ""
    scope_name: str = ""
    """What people call the scope."""
    retry_interval: float = math.inf
    """Replaces a longer `interval` after a failed poll."""
    usual_interval: float = field(init=False)
    """By the configuration; `interval` is longer while nothing happens, or while AWS denies the source."""
    longest_interval: float = math.inf
    """What `interval` never exceeds while nothing happens, jitter included; infinite while something does."""
    stretch: float = 1.0
    """By how much `interval` is longer so that all sources together keep to `aws.calls_per_hour`."""
    scope_tags: Mapping[str, str] | None = None
    """AWS tags of the scope by their labels; None where nobody asked for any, or AWS has not told them yet."""
    attempts: int = 0
    consecutive_failures: int = 0
    last_success: float | None = None
    last_duration: float = 0.0
    next_poll: float | None = None
    """None where it is due as soon as possible."""
    reason: PollErrorReason | None = None
    """Why the last poll failed; None while it succeeds."""
    error: str = ""
    """The same in AWS's words, for people to read."""
    denial: Denial | None = None
    """None unless the last poll failed because AWS denies the source."""
    calls: int = 0
    """Requests that its polls have sent to AWS since it was discovered."""
    last_calls: int = 0
    """Requests of the last poll."""
    listed: int | None = None
    """Jobs, or scopes, that the poll under way has listed so far; None before its first page and when it is over."""
    jobs: int | None = None
    """Jobs held; None for a source that finds other sources and has no jobs itself."""
    details_pending: int | None = None
    series: int | None = None
    """Series about its jobs."""
    series_dropped: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Series that it drops, by their family and the limit."""
    jobs_dropped: int = 0
    """Jobs that finished within the lookback but are not counted."""
    children: int | None = None
    """Sources that the last successful poll found; None for a list of jobs, and before the first poll."""
    sources_dropped: int = 0
    """Child sources that are not polled because of a limit."""

    def __post_init__(self) -> None:
        self.usual_interval = self.interval

    @property
    def is_up(self) -> bool:
        """Whether the last poll succeeded."""
        return self.attempts > 0 and self.consecutive_failures == 0

    def stretch_to(self, factor: float) -> None:
        """Have the interval be longer by another factor."""
        # Rounded, so that it comes back to what it was.
        self.interval = round(self.interval * factor / self.stretch, 6)
        self.stretch = factor

    def is_overdue(self, now: float) -> bool:
        """Return whether the next poll should have been over for more than one interval."""
        return self.next_poll is not None and now - self.next_poll > self.interval

    def renewed(self, newer: SourceStatus) -> SourceStatus:
        """Continue under a new configuration, with the interval and the names of `newer`; it may end a denial."""
        self.denial = None
        self.usual_interval = newer.usual_interval
        self.interval = self.usual_interval * self.stretch
        self.scope_kind, self.scope_name = newer.scope_kind, newer.scope_name
        self.scope_tags = newer.scope_tags
        return self
