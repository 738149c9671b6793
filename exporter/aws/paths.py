"""Where values stand in AWS's responses: the catalog's paths, turned into functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

Item = Mapping[str, Any]


@cache
def getter(path: str) -> Callable[[Item], Any]:
    """Return a function that finds the value at a path."""
    if path.isalnum():  # most paths; called for every item
        return lambda item: item.get(path)
    steps = [_step(step) for step in path.split(".")]

    def get(item: Any) -> Any:
        for step in steps:
            item = step(item)
        return item

    return get


def _step(step: str) -> Callable[[Any], Any]:
    """Return a function that takes one step of a path: to a member, or to the first element of a list."""
    name, bracket, _ = step.partition("[")

    def member(item: Any) -> Any:
        return item.get(name) if isinstance(item, dict) else None

    def first(item: Any) -> Any:
        found = member(item)
        return found[0] if isinstance(found, list) and found else None

    return first if bracket else member
