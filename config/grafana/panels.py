"""How panels look: the colors, units and links that are the same on every dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, stat, table, timeseries
from grafana_foundation_sdk.builders.common import (
    ReduceDataOptions,
    StackingConfig,
    TableSortByFieldState,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from config.grafana.variables import DATASOURCE

PLAIN, CALM, WARNING, BAD = "text", "blue", "orange", "red"

STATE_COLORS: Mapping[str, str] = {
    "pending": "light-blue",
    "running": "blue",
    "stopping": "dark-blue",
    "succeeded": "green",
    "partial": "yellow",
    "failed": "red",
    "stopped": "#8e8e8e",
    "expired": "orange",
    "deleting": "#5a5a5a",
    "unknown": "purple",
}
"""The same color for a state everywhere."""

STEP = "1m"
"""The exporter polls once a minute by default: a finer resolution shows nothing more."""

BAR = "5m"
"""The shortest interval of one bar."""

POINTS = 200
"""The most points of a line: enough for its width, and few enough where each is read of ten thousand series."""

Steps = Mapping[float | None, str]
"""The color from each value upward; None stands for the lowest."""

Panel = TypeVar("Panel", timeseries.Panel, stat.Panel, table.Panel, bargauge.Panel)


@dataclass(frozen=True)
class About:
    """A panel's title, what a reader does with it, and its width in the 24 columns."""

    title: str
    description: str
    width: int
    height: int = 8


@dataclass(frozen=True)
class Column:
    """A number in a table: its query, its name, and how it looks."""

    expression: str
    name: str
    unit: str = "none"
    steps: Steps | None = None
    width: int | None = None
    is_hidden: bool = False
    """Whether the query only serves for its labels."""


def numbers(about: About, expression: str, unit: str = "none", *, steps: Steps, none: str = "0") -> stat.Panel:
    """Return one large number; `none` replaces it when the query has no result."""
    panel = _described(stat.Panel(), about).with_target(_query(expression).instant())
    return (
        panel.unit(unit)
        .decimals(1 if unit == "percentunit" else 0)
        .no_value(none)
        .color_scheme(_by_threshold())
        .thresholds(_thresholds(steps))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(about: About, queries: Mapping[str, str], unit: str = "none", *, color: str = CALM) -> timeseries.Panel:
    """Return lines over time by the format of their legend, in shades of one color."""
    return _series(about, queries, unit, STEP).color_scheme(_shades(color)).line_width(2).fill_opacity(0)


def areas(about: About, queries: Mapping[str, str], unit: str = "none", *, color: str = CALM) -> timeseries.Panel:
    """Return areas over time, one above the other."""
    panel = _series(about, queries, unit, STEP).color_scheme(_shades(color))
    return panel.line_width(1).fill_opacity(40).stacking(_stacked())


def bars(about: About, queries: Mapping[str, str], unit: str = "none", *, color: str = CALM) -> timeseries.Panel:
    """Return what was counted in each interval as bars, one above the other."""
    panel = _series(about, queries, unit, BAR).color_scheme(_shades(color)).draw_style(common.GraphDrawStyle.BARS)
    return panel.line_width(0).fill_opacity(80).stacking(_stacked()).decimals(0)


def ranking(about: About, expression: str, legend: str, unit: str = "none", *, steps: Steps) -> bargauge.Panel:
    """Return a bar for the current value of each series."""
    panel = _described(bargauge.Panel(), about).with_target(_query(expression).instant().legend_format(legend))
    return (
        panel.unit(unit)
        .min(0)
        .no_value("none")
        .color_scheme(_by_threshold())
        .thresholds(_thresholds(steps))
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .show_unfilled(False)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def rows(
    about: About, labels: Mapping[str, str], columns: Sequence[Column], *, links: Sequence[DashboardLink] = ()
) -> table.Panel:
    """Return a table of current values: a row for each combination of labels, followed by its numbers."""
    panel = _described(table.Panel(), about).cell_height(common.TableCellHeight.SM)
    fields = ["Value"] if len(columns) == 1 else [f"Value #{letter}" for letter, _ in _lettered(columns)]
    for letter, column in _lettered(columns):
        panel.with_target(_query(column.expression).instant().format(PromQueryFormat.TABLE).ref_id(letter))
    order = {name: position for position, name in enumerate([*labels, *fields])}
    panel.with_transformation(DataTransformerConfig("merge", options={}))
    panel.with_transformation(
        DataTransformerConfig("organize", options={"excludeByName": {"Time": True}, "indexByName": order})
    )
    for label, name in labels.items():
        panel.override_by_name(label, _properties(displayName=name))
    for field, column in zip(fields, columns, strict=True):
        panel.override_by_name(field, _column(column))
    return (
        panel.unit("none")
        .data_links(list(links))
        .sort_by([TableSortByFieldState().display_name(columns[0].name).desc(True)])
    )


def colored_by_state(panel: timeseries.Panel) -> timeseries.Panel:
    """Give each series named after a state the color of that state."""
    for state, color in STATE_COLORS.items():
        panel.override_by_name(state, painted(color))
    return panel


def painted(color: str) -> list[DynamicConfigValue]:
    """Return the properties that give a series a color."""
    return _properties(color={"mode": "fixed", "fixedColor": color})


def link(title: str, url: str) -> DashboardLink:
    """Return a link from what was clicked; the exporter's pages open in another tab."""
    return DashboardLink(title).url(url).target_blank(not url.startswith("/d/"))


def _described(panel: Panel, about: About) -> Panel:
    return (
        panel.title(about.title)
        .description(about.description)
        .span(about.width)
        .height(about.height)
        .datasource(DATASOURCE)
    )


def _query(expression: str) -> Dataquery:
    return Dataquery().expr(expression).datasource(DATASOURCE).ref_id("A")


def _series(about: About, queries: Mapping[str, str], unit: str, interval: str) -> timeseries.Panel:
    panel = _described(timeseries.Panel(), about).unit(unit).min(0).interval(interval).max_data_points(POINTS)
    for letter, (legend, expression) in _lettered(queries.items()):
        panel.with_target(_query(expression).range().legend_format(legend).ref_id(letter))
    legend = VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
    tooltip = VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    return (
        panel.legend(legend.show_legend(True))
        .tooltip(tooltip)
        .show_points(common.VisibilityMode.NEVER)
        .span_nulls(False)
    )


def _lettered(values: Any) -> list[tuple[str, Any]]:
    """Return values with the letters by which Grafana names queries."""
    return list(zip(ascii_uppercase, values, strict=False))


def _stacked() -> StackingConfig:
    return StackingConfig().mode(common.StackingMode.NORMAL).group("A")


def _shades(color: str) -> FieldColor:
    return FieldColor().mode(FieldColorModeId.SHADES).fixed_color(color)


def _by_threshold() -> FieldColor:
    return FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _thresholds(steps: Steps) -> ThresholdsConfig:
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(steps))


def _steps(steps: Steps) -> list[Threshold]:
    return [Threshold(value=value, color=color) for value, color in steps.items()]


def _properties(**values: Any) -> list[DynamicConfigValue]:
    return [DynamicConfigValue(name, value) for name, value in values.items()]


def _column(column: Column) -> list[DynamicConfigValue]:
    look = _properties(displayName=column.name, unit=column.unit)
    if column.unit == "none":
        look += _properties(decimals=0)
    if column.steps:
        look += _properties(thresholds={"mode": "absolute", "steps": _steps(column.steps)})
        look.append(DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.is_hidden:
        look.append(DynamicConfigValue("custom.hidden", value=True))
    if column.width:
        look.append(DynamicConfigValue("custom.width", column.width))
    return look
