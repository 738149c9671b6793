"""How reading each source goes, as metric families."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.families.family import Family, Sample
from exporter.telemetry import SourceStatus

PREFIX = "aws_job_exporter_"


def _known(value: float | None) -> Iterable[Sample]:
    return [] if value is None else [((), value)]


def _scope(status: SourceStatus) -> Iterable[Sample]:
    return [((status.scope_kind, status.scope_name), 1)] if status.scope_kind else []


SOURCE_FAMILIES: tuple[Family[SourceStatus], ...] = (
    Family(
        "aws_job_scope_info",
        "gauge",
        "What the scope is and what people call it; always 1.",
        ("scope_kind", "scope_name"),
        _scope,
    ),
    Family(
        f"{PREFIX}source_up",
        "gauge",
        "Whether the last poll of the source succeeded.",
        (),
        lambda status: _known(float(status.is_up)),
    ),
    Family(
        f"{PREFIX}source_failure_info",
        "gauge",
        "Why the last poll of the source failed; always 1.",
        ("reason",),
        lambda status: [((status.reason,), 1)] if status.reason else [],
    ),
    Family(
        f"{PREFIX}source_last_success_timestamp_seconds",
        "gauge",
        "When the source was last read completely: what its other metrics are as of.",
        (),
        lambda status: _known(status.last_success),
    ),
    Family(
        f"{PREFIX}source_consecutive_failures",
        "gauge",
        "Failed polls of the source since the last successful one.",
        (),
        lambda status: _known(status.consecutive_failures),
    ),
    Family(
        f"{PREFIX}source_last_poll_duration_seconds",
        "gauge",
        "How long the last poll of the source took.",
        (),
        lambda status: _known(status.last_duration),
    ),
    Family(
        f"{PREFIX}jobs",
        "gauge",
        "Jobs of the source that are held in memory.",
        (),
        lambda status: _known(status.jobs),
    ),
    Family(
        f"{PREFIX}details_pending",
        "gauge",
        "Failed jobs of the source whose reason AWS has not been asked for yet.",
        (),
        lambda status: _known(status.details_pending),
    ),
    Family(
        f"{PREFIX}series",
        "gauge",
        "Series about the jobs of the source, as of its last successful poll.",
        (),
        lambda status: _known(status.series),
    ),
    Family(
        f"{PREFIX}series_dropped",
        "gauge",
        "Series about the jobs of the source that are left out; bound is the limit that says so.",
        ("family", "bound"),
        lambda status: status.series_dropped.items(),
    ),
    Family(
        f"{PREFIX}jobs_dropped",
        "gauge",
        "Jobs that finished within the lookback, to the hour, and do not count because of limits.jobs_per_source.",
        (),
        lambda status: _known(status.jobs_dropped or None),
    ),
    Family(
        f"{PREFIX}sources_dropped",
        "gauge",
        "Sources that this one leads to and that are not polled because of limits.sources.",
        (),
        lambda status: _known(status.sources_dropped or None),
    ),
)
