"""The metrics: what Prometheus scrapes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from exporter.exposition import Exposition
from exporter.web.negotiation import accepts_gzip, choose_format


def routes(path: str, exposition: Exposition) -> list[web.RouteDef]:
    """Return the route of the metrics."""

    async def metrics(request: web.Request) -> web.Response:
        form = choose_format(request.headers.get("Accept", ""))
        gzipped = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        body = await exposition.body(form, gzipped=gzipped)
        if request.transport:
            # All is with the kernel when the handler ends: closing the server may cut off what is not.
            request.transport.set_write_buffer_limits(high=0)
        headers = {"Content-Type": form.value, "Vary": "Accept, Accept-Encoding", "Content-Length": str(body.length)}
        if gzipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=_sent(body.pieces), headers=headers)

    return [web.get(path, metrics)]


async def _sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces as aiohttp sends them: the next one when the client has taken enough of those before."""
    for piece in pieces:
        yield piece
