"""A job and a source as the pages and the API show them; times in seconds since 1970-01-01 UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exporter.jobs import SourceKey, State, duration
from exporter.store.inventory import Found
from exporter.telemetry import SourceStatus


class JobRow(NamedTuple):
    """One job."""

    account_id: str
    region: str
    aws_service: str
    kind: str
    scope: str
    scope_name: str
    id: str
    name: str
    group: str
    """The group of the configuration that it is in; empty if in none."""
    status: str
    state: State
    created: float | None
    started: float | None
    finished: float | None
    """Also None if AWS reports no end time and the job had already finished when it was first seen."""
    deadline: float | None
    duration_seconds: float | None
    """How long a finished job ran, if AWS reports both its start and its end."""
    reason: str | None
    """Why it failed, from a closed list."""
    code: str
    message: str
    """The same in AWS's words."""
    records: Mapping[str, int]
    used: Mapping[str, float]
    """How much of each resource, with its type after a slash: in seconds, or bytes and the like as they are."""
    dimensions: Mapping[str, str]
    """The labels that the user asked for."""
    console_url: str | None
    log_url: str | None
    """Its log in CloudWatch, where the name of the log group follows from the job and nobody chose another one."""
    as_of: float | None
    """When its source was last polled successfully."""

    @classmethod
    def of(cls, found: Found) -> JobRow:
        """Return the row of a job."""
        job, status, kind = found.record.job, found.source.status, found.source.kind
        return cls(
            *status.key,
            scope_name=status.scope_name,
            id=job.id,
            name=job.name,
            group=found.record.group,
            status=job.status,
            state=job.state,
            created=job.created,
            started=job.started,
            finished=found.record.finished if found.record.is_dated else None,
            deadline=job.deadline,
            duration_seconds=(duration(job, has_starts=kind.has_starts) if job.state.is_final else None),
            reason=found.record.reason if job.state in {State.FAILED, State.PENDING} else None,
            code=job.code,
            message=job.message,
            records=dict(job.records),
            used=dict(job.used),
            # Those of a reload count from the next poll on.
            dimensions=dict(zip(found.source.dimensions, job.dimensions, strict=False)),
            console_url=kind.console_url(status.key, job),
            log_url=kind.log_url(status.key, job),
            as_of=status.last_success,
        )

    @property
    def title(self) -> str:
        """The name, or the end of the id if there is none."""
        return self.name or self.id.rpartition("/")[2]

    def took(self, now: float) -> float | None:
        """Return how long it ran, or how long ago it started, or was created, while it is not over."""
        since = self.created if self.started is None else self.started
        if self.state.is_final or since is None:
            return self.duration_seconds
        return now - since

    @property
    def address(self) -> Mapping[str, str]:
        """The parameters of its page."""
        place = {name: getattr(self, name) for name in SourceKey._fields}
        return {**place, "id": self.id}

    @property
    def digest(self) -> str:
        """A short identifier, unique within a page."""
        return f"{hash((self.account_id, self.region, self.kind, self.scope, self.id)) & 0xFFFFFFFFFFFF:x}"


class SourceRow(NamedTuple):
    """One source."""

    account_id: str
    region: str
    aws_service: str
    kind: str
    scope: str
    scope_name: str
    health: str
    reason: str
    """Why the last poll failed, from a closed list; empty after a success."""
    error: str
    """The same in AWS's words."""
    consecutive_failures: int
    interval_seconds: float
    last_success: float | None
    next_poll: float | None
    is_overdue: bool
    """Whether the next poll is late by more than one interval."""
    last_poll_duration_seconds: float | None
    last_poll_calls: int
    calls: int
    listed: int | None
    """What the poll under way has listed so far."""
    jobs: int | None
    """Jobs held; None for a discovery, which has none."""

    @classmethod
    def of(cls, status: SourceStatus, now: float) -> SourceRow:
        """Return the row of a source."""
        return cls(
            *status.key,
            scope_name=status.scope_name,
            health=health(status),
            reason=status.reason or "",
            error=status.error,
            consecutive_failures=status.consecutive_failures,
            interval_seconds=status.interval,
            last_success=status.last_success,
            next_poll=status.next_poll,
            is_overdue=status.is_overdue(now),
            last_poll_duration_seconds=status.last_duration if status.attempts else None,
            last_poll_calls=status.last_calls,
            calls=status.calls,
            listed=status.listed,
            jobs=status.jobs,
        )


def health(status: SourceStatus) -> str:
    """Return the health of a source, in the words of Prometheus's own API."""
    if not status.attempts:
        return "unknown"
    return "down" if status.consecutive_failures else "up"
