"""The PromQL over what the recording rules record: exporters, regions and scopes are added up there.

A panel reads a few series of each account and kind instead of all series of each source.
"""

from __future__ import annotations

from config.grafana.queries import ACROSS, earliest, latest, milliseconds, select

FAILED, ENDED = 'state="failed"', 'state=~"succeeded|partial|failed"'


def jobs(states: str, *by: str) -> str:
    """Return how many jobs are in some states now; `states` is a regular expression."""
    return _sum(_series("account_kind_state:aws_jobs:sum", f'state=~"{states}"'), *by)


def age(states: str, *by: str) -> str:
    """Return since how long the oldest job has been in some states: a running one counts from its start."""
    oldest = _series("account_kind_state:aws_job_oldest_active_timestamp_seconds:min", f'state=~"{states}"')
    return f"time() - {earliest(oldest, *by)}"


def last_finished(state: str, *by: str) -> str:
    """Return when a job last finished in a state, in seconds."""
    return latest(_series("account_kind_state:aws_job_last_finished_timestamp_seconds:max", f'state="{state}"'), *by)


def when_finished(state: str, *by: str) -> str:
    """Return when a job last finished in a state, as Grafana expects a time."""
    return milliseconds(last_finished(state, *by))


def finished(*matchers: str, by: tuple[str, ...] = (), window: str = "$__range") -> str:
    """Return how many jobs finished in a window."""
    ended = _series("account_kind_state:aws_jobs_finished:increase1m", *matchers)
    return _sum(f"sum_over_time({ended}[{window}])", *by)


def failures(*by: str, window: str = "$__range") -> str:
    """Return how many jobs failed in a window, whose reason is known."""
    failed = _series("account_kind_reason:aws_jobs_failed:increase1m")
    return _sum(f"sum_over_time({failed}[{window}])", *by)


def failure_ratio() -> str:
    """Return the share of failures among the jobs that ended in the selected time; absent if none ended."""
    return f"({finished(FAILED)} or vector(0)) / {finished(ENDED)}"


def sources(*by: str) -> str:
    """Return how many sources there are that were polled."""
    return _sum(_series("account_kind:aws_job_exporter_source_up:count"), *by)


def sources_up(*by: str) -> str:
    """Return how many sources can be read."""
    return _sum(_series("account_kind:aws_job_exporter_source_up:sum"), *by)


def _series(name: str, *matchers: str) -> str:
    return select(name, *matchers, sources=ACROSS)


def _sum(expression: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum ({expression})"
