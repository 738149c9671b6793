"""Which names browsers may know the exporter by: the defense against DNS rebinding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Middleware

from exporter.web.server.connections import Handler

ALWAYS = ("localhost", "*.localhost")
"""Names that no name server of a stranger can answer for."""


def allowed(hosts: Sequence[str], but: Collection[str]) -> Middleware:
    """Return middleware that refuses requests for other hosts (421), except for the paths in `but`.

    `hosts` are names, and patterns such as `*.example.com`. Addresses always pass: who rebinds a name sends the name.
    """
    patterns = [*map(str.lower, hosts), *ALWAYS]

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = _name(request.host)
        if request.path in but or _is_address(name) or any(fnmatchcase(name, pattern) for pattern in patterns):
            return await handler(request)
        raise web.HTTPMisdirectedRequest(text="This host is not one of web.allowed_hosts.\n")

    return check


def _name(host: str) -> str:
    """Return the name or the address in a Host header, without its port and its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
