"""The exposition formats: prometheus_client writes them, and what it wrote is taken apart here to be joined anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics

_SLICE = 250
"""Samples that are rendered at once: a few milliseconds."""


class Format(Enum):
    """The exposition formats, by their content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"


class Heads(NamedTuple):
    """What stands above the same samples in each format (HELP, TYPE, UNIT); empty where a format has them elsewhere."""

    text: bytes = b""
    openmetrics: bytes = b""

    def of(self, form: Format) -> bytes:
        """Return the head in one format."""
        return self.text if form is Format.TEXT else self.openmetrics


class _Families(list[Metric]):
    """What prometheus_client renders: anything that can be collected."""

    def collect(self) -> list[Metric]:
        return self


_GENERATE: Mapping[Format, Callable[[Any], bytes]] = {
    Format.TEXT: exposition.generate_latest,
    Format.OPENMETRICS: openmetrics.generate_latest,
}
_FAMILY = re.compile(rb"((?:# .*\n)+)((?:[^#].*\n)+)")

ENDS = {form: generate(_Families()) for form, generate in _GENERATE.items()}
"""What stands at the end of an exposition in each format."""


def rendered(families: Iterable[Metric]) -> Iterator[tuple[Heads, bytes]]:
    """Yield heads and samples, a slice at a time: those of one family may come in several."""
    for family in families:
        sections = _once_for_both if _is_alike(family) else _for_each
        for start in range(0, len(family.samples), _SLICE):
            yield from sections(_like(family, family.samples[start : start + _SLICE]))


def _is_alike(family: Metric) -> bool:
    """Whether both formats write the samples alike: the text format knows no gauge histogram, for one."""
    return family.type != "gaugehistogram" and not any(
        sample.timestamp is not None or sample.exemplar or sample.name.endswith("_created") for sample in family.samples
    )


def _once_for_both(family: Metric) -> Iterator[tuple[Heads, bytes]]:
    text = _GENERATE[Format.TEXT](_Families([_like(family, [])]))
    yield from ((Heads(text, head), samples) for head, samples in _generated(Format.OPENMETRICS, family))


def _for_each(family: Metric) -> Iterator[tuple[Heads, bytes]]:
    yield from ((Heads(text=head), samples) for head, samples in _generated(Format.TEXT, family))
    yield from ((Heads(openmetrics=head), samples) for head, samples in _generated(Format.OPENMETRICS, family))


def _generated(form: Format, family: Metric) -> list[tuple[bytes, bytes]]:
    """Return heads and samples as one format has them."""
    return _FAMILY.findall(_GENERATE[form](_Families([family])))


def _like(family: Metric, samples: list[Any]) -> Metric:
    """Return a family that differs only in its samples."""
    other = Metric(family.name, family.documentation, family.type, family.unit)
    other.samples = samples
    return other
