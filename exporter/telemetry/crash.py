"""What a crash of the process leaves on stderr: where it was, and no values."""

from __future__ import annotations

import faulthandler
import os
import sys

_STDERR = "/proc/self/fd/2"


def tell_of_crashes() -> None:
    """Have a crash, such as of a library that gets no more memory, write Python's stack before the process ends.

    Where stderr is a socket (systemd's journal, which notes a crash by itself) or another user's, nothing is written.
    """
    # Python has no stderr where the descriptor was closed at the start, and another file may have its number by now.
    if sys.stderr is None or faulthandler.is_enabled():
        return
    try:
        # Opened once more, because this one must not block: if nobody reads the log, a crash would never end.
        faulthandler.enable(os.open(_STDERR, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return
