"""The exposition formats: prometheus_client writes them, and its output is split into parts that can be joined anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics

_SLICE = 250
"""Samples that are rendered at a time, which takes a few milliseconds."""


class Format(Enum):
    """The exposition formats, by their content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


class Heads(NamedTuple):
    """The lines above the same samples in each format (HELP, TYPE, UNIT); empty if a format has them elsewhere."""

    text: bytes = b""
    openmetrics: bytes = b""

    def of(self, form: Format) -> bytes:
        """Return the head in one format."""
        return self.text if form is Format.TEXT else self.openmetrics


class _Families(list[Metric]):
    """What prometheus_client renders: anything that has a `collect` method."""

    def collect(self) -> list[Metric]:
        return self


_GENERATE: Mapping[Format, Callable[[Any], bytes]] = {
    Format.TEXT: exposition.generate_latest,
    Format.OPENMETRICS: openmetrics.generate_latest,
}
# No sample begins a line with `#`, whatever its labels hold: both formats escape line ends.
_FAMILY = re.compile(rb"((?:# .*\n)+)((?:[^#].*\n)+)")

ENDS = {form: generate(_Families()) for form, generate in _GENERATE.items()}
"""The end of an exposition in each format."""


def rendered(families: Iterable[Metric]) -> Iterator[tuple[Heads, bytes]]:
    """Yield heads and samples, a slice at a time, so that a large family comes in several parts.

    Both formats write the samples of a family alike and share them, since no sample has a timestamp or an exemplar.
    The exception is the gauge histogram, a type that the text format lacks.
    """
    for family in families:
        # Without samples, which the other format writes alike: all that is needed here is the head.
        text = _GENERATE[Format.TEXT](_Families([_like(family, [])]))
        for start in range(0, len(family.samples), _SLICE):
            part = _like(family, family.samples[start : start + _SLICE])
            if family.type == "gaugehistogram":
                yield from ((Heads(text=head), samples) for head, samples in _generated(Format.TEXT, part))
                yield from (
                    (Heads(openmetrics=head), samples) for head, samples in _generated(Format.OPENMETRICS, part)
                )
            else:
                yield from ((Heads(text, head), samples) for head, samples in _generated(Format.OPENMETRICS, part))


def _generated(form: Format, family: Metric) -> list[tuple[bytes, bytes]]:
    """Return heads and samples as one format writes them."""
    return _FAMILY.findall(_GENERATE[form](_Families([family])))


def _like(family: Metric, samples: list[Any]) -> Metric:
    """Return the same family with other samples."""
    other = Metric(family.name, family.documentation, family.type, family.unit)
    other.samples = samples
    return other
