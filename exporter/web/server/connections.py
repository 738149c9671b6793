"""Open connections: how many there may be, and how long each may take."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from traceback import clear_frames
from typing import cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from exporter.settings import ConfigurationError
from exporter.telemetry import Telemetry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TlsContext = Callable[[], Awaitable[ssl.SSLContext]]
"""Returns the context for a new connection; raises ConfigurationError."""

log = structlog.get_logger(__name__)

_TLS_SHUTDOWN = 2.0
"""Seconds that a client has to confirm the end of TLS. Until then, shutting down waits for it."""


@dataclass(frozen=True)
class ConnectionLimits:
    """What keeps clients from holding more than their share; times in seconds."""

    connections: int = 512
    """Open connections. One more takes the place of the one that has waited longest without a request."""
    first_request: float = 10.0
    """From the connection to the end of the first request's headers, the TLS handshake included."""
    next_request: float = 300.0
    """From a response to the end of the next request's headers."""
    response: float = 60.0
    """From a request to the last byte of its response that the client took."""


_AHEAD = 65_536
"""Bytes that a client may have sent beyond the request under way: further ones, which are kept until it is their turn.

aiohttp limits their number, but 32 of them could have 32 MB.
"""


async def send(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send a response to its end, so that the caller knows when it is over; a client that left is not an error."""
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError as error:
        _let_go(error)
    return response


def _let_go(error: BaseException) -> None:
    """Let go of what an error's frames hold, among it the future that holds the error.

    Otherwise all of it stays until Python looks for circles: with its buffers, a connection has 250 kB or more.
    """
    clear_frames(error.__traceback__)


def connection_of(request: web.Request) -> Connection | None:
    """Return the connection that a request came over; None if it is over, or none of this server's."""
    connection = request.transport.get_protocol() if request.transport else None
    return connection if isinstance(connection, Connection) else None


def _now() -> float:
    return asyncio.get_running_loop().time()


class Connection(asyncio.Protocol):
    """Hands everything to aiohttp's protocol, after the TLS handshake if there is one."""

    transport: asyncio.Transport

    def __init__(
        self, protocol: Callable[[], RequestHandler], connections: Connections, tls: TlsContext | None
    ) -> None:
        self._protocol = protocol
        self._connections = connections
        self._tls = tls
        self._handshake: asyncio.Task[None] | None = None
        self.is_open = False
        self._early = b""
        self._ahead = 0
        self._timer: asyncio.TimerHandle | None = None
        self._waited = 0.0
        self._waits_since: float | None = None

    def call_in(self, seconds: float, call: Callable[[Connection], None]) -> None:
        """Call a function with this connection after a while, instead of what was to be called before."""
        self.stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, call, self)

    def stop_timer(self) -> None:
        """Call nothing."""
        if self._timer:
            self._timer.cancel()

    @property
    def waited(self) -> float:
        """Seconds for which the response under way has waited for its client to read."""
        return self._waited + (0.0 if self._waits_since is None else _now() - self._waits_since)

    def expire(self) -> None:
        """Drop the connection because its client is slow."""
        self._connections.expire(self)

    def drop(self) -> None:
        """Close the connection at once, whatever is under way."""
        self._connections.remove(self)
        if self._handshake:
            self._handshake.cancel()
        # Not `close`, which would wait until the client has taken what is buffered.
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the connection if there is room for it."""
        self.transport = cast("asyncio.Transport", transport)
        if not self._connections.add(self):
            self.transport.abort()
        elif self._tls:
            # Nothing is read from the client until the certificates are; then `start_tls` resumes. Not paused at once:
            # asyncio starts to read only after this method, and before Python 3.11.3 it did so even if paused.
            asyncio.get_running_loop().call_soon(self.transport.pause_reading)
            self._handshake = asyncio.create_task(self._start_tls(self._tls))
        else:
            self._open()

    async def _start_tls(self, tls: TlsContext) -> None:
        # Each connection gets a context of its own. `sni_callback` is not enough to follow an edited file: during a
        # handshake it changes the certificate, but neither the versions nor whether the client needs a certificate.
        secured = None
        try:
            secured = await self._shake_hands(await tls())
        except ConfigurationError as error:
            log.error("Cannot read the TLS configuration", err=str(error))  # noqa: TRY400 - its text says all
        except OSError as error:
            log.debug("A TLS handshake failed", err=str(error))
        except Exception:
            # What goes wrong with one connection ends that one, not the exporter.
            log.exception("Cannot open a connection")
        finally:
            self._handshake = None
        if secured and self in self._connections:
            # asyncio's `start_tls` returns a new transport, but does not call `connection_made` again.
            self.transport = secured
            self._open()
        else:
            self.drop()

    async def _shake_hands(self, context: ssl.SSLContext) -> asyncio.Transport | None:
        try:
            return await asyncio.get_running_loop().start_tls(
                self.transport, self, context, server_side=True, ssl_shutdown_timeout=_TLS_SHUTDOWN
            )
        except BaseException as error:
            _let_go(error)
            raise

    def _open(self) -> None:
        self.is_open = True
        self._inner = self._protocol()
        self._inner.connection_made(self.transport)
        if self._early:
            self._inner.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        """Hand on what the client sent; it may send a request along with the end of the handshake."""
        if not self.is_open:
            self._early += data
            return
        self._inner.data_received(data)
        self._ahead += len(data)
        if self._ahead > _AHEAD and not self._connections.has_waiting(self):
            # From now on aiohttp discards what comes, and it closes the connection after the response under way.
            self._inner.close()

    def begin(self, request: web.Request) -> None:
        """Count a request no longer as sent ahead, and how long its response waits for the client."""
        headers = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
        self._ahead = max(0, self._ahead - len(request.raw_path) - headers)
        self._waited = 0.0

    def eof_received(self) -> None:
        """Hand on; a client may leave right after the handshake."""
        if self.is_open:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on: the client has not read what was sent."""
        self._waits_since = _now()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on: the client has read."""
        self._waited, self._waits_since = self.waited, None
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.remove(self)
        if self.is_open:
            self._inner.connection_lost(exc)


class Connections:
    """All open connections. Each either waits for a request or has one under way."""

    def __init__(self, limits: ConnectionLimits, telemetry: Telemetry) -> None:
        self._limits = limits
        self._telemetry = telemetry
        self._all: set[Connection] = set()
        # A dict, because a set has no order: the first connection in it has waited longest.
        self._waiting: dict[Connection, None] = {}

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._all

    def has_waiting(self, connection: Connection) -> bool:
        """Return whether a connection waits for a request."""
        return connection in self._waiting

    def add(self, connection: Connection) -> bool:
        """Add a connection, if need be in place of the one that has waited longest; return whether there is room."""
        if len(self._all) >= self._limits.connections:
            self._telemetry.http_connections_dropped.labels("full").inc()
            if not self._waiting:
                return False
            next(iter(self._waiting)).drop()
        self._all.add(connection)
        self._waiting[connection] = None
        connection.call_in(self._limits.first_request, self.expire)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is over."""
        connection.stop_timer()
        self._all.discard(connection)
        self._waiting.pop(connection, None)

    def drop_handshakes(self) -> None:
        """Drop the connections that aiohttp does not know yet."""
        for connection in list(self._waiting):
            if not connection.is_open:
                connection.drop()

    @web.middleware
    async def keep_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request within the limit, up to the last byte of its response."""
        connection = connection_of(request)
        if connection is None:
            return await handler(request)
        self._waiting.pop(connection, None)
        connection.begin(request)
        connection.call_in(self._limits.response, self.expire)
        try:
            return await send(request, await handler(request))
        finally:
            # From here, aiohttp's keep-alive time-out counts.
            connection.stop_timer()
            if connection in self:
                self._waiting[connection] = None

    def expire(self, connection: Connection) -> None:
        """Drop a connection whose client is slow."""
        self._telemetry.http_connections_dropped.labels("slow").inc()
        connection.drop()

    async def count(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Count a response that is about to be sent."""
        self._telemetry.http_responses.labels(str(response.status)).inc()
