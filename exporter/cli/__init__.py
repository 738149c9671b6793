"""The command line: flags, commands and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from exporter.cli.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--version"]:
        print(VERSION)
        return 0
    # Loading the settings, which are the flags of all commands, takes twenty times as long as the version.
    from exporter.cli.commands import run  # noqa: PLC0415 - only where a command runs

    return run(given)
