"""The command line: flags, commands and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from exporter.cli.version import VERSION

FINITE = {"once", "check-config", "classify", "kinds", "iam-policy", "doctor", "record", "storage"}
"""The commands that end by themselves."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--version"]:
        print(VERSION)
        return 0
    if arguments is None and FINITE.isdisjoint(given):
        _catch_signals()
    # Loading the settings, which are the flags of all commands, takes twenty times as long as the version.
    from exporter.cli.commands import run  # noqa: PLC0415 - only where a command runs

    return run(given)


def _catch_signals() -> None:
    """Handle signals until a server does."""
    # There is nothing to lose yet; and as the first process of a container, none is ended by what it does not handle.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    # By default it would end the process; what it is to read again is read in a moment.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
