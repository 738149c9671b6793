"""Suggestions for a misspelled word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 15
"""Most choices to list in full in an error of one line."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the nearest choices, all choices if none is near and they are few, else ""."""
    choices = sorted(choices)
    folded = {choice.lower(): choice for choice in choices}
    near = [folded[match] for match in difflib.get_close_matches(word.lower(), folded, n=3, cutoff=0.6)]
    near = near or [choice for choice in choices if word.lower() in choice.lower()][:3]
    if near:
        return f"; did you mean {' or '.join(f'`{choice}`' for choice in near)}?"
    return f"; one of: {', '.join(choices)}" if 0 < len(choices) <= _FEW else ""
