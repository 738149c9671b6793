"""Pools to AWS, shared by all clients: bounded in number, in age and in idle time."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from ssl import SSLContext
from threading import Lock
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from botocore.httpsession import get_cert_path

from exporter.aws.poll_error import BadResponseError
from exporter.turns import Turnstile

Verify = bool | str
"""Whether certificates are verified; a bundle's path if not by the usual one."""

LONGEST = 60.0
"""Seconds after which connections are replaced, however well they work: behind a name there may be another address."""

MOST = 64 << 20
"""Bytes that a response may have, as received and decompressed: 2,000 items, the largest page in the catalog, each with
a text of 32,768 characters, the longest that AWS gives for a failure. Real pages have less than a tenth of that."""

_AT_ONCE = 1 << 20
"""Bytes that are decompressed before other tasks get a turn."""

_COMPRESSED = {"gzip", "x-gzip", "deflate"}

_SERVER_ERROR = 500


class Pool(AIOHTTPSession):  # type: ignore[misc] # aiobotocore has no types
    """The connections to one host, which end together."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.born = self.used = time.monotonic()
        self.users = 0
        """Requests under way."""
        self.opened = 0
        """Pools that it may have: the most requests that were under way at once."""
        self.is_spoiled = False
        """Whether a request failed: the others may lead to the same place."""

    @property
    def is_good(self) -> bool:
        """Whether new requests may use it."""
        return not self.is_spoiled and time.monotonic() - self.born < LONGEST

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = await super()._get_session(proxy_url)
        if _REDIRECTS not in session.trace_configs:
            session.trace_configs.append(_REDIRECTS)
            session._response_class = _Response  # noqa: SLF001 - aiobotocore has no setting
        return session

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[SSLContext, SSLContext | None]:
        if proxy_url or self._cert_file:
            # These get certificates of their own, which no other host may see.
            contexts: tuple[SSLContext, SSLContext | None] = super()._build_ssl_contexts(proxy_url)
            return contexts
        # aiobotocore would make a TLS context for each pool: 13 ms and 0.7 MB.
        bundle = get_cert_path(self._verify) if self._verify else None
        # Pools that start together are in several threads, and `lru_cache` would let each of them read the bundle.
        with _reading:
            return _context(self._verify, bundle and Path(bundle).stat().st_mtime_ns), None


class Pools:
    """One pool for each host. Closed as an async context manager, when all clients are."""

    def __init__(self, most: int) -> None:
        """Keep at most so many connections, unless more requests are under way at once."""
        self._most = most
        self._pools: dict[str, Pool] = {}
        self._retired: list[Pool] = []
        self._is_closed = False
        self._turnstile = Turnstile()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closed = True
        for host in list(self._pools):
            self._retire(host)
        while self._retired:
            await self._retired.pop().close()

    def sender(self, **options: Any) -> Sender:
        """Return what a client sends its requests with (`http_session_cls` of aiobotocore's configuration)."""
        return Sender(self, options)

    async def send(self, request: Any, options: dict[str, Any]) -> Any:
        """Send a request over a connection to its host, and return the response, which was read to its end."""
        pool = await self._pool(request.url, options)
        pool.users += 1
        pool.used, pool.opened = time.monotonic(), max(pool.opened, pool.users)
        try:
            response = await pool.send(request)
        except Exception as error:
            pool.is_spoiled = True
            if isinstance(cause := getattr(error, "kwargs", {}).get("error"), BadResponseError):
                raise cause from None
            raise
        finally:
            pool.users -= 1
            await self._sweep()
        pool.is_spoiled |= response.status_code >= _SERVER_ERROR
        await self._turnstile.passed()
        return response

    async def _pool(self, url: str, options: dict[str, Any]) -> Pool:
        await self._sweep()
        if self._is_closed:
            raise ConnectionError("the connections are closed")
        # From here on nothing waits: nobody else retires the pool before the request counts as one of its users.
        scheme, host, *_ = urlsplit(url)
        # Requests that wait for messages have a time limit, and connections, of their own.
        name = f"{scheme}://{host} {options.get('timeout')}"
        if name in self._pools and not self._pools[name].is_good:
            self._retire(name)
        if name not in self._pools or self._pools[name].users == self._pools[name].opened:
            self._make_room(name)
        if name not in self._pools:
            self._pools[name] = pool = Pool(**options)
            await pool.__aenter__()
        return self._pools[name]

    def _make_room(self, name: str) -> None:
        """Retire pools that have nothing to do, the longest idle first, until there may be one more connection."""
        for idle in sorted(self._idle(name), key=lambda host: self._pools[host].used):
            if sum(pool.opened for pool in (*self._pools.values(), *self._retired)) < self._most:
                return
            self._retire(idle)

    def _idle(self, but: str) -> Iterator[str]:
        return (host for host, pool in self._pools.items() if not pool.users and host != but)

    def _retire(self, host: str) -> None:
        """Let a pool end once its last request has: new ones get new connections."""
        self._retired.append(self._pools.pop(host))

    async def _sweep(self) -> None:
        """Close pools that are retired and have nothing to do."""
        while idle := next((pool for pool in self._retired if not pool.users), None):
            self._retired.remove(idle)
            await idle.close()


class Sender:
    """What one client sends its requests with."""

    def __init__(self, pools: Pools, options: dict[str, Any]) -> None:
        self._pools = pools
        self._options = options

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the connections open: they are shared."""

    async def close(self) -> None:
        """Leave the connections open: they are shared."""

    async def send(self, request: Any) -> Any:
        """Send a request and return the response."""
        return await self._pools.send(request, self._options)


class _Response(aiohttp.ClientResponse):
    """A response whose body has an end. AWS sends no other, but a proxy that is broken may."""

    async def read(self) -> bytes:
        """Return the body; raises BadResponseError, and drops the connection, where it is too long."""
        if self._body is None:
            try:
                self._body = await self._whole()
            except BaseException:
                self.close()
                raise
        return await super().read()

    async def _whole(self) -> bytes:
        body = BytesIO()
        try:
            # Closed at once where the body is too long: the event loop would do it later, by a task of its own.
            async with aclosing(self._received()) as received, aclosing(self._decompressed(received)) as pieces:
                async for piece in pieces:
                    _bound(body.tell() + len(piece))
                    body.write(piece)
        except zlib.error as error:
            raise BadResponseError(f"a response that cannot be decompressed: {error}") from error
        return body.getvalue()

    async def _received(self) -> AsyncGenerator[bytes, None]:
        received = 0
        async for piece in self.content.iter_any():
            received += len(piece)
            _bound(received)
            yield piece

    async def _decompressed(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Yield what was compressed, though no request asks for that, as it was before."""
        if self.headers.get("Content-Encoding", "").lower() not in _COMPRESSED:
            async for piece in pieces:
                yield piece
            return
        inflate = zlib.decompressobj(zlib.MAX_WBITS | _BY_HEAD)
        async for rest in pieces:
            while rest and not inflate.eof:
                yield inflate.decompress(rest, _AT_ONCE)
                rest = inflate.unconsumed_tail  # noqa: PLW2901 - what is left of it
                await asyncio.sleep(0)
        yield inflate.flush()


def _bound(size: int) -> None:
    if size > MOST:
        raise BadResponseError(f"a response of more than {MOST >> 20} MiB, which is the most that is read")


_BY_HEAD = 32
"""Has zlib tell gzip from deflate by how the body starts."""


async def _refuse(_session: object, _context: object, redirect: aiohttp.TraceRequestRedirectParams) -> None:
    """Follow no redirect.

    aiohttp would by itself, with every header but the signature: a session's token would reach a host that nobody
    chose, and what that host lists would be ours.
    """
    redirect.response.close()
    raise BadResponseError(f"HTTP {redirect.response.status} leads elsewhere, and redirects are not followed")


_REDIRECTS = aiohttp.TraceConfig()
_REDIRECTS.on_request_redirect.append(_refuse)
_REDIRECTS.freeze()

_reading = Lock()


@lru_cache(maxsize=4)
def _context(verify: Verify, _changed: int | None) -> SSLContext:
    """Return the TLS context for a bundle; one that has changed since is read again, as by a reload."""
    context: SSLContext = AIOHTTPSession(verify=verify)._build_verify_context()  # noqa: SLF001 - there is no public way
    return context
