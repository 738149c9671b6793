"""Which jobs a search is for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.jobs import ACTIVE, State
from exporter.store.tables import NUMBER
from exporter.store.usual import IS_LONGER

_FAILED, _PENDING, _UNKNOWN = NUMBER[State.FAILED], NUMBER[State.PENDING], NUMBER[State.UNKNOWN]


@dataclass(frozen=True)
class JobFilter:
    """What a job must match; an empty set, an empty text and None match every job.

    Times in seconds since 1970-01-01 UTC: `since` is inclusive, `until` exclusive. A job without a time that is
    filtered by does not match.
    """

    states: frozenset[State] = frozenset()
    statuses: frozenset[str] = frozenset()
    """AWS's own words, as in the metrics."""
    reasons: frozenset[str] = frozenset()
    """Reasons of failures; only a failed job has one."""
    text: str = ""
    """A part of the job's id or name, in lower case."""
    group: str = ""
    """The group that a job must be in."""
    created_since: float | None = None
    created_until: float | None = None
    finished_since: float | None = None
    finished_until: float | None = None
    longer_than_usual_at: float | None = None
    """The time at which a job must have been active for longer than usual."""

    @property
    def possible_states(self) -> frozenset[State]:
        """The states that a job may be in."""
        states = self.states or frozenset(State)
        return states if self.longer_than_usual_at is None else states & ACTIVE

    @property
    def is_by_creation(self) -> bool:
        """Whether the creation time matters."""
        return self.created_since is not None or self.created_until is not None

    @property
    def is_by_end(self) -> bool:
        """Whether the end matters."""
        return self.finished_since is not None or self.finished_until is not None

    @property
    def is_summed(self) -> bool:
        """Whether the sums tell how many jobs match: nothing depends on the single job."""
        is_by_time = self.is_by_creation or self.is_by_end or self.longer_than_usual_at is not None
        return not (self.text or self.group or is_by_time)

    def conditions(self) -> Iterator[str]:
        """Yield what a row of `job` must match, in SQL; where `is_summed`, a row of `tally` as well."""
        if self.possible_states != frozenset(State):
            yield f"state IN ({', '.join(str(NUMBER[state]) for state in sorted(self.possible_states))})"
        if self.statuses:
            # As `status_label` has it: what the catalog does not know is `unknown`.
            known = "status IN (SELECT n FROM word WHERE text IN (SELECT value FROM json_each(:statuses)))"
            is_odd = "'unknown' IN (SELECT value FROM json_each(:statuses))"
            yield f"CASE state WHEN {_UNKNOWN} THEN {is_odd} ELSE {known} END"
        if self.reasons:
            yield f"state IN ({_FAILED}, {_PENDING}) AND reason IN (SELECT value FROM json_each(:reasons))"
        yield from self._of_times()
        if self.longer_than_usual_at is not None:
            yield IS_LONGER
        if self.group:
            yield "group_n = (SELECT job_group.n FROM job_group WHERE job_group.name = :group)"
        if self.text:
            yield _contains(self.text)

    def _of_times(self) -> Iterator[str]:
        if self.is_by_end:
            yield "dated"
        for name in ("created", "finished"):
            for bound, comparison in (("since", ">="), ("until", "<")):
                if getattr(self, f"{name}_{bound}") is not None:
                    yield f"{name} {comparison} :{name}_{bound}"

    def values(self) -> Mapping[str, Any]:
        """Return the values of the parameters in `conditions`."""
        values: dict[str, Any] = {
            "statuses": json.dumps(sorted(self.statuses)),
            "reasons": json.dumps(sorted(self.reasons)),
            "group": self.group,
            "now": (self.longer_than_usual_at or 0) * 1000,
            **_patterns(self.text),
        }
        for name in ("created_since", "created_until", "finished_since", "finished_until"):
            time = getattr(self, name)
            # The database has whole milliseconds, and a fraction in binary may be just below or above them.
            values[name] = None if time is None else round(time * 1000, 3)
        return values


def _contains(text: str) -> str:
    """Return the condition that a job's name or id contains a text.

    The id is in two parts, of which many jobs share the first: up to its last slash. So what the text has up to its own
    last slash must be the end of the first part, and the rest the start of the second.
    """
    if "\0" in text:
        # A pattern ends there, and would match more than it should.
        return "0"
    # LIKE is faster, but it ignores the case of ASCII letters only; and faster still where nothing is escaped.
    like = "LIKE :{}" if text.isascii() else "GLOB :{}"
    like += " ESCAPE '!'" if text.isascii() and _for_like(text) != text else ""
    whole, head, tail = (like.format(name) for name in ("whole", "head", "tail"))
    words = f"SELECT n FROM word WHERE text {whole}"
    # For most texts there are no such words, and then there is no need to look for each job's.
    is_shared = f"(EXISTS ({words}) AND prefix IN ({words}))"
    return f"(name {whole} OR {is_shared} OR (id {tail} AND prefix IN (SELECT n FROM word WHERE text {head})))"


def _patterns(text: str) -> Mapping[str, str]:
    escaped, anything = (_for_like, "%") if text.isascii() else (_for_glob, "*")
    head, slash, tail = text.rpartition("/")
    return {
        "whole": f"{anything}{escaped(text)}{anything}",
        "head": f"{anything}{escaped(head + slash)}",
        "tail": f"{'' if slash else anything}{escaped(tail)}{anything}",
    }


def _for_like(text: str) -> str:
    return re.sub(r"[!%_]", r"!\g<0>", text)


def _for_glob(text: str) -> str:
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    """Return what stands for a letter in either case."""
    cases = {each for each in (letter, letter.upper(), letter.title(), letter.upper().lower()) if len(each) == 1}
    return letter if cases == {letter} and letter not in "*?[" else f"[{''.join(sorted(cases))}]"
