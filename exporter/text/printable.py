"""Text from elsewhere, made safe for a terminal and for a line of a log."""

from __future__ import annotations

import re


def printable(text: str) -> str:
    r"""Return a text on one line, with escapes such as `\u001b` in place of what steers a terminal or reorders text."""
    return text if text.isascii() and text.isprintable() else _STEERS.sub(_escaped, text)


_STEERS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1: line ends, ESC, CSI
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of the direction of writing
    "\u2028\u2029\ud800-\udfff]"  # line ends of Unicode, and what no encoding can write
)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
