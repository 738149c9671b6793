"""Which exposition format and encoding a client wants, by its Accept headers (RFC 9110, 12.5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exporter.exposition import Format


class _Choice(NamedTuple):
    """One entry of an Accept header."""

    value: str
    parameters: dict[str, str]
    quality: float


def choose_format(accept: str) -> Format:
    """Return the supported format that the client likes best; the text format where none matches.

    OpenMetrics is offered in version 1.0.0 only; of two that the client likes equally, the first named wins.
    """
    offers = ((choice.quality, form) for choice in _choices(accept) if (form := _format(choice)))
    best = max(offers, key=lambda offer: offer[0], default=(0.0, Format.TEXT))
    return best[1] if best[0] > 0 else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip."""
    qualities = {choice.value: choice.quality for choice in _choices(accept_encoding)}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _format(choice: _Choice) -> Format | None:
    version = choice.parameters.get("version", "")
    if choice.value == "application/openmetrics-text" and version in ("", "1.0.0"):
        return Format.OPENMETRICS
    if choice.value in ("text/plain", "text/*", "*/*") and version in ("", "0.0.4"):
        return Format.TEXT
    return None


def _choices(header: str) -> Iterator[_Choice]:
    for entry in header.split(","):
        value, *parts = (part.strip().lower() for part in entry.split(";"))
        parameters = {name.strip(): text.strip() for name, _, text in (part.partition("=") for part in parts)}
        yield _Choice(value, parameters, _quality(parameters.get("q", "1")))


def _quality(text: str) -> float:
    """Return a q-value; Prometheus 2.49 sent q=2, which counts as 1."""
    try:
        return min(1.0, float(text))
    except ValueError:
        return 0.0
