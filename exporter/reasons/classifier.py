"""Maps failure messages to a few reasons: messages vary without limit, and the values of a label must not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    model_validator,
)

from exporter.catalog import FastLoader
from exporter.jobs import Reason
from exporter.reasons.candidates import Candidates

_BUILT_IN = Path(__file__).with_name("rules.yaml")

LONGEST = 4096
"""Characters of a message that are searched: AWS puts the cause first, and the cost of a message stays bounded."""


def _compile(value: Any, info: ValidationInfo) -> tuple[re.Pattern[str], ...]:
    """Compile a regular expression, or a list of which any may match."""
    branches = value if isinstance(value, list) else [value]
    rule = info.data.get("name", "")
    if not branches or "" in branches:
        raise ValueError(f"rule {rule!r}: an empty expression would match everything")
    patterns = []
    for branch in branches:
        try:
            patterns.append(re.compile(branch, re.IGNORECASE))
        except (re.error, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"rule {rule!r}: {branch!r} is not a regular expression: {error}") from None
    return tuple(patterns)


_REMEMBERED = 1024
"""Classified texts that are remembered, of `LONGEST` characters at most."""

Regex = Annotated[tuple[re.Pattern[str], ...], BeforeValidator(_compile)]
"""A regular expression (Python's `re`) that ignores case, or a list of which any may match."""

_ANYTHING = re.compile("")


class Rule(BaseModel):
    """A reason and the conditions for it, all of which must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, StringConstraints(min_length=1)]
    reason: Reason
    service: str = ""
    """botocore's name of the only service that the rule is for; empty for all services."""
    status: Regex = ()
    """Matches the whole status."""
    text: Regex = ()
    """Matches any part of the code and the message."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.status and not self.text:
            raise ValueError(f"rule {self.name!r} needs a status or a text")
        return self

    def applies(self, status: str, service: str) -> bool:
        """Return whether the rule is for failures of a service with a status."""
        is_status = not self.status or any(pattern.fullmatch(status) for pattern in self.status)
        return is_status and self.service in {"", service}


class Classification(NamedTuple):
    """A reason and the rule that gave it; None if no rule matched."""

    reason: Reason
    rule: Rule | None


class Classifier:
    """Finds the reason for a failure: that of the first rule that matches."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._tries = [(rule, pattern) for rule in self.rules for pattern in rule.text or (_ANYTHING,)]
        self._candidates = Candidates([pattern.pattern for _, pattern in self._tries])
        self._applying = lru_cache(_REMEMBERED)(self._of_rules_for)
        # Jobs that fail together fail with the same words, and trying every rule takes a while.
        self._known = lru_cache(_REMEMBERED)(self._classify)

    @cached_property
    def identity(self) -> str:
        """What differs where any rule does, by which kept reasons are known to be those of the rules."""
        # Not `repr`: that of a long expression is cut off.
        rules = "\n".join(rule.model_dump_json() for rule in self.rules)
        return blake2b(rules.encode(), digest_size=16).hexdigest()

    @classmethod
    def built_in(cls, extra: Iterable[Rule] = ()) -> Self:
        """Return a classifier with the built-in rules, after `extra` ones."""
        return cls([*extra, *_built_in()])

    def classify(self, message: str, *, status: str = "", code: str = "", service: str = "") -> Classification:
        """Return why a job failed and the rule that says so; `other` if no rule matches."""
        return self._known(_normal(message, code), status, service)

    def _classify(self, text: str, status: str, service: str) -> Classification:
        for number in self._candidates.within(text, self._applying(status, service)):
            rule, pattern = self._tries[number]
            if pattern.search(text):
                return Classification(rule.reason, rule)
        return Classification(Reason.OTHER, None)

    def _of_rules_for(self, status: str, service: str) -> int:
        """Return a bit for each of the tries whose rule is for a service and a status."""
        return sum(1 << number for number, (rule, _) in enumerate(self._tries) if rule.applies(status, service))


@cache
def _built_in() -> list[Rule]:
    """Return the built-in rules: read once, because each reload needs them."""
    rules = yaml.load(_BUILT_IN.read_text(), FastLoader)  # noqa: S506 - a safe loader
    return TypeAdapter(list[Rule]).validate_python(rules)


def _normal(message: str, code: str) -> str:
    """Put the code before the message, as services without a field for it do, and collapse white space."""
    text = f"{code}: {message}" if code else message
    return " ".join(text[:LONGEST].split())
