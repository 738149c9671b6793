"""Help for a word that does not exist: the nearest ones that do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_FEW = 12
"""So many choices fit into one line of an error."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return "; did you mean ...?" with the nearest choices, or all of them where they are few, else nothing."""
    choices = sorted(choices)
    folded = {choice.lower(): choice for choice in choices}
    near = [folded[match] for match in difflib.get_close_matches(word.lower(), folded, n=3, cutoff=0.6)]
    near = near or [choice for choice in choices if word.lower() in choice.lower()][:3]
    if near:
        return f"; did you mean {' or '.join(f'`{choice}`' for choice in near)}?"
    return f"; one of: {', '.join(choices)}" if 0 < len(choices) <= _FEW else ""
