"""The metrics: what Prometheus scrapes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from exporter.exposition import Exposition
from exporter.web.negotiation import accepts_gzip, negotiate
from exporter.web.server.connections import send

_SENT_AT_ONCE = 131_072
"""Bytes: what a slow reader leaves in our memory, beside what all readers share."""


def routes(path: str, exposition: Exposition, max_requests: int) -> list[web.RouteDef]:
    """Return the route of the metrics; of more than `max_requests` at the same time, unless 0, the last are refused."""
    scrapes = 0

    async def metrics(request: web.Request) -> web.StreamResponse:
        nonlocal scrapes
        if max_requests and scrapes >= max_requests:
            raise _too_many(max_requests)
        scrapes += 1
        try:
            return await send(request, await _response(request, exposition))
        finally:
            scrapes -= 1

    return [web.get(path, metrics)]


async def _response(request: web.Request, exposition: Exposition) -> web.Response:
    form, content_type = negotiate(_header(request, "Accept"))
    gzipped = accepts_gzip(_header(request, "Accept-Encoding"))
    body = await exposition.body(form, gzipped=gzipped)
    if request.transport:
        # All is with the kernel when the handler ends: closing the server may cut off what is not.
        request.transport.set_write_buffer_limits(high=0)
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding", "Content-Length": str(body.length)}
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=_sent(body.pieces), headers=headers)


def _header(request: web.Request, name: str) -> str:
    """Return a header that may come in several lines, which count as one list."""
    return ", ".join(request.headers.getall(name, ()))


async def _sent(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield pieces as aiohttp sends them: the next one when the client has taken enough of those before."""
    for piece in pieces:
        for start in range(0, len(piece), _SENT_AT_ONCE):
            yield piece[start : start + _SENT_AT_ONCE]


def _too_many(limit: int) -> web.HTTPException:
    text = f"Limit of concurrent requests reached ({limit}), try again later.\n"
    return web.HTTPServiceUnavailable(text=text, headers={"X-Content-Type-Options": "nosniff"})
