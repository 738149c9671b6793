"""The dashboards as code: `make dashboards` writes them into the files that Grafana reads."""

from __future__ import annotations

from pathlib import Path

from config.grafana import accounts, groups, health, kind, overview
from config.grafana.frame import rendered

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[Path, str]:
    """Return the files of all dashboards with what they should hold."""
    dashboards = {"accounts": accounts, "groups": groups, "overview": overview, "kind": kind, "health": health}
    return {FOLDER / f"{name}.json": rendered(module.dashboard()) for name, module in dashboards.items()}
