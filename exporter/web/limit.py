"""A limit on the requests that are under way at once."""

from __future__ import annotations

from aiohttp import web

_RETRY = "1"
"""Seconds after which a client may try again."""


class Limit:
    """Admits at most so many at once; any number if that is 0. Entering raises HTTPServiceUnavailable beyond it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._admitted = 0

    def __enter__(self) -> None:
        if self._most and self._admitted >= self._most:
            # The words of Go's promhttp.
            raise web.HTTPServiceUnavailable(
                text=f"Limit of concurrent requests reached ({self._most}), try again later.\n",
                headers={"X-Content-Type-Options": "nosniff", "Retry-After": _RETRY},
            )
        self._admitted += 1

    def __exit__(self, *_: object) -> None:
        self._admitted -= 1
