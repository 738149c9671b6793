"""What goes wrong with AWS, switched by account, service, operation, scope, page and time."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from aiohttp import web

from exporter.simulator.aws_error import AwsError
from exporter.simulator.calls import Call
from exporter.simulator.responses import Response

Strike = Callable[[Call], Awaitable[web.StreamResponse | None]]
"""Answers a call badly, or not at all; raises AwsError. None: what comes next answers."""

LATER: Literal["later"] = "later"
"""Every page but the first."""


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong with the answer to a call."""

    strike: Strike

    @classmethod
    def error(cls, code: str, message: str, status: int) -> Fault:
        """Answer with an error, in the protocol of the service."""

        async def strike(_: Call) -> None:
            raise AwsError(code, message, status)

        return cls(strike)

    @classmethod
    def throttled(cls, status: int = 429) -> Fault:
        """Answer that there are too many requests: some services do so with the status 429, others with 400."""
        return cls.error("ThrottlingException", "Rate exceeded", status)

    @classmethod
    def server_error(cls, status: int = 500) -> Fault:
        """Answer with an error of AWS's own: 500, 502, 503 or 504."""
        code = "InternalServerException" if status == _INTERNAL else "ServiceUnavailableException"
        return cls.error(code, "The service cannot answer at the moment", status)

    @classmethod
    def access_denied(cls) -> Fault:
        """Answer that a permission is missing."""
        return cls.error("AccessDeniedException", "User is not authorized to perform this operation", 403)

    @classmethod
    def expired_token(cls) -> Fault:
        """Answer that the credentials have run out."""
        return cls.error("ExpiredTokenException", "The security token included in the request is expired", 403)

    @classmethod
    def not_found(cls) -> Fault:
        """Answer that what is asked about does not exist."""
        return cls.error("ResourceNotFoundException", "The requested resource does not exist", 404)

    @classmethod
    def body(cls, content: str, content_type: str = "application/json", status: int = 200) -> Fault:
        """Answer with a body of the test's own."""

        async def strike(_: Call) -> web.Response:
            return web.Response(status=status, body=content.encode(), headers={"Content-Type": content_type})

        return cls(strike)

    @classmethod
    def html(cls, status: int = 200) -> Fault:
        """Answer with a page for people, as proxies and load balancers do."""
        return cls.body("<html><body><h1>Please wait</h1></body></html>", "text/html", status)

    @classmethod
    def changed(cls, change: Callable[[Response], Response]) -> Fault:
        """Change the sound answer."""

        async def strike(call: Call) -> web.Response:
            response = change(call.sound(call))
            return web.Response(status=response.status, headers=response.headers, body=response.body)

        return cls(strike)

    @classmethod
    def content_type(cls, value: str) -> Fault:
        """Call the sound answer something that it is not."""
        return cls.changed(lambda sound: sound._replace(headers={**sound.headers, "Content-Type": value}))

    @classmethod
    def truncated(cls) -> Fault:
        """Send the first half of the answer as if it were all."""
        return cls.changed(lambda sound: sound._replace(body=sound.body[: len(sound.body) // 2]))

    @classmethod
    def members(cls, **values: Any) -> Fault:
        """Give members of the answer, wherever they stand in it, other values."""
        return cls.changed(lambda sound: sound._replace(body=_rewritten(sound.body, values)))

    @classmethod
    def without(cls, *members: str) -> Fault:
        """Leave members out of the answer, wherever they stand in it."""
        return cls.members(**dict.fromkeys(members, ABSENT))

    @classmethod
    def repeated_token(cls) -> Fault:
        """Say with every page that the page with the same token follows."""
        return cls._paged(lambda: "again")

    @classmethod
    def endless_tokens(cls) -> Fault:
        """Say with every page, always the same one, that another follows."""
        numbers = count()
        return cls._paged(lambda: f"and-{next(numbers)}")

    @classmethod
    def _paged(cls, token: Callable[[], str]) -> Fault:
        async def strike(call: Call) -> web.Response:
            sound = call.sound(replace(call, arguments=_without_token(call)))
            body = json.dumps({**json.loads(sound.body), call.paging.output_token: token()}).encode()
            return web.Response(status=sound.status, headers=sound.headers, body=body)

        return cls(strike)

    @classmethod
    def latency(cls, seconds: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> Fault:
        """Answer late."""

        async def strike(_: Call) -> None:
            await sleep(seconds)

        return cls(strike)

    @classmethod
    def hanging(cls) -> Fault:
        """Take the request, and say nothing until the client hangs up."""

        async def strike(_: Call) -> None:
            await asyncio.Event().wait()

        return cls(strike)

    @classmethod
    def reset(cls) -> Fault:
        """Drop the connection: the client gets a TCP reset."""

        async def strike(call: Call) -> web.Response:
            if (transport := call.request.transport) is not None:
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            return web.Response()

        return cls(strike)

    @classmethod
    def broken_off(cls) -> Fault:
        """Promise the whole answer, send half of it and close the connection."""

        async def strike(call: Call) -> web.StreamResponse:
            sound = call.sound(call)
            response = web.StreamResponse(status=sound.status, headers=sound.headers)
            response.content_length = len(sound.body)
            await response.prepare(call.request)
            await response.write(sound.body[: len(sound.body) // 2])
            response.force_close()
            if call.request.transport is not None:
                call.request.transport.close()
            return response

        return cls(strike)


@dataclass
class FaultRule:
    """When a fault strikes: all that is given must hold. It counts how often it did."""

    fault: Fault
    account: str | None = None
    """Whose credentials the call is made with."""
    service: str | None = None
    operation: str | None = None
    scope: str | None = None
    """The value of one of the call's arguments, such as the id of a membership."""
    page: int | Literal["later"] | None = None
    """The number of the page, from 1, or `later`."""
    after: float = -math.inf
    until: float = math.inf
    """Seconds of the simulator's clock; `until` is not among them."""
    times: float = math.inf
    """How often it strikes at most."""
    struck: int = 0

    def wants(self, call: Call, page: int) -> bool:
        """Whether the fault strikes a call for a page."""
        return (
            self.account in (None, call.account)
            and self.service in (None, call.service)
            and self.operation in (None, call.operation)
            and (self.scope is None or self.scope in call.arguments.values())
            and (self.page in (None, page) or (self.page == LATER and page > 1))
            and self.after <= call.now < self.until
            and self.struck < self.times
        )


@dataclass
class Faults:
    """The faults of a simulated AWS: a hook that stands before every answer.

    `add` switches one on, `remove` and `clear` switch off. Of the rules that want a call, the one that was added last
    strikes it; where its fault does not answer, the one before does.
    """

    rules: list[FaultRule] = field(default_factory=list)
    _pages: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    """The tokens of the pages that were asked for since each list was last begun."""

    def add(self, fault: Fault, **when: Any) -> FaultRule:
        """Switch a fault on where and when the members of `FaultRule` say."""
        self.rules.append(FaultRule(fault, **when))
        return self.rules[-1]

    def remove(self, rule: FaultRule) -> None:
        """Switch one fault off."""
        self.rules.remove(rule)

    def clear(self) -> None:
        """Switch every fault off."""
        self.rules.clear()

    async def __call__(self, call: Call) -> web.StreamResponse | None:
        """Answer in the way of the fault that was added last of those that want a call."""
        if not self.rules:
            return None
        page = self._page(call)
        for rule in self._wanting(call, page):
            rule.struck += 1
            if (response := await rule.fault.strike(call)) is not None:
                return response
        return None

    def _wanting(self, call: Call, page: int) -> Iterator[FaultRule]:
        return (rule for rule in reversed(self.rules.copy()) if rule.wants(call, page))

    def _page(self, call: Call) -> int:
        """Return the number of the page that is asked for; one that is asked for again keeps its number."""
        place = (call.account, call.region, call.service, call.operation)
        key = (*place, repr(sorted(_without_token(call).items())))
        token = call.arguments.get(call.paging.input_token)
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


def _without_token(call: Call) -> dict[str, Any]:
    """Return the arguments that are the same for every page of a list."""
    return {name: value for name, value in call.arguments.items() if name != call.paging.input_token}


def _rewritten(body: bytes, values: Mapping[str, Any]) -> bytes:
    """Return an answer in which members have other values, in JSON or XML."""
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
