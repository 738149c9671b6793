"""Whether the process is healthy and ready, for Kubernetes and whoever else asks."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web


def routes(is_ready: Callable[[], bool]) -> list[web.RouteDef]:
    """Return the routes below `/-/`."""

    async def healthy(_request: web.Request) -> web.Response:
        """Tell that the process lives and its loop turns."""
        return web.Response(text="Healthy.\n")

    async def ready(_request: web.Request) -> web.Response:
        """Tell whether every source was tried once; not whether AWS is well."""
        if is_ready():
            return web.Response(text="Ready.\n")
        return web.Response(status=503, text="Not every source was tried yet.\n")

    return [web.get("/-/healthy", healthy), web.get("/-/ready", ready)]
