"""What an operation of the simulated AWS receives and returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from exporter.catalog.models import Paging
from exporter.simulator.responses import Response


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """A request whose sender, operation and arguments are known."""

    service: str
    operation: str
    account: str
    region: str
    access_key: str
    arguments: Mapping[str, Any]
    now: float
    """The simulator's time in seconds."""
    paging: Paging
    """How the operation is read page by page."""
    request: web.BaseRequest
    """The HTTP request itself, for hooks that act on its connection."""
    respond: Callable[[RequestContext], Response]
    """Returns the response that a request gets where no hook steps in."""


Operation = Callable[[RequestContext], Mapping[str, Any]]
"""Returns the members of an operation's output; raises AwsError."""

Hook = Callable[[RequestContext], Awaitable[web.StreamResponse | None]]
"""Sees a request before it is answered: may wait, raise AwsError, or return a response of its own."""
