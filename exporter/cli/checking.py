"""The commands that check without polling."""

from __future__ import annotations

from exporter.cli.invocation import Invocation
from exporter.settings import ConfigurationError, load


async def check_config(invocation: Invocation) -> int:
    """Check configuration files as `serve` would read them."""
    problems: list[str] = []
    for file in invocation.options.files:
        try:
            load(invocation.catalog, file, invocation.flags)
        except ConfigurationError as error:
            problems += error.problems
        else:
            print(f"{file}: valid")
    if problems:
        raise ConfigurationError(problems)
    return 0
