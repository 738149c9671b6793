"""The metrics, as Prometheus scrapes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from exporter.exposition import Exposition
from exporter.web.limit import Limit
from exporter.web.negotiation import accepts_gzip, negotiate
from exporter.web.server.connections import send

_CHUNK = 131_072
"""Bytes sent at a time: the memory that a slow reader takes, beyond what all readers share."""

_TIMEOUT = "X-Prometheus-Scrape-Timeout-Seconds"
"""The header of Prometheus, and of what is built on it or like it; a person with curl does not send it."""


def routes(path: str, exposition: Exposition, max_requests: int) -> list[web.RouteDef]:
    """Return the route of the metrics, which refuses more than `max_requests` scrapes at once unless that is 0."""
    limit = Limit(max_requests)

    async def metrics(request: web.Request) -> web.StreamResponse:
        with limit.admitted(request):
            return await send(request, await _response(request, exposition))

    return [web.get(path, metrics)]


async def _response(request: web.Request, exposition: Exposition) -> web.Response:
    # A header may come in several lines, which count as one list.
    accept, accept_encoding = (", ".join(request.headers.getall(name, ())) for name in ("Accept", "Accept-Encoding"))
    form, content_type = negotiate(accept)
    gzipped = accepts_gzip(accept_encoding)
    # Two replicas of Prometheus have two addresses, or two connections from one; an agent beside them has another name.
    address = f"{request.remote} {request.headers.get('User-Agent', '')}"
    is_regular = _TIMEOUT in request.headers
    body = await exposition.body(form, address, request.transport, gzipped=gzipped, is_regular=is_regular)
    if request.transport:
        # The kernel has everything when the handler ends: shutting down may cut off what it does not have.
        request.transport.set_write_buffer_limits(high=0)
    # With the length, which is known: aiohttp would otherwise send a body that comes in pieces in chunked encoding.
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding", "Content-Length": str(body.length)}
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_chunks(body.pieces), headers=headers)


async def _chunks(pieces: Iterable[bytes]) -> AsyncIterator[memoryview]:
    """Yield pieces in chunks; aiohttp asks for the next one once the client has taken enough of those before."""
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(piece), _CHUNK):
            yield view[start : start + _CHUNK]
