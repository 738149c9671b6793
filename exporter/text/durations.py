"""Durations as Prometheus writes them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

_UNITS = {"y": 31_536_000.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
_LONGEST = 292 * 31_536_000.0
"""The longest that Prometheus supports: nanoseconds in 64 bits."""


def parse_duration(text: object) -> float:
    """Return a duration as Prometheus writes it (`90s`, `1h30m`, `7d`) in seconds; raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write it as Prometheus does: 90s, 5m, 1h30m, 7d")
    seconds = sum(float(number or 0) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True))
    if seconds > _LONGEST:
        raise ValueError(f"{match[0][:20]!r} is longer than 292y")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration in seconds as Prometheus writes it: `1h30m` for 5400, `8d` for 691200."""
    parts = []
    rest = round(seconds * 1000)
    for unit, size in _UNITS.items():
        number, left = divmod(rest, round(size * 1000))
        # Years and weeks only if nothing remains: 90d reads better than 12w6d.
        if number and (unit not in "yw" or not left):
            parts.append(f"{number}{unit}")
            rest = left
    return "".join(parts) or "0s"


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0s")
    return seconds


Duration = Annotated[
    float, BeforeValidator(parse_duration), AfterValidator(_positive), PlainSerializer(format_duration, str)
]
"""Seconds, written as `90s` or `1h30m`."""
