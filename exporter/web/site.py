"""What the server shows, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.exposition import Exposition
from exporter.web import health, lifecycle, metrics, refusals
from exporter.web.views import api, pages
from exporter.web.views.inside import Inside


@dataclass(frozen=True)
class Site:
    """What the server shows."""

    exposition: Exposition
    is_ready: Callable[[], bool]
    telemetry_path: str
    inside: Inside | None = None
    """What pages and API show; without it there are neither."""
    reload: lifecycle.Reload | None = None
    """None where it is not allowed over HTTP."""
    max_requests: int = 0
    """Scrapes at the same time; 0: any number."""


def create_app(site: Site) -> web.Application:
    """Return the web application."""
    routes = metrics.routes(site.telemetry_path, site.exposition, site.max_requests)
    if site.inside:
        others = [*pages.routes(site.inside, site.telemetry_path), *api.routes(site.inside)]
        # The metrics take the place of a page where the configuration says so.
        routes += [route for route in others if route.path != site.telemetry_path]
    app = web.Application(middlewares=[refusals.explained(site.telemetry_path)] if site.inside else ())
    app.add_routes([*routes, *health.routes(site.is_ready), *lifecycle.routes(site.reload)])
    app.on_response_prepare.append(_tell_no_version)
    return app


async def _tell_no_version(_request: web.Request, response: web.StreamResponse) -> None:
    """Leave off what aiohttp says of itself and of Python: it helps only who looks for a known hole."""
    response.headers.popall("Server", None)
