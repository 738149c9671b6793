"""An expression is tried only where its words stand, and wherever it matches."""

import re
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.jobs import Reason
from exporter.reasons import Classifier, Rule
from exporter.reasons.candidates import Candidates, required

PATTERNS = [pattern for rule in Classifier.built_in().rules for pattern in rule.text]


@pytest.mark.parametrize("pattern", PATTERNS, ids=range(len(PATTERNS)))
def test_every_text_that_a_built_in_expression_matches_has_its_words(pattern):
    """Otherwise a rule would be passed over, and a failure would get the wrong reason."""
    candidates = Candidates([pattern.pattern])

    @settings(max_examples=5)
    @given(st.from_regex(pattern))
    def has_its_words(text):
        assert [*candidates.within(text)] == [0]

    has_its_words()


def test_most_built_in_expressions_have_words():
    """They are tried for every message otherwise, which takes longer than all else."""
    assert sum(not required(pattern.pattern) for pattern in PATTERNS) < 0.05 * len(PATTERNS)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("Disk full", [{"disk"}, {"full"}]),
        ("no space left|disk quota", [{"space", "quota"}]),
        (r"(un)?able to (find|locate)\b", [{"able"}, {"find", "locate"}, {"to"}]),
        (r"out of (\w+ )?(space|inodes)", [{"out"}, {"space", "inodes"}, {"of"}]),
        ("(too many )+files", [{"files"}, {"many"}, {"too"}]),
        ("(?:too many )*files", [{"files"}]),
        ("full|^137:", []),
        ("[Dd]isk", [{"isk"}]),
        ("(?!never)(?=soon)", []),
        ("(?-i:Case)", [{"case"}]),
        ("(a)?(?(1)b|c)", []),
        (r"\W*$", []),
        ("\u212aelvin", [{"elvin"}]),
        ("(?>atomic)|(possessive)++", [{"atomic", "possessive"}]),
    ],
)
def test_the_words_of_an_expression(expression, words):
    """One of each set is in each text that it matches; those that fewest texts have come first."""
    assert list(required(expression)) == words


@pytest.mark.parametrize(("text", "found"), [("some disk is full", [0, 1, 3]), ("disk", [1, 3]), ("", [3])])
def test_two_requirements_must_be_met(text, found):
    """One would let too much through; what has only one, or none, is tried all the same."""
    assert [*Candidates(["disk.*full", "disk", "full|quota", r"\d"]).within(text, among=0b1011)] == found


def test_letters_that_match_others_are_found():
    """Case is ignored in all alphabets."""
    letters = [chr(code) for code in range(sys.maxunicode) if re.fullmatch("[a-z]", chr(code), re.IGNORECASE)]
    assert len(letters) > 52
    for letter in letters:
        expressions = [f"x{english}x" for english in string.ascii_lowercase]
        matching = [n for n, each in enumerate(expressions) if re.search(each, f"x{letter}x", re.IGNORECASE)]
        assert [*Candidates(expressions).within(f"x{letter}x")] == matching != []


def test_a_word_may_stand_in_a_longer_one():
    """In one of any length."""
    assert [*Candidates(["disk", "quota", "full"]).within(f"{'x' * 50}Disk{'x' * 50} fullness")] == [0, 2]


def test_a_rule_of_ones_own_is_tried_where_its_words_stand():
    """Its author declares nothing."""
    rule = Rule(name="own", reason=Reason.DEPENDENCY, text=["upstream (table|view) is late", r"^\d{3}$"])
    classifier = Classifier.built_in([rule])
    for message in ("The UPSTREAM view is late: access denied", "403"):
        assert classifier.classify(message) == (Reason.DEPENDENCY, rule)
    assert classifier.classify("upstream is late: access denied").reason is Reason.ACCESS_DENIED


@given(st.text(alphabet="aebdiskful \u017f\u212a1"))
def test_nothing_that_matches_is_passed_over(text):
    """Whatever the text."""
    expressions = ["disk", "is|ful", "b+", r"\d", "(?:sk)?i"]
    tried = {*Candidates(expressions).within(text)}
    assert {n for n, each in enumerate(expressions) if re.search(each, text, re.IGNORECASE)} <= tried
