"""Pages and responses of the API: made one at a time, in turns with all else, and sent in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

from aiohttp import web

from exporter.turns import in_turns
from exporter.web.limit import Limit
from exporter.web.server.connections import send

PIECE = 65_536
"""Characters that are made and sent at a time: about what a client that does not read holds."""

_MOST = 20
"""Responses that may be under way at once. A browser takes a moment for one, and asks every ten seconds."""


class Renderer:
    """Makes responses one at a time, and sends each as its client takes it."""

    def __init__(self) -> None:
        self._limit = Limit(_MOST)
        self._turn = asyncio.Lock()

    def get(self, path: str, make: Callable[[web.Request], Awaitable[web.Response]]) -> web.RouteDef:
        """Return a route whose responses are made by `make`; beyond the limit it refuses."""

        async def respond(request: web.Request) -> web.StreamResponse:
            with self._limit.admitted(request):
                async with self._turn:
                    response = await make(request)
                return await send(request, response)

        return web.get(path, respond)

    async def response(self, texts: Iterator[str], content_type: str, headers: Mapping[str, str]) -> web.Response:
        """Return a response of these texts, within `make`.

        What fits into one piece is made first: it has a length, and an error while making it is a response of its own.
        """
        first = await _piece(texts)
        body = first.encode() if len(first) < PIECE else self._pieces(first, texts)
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    async def _pieces(self, piece: str, texts: Iterator[str]) -> AsyncIterator[bytes]:
        """Yield piece by piece; aiohttp asks for the next one once the client has taken enough of those before."""
        while piece:
            yield piece.encode()
            async with self._turn:
                piece = await _piece(texts)


async def _piece(texts: Iterator[str]) -> str:
    return "".join(await in_turns(_up_to(PIECE, texts)))


def _up_to(size: int, texts: Iterator[str]) -> Iterator[str]:
    """Yield texts until they have this many characters."""
    for text in texts:
        yield text
        size -= len(text)
        if size <= 0:
            return
