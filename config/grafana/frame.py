"""Everything around the panels of each dashboard, and how it becomes JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import QueryVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import AnnotationQuery, DashboardCursorSync

from config.grafana import recorded
from config.grafana.variables import DATASOURCE, TAG, TITLES, datasource, siblings

Panels = Sequence[stat.Panel | timeseries.Panel | table.Panel | bargauge.Panel]

Rows = Mapping[str, Panels]
"""Panels under the title of their row; the first row has none."""


class _Event(AnnotationQuery):
    """An annotation with the fields that the Prometheus data source understands and the library lacks."""

    def __init__(self, text: str, **known: Any) -> None:
        super().__init__(**known)
        self.text = text

    def to_json(self) -> dict[str, object]:
        """Return the annotation as Grafana reads it."""
        own = {"titleFormat": self.name, "textFormat": self.text, "useValueForTime": True, "step": "60s"}
        return {**super().to_json(), **own}


@dataclass(frozen=True)
class Event(Builder[AnnotationQuery]):
    """Makes an annotation for each value of a query: times in milliseconds."""

    name: str
    expression: str
    color: str
    text: str
    """The text of an event, with the labels of its series in braces."""
    is_shown: bool = True
    """Whether it is shown by default."""

    def build(self) -> AnnotationQuery:
        """Return the annotation."""
        return _Event(
            self.text,
            name=self.name,
            datasource=DATASOURCE,
            enable=self.is_shown,
            icon_color=self.color,
            expr=self.expression,
        )


FAILURES = Event(
    "Failed jobs",
    recorded.when_finished("failed", "account_id", "aws_service", "kind"),
    "red",
    "{{aws_service}}/{{kind}} in {{account_id}}",
    is_shown=False,
)
"""The last failure in each account and kind; there may be too many to show them always."""


def framed(uid: str, description: str, since: str, variables: Sequence[QueryVariable]) -> dashboard.Dashboard:
    """Return a dashboard with what all of them share, without panels."""
    empty = (
        dashboard.Dashboard(TITLES[uid])
        .uid(uid)
        .description(description)
        .tags([TAG, "aws"])
        .readonly()
        .refresh("1m")
        .time(since, "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .links([*siblings(uid)])
    )
    for variable in (datasource(), *variables):
        empty.with_variable(variable)
    return empty


def filled(empty: dashboard.Dashboard, rows: Rows) -> dashboard.Dashboard:
    """Return a dashboard with its panels, numbered from 1."""
    numbers = count(1)
    for title, panels in rows.items():
        if title:
            empty.with_row(dashboard.Row(title).id(next(numbers)))
        for panel in panels:
            empty.with_panel(panel.id(next(numbers)))
    return empty


def rendered(full: dashboard.Dashboard) -> str:
    """Return a dashboard as the file that Grafana reads."""
    return json.dumps(full.build(), cls=JSONEncoder, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
