"""Programs that read metrics up to a limit only, unless a setting of theirs lifts it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

_SIZE = 200
"""Bytes of a series with its labels and its share of HELP texts, in either format: the mean of simulated services."""


class ReaderLimit(NamedTuple):
    """A program, how much it reads by default, and the setting of its own that changes that."""

    name: str
    limit: int
    unit: Literal["series", "bytes"]
    setting: str

    def __str__(self) -> str:
        return f"{self.name} reads at most {self.limit:,} {self.unit} unless {self.setting} is higher"


LIMITS = (
    ReaderLimit("Datadog's OpenMetrics check", 2_000, "series", "max_returned_metrics"),
    ReaderLimit("Fluent Bit", 10_000_000, "bytes", "buffer_max_size"),
    ReaderLimit("vmagent", 16 * 1024 * 1024, "bytes", "-promscrape.maxScrapeSize"),
)
"""Those that have a limit by default; docs/readers.md has them and all others."""


def exceeded(series: int, size: int | None = None) -> Iterator[ReaderLimit]:
    """Yield each reader that by default does not read this many series, or bytes, whole.

    Without a size, the number of series tells it, roughly.
    """
    amounts = {"series": series, "bytes": series * _SIZE if size is None else size}
    return (reader for reader in LIMITS if amounts[reader.unit] > reader.limit)
