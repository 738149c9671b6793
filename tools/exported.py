"""What the exporter exports, according to the code."""

from dataclasses import dataclass, field
from itertools import starmap
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from exporter.families import GROUP_FAMILIES, JOB_FAMILIES, SOURCE_FAMILIES, Family
from exporter.telemetry import Telemetry
from exporter.telemetry.late_counter import LateCounter


@dataclass(frozen=True)
class Row:
    """A family as the documents describe it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str = field(default="", compare=False)


def families() -> set[Row]:
    """Return every family that the exporter exports by itself."""
    tables: list[Family[Any]] = [*JOB_FAMILIES, *GROUP_FAMILIES, *SOURCE_FAMILIES]
    return {*map(row, tables), *instruments()}


def instruments() -> list[Row]:
    """Return the exporter's own counters, gauges and histograms."""
    return list(starmap(_instrument_row, Telemetry().instruments.items()))


def row(family: Family[Any]) -> Row:
    """Return a family as it is documented."""
    return Row(family.name, family.type, family.labels, family.help)


def _instrument_row(name: str, instrument: Collector) -> Row:
    """Return one of the exporter's own instruments as it is documented."""
    wrapped = instrument.counter if isinstance(instrument, LateCounter) else instrument
    assert isinstance(wrapped, MetricWrapperBase)
    return Row(name, str(wrapped._type), tuple(wrapped._labelnames), wrapped._documentation)


def series() -> set[str]:
    """Return the name of every series that a query can use."""
    # With metrics.duration_buckets, summaries are histograms.
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("", "_bucket", "_count", "_sum")}
    own = {family.name for family in Telemetry().registry.collect()}
    return {
        *(family.name + suffix for family in families() for suffix in suffixes.get(family.type, ("",))),
        *(name + suffix for name in own for suffix in ("", "_total")),
    }
