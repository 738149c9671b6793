"""What is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Sequence


class ConfigurationError(Exception):
    """What is wrong with a configuration: `problems`, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
