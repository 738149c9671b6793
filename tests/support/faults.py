"""What can go wrong with AWS, switched on by service, operation, scope, page and time."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from typing import Any, Literal

from aiohttp import web

from exporter.simulator import AwsError, RequestContext
from exporter.simulator.responses import Response

Strike = Callable[[RequestContext], Awaitable[web.StreamResponse | None]]
"""Responds to a request badly, or never; raises AwsError. None leaves the response to what comes next."""

LATER: Literal["later"] = "later"
"""Every page but the first."""


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong with a response."""

    strike: Strike

    @classmethod
    def error(cls, code: str, message: str, status: int) -> Fault:
        """Return an error, in the protocol of the service."""

        async def strike(_: RequestContext) -> None:
            raise AwsError(code, message, status)

        return cls(strike)

    @classmethod
    def throttled(cls, status: int = 429) -> Fault:
        """Return the error for too many requests: some services do so with the status 429, others with 400."""
        return cls.error("ThrottlingException", "Rate exceeded", status)

    @classmethod
    def server_error(cls, status: int = 500) -> Fault:
        """Return an error that is AWS's own fault: 500, 502, 503 or 504."""
        code = "InternalServerException" if status == _INTERNAL else "ServiceUnavailableException"
        return cls.error(code, "The service is unavailable at the moment", status)

    @classmethod
    def access_denied(cls) -> Fault:
        """Return the error for a missing permission."""
        return cls.error("AccessDeniedException", "User is not authorized to perform this operation", 403)

    @classmethod
    def expired_token(cls) -> Fault:
        """Return the error for expired credentials."""
        return cls.error("ExpiredTokenException", "The security token included in the request is expired", 403)

    @classmethod
    def not_found(cls) -> Fault:
        """Return the error for a resource that does not exist."""
        return cls.error("ResourceNotFoundException", "The requested resource does not exist", 404)

    @classmethod
    def body(cls, content: str, content_type: str = "application/json", status: int = 200) -> Fault:
        """Return any body."""

        async def strike(_: RequestContext) -> web.Response:
            return web.Response(status=status, body=content.encode(), headers={"Content-Type": content_type})

        return cls(strike)

    @classmethod
    def html(cls, status: int = 200) -> Fault:
        """Return a web page, as proxies and load balancers do."""
        return cls.body("<html><body><h1>Please wait</h1></body></html>", "text/html", status)

    @classmethod
    def endless(cls) -> Fault:
        """Send a response without end, until the client hangs up."""

        async def strike(context: RequestContext) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(context.request)
            try:
                while True:
                    await response.write(_SPACE)
            except ConnectionError:
                return response

        return cls(strike)

    @classmethod
    def bomb(cls) -> Fault:
        """Send a small response that decompresses to a large one."""

        async def strike(_: RequestContext) -> web.Response:
            return web.Response(body=_bomb(), headers={"Content-Encoding": "gzip"})

        return cls(strike)

    @classmethod
    def changed(cls, change: Callable[[Response], Response]) -> Fault:
        """Change the proper response."""

        async def strike(context: RequestContext) -> web.Response:
            response = change(context.respond(context))
            return web.Response(status=response.status, headers=response.headers, body=response.body)

        return cls(strike)

    @classmethod
    def padded(cls, padding: bytes) -> Fault:
        """Put something in front of the proper response's content: in JSON after the first bracket."""

        def pad(proper: Response) -> Response:
            start = 0 if proper.body.startswith(b"<") else 1
            return proper._replace(body=proper.body[:start] + padding + proper.body[start:])

        return cls.changed(pad)

    @classmethod
    def content_type(cls, value: str) -> Fault:
        """Return the proper response under another content type."""
        return cls.changed(lambda proper: proper._replace(headers={**proper.headers, "Content-Type": value}))

    @classmethod
    def truncated(cls) -> Fault:
        """Return the first half of the response as if it were the whole."""
        return cls.changed(lambda proper: proper._replace(body=proper.body[: len(proper.body) // 2]))

    @classmethod
    def members(cls, **values: Any) -> Fault:
        """Give members of the response other values, wherever they are in it."""
        return cls.changed(lambda proper: proper._replace(body=_rewritten(proper.body, values)))

    @classmethod
    def without(cls, *members: str) -> Fault:
        """Leave members out of the response, wherever they are in it."""
        return cls.members(**dict.fromkeys(members, ABSENT))

    @classmethod
    def repeated_token(cls) -> Fault:
        """Return the same token for the next page with every page."""
        return cls._paged(lambda: "again")

    @classmethod
    def endless_tokens(cls) -> Fault:
        """Return the first page again and again, each time with a new token for the next."""
        numbers = count()
        return cls._paged(lambda: f"and-{next(numbers)}")

    @classmethod
    def _paged(cls, token: Callable[[], str]) -> Fault:
        async def strike(context: RequestContext) -> web.Response:
            proper = context.respond(replace(context, arguments=_without_token(context)))
            body = json.dumps({**json.loads(proper.body), context.paging.output_token: token()}).encode()
            return web.Response(status=proper.status, headers=proper.headers, body=body)

        return cls(strike)

    @classmethod
    def latency(cls, seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Fault:
        """Respond late."""

        async def strike(_: RequestContext) -> None:
            await sleep(seconds)

        return cls(strike)

    @classmethod
    def hanging(cls) -> Fault:
        """Accept the request, and send nothing until the client hangs up."""

        async def strike(_: RequestContext) -> None:
            await asyncio.Event().wait()

        return cls(strike)

    @classmethod
    def reset(cls) -> Fault:
        """Drop the connection: the client gets a TCP reset."""

        async def strike(context: RequestContext) -> web.Response:
            if (transport := context.request.transport) is not None:
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            return web.Response()

        return cls(strike)

    @classmethod
    def cut_off(cls) -> Fault:
        """Announce the whole response, send half of it and close the connection."""

        async def strike(context: RequestContext) -> web.StreamResponse:
            proper = context.respond(context)
            response = web.StreamResponse(status=proper.status, headers=proper.headers)
            response.content_length = len(proper.body)
            await response.prepare(context.request)
            await response.write(proper.body[: len(proper.body) // 2])
            response.force_close()
            if context.request.transport is not None:
                context.request.transport.close()
            return response

        return cls(strike)


@dataclass
class FaultRule:
    """When a fault strikes: every given condition must hold. Counts how often it has struck."""

    fault: Fault
    account: str | None = None
    """The account whose credentials sign the request."""
    region: str | None = None
    service: str | None = None
    operation: str | None = None
    scope: str | None = None
    """The value of one of the request's arguments, such as the id of a membership."""
    page: int | Literal["later"] | None = None
    """The number of the page, from 1, or `later`."""
    after: float = -math.inf
    until: float = math.inf
    """Seconds of the simulator's clock; `until` is excluded."""
    times: float = math.inf
    """The maximum number of times that it strikes."""
    struck: int = 0

    def matches(self, context: RequestContext, page: int) -> bool:
        """Whether the fault strikes a request for a page."""
        return (
            self.account in (None, context.account)
            and self.region in (None, context.region)
            and self.service in (None, context.service)
            and self.operation in (None, context.operation)
            and (self.scope is None or self.scope in context.arguments.values())
            and (self.page in (None, page) or (self.page == LATER and page > 1))
            and self.after <= context.now < self.until
            and self.struck < self.times
        )


@dataclass
class Faults:
    """The faults of a simulated AWS: a hook that sees every request before it gets a response.

    `add` switches one on, `remove` and `clear` switch off. Of the rules that match a request, the one added last
    strikes; where its fault leaves the response to others, the one before it does.
    """

    rules: list[FaultRule] = field(default_factory=list)
    _pages: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    """The tokens of the pages requested since the first page of each list was."""

    def add(self, fault: Fault, **when: Any) -> FaultRule:
        """Switch a fault on where and when the fields of `FaultRule` say."""
        self.rules.append(FaultRule(fault, **when))
        return self.rules[-1]

    def remove(self, rule: FaultRule) -> None:
        """Switch one fault off."""
        self.rules.remove(rule)

    def clear(self) -> None:
        """Switch every fault off."""
        self.rules.clear()

    async def __call__(self, context: RequestContext) -> web.StreamResponse | None:
        """Respond with the most recently added fault that matches the request."""
        if not self.rules:
            return None
        page = self._page(context)
        for rule in self._matching(context, page):
            rule.struck += 1
            if (response := await rule.fault.strike(context)) is not None:
                return response
        return None

    def _matching(self, context: RequestContext, page: int) -> Iterator[FaultRule]:
        return (rule for rule in reversed(self.rules.copy()) if rule.matches(context, page))

    def _page(self, context: RequestContext) -> int:
        """Return the number of the requested page; a page that is requested again keeps its number."""
        place = (context.account, context.region, context.service, context.operation)
        key = (*place, repr(sorted(_without_token(context).items())))
        token = context.arguments.get(context.paging.input_token)
        if not token:
            self._pages[key] = []
            return 1
        tokens = self._pages.setdefault(key, [])
        if token not in tokens:
            tokens.append(token)
        return tokens.index(token) + 2


ABSENT: Any = object()
"""The value of a member that is left out."""

_INTERNAL = 500

_SPACE = b" " * (1 << 20)


@cache
def _bomb() -> bytes:
    """Return 16 MiB of nothing in some kilobytes."""
    pack = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(pack.compress(_SPACE) for _ in range(16)) + pack.flush()


def _without_token(context: RequestContext) -> dict[str, Any]:
    """Return the arguments that stay the same for every page of a list."""
    return {name: value for name, value in context.arguments.items() if name != context.paging.input_token}


def _rewritten(body: bytes, values: Mapping[str, Any]) -> bytes:
    """Return a response in which members have other values, in JSON or XML."""
    if not body.startswith(b"<"):
        return json.dumps(_replaced(json.loads(body), values)).encode()
    text = body.decode()
    for name, value in values.items():
        tag = re.escape(name)
        element = "" if value is ABSENT or value is None else f"<{name}>{value}</{name}>".replace("\\", r"\\")
        text = re.sub(rf"<{tag}>.*?</{tag}>", element, text, flags=re.DOTALL)
    return text.encode()


def _replaced(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_replaced(member, values) for member in value]
    if not isinstance(value, dict):
        return value
    changed = {name: values.get(name, _replaced(member, values)) for name, member in value.items()}
    return {name: member for name, member in changed.items() if member is not ABSENT}
