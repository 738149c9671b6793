"""Metric families to bytes: rendered when a source changes, joined when someone scrapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics


class Format(Enum):
    """The exposition formats, by their content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


class _Block(NamedTuple):
    """What one publisher exposes: the samples of each family by the family's head, until `expires`."""

    families: Mapping[Format, Mapping[bytes, bytes]]
    expires: float


_GENERATE: Mapping[Format, Callable[[Any], bytes]] = {
    Format.TEXT: exposition.generate_latest,
    Format.OPENMETRICS: openmetrics.generate_latest,
}
_FAMILY = re.compile(rb"^(# HELP [^\n]*\n# TYPE [^\n]*\n)((?:(?!# )[^\n]*\n)+)", re.MULTILINE)


class Exposition:
    """All that is exposed, in blocks that are published and withdrawn whole."""

    def __init__(self, own: CollectorRegistry, clock: Callable[[], float]) -> None:
        """Expose the blocks and, rendered anew for each scrape, the exporter's own registry."""
        self._own = own
        self._clock = clock
        self._blocks: dict[Hashable, _Block] = {}
        self._joined: dict[Format, bytes] = {}
        self._next_expiry = float("inf")

    def publish(self, key: Hashable, families: Iterable[Metric], expires: float = float("inf")) -> None:
        """Replace the block `key`; it disappears by itself at `expires`, seconds since 1970-01-01 UTC."""
        source = _Families(families)
        rendered = {form: dict(_split(generate(source))) for form, generate in _GENERATE.items()}
        self._blocks[key] = _Block(rendered, expires)
        self._next_expiry = min(self._next_expiry, expires)
        self._joined.clear()

    def withdraw(self, key: Hashable) -> None:
        """Take a block away, if it is there."""
        self._blocks.pop(key, None)
        self._joined.clear()

    def render(self, form: Format) -> bytes:
        """Return everything in one format."""
        self._expire()
        if form not in self._joined:
            self._joined[form] = _join(block.families[form] for block in self._blocks.values())
        own = _GENERATE[form](self._own)
        return self._joined[form] + own

    def _expire(self) -> None:
        now = self._clock()
        if now < self._next_expiry:
            return
        for key in [key for key, block in self._blocks.items() if block.expires <= now]:
            self.withdraw(key)
        self._next_expiry = min((block.expires for block in self._blocks.values()), default=float("inf"))


class _Families:
    """What prometheus_client renders: anything that can be collected."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = [family for family in families if family.samples]

    def collect(self) -> list[Metric]:
        return self._families


def _split(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each family of an exposition as its head (HELP and TYPE) and its samples."""
    for match in _FAMILY.finditer(text):
        yield match[1], match[2]


def _join(blocks: Iterable[Mapping[bytes, bytes]]) -> bytes:
    """Return one exposition in which each family stands once, with the samples of all blocks."""
    families: dict[bytes, list[bytes]] = {}
    for block in blocks:
        for head, samples in block.items():
            families.setdefault(head, [head]).append(samples)
    return b"".join(line for lines in families.values() for line in lines)
