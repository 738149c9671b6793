"""A group as the pages and the API show it; times in seconds since 1970-01-01 UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Self

from exporter.families import GroupView
from exporter.jobs import State


class Problem(StrEnum):
    """In which way jobs are not as their group's declaration has them."""

    LATE = "late"
    """No success came by the moment by which one was due."""
    TOO_LONG = "too_long"
    """A job runs for longer than one may."""
    WAITING = "waiting"
    """A job waits for longer than one may."""


class GroupLine(NamedTuple):
    """One group."""

    name: str
    labels: Mapping[str, str]
    problems: list[str]
    due: float | None
    """When the next success is due."""
    last_success: float | None
    last_failure: float | None
    jobs: Mapping[str, int]
    """Active, or finished within the lookback, by state."""
    running_since: float | None
    """Since when the oldest running job runs."""
    waiting_since: float | None
    """Since when the oldest waiting job waits."""
    max_duration_seconds: float | None
    max_wait_seconds: float | None
    sources_up: int
    sources_down: int

    @classmethod
    def of(cls, name: str, view: GroupView, now: float) -> Self:
        """Return the line of a group."""
        sums, group = view.sums, view.group
        jobs: dict[str, int] = {}
        for (_, state, _), number in sums.statuses.items():
            jobs[state] = jobs.get(state, 0) + number
        oldest = {state: time for (_, state), time in sums.oldest_active.items()}
        failures = [end for (state, _), end in sums.last.items() if state is State.FAILED]
        running, waiting = oldest.get(State.RUNNING), oldest.get(State.PENDING)
        longest, patience = (group.max_duration, group.max_wait) if group else (None, None)
        problems = {
            Problem.LATE: view.due is not None and view.due < now,
            Problem.TOO_LONG: _is_over(running, longest, now),
            Problem.WAITING: _is_over(waiting, patience, now),
        }
        return cls(
            name=name,
            labels=dict(group.labels) if group else {},
            problems=[str(problem) for problem, is_one in problems.items() if is_one],
            due=view.due,
            last_success=sums.last.get((State.SUCCEEDED, "")),
            last_failure=max(failures, default=None),
            jobs={state: number for state, number in jobs.items() if number},
            running_since=running,
            waiting_since=waiting,
            max_duration_seconds=longest,
            max_wait_seconds=patience,
            sources_up=view.sources.get("up", 0),
            sources_down=view.sources.get("down", 0),
        )


def _is_over(since: float | None, most: float | None, now: float) -> bool:
    return since is not None and most is not None and now - since > most


def group_lines(views: Mapping[str, GroupView], now: float) -> Iterable[GroupLine]:
    """Return the lines of groups: those with most problems first, then by name."""
    lines = [GroupLine.of(name, view, now) for name, view in views.items()]
    return sorted(lines, key=lambda line: (-len(line.problems), line.name))
