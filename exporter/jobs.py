"""The plain values that every room uses: a source, a job, its state, and why it is in that."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class State(StrEnum):
    """The state of a job, in one vocabulary for all kinds.

    AWS has a few hundred words for the status of a job; the catalog maps each of them to one of these.
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
    def is_active(self) -> bool:
        """Whether work is waiting, under way or being stopped."""
        return self in ACTIVE

    @property
    def is_final(self) -> bool:
        """Whether the job is over."""
        return self in FINAL


ACTIVE = frozenset({State.PENDING, State.RUNNING, State.STOPPING})
FINAL = frozenset(State) - ACTIVE - {State.UNKNOWN}


class Reason(StrEnum):
    """Why a job failed, or why it waits, in one vocabulary for all services."""

    ACCESS_DENIED = "access_denied"
    NOT_FOUND = "not_found"
    INVALID_INPUT = "invalid_input"
    QUOTA_EXCEEDED = "quota_exceeded"
    THROTTLED = "throttled"
    CAPACITY = "capacity"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    """A disk or the addresses of a subnet."""
    CODE_ERROR = "code_error"
    """The user's algorithm, script or container."""
    NETWORK = "network"
    DEPENDENCY = "dependency"
    """Another service, or a step or a job before this one."""
    RECORDS_FAILED = "records_failed"
    """Every record of the job, whose status is a success; its output says why."""
    CANCELLED = "cancelled"
    INTERNAL_ERROR = "internal_error"
    UNSPECIFIED = "unspecified"
    """AWS named no cause: the message is empty, or only says where the logs are."""
    OTHER = "other"
    """A cause that matches no rule."""
    QUEUE = "queue"
    """Only a job that waits: others are before it."""
    SCHEDULE = "schedule"
    """Only a job that waits: for its time."""
    APPROVAL = "approval"
    """Only a job that waits: for somebody who approves, confirms or resumes it."""


FAILURES = tuple(reason for reason in Reason if reason not in {Reason.QUEUE, Reason.SCHEDULE, Reason.APPROVAL})
"""Those for which a job can fail."""


class SourceKey(NamedTuple):
    """Identifies a source, which is polled, fails, backs off and goes stale independently.

    `kind` is a kind of job, or the sort of scope that is being discovered (`membership`); `scope` is the id of the
    outermost scope that the jobs are listed in, empty if there is none.
    """

    account_id: str
    region: str
    aws_service: str
    kind: str
    scope: str


Tags = tuple[str, ...]
"""Values of the AWS tags that the user asked for, in the user's order; empty for a tag that a resource lacks."""


class Job(NamedTuple):
    """One job as AWS listed it; times are in seconds since 1970-01-01 UTC, or None if AWS gives none.

    A tuple, because there may be a hundred thousand jobs, and a frozen dataclass takes five times as long to create.
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
    """Values of the labels that the user chose, in the user's order."""
    details: Mapping[str, object] | None = None
    """Arguments of the operation that tells of this finished job what the list leaves out."""
    tags: Tags | None = None
    """None where nobody asked for any, and while AWS has not told them."""
    used: Mapping[str, float] = MappingProxyType({})
    """How much of each resource it used once it has ended: `dpu/G.1X` or `vcpu` in seconds, `bytes` as they are."""
    lacks_only_usage: bool = False
    """Whether `details` would tell nothing but what it used: of no interest where the job does not count."""
    waits: str = ""
    """The reason for which a pending job waits; empty where AWS does not tell."""


def duration(job: Job, *, has_starts: bool) -> float | None:
    """Return the run time of a finished job in seconds; None if AWS does not give both its start and its end.

    Its start is its creation, unless the list `has_starts`: then a job without one never ran.
    """
    start = job.created if job.started is None and not has_starts else job.started
    end = job.updated if job.ended is None else job.ended
    # The update time of a job that is being deleted is that of the deletion.
    if start is None or end is None or job.state in {State.DELETING, State.EXPIRED}:
        return None
    # Both are whole milliseconds; their difference as a float is not.
    return max(0.0, round(end - start, 3))


class Query(NamedTuple):
    """One listing: of all jobs, of those created after a time or with one status, or both, or of what changed since."""

    created_after: float | None = None
    status: str | None = None
    changed_after: float | None = None


ALL = Query()
