"""The PromQL that dashboards share: selectors, and aggregations of the series of sources."""

from __future__ import annotations

TARGET = 'job=~"$job", instance=~"$instance"'
"""The selected exporters."""

PLACE = f'{TARGET}, account_id=~"$account_id", region=~"$region"'

SERVICE = f'{PLACE}, aws_service=~"$aws_service"'

SOURCES = f'{SERVICE}, kind=~"$kind", scope=~"$scope"'
"""The selected sources."""

ACROSS = 'job=~"$job", account_id=~"$account_id", aws_service=~"$aws_service", kind=~"$kind"'
"""What can be selected where exporters, regions and scopes are added up."""

SOURCE = ("account_id", "region", "aws_service", "kind", "scope")
"""The labels of a source."""


def select(metric: str, *matchers: str, sources: str = SOURCES) -> str:
    """Return a selector of a metric: for the selected sources, unless `sources` says otherwise."""
    return f"{metric}{{{', '.join([sources, *matchers])}}}"


def total(expression: str, *by: str) -> str:
    """Return the sum of a count of jobs, by some labels.

    Several exporters may read the same source: the highest of their counts is taken. What one exporter counts in
    several series (statuses, dimensions) is added up first.
    """
    labels = list(dict.fromkeys([*SOURCE, *by]))
    each = f"sum by (job, instance, {', '.join(labels)}) ({expression})"
    return f"{_by('sum', by)} (max by ({', '.join(labels)}) ({each}))"


def latest(expression: str, *by: str) -> str:
    """Return the latest of some times, by some labels."""
    return f"{_by('max', by)} ({expression})"


def earliest(expression: str, *by: str) -> str:
    """Return the earliest of some times, by some labels."""
    return f"{_by('min', by)} ({expression})"


def finished(*matchers: str, window: str = "$__range") -> str:
    """Return how many jobs finished in a window, series by series."""
    return f"increase({select('aws_jobs_finished_total', *matchers)}[{window}])"


def jobs(states: str, *by: str) -> str:
    """Return how many jobs are in some states now; `states` is a regular expression."""
    return total(select("aws_jobs", f'state=~"{states}"'), *by)


def age(states: str, *by: str) -> str:
    """Return since how long the oldest job has been in some states: a running one counts from its start."""
    oldest = select("aws_job_oldest_active_timestamp_seconds", f'state=~"{states}"')
    return f"time() - {earliest(oldest, *by)}"


def last_finished(*by: str, state: str = "succeeded") -> str:
    """Return when a job last finished in a state."""
    return milliseconds(latest(select("aws_job_last_finished_timestamp_seconds", f'state=~"{state}"'), *by))


def last_failed(*by: str) -> str:
    """Return when a job last failed for a known reason: while the reason has yet to be requested, it is empty."""
    failed = select("aws_job_last_finished_timestamp_seconds", 'state="failed"', 'reason!=""')
    return milliseconds(latest(failed, *by))


def milliseconds(time: str) -> str:
    """Return a time in milliseconds, as Grafana expects it."""
    return f"1000 * {time}"


def quantile(share: float, times: str, *matchers: str, by: tuple[str, ...] = ()) -> str:
    """Return a quantile of the times of finished jobs.

    Quantiles of several sources cannot be added up: the longest is taken. Buckets, which are there instead with
    `metrics.duration_buckets`, can be: they count what ended within an hour.
    """
    longest = latest(select(times, *matchers, f'quantile="{share}"'), *by)
    buckets = total(f"increase({select(f'{times}_bucket', *matchers)}[1h])", *by, "le")
    return f"{longest} or histogram_quantile({share}, {buckets}) >= 0"


def failure_ratio() -> str:
    """Return the share of failures among the jobs that ended in the selected time; absent if none ended."""
    ended = total(finished('state=~"succeeded|partial|failed"'))
    # A source without a failure has no series of failures.
    failed = total(finished('state="failed"'))
    return f"({failed} or vector(0)) / ({ended} > 0)"


def of_exporters(metric: str, *, lately: bool = False) -> str:
    """Return a metric that any target may have, such as memory, for exporters only; `lately` includes recent ones."""
    known = f"aws_job_exporter_build_info{{{TARGET}}}"
    return f"{metric} and on (job, instance) {f'last_over_time({known}[1d])' if lately else known}"


def down(*matchers: str, sources: str = SOURCES) -> str:
    """Return the sources that no exporter can read."""
    return f"{latest(select('aws_job_exporter_source_up', *matchers, sources=sources), *SOURCE)} == 0"


def tried_every(*matchers: str, sources: str = SOURCES) -> str:
    """Return how often sources that no exporter can read are tried again, in seconds, with the reason."""
    reasons = select("aws_job_exporter_source_failure_info", *matchers, sources=sources)
    intervals = select("aws_job_exporter_source_interval_seconds", *matchers, sources=sources)
    return (
        f"{latest(reasons, *SOURCE, 'reason')} * on ({', '.join(SOURCE)}) group_left () {latest(intervals, *SOURCE)} "
        f"and on ({', '.join(SOURCE)}) ({down(*matchers, sources=sources)})"
    )


def last_read(*matchers: str, sources: str = SOURCES) -> str:
    """Return when sources that no exporter can read were last read."""
    read = select("aws_job_exporter_source_last_success_timestamp_seconds", *matchers, sources=sources)
    at = milliseconds(latest(read, *SOURCE))
    return f"{at} and on ({', '.join(SOURCE)}) ({down(*matchers, sources=sources)})"


def _by(aggregation: str, labels: tuple[str, ...]) -> str:
    return f"{aggregation} by ({', '.join(labels)})" if labels else aggregation
