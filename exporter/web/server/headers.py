"""A limit on all headers of a request together."""

from __future__ import annotations

from aiohttp import web

from exporter.web.server.connections import Handler

_MOST = 32_768
"""Bytes; as many as nginx takes. aiohttp limits each header and their number, but together they could have 1 MB."""


@web.middleware
async def limit_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request with too much in its headers, before anything reads them."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > _MOST:
        # Not raised: an error would keep the request, all of it, until Python looks for circles.
        refusal = web.Response(status=431, text="431: Request Header Fields Too Large")
        refusal.force_close()
        return refusal
    return await handler(request)
