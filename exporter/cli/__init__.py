"""The command line: flags, commands and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from exporter.cli.version import VERSION

FINITE = {"once", "check-config", "classify", "kinds", "iam-policy", "doctor", "storage"}
"""The commands that end by themselves."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--version"]:
        print(VERSION)
        return 0
    if arguments is None and FINITE.isdisjoint(given):
        # Until a server handles it, there is nothing to lose; and as the first process of a container, none is ended by
        # a signal that it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # Loading the settings, which are the flags of all commands, takes twenty times as long as the version.
    from exporter.cli.commands import run  # noqa: PLC0415 - only where a command runs

    return run(given)
