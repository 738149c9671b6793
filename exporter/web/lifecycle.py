"""Reloading on request, as Prometheus offers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

Reload = Callable[[], Awaitable[Sequence[str]]]
"""Reads the configuration again and returns what is wrong with it; nothing where it is in effect now."""


def routes(reload: Reload | None) -> list[web.RouteDef]:
    """Return the routes that change what runs; without `reload` they refuse."""

    async def handle(_request: web.Request) -> web.Response:
        if reload is None:
            return web.Response(status=403, text="Lifecycle API is not enabled.")
        problems = await reload()
        return web.Response(status=500 if problems else 200, text="".join(f"{problem}\n" for problem in problems))

    return [web.post("/-/reload", handle), web.put("/-/reload", handle)]
