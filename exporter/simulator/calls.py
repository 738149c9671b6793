"""A request once it is understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


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


Operation = Callable[[Call], Mapping[str, Any]]
"""Returns the members of an operation's output; raises AwsError."""
