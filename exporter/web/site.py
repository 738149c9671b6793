"""What the server shows, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from exporter.exposition import Exposition
from exporter.telemetry import SourceStatus
from exporter.web import health, lifecycle, metrics, pages


@dataclass(frozen=True)
class Site:
    """What the server shows."""

    exposition: Exposition
    sources: Callable[[], Iterable[SourceStatus]]
    is_ready: Callable[[], bool]
    telemetry_path: str
    max_requests: int = 0
    """Scrapes at the same time; 0: any number."""
    reload: lifecycle.Reload | None = None
    """None where it is not allowed over HTTP."""


def create_app(site: Site) -> web.Application:
    """Return the web application."""
    app = web.Application()
    app.add_routes(metrics.routes(site.telemetry_path, site.exposition, site.max_requests))
    if site.telemetry_path != "/":
        app.add_routes(pages.routes(site.telemetry_path, site.sources))
    app.add_routes(health.routes(site.is_ready))
    app.add_routes(lifecycle.routes(site.reload))
    return app
