"""The exposition formats, in parts that can be joined anew.

prometheus_client writes what stands above a family's samples, once for each family. The samples are written here as it
writes them, because it looks at each character of each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

_SLICE = 500
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

ENDS = {form: generate(_Families()) for form, generate in _GENERATE.items()}
"""The end of an exposition in each format."""

_number: Callable[[float], str] = floatToGoString

_Line: TypeAlias = tuple[str, str]
"""A sample's name and its line."""

_GAUGES = ("_gcount", "_gsum")
"""The suffixes of a gauge histogram's samples that are gauges of their own in the text format, which lacks the type."""


def rendered(families: Iterable[Metric]) -> Iterator[tuple[Heads, bytes]]:
    """Yield heads and samples, a slice at a time, so that a large family comes in several parts.

    Both formats write the samples of a family alike and share them, since no sample has a timestamp or an exemplar.
    The exception is the gauge histogram.
    """
    for family in families:
        for start in range(0, len(family.samples), _SLICE):
            lines = [(sample.name, _line(sample)) for sample in family.samples[start : start + _SLICE]]
            parts = _gauge_histogram(family, lines) if family.type == "gaugehistogram" else [(_heads_of(family), lines)]
            yield from ((heads, "".join([line for _, line in part]).encode()) for heads, part in parts if part)


def _gauge_histogram(family: Metric, lines: list[_Line]) -> Iterator[tuple[Heads, list[_Line]]]:
    """Yield one family for OpenMetrics, and three for the text format."""
    heads, gauges = _heads_of(family), [family.name + suffix for suffix in _GAUGES]
    yield Heads(openmetrics=heads.openmetrics), lines
    yield Heads(text=heads.text), [line for line in lines if line[0] not in gauges]
    for name in gauges:
        heads = _heads(name, family.documentation, "gauge", "")
        yield Heads(text=heads.text), [line for line in lines if line[0] == name]


def _heads_of(family: Metric) -> Heads:
    return _heads(family.name, family.documentation, family.type, family.unit)


@cache
def _heads(name: str, documentation: str, kind: str, unit: str) -> Heads:
    families = _Families([Metric(name, documentation, kind, unit)])
    return Heads(*(_GENERATE[form](families).removesuffix(ENDS[form]) for form in (Format.TEXT, Format.OPENMETRICS)))


def _line(sample: Sample) -> str:
    """Return a sample as both formats write it (OpenMetrics 1.0, 5.1)."""
    items = sorted(sample.labels.items())
    labels = ",".join([f'{name}="{value}"' for name, value in items])
    # Few values need escapes, and looking at each of them takes longer than all the rest.
    if labels.count('"') > 2 * len(items) or "\\" in labels or "\n" in labels:
        labels = ",".join([f'{name}="{_escaped(value)}"' for name, value in items])
    name = f"{sample.name}{{{labels}}}" if items else sample.name
    return f"{name} {_number(sample.value)}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
