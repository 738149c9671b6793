"""The jobs of a source, as metric families: a table, and the functions that yield the samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Metric

from exporter.catalog import Kind
from exporter.families.family import Family, Sample, optional
from exporter.jobs import State
from exporter.reasons import Reason
from exporter.store import Dimensions, Histogram, Record, Sums, status_label

AS_OF = "As of the source's last successful poll."
"""Ends the HELP text of every family about jobs: a scrape reads no list, so its numbers may be minutes old."""


@dataclass(frozen=True)
class JobView:
    """What the families are computed from: the jobs of one source that share the values of the user's dimensions."""

    kind: Kind
    dimensions: Dimensions
    sums: Sums
    reasons: Iterable[str]
    """Every reason for which a job of the source has ever failed."""
    per_job: list[Record]
    """The jobs that get series of their own: the oldest active and the last finished ones, up to the limits."""


def job_views(
    kind: Kind, sums: Mapping[Dimensions, Sums], per_job: Iterable[Record], bounds: Sequence[float]
) -> Iterator[JobView]:
    """Yield what the jobs of a source add up to, one view for each combination of the dimensions' values.

    A combination that has been counted stays, with its gauges at 0. Without dimensions there is one view.
    """
    records: defaultdict[Dimensions, list[Record]] = defaultdict(list)
    for record in per_job:
        records[record.job.dimensions].append(record)
    reasons = sorted({reason for each in sums.values() for reason in each.reasons})
    for dimensions, each in (sums or {(): Sums(bounds)}).items():
        yield JobView(kind, dimensions, each, reasons, records[dimensions])


def _jobs(view: JobView) -> Iterable[Sample]:
    # Present at 0, because to PromQL a series that does not exist is not 0: a sum or a comparison would have no result.
    zeros = dict.fromkeys([*view.kind.meanings, ("unknown", State.UNKNOWN)], 0)
    return [((status, str(state)), count) for (status, state), count in {**zeros, **view.sums.statuses}.items()]


