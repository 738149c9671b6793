"""The open connections: how many there may be, and how long each may take for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from aiohttp import web

from exporter.telemetry import Telemetry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class ConnectionLimits:
    """What keeps clients from holding more than their share; times in seconds."""

    connections: int = 512
    """Open connections. One more takes the place of the one that has waited longest without a request."""
    first_request: float = 10.0
    """From the connection to the end of the first request's headers, the TLS handshake included."""
    next_request: float = 300.0
    """From an answer to the end of the next request's headers."""
    answer: float = 60.0
    """From a request to the last byte of its answer that the client took."""


async def send(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send a response to its end, so that the caller knows when it is over; a client that left is no error."""
    with suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()
    return response


class Connection(asyncio.Protocol):
    """Hands all that a connection brings to aiohttp's protocol, and breaks it off when it takes too long."""

    def __init__(self, inner: asyncio.Protocol, on_lost: Callable[[Connection], None]) -> None:
        """Call `on_lost` when the connection is over; there is no transport yet."""
        self._inner = inner
        self._on_lost = on_lost
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.opening: asyncio.Task[None] | None = None
        """What makes the transport: with TLS, a handshake."""

    def call_in(self, seconds: float, call: Callable[[Connection], None]) -> None:
        """Have a function called with this connection after so long, unless told anew."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, call, self)

    def stop_timer(self) -> None:
        """Call nothing."""
        if self._timer:
            self._timer.cancel()

    def drop(self) -> None:
        """Break off, whatever is under way."""
        if self.transport:
            self.transport.abort()
        elif self.opening:
            self.opening.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._on_lost(self)
        self._inner.connection_lost(exc)


class Connections:
    """Those that are open. A connection waits for a request, or a request of it is being answered."""

    def __init__(self, limits: ConnectionLimits, telemetry: Telemetry) -> None:
        self._limits = limits
        self._telemetry = telemetry
        self._all: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, inner: asyncio.Protocol) -> Connection | None:
        """Return a new connection, if need be in place of the one that has waited longest; None where none waits."""
        if len(self._all) >= self._limits.connections:
            self._telemetry.http_connections_dropped.labels("full").inc()
            if not self._waiting:
                return None
            longest = next(iter(self._waiting))
            longest.drop()
            self.remove(longest)
        connection = Connection(inner, self.remove)
        self._all.add(connection)
        self._waiting[connection] = None
        connection.call_in(self._limits.first_request, self._expire)
        return connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is over."""
        connection.stop_timer()
        self._all.discard(connection)
        self._waiting.pop(connection, None)

    def drop_opening(self) -> None:
        """Break off those that are not open yet."""
        for connection in self._all:
            if not connection.transport:
                connection.drop()

    @web.middleware
    async def keep_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request within the limit."""
        connection = request.transport.get_protocol() if request.transport else None
        if not isinstance(connection, Connection):
            return await handler(request)
        self._waiting.pop(connection, None)
        connection.call_in(self._limits.answer, self._expire)
        try:
            return await send(request, await handler(request))
        finally:
            # From here, aiohttp's keep-alive time-out counts.
            connection.stop_timer()
            if connection in self._all:
                self._waiting[connection] = None

    def _expire(self, connection: Connection) -> None:
        self._telemetry.http_connections_dropped.labels("slow").inc()
        connection.drop()

    async def count(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Count an answer that is about to be sent."""
        self._telemetry.http_responses.labels(str(response.status)).inc()
