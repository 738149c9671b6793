"""The plain values that every room speaks of: a source, a job and its state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class State(StrEnum):
    """What became of a job, in one vocabulary for every kind.

    AWS has a few hundred words for the status of a job; a kind of the catalog maps each of them to one of these.
    """

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    STOPPED = "stopped"
    EXPIRED = "expired"
    DELETING = "deleting"
    UNKNOWN = "unknown"

    @property
    def is_live(self) -> bool:
        """Whether work is waiting, under way or being stopped."""
        return self in LIVE

    @property
    def is_final(self) -> bool:
        """Whether nothing more will become of the job."""
        return self in FINAL


LIVE = frozenset({State.PENDING, State.RUNNING, State.STOPPING})
FINAL = frozenset(State) - LIVE - {State.UNKNOWN}


class SourceKey(NamedTuple):
    """What is polled, fails, backs off and goes stale alone.

    `kind` is a kind of job, or the kind of container that is being discovered (`membership`); `scope` is the id of the
    outermost container that the jobs are listed in, empty where there is none.
    """

    account_id: str
    region: str
    aws_service: str
    kind: str
    scope: str


class Job(NamedTuple):
    """One job as AWS listed it; every time in seconds since 1970-01-01 UTC, None where AWS gives none.

    A tuple, because there are a hundred thousand of them: a frozen dataclass takes five times as long to make.
    """

    id: str
    status: str
    state: State
    name: str = ""
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    updated: float | None = None
    deadline: float | None = None
    message: str = ""
    code: str = ""
    records: Mapping[str, int] = MappingProxyType({})
    dimensions: tuple[str, ...] = ()
    """Values of the labels that the user asked for, in their order."""
    details: Mapping[str, object] | None = None
    """Arguments of the operation that tells why this job failed, where the list does not."""


class Query(NamedTuple):
    """One listing: of all jobs, of those created after a time, or of those in one status."""

    created_after: float | None = None
    status: str | None = None


ALL = Query()
