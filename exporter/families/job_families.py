"""What a source's jobs look like as metric families: a table of families, each with a small pure function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric

from exporter.catalog import Kind
from exporter.families.family import Family, Sample
from exporter.jobs import FINAL, Job, State
from exporter.reasons import Reason
from exporter.settings import Metrics
from exporter.store import Dimensions, Histogram, Ledger, Record, Tally, status_label

AS_OF = "As of the source's last successful poll."


@dataclass(frozen=True)
class JobView:
    """All that the families are made from: the jobs of one source that agree in the user's dimensions."""

    kind: Kind
    ledger: Ledger
    settings: Metrics
    dimensions: Dimensions
    tally: Tally
    single: list[Record]
    """The jobs that get series of their own: the oldest active and the newest finished ones, up to the limits."""


def job_views(kind: Kind, ledger: Ledger, settings: Metrics, now: float) -> Iterator[JobView]:
    """Yield what a ledger counts at `now`, one view for each combination of the dimensions' values.

    A combination that was counted once stays, its gauges at 0. Without dimensions there is one view.
    """
    single: defaultdict[Dimensions, list[Record]] = defaultdict(list)
    if settings.per_job:
        for record in ledger.newest(now, settings.per_job_finished, settings.per_job_active):
            single[record.job.dimensions].append(record)
    for dimensions, tally in (ledger.tallies(now) or {(): Tally(settings.duration_buckets)}).items():
        yield JobView(kind, ledger, settings, dimensions, tally, single[dimensions])


def _jobs(view: JobView) -> Iterable[Sample]:
    statuses = dict.fromkeys(view.kind.state_of.items(), 0)
    statuses["unknown", State.UNKNOWN] = 0
    return [((status, str(state)), n) for (status, state), n in {**statuses, **view.tally.statuses}.items()]


def _failures(view: JobView) -> Iterable[Sample]:
    return [((reason,), view.tally.reasons[reason]) for reason in sorted(view.ledger.reasons)]


def _durations(view: JobView) -> Iterable[Sample]:
    return [((str(state),), *_histogram(histogram)) for state, histogram in view.tally.durations.items()]


def _queue_durations(view: JobView) -> Iterable[Sample]:
    return [((), *_histogram(view.tally.queue))] if view.kind.times.started else []


