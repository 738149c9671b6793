"""The jobs of a source, as metric families: a table, and the functions that yield the samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import Metric

from exporter.catalog import Kind
from exporter.catalog.kind import PROCESSED
from exporter.families.family import Family, Sample, Type, optional
from exporter.jobs import FAILURES, State
from exporter.settings import Metrics
from exporter.store import Dimensions, Record, Sums, status_label

AS_OF = "As of the source's last successful poll."
"""Ends the HELP text of every family about jobs: a scrape reads no list, so its numbers may be minutes old."""


@dataclass(frozen=True)
class JobView:
    """What the families are computed from: the jobs of one source that share the values of the user's dimensions."""

    kind: Kind
    dimensions: Dimensions
    sums: Sums
    settings: Metrics
    per_job: list[Record]
    """The jobs that get series of their own: the oldest active and the last finished ones, up to the limits."""

    @property
    def is_zero_filled(self) -> bool:
        """Whether counters are there from the start."""
        return self.settings.zero_fill == "all"


def job_views(
    kind: Kind, sums: Mapping[Dimensions, Sums], per_job: Iterable[Record], settings: Metrics
) -> Iterator[JobView]:
    """Yield what the jobs of a source add up to, one view for each combination of the dimensions' values.

    A combination that has been counted stays, with its gauges at 0. Of a source that never had a job, nothing is shown
    unless `metrics.zero_fill` says so.
    """
    records: defaultdict[Dimensions, list[Record]] = defaultdict(list)
    for record in per_job:
        records[record.job.dimensions].append(record)
    shown = sums or ({(): Sums()} if settings.zero_fill == "all" else {})
    for dimensions, each in shown.items():
        yield JobView(kind, dimensions, each, settings, records[dimensions])


def _jobs(view: JobView) -> Iterable[Sample]:
    # Present at 0, because to PromQL a series that does not exist is not 0: a sum or a comparison would have no result.
    zeros = {(status, state, ""): 0 for status, state in (*view.kind.meanings, ("unknown", State.UNKNOWN))}
    counts = {**zeros, **view.sums.statuses}
    return [((status, str(state), reason), count) for (status, state, reason), count in counts.items()]


def _durations(view: JobView) -> Iterable[Sample]:
    states = view.settings.duration_states
    durations = view.sums.durations.items()
    return [((str(state),), times) for state, times in durations if not states or state in states]


def _waits(view: JobView) -> Iterable[Sample]:
    return [((), view.sums.waits)] if view.kind.has_starts else []


def _last_duration(view: JobView) -> Iterable[Sample]:
    durations = view.sums.last_durations.items()
    return [((str(state),), duration) for state, duration in durations if duration is not None]


def _finished_total(view: JobView) -> Iterable[Sample]:
    totals = view.sums.finished_total
    states = view.kind.final_states if view.is_zero_filled else totals
    return [((str(state),), totals[state]) for state in states]


def _failed_total(view: JobView) -> Iterable[Sample]:
    totals = view.sums.failed_total
    return [((str(reason),), totals[reason]) for reason in (FAILURES if view.is_zero_filled else totals)]


def _records(view: JobView) -> Iterable[Sample]:
    """Yield parts that add up to all records, as far as the list tells them apart."""
    counts, told = view.sums.records, view.kind.records
    failed = counts["failed"]
    if "succeeded" in told:
        succeeded = counts["succeeded"]
    elif "processed" in told:
        succeeded = counts["processed"] - failed
    elif "failed" in told:
        succeeded = counts["total"] - failed
    else:
        return
    yield ("succeeded",), max(0, succeeded)
    if "failed" in told:
        yield ("failed",), failed
    if "total" in told:
        yield ("remaining",), max(0, counts["total"] - succeeded - failed)


def resources(used: Mapping[str, float]) -> Iterable[Sample]:
    """Yield for how long resources were used, of what jobs used."""
    for what, amount in used.items():
        resource, _, type_ = what.partition("/")
        if resource not in PROCESSED:
            yield (resource, type_), amount


def processed(used: Mapping[str, float]) -> Iterable[Sample]:
    """Yield how much was processed, of what jobs used."""
    return [((what,), amount) for what, amount in used.items() if what in PROCESSED]


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
    name: str, type_: Type, text: str, labels: tuple[str, ...], samples: Callable[[JobView], Iterable[Sample]]
) -> Family[JobView]:
    return Family(name, type_, f"{text} {AS_OF}", labels, samples)


