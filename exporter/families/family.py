"""A metric family as a row of a table: its name, type, help and labels, and the function that yields its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily

View = TypeVar("View")

Sample = tuple[tuple[str, ...], *tuple[Any, ...]]
"""Label values, then the value; for a histogram, the buckets (upper bound, cumulative count) and the sum."""

_METRICS: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "gaugehistogram": GaugeHistogramMetricFamily,
}


@dataclass(frozen=True)
class Family(Generic[View]):
    """One row: `samples` maps a view of a source to samples without the labels that all families share."""

    name: str
    type: Literal["gauge", "counter", "gaugehistogram"]
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]

    def metric(self, labels: Sequence[str], views: Iterable[tuple[Sequence[str], View]]) -> Metric:
        """Return the family with the samples of several views, each given with its values for `labels`.

        Raises ValueError where the number of values differs from the number of labels.
        """
        metric = _METRICS[self.type](self.name, self.help, labels=[*labels, *self.labels])
        for shared, view in views:
            for values, *value in self.samples(view):
                # prometheus_client zips names and values, so a missing value would silently drop a label.
                if len(shared) + len(values) != len(labels) + len(self.labels):
                    raise ValueError(f"{self.name}: {shared} and {values} for {labels} and {self.labels}")
                metric.add_metric([*shared, *values], *value)
        assert isinstance(metric, Metric)  # noqa: S101 - for the type checker: _METRICS holds Any
        return metric


def metrics(
    families: Sequence[Family[View]], labels: Sequence[str], views: Sequence[tuple[Sequence[str], View]]
) -> list[Metric]:
    """Return all families of a table with the samples of several views."""
    return [family.metric(labels, views) for family in families]


def optional(value: float | None) -> Iterable[Sample]:
    """Return the single sample of a family without further labels; none where the value is unknown."""
    return [] if value is None else [((), value)]
