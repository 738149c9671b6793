"""Whether the process is healthy and ready, for Kubernetes and other supervisors."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

PATHS = ("/-/healthy", "/-/ready")


def routes(is_ready: Callable[[], bool]) -> list[web.RouteDef]:
    """Return the routes below `/-/`."""

    async def healthy(_request: web.Request) -> web.Response:
        """Say that the process lives and its event loop runs."""
        return web.Response(text="Healthy.\n")

    async def ready(_request: web.Request) -> web.Response:
        """Say whether every source was polled once, whatever AWS responded."""
        if is_ready():
            return web.Response(text="Ready.\n")
        return web.Response(status=503, text="Not every source has been polled yet.\n")

    return [web.get(path, handler) for path, handler in zip(PATHS, (healthy, ready), strict=True)]
