"""Which exposition format and encoding a client wants, by its Accept headers (RFC 9110, 12.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from exporter.exposition import Format

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


class Answer(NamedTuple):
    """The format to answer in, and the Content-Type that says so."""

    form: Format
    content_type: str


class _Choice(NamedTuple):
    """One entry of an Accept header."""

    value: str
    parameters: dict[str, str]
    quality: float


def negotiate(accept: str) -> Answer:
    """Return the supported format that the client likes best; the text format where none matches.

    OpenMetrics is offered in version 1.0.0 only; of two that the client likes equally, the first named wins.
    """
    offers = [(choice, form) for choice in _choices(accept) if choice.quality and (form := _format(choice))]
    if not offers:
        return Answer(Format.TEXT, Format.TEXT.value)
    choice, form = max(offers, key=lambda offer: offer[0].quality)
    return Answer(form, _content_type(form, choice))


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, and likes it no less than what is not compressed."""
    qualities = {choice.value: choice.quality for choice in _choices(accept_encoding)}
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _format(choice: _Choice) -> Format | None:
    version = choice.parameters.get("version", "")
    if choice.value == "application/openmetrics-text" and version in ("", "1.0.0"):
        return Format.OPENMETRICS
    if choice.value in ("text/plain", "text/*", "*/*") and version in ("", "0.0.4"):
        return Format.TEXT
    return None


def _content_type(form: Format, choice: _Choice) -> str:
    """Return the type of a format with the escaping that was asked for; of two, names like ours come out the same."""
    if form is Format.OPENMETRICS and choice.parameters.get("escaping") == "allow-utf-8":
        return str(form.value).replace("escaping=underscores", "escaping=allow-utf-8")
    return form.value


def _choices(header: str) -> Iterator[_Choice]:
    for entry in header.split(","):
        value, *parts = (part.strip().lower() for part in entry.split(";"))
        parameters = {name.strip(): text.strip(' "') for name, _, text in (part.partition("=") for part in parts)}
        yield _Choice(value, parameters, _quality(parameters.get("q", "1")))


def _quality(text: str) -> float:
    """Return a q-value; 0 for an impossible one, such as the `*/*;q=2` of Prometheus 2.49: what it says is unclear."""
    return float(text) if _QUALITY.fullmatch(text) else 0.0
