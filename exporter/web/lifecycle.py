"""Reloading on request, as Prometheus offers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

Reload = Callable[[], Awaitable[Sequence[str]]]
"""Reads the configuration again and returns what is wrong with it, or nothing if it is now in effect."""


def routes(reload: Reload | None) -> list[web.RouteDef]:
    """Return the routes that change the running process; without `reload` they refuse."""

    async def handle(request: web.Request) -> web.Response:
        if reload is None:
            return web.Response(status=403, text="Lifecycle API is not enabled.")
        if _is_of_another_site(request):
            return web.Response(status=403, text="Cross-origin request refused.\n")
        problems = await reload()
        return web.Response(status=500 if problems else 200, text="".join(f"{problem}\n" for problem in problems))

    return [web.post("/-/reload", handle), web.put("/-/reload", handle)]


def _is_of_another_site(request: web.Request) -> bool:
    """Whether a browser sends this on behalf of another site's page, by the rules of Go's http.CrossOriginProtection.

    A form on any page can post to an address behind the firewall. Clients that are not browsers send neither header.
    """
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.host
