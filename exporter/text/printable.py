"""Makes text from AWS safe for a terminal and for one line of a log."""

from __future__ import annotations

import re


def printable(text: str) -> str:
    r"""Return a text on one line, with characters that control a terminal or reorder text escaped as `\u001b`."""
    return text if text.isascii() and text.isprintable() else _CONTROLS.sub(_escaped, text)


_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0 and C1 controls: line ends, ESC, CSI
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing: marks and overrides
    "\u2028\u2029\ud800-\udfff]"  # line ends of Unicode, and surrogates, which cannot be encoded
)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
