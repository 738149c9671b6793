"""Where the site is served: connections are accepted here, each with the certificates of its moment."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError

from exporter.settings import ConfigurationError
from exporter.telemetry import Telemetry
from exporter.web.server.connections import Connection, ConnectionLimits, Connections

TlsContext = Callable[[], Awaitable[ssl.SSLContext]]
"""Gives the context for a new connection; raises ConfigurationError."""

log = structlog.get_logger(__name__)

_requests = logging.getLogger(f"{__name__}.requests")
_requests.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""What aiohttp says of requests, but for malformed ones: whoever sends those would fill the log with tracebacks."""

_GRACE = 4.0
"""Seconds that answers under way have to be read when the server closes."""

_LINGERING = 1.0
"""Seconds for which the rest of a request's body is read after the answer: no path here takes one."""

_FULL = 1.0
"""Seconds until the next try after the system had no place for one more connection."""


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
    app.middlewares.insert(0, connections.keep_time)
    app.on_response_prepare.append(connections.count)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_requests,
        # aiohttp lets a request under way end for so long, and then for as long again.
        shutdown_timeout=_GRACE / 2,
        keepalive_timeout=limits.next_request,
        lingering_time=_LINGERING,
    )
    with ExitStack() as opened:
        for listener in sockets:
            opened.enter_context(listener)
        await runner.setup()
        try:
            async with asyncio.TaskGroup() as group:
                door = _Door(runner, connections, tls, limits.first_request, group)
                accepting = [group.create_task(door.accept(listener)) for listener in sockets]
                try:
                    yield [listener.getsockname()[:2] for listener in sockets]
                finally:
                    for task in accepting:
                        task.cancel()
                    connections.drop_opening()
        finally:
            # Whoever comes now is refused at once, and does not wait for an answer that never comes.
            opened.close()
            await runner.cleanup()


@dataclass(frozen=True)
class _Door:
    """Accepts connections. A client that takes its time for the TLS handshake keeps no other waiting."""

    runner: web.AppRunner
    connections: Connections
    tls: TlsContext | None
    handshake_timeout: float
    group: asyncio.TaskGroup

    async def accept(self, listener: socket.socket) -> None:
        """Accept connections for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                log.error("Cannot accept a connection", err=error.strerror)  # noqa: TRY400 - no traceback helps here
                await asyncio.sleep(_FULL)
                continue
            self._admit(client)
            # As long as the kernel has connections, accepting never waits: here the loop turns.
            await asyncio.sleep(0)

    def _admit(self, client: socket.socket) -> None:
        connection = self.connections.add(cast("web.Server", self.runner.server)())
        if connection is None:
            client.close()
        else:
            connection.opening = self.group.create_task(self._open(client, connection))

    async def _open(self, client: socket.socket, connection: Connection) -> None:
        try:
            await self._connect(client, connection)
        except ConfigurationError as error:
            log.error("Cannot read the TLS configuration", err=str(error))  # noqa: TRY400 - its text says all
        except OSError as error:
            log.debug("A connection failed before its first request", err=str(error))
        except Exception:
            # What goes wrong with one connection ends that one, not the exporter.
            log.exception("Cannot open a connection")
        finally:
            if not connection.transport:
                self.connections.remove(connection)
                client.close()

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        """Let aiohttp have the connection, after the TLS handshake if there is one."""
        loop = asyncio.get_running_loop()
        if self.tls is None:
            await loop.connect_accepted_socket(lambda: connection, client)
        else:
            await loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=await self.tls(),
                ssl_handshake_timeout=self.handshake_timeout,
                ssl_shutdown_timeout=_GRACE / 2,
            )
