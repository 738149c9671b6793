"""A sorted collection, so that a page of a list costs the same wherever it begins."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

Key = tuple[float, str]
"""When a thing came to be, in seconds, and what tells it from others of the same moment."""


class Keyed(Protocol):
    """What can stand on a shelf."""

    @property
    def key(self) -> Key:
        """The place on the shelf."""


Thing = TypeVar("Thing", bound=Keyed)

_KEY = attrgetter("key")


class Shelf(Generic[Thing]):
    """Things in the order of their keys, oldest first."""

    def __init__(self) -> None:
        self._things: list[Thing] = []

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[Thing]:
        return iter(self._things)

    def add(self, thing: Thing) -> None:
        """Put a thing into its place."""
        insort(self._things, thing, key=_KEY)

    def remove(self, thing: Thing) -> None:
        """Take a thing away; raises KeyError where it is not here."""
        index = bisect_left(self._things, thing.key, key=_KEY)
        if index == len(self) or self._things[index] is not thing:
            raise KeyError(thing.key)
        del self._things[index]

    def between(self, low: Key, high: Key, *, newest_first: bool) -> Iterator[Thing]:
        """Yield what lies strictly between two keys."""
        first = bisect_right(self._things, low, key=_KEY)
        last = bisect_left(self._things, high, key=_KEY)
        numbers = range(first, last)
        return (self._things[number] for number in (reversed(numbers) if newest_first else numbers))
