"""Limits the values of the labels that the user asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from exporter.store import Dimensions

OTHER = "other"


class FewValues:
    """Keeps the first `most` values of each label and at most `combinations` of them; the rest become `other`."""

    def __init__(self, most: int, combinations: int, known: Iterable[Dimensions] = ()) -> None:
        """Keep also what was `known` before, in its order."""
        self._most = most
        self._combinations = combinations
        self._kept: defaultdict[int, set[str]] = defaultdict(set)
        self._combined: set[Dimensions] = set()
        for values in known:
            self(values)

    def __call__(self, values: Dimensions) -> Dimensions:
        """Return each value as it is or as `other`; all are `other` where the combination exceeds the limit."""
        few = tuple(self._limited(self._kept[number], value) for number, value in enumerate(values))
        # One less than the limit, because the combination in which everything is `other` counts as well.
        if few not in self._combined and len(self._combined) >= max(1, self._combinations - 1):
            return (OTHER,) * len(values)
        self._combined.add(few)
        return few

    def _limited(self, kept: set[str], value: str) -> str:
        if value not in kept and len(kept) < self._most:
            kept.add(value)
        return value if value in kept else OTHER
