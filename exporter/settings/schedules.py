"""When a success is due by the calendar: weekdays and a time of day, or a cron expression, in a time zone."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from exporter.text.spelling import did_you_mean

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_DAY = "|".join(_DAYS)
_WEEKDAYS = re.compile(rf"(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_CRON_FIELDS = 5


class Schedule(NamedTuple):
    """Moments by the calendar.

    Where clocks are put forward, a moment that they skip comes right then; where they are put back, it comes once.
    """

    cron: str
    zone: str

    def after(self, time: float) -> float:
        """Return the first moment after a time, both in seconds since 1970-01-01 UTC."""
        return next(CronSim(self.cron, datetime.fromtimestamp(time, ZoneInfo(self.zone)))).timestamp()

    def before(self, time: float) -> float:
        """Return the last moment before a time, both in seconds since 1970-01-01 UTC."""
        start = datetime.fromtimestamp(time, ZoneInfo(self.zone))
        return next(CronSim(self.cron, start, reverse=True)).timestamp()


@lru_cache(maxsize=1000)
def parse_schedule(text: str) -> Schedule:
    """Return the schedule that a text means: `Mon-Fri 06:00 Europe/Berlin`, `06:00`, `0 6 1 * * UTC`.

    Raises ValueError where it is none, or where it never comes.
    """
    words, zone = text.split(), "UTC"
    if len(words) == _CRON_FIELDS + 1 or (1 < len(words) < _CRON_FIELDS and not _TIME.fullmatch(words[-1])):
        zone = words.pop()
        _check_zone(zone)
    cron = " ".join(words) if len(words) == _CRON_FIELDS else _cron(words)
    if cron is None:
        raise ValueError(
            f"{text!r} is not a schedule; write days and a time, or five fields of cron, then the time zone (UTC if "
            "there is none): Mon-Fri 06:00 Europe/Berlin, 18:30, 0 6 1 * * America/New_York"
        )
    try:
        schedule = Schedule(cron, zone)
        schedule.after(0)
    except CronSimError as error:
        raise ValueError(f"{text!r} is not a schedule: cron does not know the {str(error).lower()}") from None
    except StopIteration:
        raise ValueError(f"{text!r} never comes") from None
    return schedule


def _check_zone(zone: str) -> None:
    known = available_timezones()
    if zone not in known:
        raise ValueError(f"there is no time zone {zone!r}{did_you_mean(zone, known)}")


def _cron(words: list[str]) -> str | None:
    """Return days and a time as a cron expression; None if they are none."""
    *days, time = words or [""]
    match = _TIME.fullmatch(time)
    if match is None or len(days) > 1 or not all(map(_WEEKDAYS.fullmatch, days)):
        return None
    numbers = sorted({number for part in days for each in part.split(",") for number in _numbers(each)})
    return f"{int(match[2])} {int(match[1])} * * {','.join(map(str, numbers)) or '*'}"


def _numbers(days: str) -> list[int]:
    """Return the numbers of the days of a range, which may lead over the end of the week."""
    first, _, last = days.partition("-")
    start, end = _DAYS.index(first), _DAYS.index(last or first)
    return [day % len(_DAYS) for day in range(start, end + 1 + (len(_DAYS) if end < start else 0))]
