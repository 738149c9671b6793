"""Serving an application on sockets, under the limits for connections."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import cast

from aiohttp import web
from aiohttp.http import HttpProcessingError

from exporter.telemetry import Telemetry
from exporter.web.server.connections import Connection, ConnectionLimits, Connections, TlsContext
from exporter.web.server.headers import limit_headers

_requests = logging.getLogger(f"{__name__}.requests")
_requests.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""aiohttp's log of requests, except malformed ones: whoever sends those would fill the log with tracebacks."""

_GRACE = 4.0
"""Seconds that responses under way have to be read when the server shuts down."""

_LINGERING = 1.0
"""Seconds for which the rest of a request's body is read after the response: no path here takes one."""

_AT_ONCE = 32
"""Connections accepted in one step of the event loop.

One by one, a client would wait for as many steps as there are clients before it. All at once, those beyond the limit
would use up the process's file descriptors before they are closed.
"""

_QUEUE = 1024
"""Connections that the kernel holds until they are accepted, if net.core.somaxconn allows."""


@asynccontextmanager
async def serve(
    app: web.Application,
    sockets: Sequence[socket.socket],
    tls: TlsContext | None = None,
    telemetry: Telemetry | None = None,
    limits: ConnectionLimits | None = None,
) -> AsyncIterator[list[tuple[str, int]]]:
    """Serve an application on sockets, which are closed in the end, and yield their hosts and ports."""
    limits = limits or ConnectionLimits()
    connections = Connections(limits, telemetry or Telemetry())
    # Outermost, so that the time limit also holds for what other middlewares do, such as checking a password.
    app.middlewares[:0] = [connections.keep_time, limit_headers]
    app.on_response_prepare.append(connections.count)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_requests,
        # aiohttp lets a request under way end for this long, and then for as long again.
        shutdown_timeout=_GRACE / 2,
        # No path takes a body, so none needs to be decompressed, or to be a valid one.
        auto_decompress=False,
        keepalive_timeout=limits.next_request,
        lingering_time=_LINGERING,
    )
    with ExitStack() as opened:
        for listener in sockets:
            opened.enter_context(listener)
        await runner.setup()
        handlers = cast("web.Server", runner.server)
        try:
            for listener in sockets:
                server = await asyncio.get_running_loop().create_server(
                    lambda: Connection(handlers, connections, tls),
                    sock=listener,
                    # asyncio accepts as many connections in a row.
                    backlog=_AT_ONCE,
                )
                listener.listen(_QUEUE)
                opened.callback(server.close)
            yield [listener.getsockname()[:2] for listener in sockets]
        finally:
            # Refuse new clients at once, so that they do not wait for a response that never comes.
            opened.close()
            connections.drop_handshakes()
            await runner.cleanup()
