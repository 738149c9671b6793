"""Which jobs somebody looks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from exporter.jobs import Job, State
from exporter.store.record import Record


@dataclass(frozen=True)
class Wanted:
    """What a job must be to be found; an empty set, an empty text and None ask for nothing.

    Times in seconds since 1970-01-01 UTC: from `since` on, and before `until`. A job that lacks a time that is asked
    for is not found.
    """

    states: frozenset[State] = frozenset()
    statuses: frozenset[str] = frozenset()
    """AWS's own words, as the metrics have them."""
    reasons: frozenset[str] = frozenset()
    """Reasons of failures; a job of another state than failed has none."""
    text: str = ""
    """A part of the job's id or name, in small letters."""
    created_since: float | None = None
    created_until: float | None = None
    finished_since: float | None = None
    finished_until: float | None = None

    def takes(self, record: Record) -> bool:
        """Whether a job is one of those."""
        job = record.job
        return (
            self.takes_shared(job.status, job.state, record.reason)
            and _within(self.created_since, job.created, self.created_until)
            and _within(self.finished_since, record.finished if record.is_dated else None, self.finished_until)
            and self._names(job)
        )

    def takes_shared(self, status: str, state: State, reason: str | None) -> bool:
        """Whether a job can be one of those, by what it has in common with others."""
        return (
            (not self.states or state in self.states)
            and (not self.statuses or label(status, state) in self.statuses)
            and (not self.reasons or (state is State.FAILED and reason in self.reasons))
        )

    @cached_property
    def traces(self) -> bytes:
        """Bytes that stand in a packed record, in small letters, if the text stands in its name or its id's end.

        The end of an id is what follows its last slash. Of what is not ASCII nothing can be told.
        """
        return self.text.rpartition("/")[2].encode() if self.text.isascii() else b""

    @property
    def is_counted(self) -> bool:
        """Whether the sums of a ledger tell how many there are: nothing is asked for that only each job has."""
        times = (self.created_since, self.created_until, self.finished_since, self.finished_until)
        by_job = self.text or any(time is not None for time in times)
        return not by_job and not (self.reasons and (self.states or self.statuses))

    def _names(self, job: Job) -> bool:
        return not self.text or self.text in job.name.lower() or self.text in job.id.lower()


def label(status: str, state: State) -> str:
    """Return a status as a label: one that the catalog does not know is free text, and so is `unknown`."""
    return "unknown" if state is State.UNKNOWN else status


def _within(since: float | None, time: float | None, until: float | None) -> bool:
    if since is None and until is None:
        return True
    return time is not None and (since is None or time >= since) and (until is None or time < until)
