"""A metric family as a row of a table: its name, type, help and labels, and the function that gives its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily

from exporter.jobs import SourceKey

View = TypeVar("View")

Sample = tuple[tuple[str, ...], *tuple[Any, ...]]
"""Label values, then a value; for a histogram the buckets (upper bound, cumulative count) and the sum."""

_METRICS: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "gaugehistogram": GaugeHistogramMetricFamily,
}


@dataclass(frozen=True)
class Family(Generic[View]):
    """One row: `samples` takes what the source looks like and yields the samples without the source's labels."""

    name: str
    type: Literal["gauge", "counter", "gaugehistogram"]
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]

    def metric(self, key: SourceKey, view: View) -> Metric:
        """Return the family with one source's samples, each labelled with the source."""
        metric = _METRICS[self.type](self.name, self.help, labels=[*SourceKey._fields, *self.labels])
        for values, *value in self.samples(view):
            # prometheus_client zips names and values: one value too few would lose a label without a word.
            if len(values) != len(self.labels):
                raise ValueError(f"{self.name}: {len(values)} values for the labels {self.labels}")
            metric.add_metric([*key, *values], *value)
        assert isinstance(metric, Metric)  # noqa: S101 - tells the type checker what the table holds
        return metric


def metrics(families: Sequence[Family[View]], key: SourceKey, view: View) -> list[Metric]:
    """Return all families of a table with one source's samples."""
    return [family.metric(key, view) for family in families]