JOB_FAMILIES: tuple[Family[JobView], ...] = (
    _family(
        "aws_jobs",
        "gauge",
        "Jobs that are active or finished within the lookback, by status and by why they failed or wait.",
        ("status", "state", "reason"),
        _jobs,
    ),
    _family(
        "aws_job_duration_seconds",
        "summary",
        "Run time of finished jobs, from start (creation, where lists have no starts) to end.",
        ("state",),
        _durations,
    ),
    _family("aws_job_queue_duration_seconds", "summary", "Time from creation to start of finished jobs.", (), _waits),
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
        "When the last job finished, by state and by why it failed.",
        ("state", "reason"),
        lambda view: [((str(state), reason), finished) for (state, reason), finished in view.sums.last.items()],
    ),
    _family(
        "aws_job_last_created_timestamp_seconds",
        "gauge",
        "When the newest job was created.",
        (),
        lambda view: optional(view.sums.last_created),
    ),
    _family(
        "aws_job_oldest_active_timestamp_seconds",
        "gauge",
        "Since when the oldest job is in each active status: a running one from its start, others from their creation.",
        ("status", "state"),
        lambda view: [((status, str(state)), time) for (status, state), time in view.sums.oldest_active.items()],
    ),
    _family(
        "aws_job_next_deadline_timestamp_seconds",
        "gauge",
        "The earliest deadline of an active job.",
        (),
        lambda view: optional(view.sums.next_deadline),
    ),
    _family(
        "aws_job_records",
        "gauge",
        "Records in jobs that are active or finished within the lookback: succeeded, failed, remaining.",
        ("result",),
        _records,
    ),
    _family(
        "aws_jobs_finished_total",
        "counter",
        "Jobs seen to finish since the exporter started, or with storage.path since it was first started.",
        ("state",),
        _finished_total,
    ),
    _family(
        "aws_jobs_failed_total",
        "counter",
        "Jobs seen to fail since the exporter started, or with storage.path since it was first started.",
        ("reason",),
        _failed_total,
    ),
    _family(
        "aws_job_resource_seconds_total",
        "counter",
        "Seconds for which jobs that were seen to finish used a resource, times how much of it, where AWS tells.",
        ("resource", "type"),
        lambda view: resources(view.sums.used_total),
    ),
    _family(
        "aws_job_processed_total",
        "counter",
        "What jobs that were seen to finish have processed, in this unit, where AWS tells.",
        ("unit",),
        lambda view: processed(view.sums.used_total),
    ),
    _family(
        "aws_job_info",
        "gauge",
        "A job's status, its state and why it failed; always 1.",
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


@lru_cache
def job_families(settings: Metrics) -> tuple[Family[JobView], ...]:
    """Return the families of a configuration."""
    taken = (family for family in JOB_FAMILIES if settings.families.takes(family.name))
    return tuple(family.with_buckets(settings.duration_buckets) for family in taken)


SINGLE_JOBS = ("aws_job_info", "aws_job_created_timestamp_seconds", "aws_job_finished_timestamp_seconds")
"""The families with series of single jobs."""

OPTIONAL = (
    *SINGLE_JOBS,
    "aws_job_queue_duration_seconds",
    "aws_job_duration_seconds",
    "aws_job_records",
    "aws_job_processed_total",
    "aws_job_resource_seconds_total",
    "aws_job_last_duration_seconds",
    "aws_job_last_created_timestamp_seconds",
    "aws_job_next_deadline_timestamp_seconds",
    "aws_job_last_finished_timestamp_seconds",
    "aws_job_oldest_active_timestamp_seconds",
)
"""The families that a source over its limit goes without, first to last; its counts, and the counters of jobs, always
stay.

Series of single jobs go first, since there may be many of them, then what few alerts rest on.
"""


def dropped(families: Sequence[Metric], limit: int) -> Mapping[str, int]:
    """Return the names of the families to drop, whole, to keep within `limit` series, each with its series."""
    series = Counter({family.name: len(family.samples) for family in families})
    excess = series.total() - limit
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
    # One more than the catalog has, for `unknown`; each reason of a failure may come with each failed status.
    failed = sum(state is State.FAILED for _, state in kind.meanings)
    return len(kind.meanings) + 1 + failed * len(FAILURES) + len(kind.final_states) + len(FAILURES)