def _buckets_and_sum(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    return histogram.cumulative(), histogram.sum


def _last_duration(view: JobView) -> Iterable[Sample]:
    return [((str(state),), duration) for state, (_, duration) in view.sums.last.items() if duration is not None]


def _finished_total(view: JobView) -> Iterable[Sample]:
    return [((str(state),), view.sums.finished_total[state]) for state in view.kind.final_states]


def _failures_total(view: JobView) -> Iterable[Sample]:
    # Every reason from the start: PromQL's increase() misses the step of a counter that first appears at 1.
    return [((reason,), view.sums.failed_total[reason]) for reason in Reason]


def _job_info(view: JobView) -> Iterable[Sample]:
    for record in view.per_job:
        job = record.job
        yield (job.id, job.name, status_label(job.status, job.state), str(job.state), record.reason or ""), 1


def _job_created(view: JobView) -> Iterable[Sample]:
    jobs = [record.job for record in view.per_job]
    return [((job.id, job.name), job.created) for job in jobs if job.created is not None]


def _job_finished(view: JobView) -> Iterable[Sample]:
    for record in view.per_job:
        if record.finished is not None:
            yield (record.job.id, record.job.name), record.finished


def _family(
    name: str,
    type_: Literal["gauge", "counter", "gaugehistogram"],
    text: str,
    labels: tuple[str, ...],
    samples: Callable[[JobView], Iterable[Sample]],
) -> Family[JobView]:
    return Family(name, type_, f"{text} {AS_OF}", labels, samples)


def _gauge(
    name: str, text: str, labels: tuple[str, ...], samples: Callable[[JobView], Iterable[Sample]]
) -> Family[JobView]:
    return _family(name, "gauge", text, labels, samples)


JOB_FAMILIES: tuple[Family[JobView], ...] = (
    _gauge(
        "aws_jobs",
        "Jobs that are active or finished within the lookback. Every status of the catalog is present, even at 0.",
        ("status", "state"),
        _jobs,
    ),
    _gauge(
        "aws_job_failures",
        "Failed jobs within the lookback whose reason is known. A reason that has been seen stays, at 0.",
        ("reason",),
        lambda view: [((reason,), view.sums.reasons[reason]) for reason in view.reasons],
    ),
    _family(
        "aws_job_duration_seconds",
        "gaugehistogram",
        "Run time of jobs that finished within the lookback, from start (creation, where lists have no starts) to end.",
        ("state",),
        lambda view: [((str(state),), *_buckets_and_sum(each)) for state, each in view.sums.durations.items()],
    ),
    _family(
        "aws_job_queue_duration_seconds",
        "gaugehistogram",
        "Time from creation to start of jobs that are active or finished within the lookback.",
        (),
        lambda view: [((), *_buckets_and_sum(view.sums.queue))] if view.kind.has_starts else [],
    ),
    _gauge(
        "aws_job_last_duration_seconds",
        "Run time of the job that finished last.",
        ("state",),
        _last_duration,
    ),
    _gauge(
        "aws_job_last_finished_timestamp_seconds",
        "When the last job finished.",
        ("state",),
        lambda view: [((str(state),), finished) for state, (finished, _) in view.sums.last.items()],
    ),
    _gauge(
        "aws_job_last_failed_timestamp_seconds",
        "When the last job that failed for this reason finished.",
        ("reason",),
        lambda view: [((reason,), finished) for reason, finished in view.sums.last_failed.items()],
    ),
    _gauge(
        "aws_job_last_created_timestamp_seconds",
        "When the newest job was created.",
        (),
        lambda view: optional(view.sums.last_created),
    ),
    _gauge(
        "aws_job_oldest_active_timestamp_seconds",
        "When the oldest job in each active status was created.",
        ("status", "state"),
        lambda view: [((status, str(state)), time) for (status, state), time in view.sums.oldest_active.items()],
    ),
    _gauge(
        "aws_job_next_deadline_timestamp_seconds",
        "The earliest deadline of an active job.",
        (),
        lambda view: optional(view.sums.next_deadline),
    ),
    _gauge(
        "aws_job_records",
        "Records in jobs that are active or finished within the lookback: total, processed, succeeded, failed.",
        ("result",),
        lambda view: [((result,), view.sums.records[result]) for result in view.kind.records],
    ),
    _family(
        "aws_jobs_finished_total",
        "counter",
        "Jobs seen to finish since the exporter started, or with storage.path since it was first started.",
        ("state",),
        _finished_total,
    ),
    # Not aws_job_failures_total: OpenMetrics would call that family by the name of the gauge above.
    _family(
        "aws_jobs_failed_total",
        "counter",
        "Jobs seen to fail since the exporter started, or with storage.path since it was first started.",
        ("reason",),
        _failures_total,
    ),
    _gauge(
        "aws_job_info",
        "A job's status, its state and why it failed; always 1.",
        ("job_id", "job_name", "status", "state", "reason"),
        _job_info,
    ),
    _gauge("aws_job_created_timestamp_seconds", "When a job was created.", ("job_id", "job_name"), _job_created),
    _gauge("aws_job_finished_timestamp_seconds", "When a job finished.", ("job_id", "job_name"), _job_finished),
)

OPTIONAL = (
    "aws_job_info",
    "aws_job_created_timestamp_seconds",
    "aws_job_finished_timestamp_seconds",
    "aws_job_queue_duration_seconds",
    "aws_job_duration_seconds",
    "aws_job_records",
    "aws_job_last_duration_seconds",
    "aws_job_last_created_timestamp_seconds",
    "aws_job_next_deadline_timestamp_seconds",
    "aws_job_last_failed_timestamp_seconds",
    "aws_job_last_finished_timestamp_seconds",
    "aws_job_oldest_active_timestamp_seconds",
    "aws_job_failures",
)
"""The families that a source over its limit goes without, first to last; its counts and its counters always stay.

Series of single jobs go first, since there may be many of them, then what few alerts rest on.
"""


def dropped(families: Sequence[Metric], limit: int) -> Mapping[str, int]:
    """Return the names of the families to drop, whole, to keep within `limit` series, each with its series."""
    series = {family.name: len(family.samples) for family in families}
    excess = sum(series.values()) - limit
    without: dict[str, int] = {}
    for name in OPTIONAL:
        if excess <= 0:
            break
        if series[name]:
            without[name] = series[name]
            excess -= series[name]
    return without


def essential(kind: Kind) -> int:
    """Return the least number of series that one combination of the dimensions' values has."""
    # One more than the catalog has, for `unknown`.
    return len(kind.meanings) + 1 + len(kind.final_states) + len(Reason)
