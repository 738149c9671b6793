"""A metric family as a row of a table: its name, type, help and labels, and the function that yields its samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, Self, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily

from exporter.store import RunTimes

View = TypeVar("View")

Sample = tuple[tuple[str, ...], *tuple[Any, ...]]
"""Label values, then the value: a number, or run times where the family is a summary."""

Type = Literal["gauge", "counter", "summary"]

_METRICS: dict[str, Any] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
    "summary": SummaryMetricFamily,
}


@dataclass(frozen=True)
class Family(Generic[View]):
    """One row: `samples` maps a view of a source to samples without the labels that all families share."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...]
    samples: Callable[[View], Iterable[Sample]]
    bounds: tuple[float, ...] = ()
    """Upper bounds of buckets, in seconds: with them, a summary is a histogram instead."""
    is_detail: bool = False
    """Whether only who looks into the exporter itself reads it."""

    def with_buckets(self, bounds: tuple[float, ...]) -> Self:
        """Return the family as a histogram if it is a summary and there are bounds."""
        return replace(self, bounds=bounds) if self.type == "summary" else self

    def metric(self, labels: Sequence[str], views: Iterable[tuple[Sequence[str], View]]) -> Metric:
        """Return the family with the samples of several views, each given with its values for `labels`.

        Raises ValueError where the number of values differs from the number of labels.
        """
        names = [*labels, *self.labels]
        metric = (HistogramMetricFamily if self.bounds else _METRICS[self.type])(self.name, self.help, labels=names)
        for shared, view in views:
            for values, value in self.samples(view):
                # prometheus_client zips names and values, so a missing value would silently drop a label.
                if len(shared) + len(values) != len(names):
                    raise ValueError(f"{self.name}: {shared} and {values} for {labels} and {self.labels}")
                self._add(metric, names, (*shared, *values), value)
        assert isinstance(metric, Metric)  # noqa: S101 - for the type checker: _METRICS holds Any
        return metric

    def _add(self, metric: Any, names: Sequence[str], values: Sequence[str], value: float | RunTimes) -> None:
        if not isinstance(value, RunTimes):
            metric.add_metric(values, value)
        elif self.bounds:
            metric.add_metric(values, value.buckets(self.bounds), value.sum)
        else:
            labels = dict(zip(names, values, strict=True))
            for quantile, seconds in value.quantiles.items():
                metric.add_sample(self.name, {**labels, "quantile": str(quantile)}, seconds)
            metric.add_metric(values, value.count, value.sum)


def metrics(
    families: Sequence[Family[View]], labels: Sequence[str], views: Sequence[tuple[Sequence[str], View]]
) -> list[Metric]:
    """Return all families of a table with the samples of several views."""
    return [family.metric(labels, views) for family in families]


def optional(value: float | None) -> Iterable[Sample]:
    """Return the single sample of a family without further labels; none where the value is unknown."""
    return [] if value is None else [((), value)]
