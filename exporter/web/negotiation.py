"""Which exposition format and encoding a client prefers, by its Accept headers (RFC 9110, 12.5).

prometheus_client's `choose_encoder` and `gzip_accepted` ignore q-values, promise versions that we do not generate
(such as OpenMetrics 2.0.0), and read `gzip;q=0` as consent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from exporter.exposition import Format

_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")

_MOST_ENTRIES, _MOST_PARTS = 32, 8
"""Entries of a header, and parts of an entry, that are read: more than any client sends."""


def negotiate(accept: str) -> tuple[Format, str]:
    """Return the format that the client likes best of those supported, with its Content-Type; text if none matches.

    OpenMetrics is offered in version 1.0.0 only. Of two that the client likes equally, the one named first wins.
    """
    chosen, highest = (Format.TEXT, Format.TEXT.value), 0.0
    for value, parameters, quality in _choices(accept):
        version = parameters.get("version", "")
        if quality <= highest:
            continue
        if value == "application/openmetrics-text" and version in ("", "1.0.0"):
            content_type = Format.OPENMETRICS.value
            if parameters.get("escaping") == "allow-utf-8":
                # Names like ours are the same in both escapings.
                content_type = content_type.replace("escaping=underscores", "escaping=allow-utf-8")
            chosen, highest = (Format.OPENMETRICS, content_type), quality
        elif value in ("text/plain", "text/*", "*/*") and version in ("", "0.0.4"):
            chosen, highest = (Format.TEXT, Format.TEXT.value), quality
    return chosen


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, and likes it no less than an uncompressed response."""
    qualities = {value: quality for value, _, quality in _choices(accept_encoding)}
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _choices(header: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """Yield each of the first entries of an Accept header: its value, its parameters and its quality."""
    for entry in header.split(",", _MOST_ENTRIES)[:_MOST_ENTRIES]:
        value, *parts = (part.strip().lower() for part in entry.split(";", _MOST_PARTS)[:_MOST_PARTS])
        parameters = {name.strip(): text.strip(' "') for name, _, text in (part.partition("=") for part in parts)}
        quality = parameters.get("q", "1")
        # What an impossible weight means is unclear, such as the `*/*;q=2` of Prometheus 2.49.
        yield value, parameters, float(quality) if _QUALITY.fullmatch(quality) else 0.0
