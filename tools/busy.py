"""Keeps the machine busy while a command runs: `python tools/busy.py --loops 8 -- .venv/bin/pytest -n 2 tests/web`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOP = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Ends with its parent, even if that was killed."""


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Run this many loops during the block, each in its own process."""
    with ExitStack() as running:
        for _ in range(loops):
            process = running.enter_context(subprocess.Popen([sys.executable, "-c", LOOP]))
            running.callback(process.kill)
        yield


def main() -> int:
    """Run a command beside busy loops and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", type=int, default=8, help="how many processes keep the machine busy")
    parser.add_argument("command", nargs="+", help="what to run, after --")
    options = parser.parse_args()
    with busy(options.loops):
        return subprocess.run(options.command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
