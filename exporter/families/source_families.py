"""The health of each source, as metric families."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from exporter.families.family import Family, optional
from exporter.settings import Metrics
from exporter.telemetry import SourceStatus

PREFIX = "aws_job_exporter_"


def _gauge(
    name: str, text: str, value: Callable[[SourceStatus], float | None], *, is_detail: bool = False
) -> Family[SourceStatus]:
    """Return a family with one sample for each source; without one where the value is None."""
    return Family(PREFIX + name, "gauge", text, (), lambda status: optional(value(status)), is_detail=is_detail)


def _scope_info(tags: tuple[str, ...]) -> Family[SourceStatus]:
    """Return the family that describes scopes, with the labels of their AWS tags."""
    return Family(
        "aws_job_scope_info",
        "gauge",
        "The kind, the name and the AWS tags of the source's scope; always 1.",
        ("scope_kind", "scope_name", *tags),
        lambda status: (
            [((status.scope_kind, status.scope_name, *(status.scope_tags or {}).values()), 1)]
            if status.scope_kind
            else []
        ),
    )


# What is 0 for most sources is absent then: each would have some more series.
SOURCE_FAMILIES: tuple[Family[SourceStatus], ...] = (
    _scope_info(()),
    _gauge(
        "source_up",
        "Whether the last poll of the source succeeded.",
        # After a restart, what was known before is shown until the first poll, which alone can tell.
        lambda status: float(status.is_up) if status.attempts else None,
    ),
    Family(
        f"{PREFIX}source_failure_info",
        "gauge",
        "Why the last poll of the source failed; always 1.",
        ("reason",),
        lambda status: [((status.reason,), 1)] if status.reason else [],
    ),
    _gauge(
        "source_last_success_timestamp_seconds",
        "When the source was last read completely; its other metrics date from then.",
        lambda status: status.last_success,
    ),
    _gauge(
        "source_interval_seconds",
        "How often the source is polled now: less often, the longer nothing has happened in it, or AWS has denied it.",
        lambda status: status.interval,
    ),
    _gauge(
        "source_consecutive_failures",
        "Failed polls of the source since the last successful one.",
        lambda status: status.consecutive_failures,
        is_detail=True,
    ),
    _gauge(
        "source_last_poll_duration_seconds",
        "How long the last poll of the source took.",
        lambda status: status.last_duration,
        is_detail=True,
    ),
    _gauge(
        "source_listed",
        "Jobs or scopes that the running poll of the source has listed so far; only while a poll takes long.",
        lambda status: status.listed,
    ),
    _gauge("jobs", "Jobs of the source that are held.", lambda status: status.jobs, is_detail=True),
    _gauge(
        "source_children",
        "Sources that this one found in its last successful poll: accounts, regions, scopes, lists of jobs.",
        lambda status: status.children,
        is_detail=True,
    ),
    _gauge(
        "details_pending",
        "Finished jobs of the source whose reason, times or usage, which its list lacks, AWS has not told yet.",
        lambda status: status.details_pending or None,
    ),
    _gauge(
        "series",
        "Series about the source's jobs, as of its last successful poll.",
        lambda status: status.series,
        is_detail=True,
    ),
    Family(
        f"{PREFIX}series_dropped",
        "gauge",
        "Series about the source's jobs that are left out; bound is the limit that was reached.",
        ("family", "bound"),
        lambda status: status.series_dropped.items(),
    ),
    _gauge(
        "jobs_dropped",
        "Jobs that finished within the lookback, to the hour, and are not counted because of limits.jobs_per_source.",
        lambda status: status.jobs_dropped or None,
    ),
    _gauge(
        "sources_dropped",
        "Child sources that are not polled because of limits.sources.",
        lambda status: status.sources_dropped or None,
    ),
)


@lru_cache
def source_families(settings: Metrics, tags: tuple[str, ...] = ()) -> tuple[Family[SourceStatus], ...]:
    """Return the families of a configuration, for a source whose scope has the labels `tags`."""
    families = (_scope_info(tags), *SOURCE_FAMILIES[1:])
    told = (family for family in families if settings.exporter_details or not family.is_detail)
    return tuple(family for family in told if settings.families.takes(family.name))
