"""The HTTP server: routes, and the addresses that they are served on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter import __version__
from exporter.exposition import Exposition
from exporter.telemetry import SourceStatus
from exporter.web.negotiation import accepts_gzip, choose_format

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


@dataclass(frozen=True)
class Site:
    """What the server shows."""

    exposition: Exposition
    sources: Callable[[], Iterable[SourceStatus]]
    is_ready: Callable[[], bool]
    telemetry_path: str

    async def metrics(self, request: web.Request) -> web.Response:
        """Serve the exposition in the format and encoding that the client asks for."""
        form = choose_format(request.headers.get("Accept", ""))
        gzipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        body = await self.exposition.body(form, gzipped=gzipped)
        headers = {"Content-Type": form.value, "Vary": "Accept, Accept-Encoding", "Content-Length": str(body.length)}
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=_sent(body.pieces), headers=headers)

    async def index(self, _request: web.Request) -> web.Response:
        """Serve the status page: every source, and why one is down."""
        sources = sorted(self.sources(), key=lambda status: (status.is_up, status.key))
        page = _TEMPLATES.get_template("index.html").render(
            version=__version__, telemetry_path=self.telemetry_path, sources=sources
        )
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def healthy(self, _request: web.Request) -> web.Response:
        """Tell that the process lives and its loop turns."""
        return web.Response(text="Healthy.\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Tell whether every source was tried once; not whether AWS is well."""
        if self.is_ready():
            return web.Response(text="Ready.\n")
        return web.Response(status=503, text="Not every source was tried yet.\n")


async def _sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces as aiohttp sends them: the next one when the client has taken enough of those before."""
    for piece in pieces:
        yield piece


def create_app(site: Site) -> web.Application:
    """Return the web application."""
    app = web.Application()
    app.router.add_get(site.telemetry_path, site.metrics)
    if site.telemetry_path != "/":
        app.router.add_get("/", site.index)
    app.router.add_get("/-/healthy", site.healthy)
    app.router.add_get("/-/ready", site.ready)
    return app


@asynccontextmanager
async def serve(app: web.Application, listen_addresses: Sequence[str]) -> AsyncIterator[list[tuple[str, int]]]:
    """Serve an application on addresses such as `:10058` and yield them as they are, port 0 resolved.

    Raises OSError where an address cannot be listened on.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=3.0)
    await runner.setup()
    try:
        for address in listen_addresses:
            host, _, port = address.rpartition(":")
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        yield [(name[0], name[1]) for name in runner.addresses]
    finally:
        await runner.cleanup()
