"""Bounds the values of the labels that the user asked for."""

from __future__ import annotations

from collections import defaultdict

from exporter.store import Dimensions

OTHER = "other"


class FewValues:
    """Keeps the first `most` values of each label; later ones are `other`, and so are `combinations` too many."""

    def __init__(self, most: int, combinations: int) -> None:
        self._most = most
        self._combinations = combinations
        self._kept: defaultdict[int, set[str]] = defaultdict(set)
        self._combined: set[Dimensions] = set()

    def __call__(self, values: Dimensions) -> Dimensions:
        """Return values, each as it is or `other`; all are `other` where their combination is one too many."""
        few = tuple(self._bounded(self._kept[number], value) for number, value in enumerate(values))
        if few not in self._combined and len(self._combined) >= max(1, self._combinations - 1):
            return (OTHER,) * len(values)
        self._combined.add(few)
        return few

    def _bounded(self, kept: set[str], value: str) -> str:
        if value not in kept and len(kept) < self._most:
            kept.add(value)
        return value if value in kept else OTHER
