"""The addresses that the site is served on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

_GRACE = 4.0
"""Seconds that answers under way have to be read when the server closes."""


@asynccontextmanager
async def serve(app: web.Application, listen_addresses: Sequence[str]) -> AsyncIterator[list[tuple[str, int]]]:
    """Serve an application on addresses such as `:10058` and yield them as they are, port 0 resolved.

    Raises OSError where an address cannot be listened on.
    """
    # aiohttp lets a request under way end for so long, and then for as long again.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE / 2)
    await runner.setup()
    try:
        for address in listen_addresses:
            host, _, port = address.rpartition(":")
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        yield [(name[0], name[1]) for name in runner.addresses]
    finally:
        await runner.cleanup()
