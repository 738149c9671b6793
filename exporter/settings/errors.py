"""What is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.text.printable import printable

_HEAD, _TAIL = 1000, 200
"""So many characters of a long line are told: a wrong value may be a file of its own."""


class ConfigurationError(Exception):
    """What is wrong with a configuration: `problems`, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(_cut(printable(problem)) for problem in problems)
        super().__init__("\n".join(self.problems))


def _cut(line: str) -> str:
    return line if len(line) <= _HEAD + _TAIL else f"{line[:_HEAD]}...{line[-_TAIL:]}"
