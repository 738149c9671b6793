"""A limit on the requests that are under way at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from exporter.web.server.connections import Connection, connection_of

_PATIENCE = 1
"""Seconds for which a client may keep its response waiting while others need its place; they may try again as soon."""


class Limit:
    """Admits at most so many at once, any number if that is 0; who does not read gives way to who comes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._admitted: set[object] = set()

    @contextmanager
    def admitted(self, request: web.Request) -> Iterator[None]:
        """Hold a place for a request; raises HTTPServiceUnavailable if there is none."""
        if self._most and len(self._admitted) >= self._most:
            self._make_room()
        place = connection_of(request) or object()
        self._admitted.add(place)
        try:
            yield
        finally:
            self._admitted.discard(place)

    def _make_room(self) -> None:
        """Drop the client that was waited for longest."""
        readers = (each for each in self._admitted if isinstance(each, Connection))
        slowest = max(readers, key=lambda reader: reader.waited, default=None)
        if slowest is None or slowest.waited < _PATIENCE:
            # The words of Go's promhttp.
            raise web.HTTPServiceUnavailable(
                text=f"Limit of concurrent requests reached ({self._most}), try again later.\n",
                headers={"X-Content-Type-Options": "nosniff", "Retry-After": str(_PATIENCE)},
            )
        self._admitted.discard(slowest)
        slowest.expire()
