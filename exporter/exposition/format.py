"""The exposition formats, in parts that can be joined anew.

prometheus_client writes what stands above a family's samples, once for each family. The samples are written here as it
writes them, because it looks at each character of each name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

_SLICE = 500
"""Samples that are rendered at a time, which takes a few milliseconds."""


_UNITS = {"seconds", "bytes"}
"""Units that names end in, as OpenMetrics asks for where a UNIT line stands."""


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


def rendered(families: Iterable[Metric]) -> Iterator[tuple[Heads, bytes]]:
    """Yield heads and samples, a slice at a time, so that a large family comes in several parts.

    Both formats write the samples of a family alike and share them, since no sample has a timestamp or an exemplar.
    """
    for family in families:
        heads = _heads_of(family)
        for start in range(0, len(family.samples), _SLICE):
            yield heads, "".join([_line(sample) for sample in family.samples[start : start + _SLICE]]).encode()


def _heads_of(family: Metric) -> Heads:
    return _heads(family.name, family.documentation, family.type, family.unit or _unit(family))


def _unit(family: Metric) -> str:
    """Return the unit that a family's name ends in: OpenTelemetry's Collector passes it on with the numbers.

    A histogram has none, since its buckets count observations.
    """
    unit = family.name.rpartition("_")[2]
    return unit if unit in _UNITS and family.type in {"gauge", "counter", "summary"} else ""


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
