"""How long a source waits that AWS denies: as long again as it has been denied, and those of a region take turns.

Only people change what AWS denies, and whoever does can reload. Until then each request costs the account something:
its quota, an event in CloudTrail, and often an alarm.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.jobs import SourceKey
from exporter.store import Denied
from exporter.telemetry import Denial, SourceStatus

LONGEST = 3600.0
"""Seconds between two polls of a source that AWS denies, at most, unless too many of a region are denied."""

_AT_FIRST = 180.0
"""Seconds of a denial in which each source waits for itself alone: a new permission takes a moment to be in effect."""

APART = 44.0
"""Seconds between two requests that AWS denies, of all sources of an account in a region: 82 an hour.

With those about the account itself (GetCallerIdentity, AssumeRole, DescribeRegions) there are fewer than 100.
"""

_ACCOUNT = "sts"
"""The service of the source that stands for a whole account."""

_Place = tuple[str, str]
"""Account and region."""


def is_lasting(denial: Denial | None) -> bool:
    """Return whether AWS has denied a source for long enough that it is asked seldom."""
    return denial is not None and denial.lasted >= _AT_FIRST


def retry_interval(status: SourceStatus) -> float:
    """Return the seconds after which a source that failed is polled again, where waiting longer is no use."""
    return min(status.usual_interval, status.retry_interval)


def share_permissions(one: SourceKey, other: SourceKey) -> bool:
    """Return whether what permits one source may permit another: in one account, the same service in any region.

    An account that cannot be entered has all of its sources denied.
    """
    services = {one.aws_service, other.aws_service}
    return one.account_id == other.account_id and (len(services) == 1 or _ACCOUNT in services)


def denied(status: SourceStatus) -> Denied | None:
    """Return what is kept of a denied source for the next start; None if AWS does not deny it."""
    if status.denial is None or status.reason is None or status.next_poll is None:
        return None
    return Denied(*status.denial, status.next_poll, status.consecutive_failures, status.reason, status.error)


def scouts(kept: Mapping[SourceKey, Denied]) -> set[SourceKey]:
    """Return of each service in each account and region the source that is polled at once after a restart.

    Whoever restarts the exporter may have repaired something; if so, the success brings back the others.
    """
    latest_first = sorted(kept, key=lambda key: kept[key].due, reverse=True)
    return set({key[:3]: key for key in latest_first}.values())


class BackOff:
    """The turns of what AWS denies, by account and region. Times on the monotonic clock, in seconds."""

    def __init__(self, shards: int) -> None:
        """Leave the turns of other shards to them."""
        self._apart = APART * shards
        self._free: dict[_Place, float] = {}
        """When the next turn is."""

    def interval(self, status: SourceStatus, denial: Denial, requests: int, now: float) -> float:
        """Return how long a source waits after a poll of so many requests that was denied."""
        wait = max(retry_interval(status), min(LONGEST, denial.lasted))
        return wait if not is_lasting(denial) else max(wait, self._turn(status.key, now, requests) - now)

    def resume(self, key: SourceKey, due: float) -> None:
        """Leave a source the turn that it had before a restart."""
        place = key.account_id, key.region
        self._free[place] = max(due + self._apart, self._free.get(place, due))

    def _turn(self, key: SourceKey, now: float, requests: int) -> float:
        """Return when the turn of a source is, and have the next one come after its requests."""
        place = key.account_id, key.region
        turn = max(now, self._free.get(place, now))
        # Where a role cannot be assumed, nothing is asked with its credentials.
        self._free[place] = turn + self._apart * max(1, requests)
        return turn
