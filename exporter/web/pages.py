"""The pages for people, rendered on the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter import __version__
from exporter.telemetry import SourceStatus

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(telemetry_path: str, sources: Callable[[], Iterable[SourceStatus]]) -> list[web.RouteDef]:
    """Return the routes of the pages."""

    async def index(_request: web.Request) -> web.Response:
        """Serve the status page: every source, and why one is down."""
        page = _TEMPLATES.get_template("index.html").render(
            version=__version__,
            telemetry_path=telemetry_path,
            sources=sorted(sources(), key=lambda status: (status.is_up, status.key)),
        )
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    return [web.get("/", index)]
