"""Times, durations and amounts as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def moment(seconds: float | None) -> datetime | None:
    """Return seconds since 1970-01-01 UTC as a time; None if there is none, or none that a calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def span(seconds: float | None) -> str:
    """Return a duration in its two largest units: 5400 gives `1 h 30 min`."""
    if seconds is None:
        return ""
    if abs(seconds) < 1:
        return f"{round(seconds * 1000)} ms" if seconds else "0 s"
    rest = round(abs(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
    return " ".join(filter(None, parts[:2]))


_USED = {
    "instance": "instance-seconds",
    "dpu": "DPU-seconds",
    "vcpu": "vCPU-seconds",
    "memory_gb": "GB-seconds of memory",
    "storage_gb": "GB-seconds of storage",
}


def usage(used: Mapping[str, float]) -> str:
    """Return what a job used: `1,200 DPU-seconds (G.1X), 3 bytes`."""
    return ", ".join(_amount(*what.partition("/")[::2], amount) for what, amount in used.items())


def _amount(resource: str, type_: str, amount: float) -> str:
    number = f"{amount:,.0f}" if amount >= _EXACT or amount == int(amount) else f"{amount:.3g}"
    return f"{number} {_USED.get(resource, resource)}{f' ({type_})' if type_ else ''}"


_EXACT = 100
"""From which on nobody cares for fractions."""


def ago(seconds: float | None, now: float) -> str:
    """Return a time relative to now: `3 min ago`, `in 20 s`."""
    if seconds is None:
        return "never"
    passed = now - seconds
    if abs(passed) < 1:
        return "now"
    return f"{_largest(passed)} ago" if passed > 0 else f"in {_largest(-passed)}"


def _largest(seconds: float) -> str:
    """Return a duration in its largest unit; in hours up to two days, because `26 h ago` says more than `1 d ago`."""
    for unit, size in _UNITS:
        if seconds >= (2 * size if unit == "d" else size):
            return f"{int(seconds // size)} {unit}"
    return "1 s"