def _histogram(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    return histogram.cumulative(), histogram.sum


def _last_finished(view: JobView) -> Iterable[Sample]:
    return [((str(state),), finished) for state, (finished, _) in view.tally.last.items()]


def _last_failed(view: JobView) -> Iterable[Sample]:
    return [((reason,), finished) for reason, finished in view.tally.last_failed.items()]


def _last_duration(view: JobView) -> Iterable[Sample]:
    return [((str(state),), duration) for state, (_, duration) in view.tally.last.items() if duration is not None]


def _oldest_active(view: JobView) -> Iterable[Sample]:
    return [((status, str(state)), created) for (status, state), created in view.tally.oldest_active.items()]


def _known(value: float | None) -> Iterable[Sample]:
    return [] if value is None else [((), value)]


def _records(view: JobView) -> Iterable[Sample]:
    return [((result,), view.tally.records[result]) for result in view.kind.records]


def _finished_total(view: JobView) -> Iterable[Sample]:
    possible = [state for state in view.kind.states if state in FINAL]
    return [((str(state),), view.ledger.finished_total[view.dimensions, state]) for state in possible]


def _failures_total(view: JobView) -> Iterable[Sample]:
    # Every reason from the start: PromQL's increase() sees nothing of a counter that begins at 1.
    return [((reason,), view.ledger.failures_total[view.dimensions, reason]) for reason in Reason]


def _job_labels(job: Job) -> tuple[str, str]:
    return job.id, job.name


def _job_info(view: JobView) -> Iterable[Sample]:
    jobs = [(record.job, record.reason or "") for record in view.single]
    return [((*_job_labels(job), status_label(job), str(job.state), reason), 1) for job, reason in jobs]


def _job_created(view: JobView) -> Iterable[Sample]:
    jobs = [record.job for record in view.single]
    return [(_job_labels(job), job.created) for job in jobs if job.created is not None]


def _job_finished(view: JobView) -> Iterable[Sample]:
    ended = [record for record in view.single if record.finished is not None and record.is_dated]
    return [(_job_labels(record.job), record.finished) for record in ended]


def _family(name: str, kind: Any, text: str, labels: tuple[str, ...], samples: Any) -> Family[JobView]:
    return Family(name, kind, f"{text} {AS_OF}", labels, samples)


JOB_FAMILIES: tuple[Family[JobView], ...] = (
    _family(
        "aws_jobs",
        "gauge",
        "Jobs that are active or finished within the lookback. Every status of the catalog is there, at 0 if need be.",
        ("status", "state"),
        _jobs,
    ),
    _family(
        "aws_job_failures",
        "gauge",
        "Failed jobs within the lookback whose reason is known. A reason that was seen once stays, at 0.",
        ("reason",),
        _failures,
    ),
    _family(
        "aws_job_duration_seconds",
        "gaugehistogram",
        "Run time of jobs that finished within the lookback: from start, else creation, to end, else last update.",
        ("state",),
        _durations,
    ),
    _family(
        "aws_job_queue_duration_seconds",
        "gaugehistogram",
        "Time from creation to start of jobs within the lookback.",
        (),
        _queue_durations,
    ),
    _family(
        "aws_job_last_duration_seconds",
        "gauge",
        "Run time of the job that finished last.",
        ("state",),
        _last_duration,
    ),
    _family(
        "aws_job_last_finished_timestamp_seconds",
        "gauge",
        "When the last job finished.",
        ("state",),
        _last_finished,
    ),
    _family(
        "aws_job_last_failed_timestamp_seconds",
        "gauge",
        "When the last job finished that failed for the reason.",
        ("reason",),
        _last_failed,
    ),
    _family(
        "aws_job_last_created_timestamp_seconds",
        "gauge",
        "When the newest job was created.",
        (),
        lambda view: _known(view.tally.last_created),
    ),
    _family(
        "aws_job_oldest_active_timestamp_seconds",
        "gauge",
        "When the oldest job in each active status was created.",
        ("status", "state"),
        _oldest_active,
    ),
    _family(
        "aws_job_next_deadline_timestamp_seconds",
        "gauge",
        "The earliest deadline of an active job.",
        (),
        lambda view: _known(view.tally.next_deadline),
    ),
    _family(
        "aws_job_records",
        "gauge",
        "Records of the jobs that are active or finished within the lookback: total, processed, succeeded, failed.",
        ("result",),
        _records,
    ),
    _family(
        "aws_jobs_finished_total",
        "counter",
        "Jobs seen to finish since the exporter started.",
        ("state",),
        _finished_total,
    ),
    # Not aws_job_failures_total: OpenMetrics would call that family by the name of the gauge above.
    _family(
        "aws_jobs_failed_total",
        "counter",
        "Jobs seen to fail since the exporter started. Every reason is there from the start.",
        ("reason",),
        _failures_total,
    ),
    _family(
        "aws_job_info",
        "gauge",
        "One job and what became of it; always 1.",
        ("job_id", "job_name", "status", "state", "reason"),
        _job_info,
    ),
    _family(
        "aws_job_created_timestamp_seconds", "gauge", "When a job was created.", ("job_id", "job_name"), _job_created
    ),
    _family(
        "aws_job_finished_timestamp_seconds", "gauge", "When a job finished.", ("job_id", "job_name"), _job_finished
    ),
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
"""What a source with too many series goes without, in this order; its counts and its counters always stay."""


def dropped(families: Sequence[Metric], most: int) -> Mapping[str, int]:
    """Return the names of the families to drop, whole, to have no more than `most` series, and how many each has."""
    series = {family.name: len(family.samples) for family in families}
    excess = sum(series.values()) - most
    without: dict[str, int] = {}
    for name in OPTIONAL:
        if excess <= 0:
            break
        if series[name]:
            without[name] = series[name]
            excess -= series[name]
    return without


def essential(kind: Kind) -> int:
    """Return how many series one combination of the dimensions' values has at the least."""
    finals = sum(state in FINAL for state in kind.states)
    return len(kind.state_of) + 1 + finals + len(Reason)
