"""The dashboards as Grafana reads them, and their queries as Prometheus receives them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[2] / "config" / "grafana"

DASHBOARDS: Mapping[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("dashboards/*.json"))
}

EVERYTHING = {
    "job": ".+",
    "instance": ".+",
    "account_id": ".*",
    "region": ".*",
    "aws_service": ".+",
    "kind": ".+",
    "scope": ".*",
    "group": ".+",
    "__interval": "1m",
    "__rate_interval": "2m",
    "__range": "6h",
    "__from": "1700000000000",
}
"""The values of the variables when nobody has chosen any."""


class Target(NamedTuple):
    """A query of a panel."""

    dashboard: str
    panel: dict[str, Any]
    letter: str
    query: str
    legend: str

    def __str__(self) -> str:
        """Return how to find it: dashboard and panel."""
        return f"{self.dashboard}: {self.panel['title']} {self.letter}"


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of a dashboard by name."""
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, without the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets() -> Iterator[Target]:
    """Yield every query of every panel."""
    for name, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield Target(name, panel, target["refId"], target["expr"], target.get("legendFormat", ""))


def expanded(query: str, values: Mapping[str, str] = EVERYTHING) -> str:
    """Return a query with its variables replaced, as Grafana does; raises KeyError for an undefined one."""
    return re.sub(r"\$(?:\{(\w+)\}|([a-z_]\w*))", lambda match: values[match[1] or match[2]], query)
