"""What the exporter exports, as the code has it."""

from typing import Any, NamedTuple

from prometheus_client.metrics import MetricWrapperBase

from exporter.collector import JOB_FAMILIES
from exporter.families import Family
from exporter.telemetry import SOURCE_FAMILIES, Telemetry


class Row(NamedTuple):
    """A family as the documents describe it."""

    name: str
    type: str
    labels: frozenset[str]


def families() -> set[Row]:
    """Return every family that the exporter exports by itself."""
    tables: list[Family[Any]] = [*JOB_FAMILIES, *SOURCE_FAMILIES]
    instruments = map(instrument_row, vars(Telemetry()).values())
    return {*map(row, tables), *filter(None, instruments)}


def row(family: Family[Any]) -> Row:
    """Return a family as it is documented."""
    return Row(family.name, family.type, frozenset(family.labels))


def instrument_row(value: Any) -> Row | None:
    """Return one of the exporter's own instruments as it is documented; None for what is no instrument."""
    if not isinstance(value, MetricWrapperBase):
        return None
    kind = str(value._type)
    return Row(value._name + ("_total" if kind == "counter" else ""), kind, frozenset(value._labelnames))


def series() -> set[str]:
    """Return the name of every series that a query can ask for."""
    suffixes = {"histogram": ("_bucket", "_count", "_sum"), "gaugehistogram": ("_bucket", "_gcount", "_gsum")}
    own = {family.name for family in Telemetry().registry.collect()}
    return {
        *(family.name + suffix for family in families() for suffix in suffixes.get(family.type, ("",))),
        *(name + suffix for name in own for suffix in ("", "_total")),
    }
