"""What arrived in a program that read an exposition, in the words of the exposition."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import isclose
from pathlib import Path
from typing import Any

from tests.support.exposed import Page, Series, series

_ADDED = {"job", "instance"}
"""Labels that Prometheus adds to each target's series."""

_ABOUT_SCRAPES = ("up", "scrape_", "otel_")


@dataclass
class Arrived:
    """Samples and types as a reader has them."""

    samples: dict[Series, float] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    precision: float = 0.0
    """The part of a value by which it may differ."""

    def differences(self, page: Page) -> dict[str, Counter[str]]:
        """Return what is lost, changed or made up, as counts of samples by name; empty if everything arrived."""
        found = {
            "lost": Counter(name for name, labels in page.samples.keys() - self.samples.keys()),
            "changed": Counter(key[0] for key in page.samples.keys() & self.samples if self._is_changed(page, key)),
            "made up": Counter(name for name, labels in self.samples.keys() - page.samples.keys()),
            "of another type": Counter(name for name, type_ in page.types.items() if self._type(name) != type_),
        }
        return {what: names for what, names in found.items() if names}

    def _is_changed(self, page: Page, key: Series) -> bool:
        return not isclose(self.samples[key], page.samples[key], rel_tol=self.precision)

    def _type(self, name: str) -> str | None:
        # OpenMetrics names a counter's family without the suffix.
        return self.types.get(name) or self.types.get(name.removesuffix("_total"))


def in_prometheus(vector: Iterable[Mapping[str, Any]], metadata: Iterable[Mapping[str, str]]) -> Arrived:
    """Return what a Prometheus has, from its answers to a query and about a target's metadata."""
    arrived = Arrived(types={each["metric"]: each["type"] for each in metadata})
    for result in vector:
        labels = {key: value for key, value in result["metric"].items() if key not in _ADDED}
        name = labels.pop("__name__")
        if name.startswith(_ABOUT_SCRAPES):
            continue
        if "histogram" in result:
            arrived.samples.update(_of_native(name, labels, result["histogram"][1]))
        else:
            arrived.samples[series(name, labels)] = float(result["value"][1])
    return arrived


def _of_native(name: str, labels: Mapping[str, str], native: Mapping[str, Any]) -> Iterator[tuple[Series, float]]:
    """Yield the samples of a classic histogram from a native one with custom buckets."""
    yield series(f"{name}_count", labels), float(native["count"])
    yield series(f"{name}_sum", labels), float(native["sum"])
    # Empty buckets are not listed: those of the classic histogram are between the ones that are.
    yield from (
        (series(f"{name}_bucket", {**labels, "le": upper}), float(n)) for _, _, upper, n in native.get("buckets", ())
    )


def in_collector(lines: str, job: str) -> Arrived:
    """Return what an OpenTelemetry Collector has of a job, from the last lines that its file exporter wrote."""
    arrived = Arrived()
    for line in lines.splitlines():
        for resource in json.loads(line)["resourceMetrics"]:
            if _attributes(resource["resource"]).get("service.name") != job:
                continue
            for metric in (each for scope in resource["scopeMetrics"] for each in scope["metrics"]):
                if not metric["name"].startswith(_ABOUT_SCRAPES):
                    _add_otlp(arrived, metric)
    return arrived


def _attributes(holder: Mapping[str, Any]) -> dict[str, str]:
    return {each["key"]: str(next(iter(each["value"].values()))) for each in holder.get("attributes", ())}


def _add_otlp(arrived: Arrived, metric: Mapping[str, Any]) -> None:
    name = metric["name"]
    (kind,) = metric.keys() & {"gauge", "sum", "histogram", "summary"}
    arrived.units[name] = metric.get("unit", "")
    arrived.types[name] = "counter" if kind == "sum" and metric[kind]["isMonotonic"] else kind
    for point in metric[kind]["dataPoints"]:
        labels = _attributes(point)
        if kind in {"gauge", "sum"}:
            arrived.samples[series(name, labels)] = float(point.get("asDouble", point.get("asInt", "nan")))
            continue
        arrived.samples[series(f"{name}_count", labels)] = float(point.get("count", 0))
        arrived.samples[series(f"{name}_sum", labels)] = float(point.get("sum", 0))
        for each in point.get("quantileValues", ()):
            key = series(name, {**labels, "quantile": str(each.get("quantile", 0))})
            arrived.samples[key] = float(each.get("value", 0))
        bounds = (*point.get("explicitBounds", ()), "+Inf") if kind == "histogram" else ()
        for bound, count in zip(bounds, accumulate(map(int, point.get("bucketCounts", ()))), strict=True):
            arrived.samples[series(f"{name}_bucket", {**labels, "le": str(bound)})] = float(count)


def in_telegraf(lines: str) -> Arrived:
    """Return what a Telegraf has, from what its file output wrote, in either version of its metrics."""
    arrived = Arrived()
    for line in lines.splitlines():
        metric = json.loads(line)
        labels = {key: value for key, value in metric["tags"].items() if key not in {"url", "address"}}
        is_flat = metric["name"] == "prometheus"
        for key, value in metric["fields"].items():
            name, further = (key, {}) if is_flat else _of_field(metric["name"], key, set(metric["fields"]))
            arrived.samples[series(name, {**labels, **further})] = float(value)
    return arrived


def _of_field(name: str, key: str, keys: set[str]) -> tuple[str, dict[str, str]]:
    if key in {"gauge", "counter"}:
        return name, {}
    if key in {"count", "sum"}:
        return f"{name}_{key}", {}
    return (f"{name}_bucket", {"le": key}) if "+Inf" in keys else (name, {"quantile": key})


def in_datadog(metrics: Iterable[tuple[str, str, float, list[str]]], page: Page) -> Arrived:
    """Return what a Datadog check submitted, by the names that it has made of those of a page."""
    arrived = Arrived()
    for name, type_, value, tags in metrics:
        labels = dict(tag.split(":", 1) for tag in tags if not tag.startswith("endpoint:"))
        stem, _, suffix = name.removeprefix("aws_jobs.").partition(".")
        type_of = page.types.get(stem, "counter")
        ending = {"bucket": "_bucket", "quantile": "", "count": "_total" if type_of == "counter" else "_count"}
        if (upper := labels.pop("upper_bound", None)) is not None:
            labels = {**labels, "le": upper}
        family = f"{stem}_total" if type_of == "counter" else stem
        arrived.types[family] = type_of if type_ == ("gauge" if type_of == "gauge" else "monotonic_count") else type_
        arrived.samples[series(stem + ending.get(suffix, f"_{suffix}" if suffix else ""), labels)] = value
        if type_of == "histogram" and suffix == "count":
            # It leaves out the last bucket, which is the count.
            arrived.samples[series(f"{stem}_bucket", {**labels, "le": "+Inf"})] = value
    return arrived


def written(file: Path) -> str:
    """Return the complete lines of a file that is being written."""
    text = file.read_text() if file.exists() else ""
    return text[: text.rfind("\n") + 1]
