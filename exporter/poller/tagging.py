"""Asks AWS for the tags of resources: of many at once, and not again and again where that fails."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import structlog

from exporter.aws import MOST_ARNS, Place, PollErrorReason, PollRun, Reader, poll_error
from exporter.clock import Clock
from exporter.jobs import Tags
from exporter.settings import Poll
from exporter.telemetry import Telemetry

log = structlog.get_logger(__name__)


class Tagging:
    """Asks for tags, in each region of an account one request at a time; if one fails, none for a while.

    Hundreds of sources may wait for the same permission.
    """

    def __init__(self, reader: Reader, telemetry: Telemetry, clock: Clock, settings: Poll) -> None:
        self._reader = reader
        self._telemetry = telemetry
        self._clock = clock
        self._settings = settings
        self._due: dict[tuple[str, str], float] = {}
        """Until when, on the monotonic clock, nothing is asked where a request has failed."""
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(self, poll: PollRun, place: Place, arns: Iterable[str], keys: Sequence[str]) -> Mapping[str, Tags]:
        """Return the values of some tags for each ARN, without those that AWS did not tell; never fails the poll."""
        found: dict[str, Tags] = {}
        wanted = list(dict.fromkeys(arns))
        for start in range(0, len(wanted), MOST_ARNS):
            asked = wanted[start : start + MOST_ARNS]
            told = await self._ask(poll, place, asked)
            if told is None:
                break
            # A resource without tags is not in the response.
            found |= {arn: tuple(told.get(arn, {}).get(key, "") for key in keys) for arn in asked}
        return found

    async def _ask(self, poll: PollRun, place: Place, arns: Sequence[str]) -> Mapping[str, Mapping[str, str]] | None:
        """Return the tags of some resources; None where AWS does not tell, or did not a short while ago."""
        where, beside = (place.account_id, place.region), poll.beside()
        async with poll.waiting(), self._locks[where]:
            if self._clock.monotonic() < self._due.get(where, -math.inf):
                return None
            try:
                async with beside.limit(self._settings.timeout):
                    told = await self._reader.tags(beside, place, arns)
            except Exception as error:  # noqa: BLE001 - missing tags can't spoil a list of jobs
                poll.is_denied_tags |= self._note_failure(where, error)
                return None
        poll.progressed(0)
        if self._due.pop(where, None) is not None:
            log.info("tags read again", account_id=where[0], region=where[1])
        return told

    def _note_failure(self, where: tuple[str, str], error: Exception) -> bool:
        """Count a failure, log the first of several, and return whether it is a denial."""
        failure, (account_id, region) = poll_error(error), where
        self._telemetry.tag_errors.inc(account_id, region, failure.reason)
        if where not in self._due:
            log.warning(
                "tags not read", account_id=account_id, region=region, reason=str(failure.reason), err=str(failure)
            )
        self._due[where] = self._clock.monotonic() + self._settings.discovery_interval
        return failure.reason is PollErrorReason.ACCESS_DENIED
