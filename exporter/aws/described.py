"""Jobs that another operation than the list describes: those that have ended are not described again."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.jobs import FINAL, Job

_MOST = 250
"""Jobs of a source that are known: the newest pages of its list, which every poll reads."""


class Described:
    """The jobs of one source that had ended when AWS described them."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._jobs

    def get(self, identifier: str) -> Job | None:
        """Return a job; None for one that AWS has to describe."""
        return self._jobs.get(identifier)

    def add(self, jobs: Iterable[Job]) -> None:
        """Take in what AWS described, as far as there is room."""
        for job in jobs:
            if job.state in FINAL and len(self._jobs) < _MOST:
                self._jobs[job.id] = job

    def forget(self) -> None:
        """Have everything described again."""
        self._jobs.clear()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for further jobs."""
        return len(self._jobs) >= _MOST
