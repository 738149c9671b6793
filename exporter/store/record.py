"""A job and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from exporter.jobs import Job

Dimensions = tuple[str, ...]
"""Values of the labels that the user asked for."""


class Record(NamedTuple):
    """A job and what became of it."""

    job: Job
    finished: float | None = None
    """When it ended, frozen when a final status is first seen: AWS changes update times later."""
    reason: str | None = None
    """Why it failed; None if it did not fail, or if AWS has yet to be asked."""
    is_dated: bool = True
    """Whether `finished` is known; False if AWS gives no time and the job had ended before it was first seen."""


def finish_of(job: Job, *, was_known: bool, now: float) -> float:
    """Return when a finished job ended, as closely as AWS and the polls show; never in the future."""
    # A job that was seen active ended after its start, so without a time of its end, now is the best guess.
    given = (job.ended, job.updated)
    return min(first(given if was_known else (*given, job.started, job.created), now), now)


def has_times(job: Job) -> bool:
    """Return whether AWS gives any time of a job that has started."""
    return any(time is not None for time in (job.ended, job.updated, job.started, job.created))


def first(times: Iterable[float | None], otherwise: float) -> float:
    """Return the first time that is known."""
    return next((time for time in times if time is not None), otherwise)
