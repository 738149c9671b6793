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
    """When it ended, frozen at the first sight of a final status: AWS moves update times later."""
    reason: str | None = None
    """Why it failed; None while it has not failed, or while AWS has yet to be asked."""
    is_dated: bool = True
    """Whether `finished` tells when it ended; False: AWS tells no time, and it had ended before it was first seen."""


def finish_of(job: Job, *, was_known: bool, now: float) -> float:
    """Return when a finished job ended, as near as AWS and the polls tell: what has ended did not end in the future."""
    told = (job.ended, job.updated)
    return min(first(told if was_known else (*told, job.started, job.created), now), now)


def has_times(job: Job) -> bool:
    """Whether AWS tells any time of a job that has begun."""
    return any(time is not None for time in (job.ended, job.updated, job.started, job.created))


def first(times: Iterable[float | None], otherwise: float) -> float:
    """Return the first time that is known."""
    return next((time for time in times if time is not None), otherwise)
