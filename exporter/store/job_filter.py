"""Which jobs a search is for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from exporter.jobs import Job, State
from exporter.store.record import Record


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
    created_since: float | None = None
    created_until: float | None = None
    finished_since: float | None = None
    finished_until: float | None = None

    def matches(self, record: Record) -> bool:
        """Return whether a job matches."""
        job = record.job
        return (
            self.matches_shared(job.status, job.state, record.reason)
            and _within(self.created_since, job.created, self.created_until)
            and _within(self.finished_since, record.finished if record.is_dated else None, self.finished_until)
            and self._matches_text(job)
        )

    def matches_shared(self, status: str, state: State, reason: str | None) -> bool:
        """Return whether a job can match, judged by what it shares with others."""
        return (
            (not self.states or state in self.states)
            and (not self.statuses or label(status, state) in self.statuses)
            and (not self.reasons or (state is State.FAILED and reason in self.reasons))
        )

    @cached_property
    def traces(self) -> bytes:
        """Bytes, in lower case, that a packed record contains if the text is in its name or at the end of its id.

        The end of an id is what follows its last slash. Empty if the text is not ASCII, which may be packed otherwise.
        """
        return self.text.rpartition("/")[2].encode() if self.text.isascii() else b""

    @property
    def is_counted(self) -> bool:
        """Whether a ledger's sums give the number of matches: true if no criterion depends on the single job."""
        times = (self.created_since, self.created_until, self.finished_since, self.finished_until)
        by_job = self.text or any(time is not None for time in times)
        return not by_job and not (self.reasons and (self.states or self.statuses))

    def _matches_text(self, job: Job) -> bool:
        return not self.text or self.text in job.name.lower() or self.text in job.id.lower()


def label(status: str, state: State) -> str:
    """Return a status as a label: `unknown` if the catalog does not know it, since it may be any text."""
    return "unknown" if state is State.UNKNOWN else status


def _within(since: float | None, time: float | None, until: float | None) -> bool:
    if since is None and until is None:
        return True
    return time is not None and (since is None or time >= since) and (until is None or time < until)
