"""Bounds the values of the labels that the user asked for."""

from __future__ import annotations

from collections import defaultdict

from exporter.ledger import Dimensions

OTHER = "other"


class FewValues:
    """Keeps the first `most` values of each label; those that come later are `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: defaultdict[int, set[str]] = defaultdict(set)

    def __call__(self, values: Dimensions) -> Dimensions:
        """Return values, each as it is or `other`."""
        return tuple(self._bounded(self._kept[number], value) for number, value in enumerate(values))

    def _bounded(self, kept: set[str], value: str) -> str:
        if value not in kept and len(kept) < self._most:
            kept.add(value)
        return value if value in kept else OTHER
