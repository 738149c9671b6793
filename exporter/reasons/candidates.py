"""Which of many regular expressions can match a text, by words that they require: words are found faster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from re import _constants as op
from re import _parser
from typing import Any

_REMEMBERED = 4096
_EXPRESSIONS = 1024
"""Expressions that are remembered from one reload to the next: the built-in ones, and as many of the user's."""

_LONGEST = 40
"""Words up to this length are remembered: those of a language, and not encoded data."""

_LETTERS = re.compile("[a-z]+")

_ALIKE = str.maketrans({"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"})
"""Letters that match an English one where case is ignored: two of Turkish, the long s and the Kelvin sign."""

Words = frozenset[str]


class Candidates:
    """Which of some expressions, which ignore case, can match a text."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._count = len(expressions)
        # The bit of an expression says that the text has what it requires first; another one, so many further, second.
        self._free = 0
        self._of_word: dict[str, int] = {}
        for number, expression in enumerate(expressions):
            for bit, words in zip((number, number + self._count), (*required(expression), None, None), strict=False):
                if words is None:
                    self._free |= 1 << bit
                for word in words or ():
                    self._of_word[word] = self._of_word.get(word, 0) | 1 << bit
        self._remembered = lru_cache(_REMEMBERED)(self._found)

    def within(self, text: str, among: int = -1) -> Iterator[int]:
        """Yield the numbers of those that may match, in order; only of those whose bits are set in `among`."""
        found = self._free
        for word in set(_LETTERS.findall(text.translate(_ALIKE).lower())):
            found |= self._remembered(word) if len(word) <= _LONGEST else self._found(word)
        bits = found & (found >> self._count) & among
        while bits:
            lowest = bits & -bits
            yield lowest.bit_length() - 1
            bits ^= lowest

    def _found(self, letters: str) -> int:
        """Return the bits of what a word of a text fulfils."""
        bits = 0
        for word, fulfilled in self._of_word.items():
            if word in letters:
                bits |= fulfilled
        return bits


@lru_cache(_EXPRESSIONS)
def required(expression: str) -> tuple[Words, ...]:
    """Return what each text has that an expression matches: of each set, at least one word. The rarest come first."""
    return tuple(sorted(_of_sequence(_parser.parse(expression)), key=_rareness, reverse=True))


def _of_sequence(parts: Iterable[tuple[Any, Any]]) -> list[Words]:
    """Return the words of expressions that follow each other."""
    found: list[Words] = []
    letters = ""
    for kind, value in (*parts, (None, None)):
        if kind is op.LITERAL and value < 128:  # noqa: PLR2004 - ASCII
            letters += chr(value).lower()
        else:
            found += [Words([run]) for run in _LETTERS.findall(letters)]
            found += _of_part(kind, value)
            letters = ""
    return found


def _of_part(kind: Any, value: Any) -> list[Words]:
    if kind is op.SUBPATTERN:
        return _of_sequence(value[-1])
    if kind is op.ATOMIC_GROUP:
        return _of_sequence(value)
    if kind in {op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT}:
        at_least, _, repeated = value
        return _of_sequence(repeated) if at_least else []
    if kind is op.BRANCH:
        branches = [max(_of_sequence(branch), key=_rareness, default=Words()) for branch in value[1]]
        return [Words().union(*branches)] if all(branches) else []
    return []


def _rareness(words: Words) -> tuple[int, int, int]:
    """Return what is greater the fewer texts have one of these words: not too short, few of them, and long ones."""
    shortest = min(map(len, words))
    return min(3, shortest), -len(words), shortest
