"""What the server serves, and under which paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from exporter.exposition import Exposition
from exporter.web import health, hosts, lifecycle, metrics, refusals
from exporter.web.views import api, pages
from exporter.web.views.inside import Inside
from exporter.web.views.renderer import Renderer


@dataclass(frozen=True)
class Site:
    """What the server serves."""

    exposition: Exposition
    is_ready: Callable[[], bool]
    telemetry_path: str
    inside: Inside | None = None
    """The data of the pages and the API; without it there are neither."""
    reload: lifecycle.Reload | None = None
    """None if reloading over HTTP is not allowed."""
    allowed_hosts: Sequence[str] = ()
    """The names that pages, API and reload are served under; none means any."""
    max_requests: int = 0
    """Scrapes at the same time; 0 means any number."""


def create_app(site: Site) -> web.Application:
    """Return the web application."""
    routes = metrics.routes(site.telemetry_path, site.exposition, site.max_requests)
    if site.inside:
        renderer = Renderer()
        others = [*pages.routes(site.inside, site.telemetry_path, renderer), *api.routes(site.inside, renderer)]
        # The configured path of the metrics may be that of a page, which they then replace.
        routes += [route for route in others if route.path != site.telemetry_path]
    middlewares = [refusals.explained(site.telemetry_path)] if site.inside else []
    if site.allowed_hosts:
        middlewares.append(hosts.allowed(site.allowed_hosts, but={site.telemetry_path, *health.PATHS}))
    app = web.Application(middlewares=middlewares)
    app.add_routes([*routes, *health.routes(site.is_ready), *lifecycle.routes(site.reload)])
    app.on_response_prepare.append(_hide_version)
    return app


async def _hide_version(_request: web.Request, response: web.StreamResponse) -> None:
    """Drop the header with the versions of aiohttp and Python, which help only those who look for known flaws."""
    response.headers.popall("Server", None)
