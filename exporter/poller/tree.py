"""Which sources there are, and which of them found which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from exporter.jobs import SourceKey
from exporter.poller.context import Source


class SourceTree(dict[SourceKey, Source]):
    """Sources by key. Each has the children that its polls found."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0
        """Rises whenever a source comes, goes, or takes the place of another one."""
        self._children: dict[SourceKey, set[SourceKey]] = {}
        self._missed: dict[SourceKey, AbstractSet[SourceKey]] = {}
        """For each parent, the children that its last poll lacked. The next one decides whether they are gone."""

    def __setitem__(self, key: SourceKey, source: Source) -> None:
        super().__setitem__(key, source)
        self.changes += 1

    def pop(self, key: SourceKey) -> Source:  # type: ignore[override] # without a default
        """Remove a source, and what is known of its children, and return it."""
        self.changes += 1
        self._children.pop(key, None)
        self._missed.pop(key, None)
        return super().pop(key)

    def children(self, key: SourceKey) -> AbstractSet[SourceKey]:
        """Return the children of a source."""
        return self._children.get(key, frozenset())

    def set_children(self, key: SourceKey, children: Iterable[SourceKey]) -> None:
        """Give a source other children."""
        self._children[key] = set(children)

    def below(self, key: SourceKey) -> Iterator[SourceKey]:
        """Yield all sources below one, and then itself."""
        for child in self.children(key):
            yield from self.below(child)
        yield key

    def lost(self, key: SourceKey, found: AbstractSet[SourceKey]) -> AbstractSet[SourceKey]:
        """Return the children that are gone: that a source's poll and the one before both lack.

        One answer that lacks them may be an accident.
        """
        lacking = self.children(key) - found
        gone = lacking & self._missed.get(key, frozenset())
        self._missed[key] = lacking - gone
        return gone

    def is_doubtful(self, key: SourceKey) -> bool:
        """Return whether a source's last poll lacked a child, so that another look decides."""
        return bool(self._missed.get(key))
