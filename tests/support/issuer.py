"""What issues credentials: STS and the agent of EKS Pod Identity."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ssl import SSLContext
from typing import Any

from aiohttp import web

from tests.support.harness import ACCOUNT


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class Issuer:
    """Issues keys `ASIAMADEUP00000001`, 2, 3 ... that are valid for `lifetime`, and records the requests."""

    lifetime: timedelta = timedelta(hours=1)
    address: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """For each request: operation, access key or authorization, and the form."""
    connections: set[Any] = field(default_factory=set)
    broken: Callable[[], web.Response | None] | None = None
    """The response to send instead of the proper one."""
    held: asyncio.Event = field(default_factory=_set)
    """No response is sent before it is set."""
    _issued: int = 0

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open."""
        return any(not transport.is_closing() for transport in self.connections if transport)

    def keys(self) -> list[str]:
        """Return the last digit of each access key that requested its identity."""
        return [key[-1] for operation, key, _ in self.requests if operation == "GetCallerIdentity"]

    def senders(self, operation: str) -> list[str]:
        """Return the sender of each request for an operation."""
        return [sender for name, sender, _ in self.requests if name == operation]

    async def query(self, request: web.Request) -> web.Response:
        """Respond as STS does."""
        self.connections.add(request.transport)
        form = {name: str(value) for name, value in (await request.post()).items()}
        operation = form["Action"]
        signed = re.search(r"Credential=([^/]+)/", request.headers.get("Authorization", ""))
        self.requests.append((operation, signed[1] if signed else "", form))
        await self.held.wait()
        if self.broken and (response := self.broken()):
            return response
        if operation == "GetCallerIdentity":
            return _result(operation, f"<Arn>arn</Arn><UserId>id</UserId><Account>{ACCOUNT}</Account>")
        given = "".join(f"<{name}>{value}</{name}>" for name, value in self._keys("SessionToken").items())
        return _result(operation, f"<Credentials>{given}</Credentials>")

    async def container(self, request: web.Request) -> web.Response:
        """Respond as the EKS Pod Identity agent does."""
        self.requests.append(("container", request.headers.get("Authorization", ""), {}))
        return (self.broken and self.broken()) or web.json_response(self._keys("Token"))

    def _keys(self, token: str) -> dict[str, str]:
        self._issued += 1
        end = (datetime.now(UTC) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = f"ASIAMADEUP{self._issued:08}"
        return {"AccessKeyId": key, "SecretAccessKey": "made-up", token: "made-up", "Expiration": end}


def _result(operation: str, content: str) -> web.Response:
    body = f"<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>"
    return web.Response(text=body, content_type="text/xml")


@asynccontextmanager
async def issuing(tls: SSLContext | None = None, **options: Any) -> AsyncIterator[Issuer]:
    """Yield an issuer on a local port."""
    issuer = Issuer(**options)
    app = web.Application()
    app.add_routes([web.post("/", issuer.query), web.get("/v1/credentials", issuer.container)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        issuer.address = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield issuer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, list[str]]]:
    """Yield the URL of a server that never responds, and the methods of the requests that it received."""
    requests: list[str] = []
    handling: set[asyncio.Task[Any] | None] = set()
    over = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.current_task())
        requests.append((await reader.readline()).decode().partition(" ")[0])
        await over.wait()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        yield "http://{}:{}".format(*server.sockets[0].getsockname()), requests
        over.set()
        await asyncio.gather(*filter(None, handling), return_exceptions=True)
