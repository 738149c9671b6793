"""A request once it is understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from exporter.catalog.models import Paging
from exporter.simulator.responses import Response


@dataclass(frozen=True, kw_only=True)
class Call:
    """Who asks for what, with which arguments, when (in seconds)."""

    service: str
    operation: str
    account: str
    region: str
    access_key: str
    arguments: Mapping[str, Any]
    now: float
    paging: Paging
    """How the operation is read page by page."""
    request: web.BaseRequest
    """The request as it came, on its connection."""
    sound: Callable[[Call], Response]
    """Answers a call as if nothing were wrong."""


Operation = Callable[[Call], Mapping[str, Any]]
"""Returns the members of an operation's output; raises AwsError."""
