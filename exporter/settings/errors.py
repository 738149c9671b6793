"""What is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.text.printable import printable


class ConfigurationError(Exception):
    """What is wrong with a configuration: `problems`, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__("\n".join(self.problems))
