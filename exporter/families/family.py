"""A metric family as a row of a table: its name, type, help and labels, and the function that gives its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily

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
    """One row: `samples` takes a view of a source and yields samples without the labels common to all families."""

    name: str
    type: Literal["gauge", "counter", "gaugehistogram"]
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]

    def metric(self, labels: Sequence[str], views: Iterable[tuple[Sequence[str], View]]) -> Metric:
        """Return the family with the samples of several views, each labelled with its values of `labels`."""
        metric = _METRICS[self.type](self.name, self.help, labels=[*labels, *self.labels])
        for common, view in views:
            for values, *value in self.samples(view):
                # prometheus_client zips names and values: one value too few would lose a label without a word.
                if len(common) + len(values) != len(labels) + len(self.labels):
                    raise ValueError(f"{self.name}: {common} and {values} for {labels} and {self.labels}")
                metric.add_metric([*common, *values], *value)
        assert isinstance(metric, Metric)  # noqa: S101 - tells the type checker what the table holds
        return metric


def metrics(
    families: Sequence[Family[View]], labels: Sequence[str], views: Sequence[tuple[Sequence[str], View]]
) -> list[Metric]:
    """Return all families of a table with the samples of several views."""
    return [family.metric(labels, views) for family in families]
