"""The sections of the settings: each setting with its default, what it is for, and which values are valid.

The docstrings of the fields are the help texts of the flags and the table of docs/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from exporter.jobs import State
from exporter.text.durations import Duration, parse_duration
from exporter.text.urls import endpoint

DEFAULT_PORT = 10058
"""Not taken by another exporter: see "Default port allocations" in the wiki of Prometheus."""

_LAST_PORT = 65_535


def _address(address: str) -> str:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(\d{1,5})", address)
    if match is None or int(match[2]) > _LAST_PORT:
        raise ValueError(f"{address!r} is not an address to listen on, such as :10058, 127.0.0.1:10058 or [::1]:10058")
    return address


def _path(path: str) -> str:
    if not re.fullmatch(r"/(?:[^?#{}\s/]+(?:/[^?#{}\s/]+)*/?)?", path):
        raise ValueError(f"{path!r} is not a path, such as /metrics")
    if path.startswith("/-/"):
        raise ValueError(f"{path!r} is reserved: paths under /-/ are for health checks and reload")
    return path


def not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values; raises ValueError if there are none."""
    if not values:
        raise ValueError("must not be empty")
    return values


def _ascending(buckets: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(buckets)):
        raise ValueError("must be in ascending order")
    return buckets


def _final(state: State) -> State:
    if not state.is_final:
        raise ValueError(f"must be one of {', '.join(each for each in State if each.is_final)}")
    return state


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_as_tuple), AfterValidator(not_empty)
]


FinalState = Annotated[State, AfterValidator(_final)]

Count = Annotated[int, Field(gt=0, le=1_000_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""What is more than anybody needs would overflow elsewhere: a float, or a column of the database."""


FEWEST_CALLS = 10
"""The lowest limit on the requests in an hour. With less, hardly more than an account's id could be read."""

PerSecond = Annotated[float, Field(ge=0.001, le=1e12)]
"""A rate of requests."""


class Section(BaseModel):
    """A group of settings, in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Patterns(Section):
    """Which of some named things to take: glob patterns on their names."""

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def takes(self, *names: str) -> bool:
        """Return whether to take what has one of these names."""
        return matches(self.include, names) and not matches(self.exclude, names)


def matches(patterns: Iterable[str], names: Sequence[str]) -> bool:
    """Return whether any of the glob patterns matches any of the names."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


class ConfigFile(Section):
    """Where the configuration file is."""

    file: Path | None = None
    """Configuration file (YAML). Set by flag or environment variable only."""


class WebConfigLocation(Section):
    """Where TLS, passwords and headers are configured."""

    file: Annotated[Path | None, BeforeValidator(lambda path: path or None)] = None
    """Path to configuration file that can enable TLS or authentication."""


class Web(Section):
    """What is served, and where; flags and help texts of exporter-toolkit and node_exporter wherever they have one."""

    listen_address: Addresses = (f":{DEFAULT_PORT}",)
    """Addresses on which to expose metrics and web interface. Repeatable for multiple addresses. Examples: `:10058`,
    `127.0.0.1:10058`, `[::1]:10058`.
    """
    systemd_socket: bool = False
    """Use systemd socket activation listeners instead of port listeners (Linux only)."""
    config: WebConfigLocation = WebConfigLocation()
    telemetry_path: Annotated[str, AfterValidator(_path)] = "/metrics"
    """Path under which to expose metrics."""
    max_requests: CountOrNone = 40
    """Maximum number of parallel scrape requests; any more get status 503. Use 0 to disable."""
    disable_exporter_metrics: bool = False
    """Exclude metrics about the exporter's process (`process_*`, `python_*`)."""
    disable_pages: bool = False
    """Serve only metrics and health checks: no pages, no API, no names of jobs."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that pages, API and reload are served under, such as `jobs.example.com` or `*.example.com`; addresses and
    `localhost` always are. If unset, any name.
    """
    enable_lifecycle: bool = False
    """Enable reload via HTTP request: POST or PUT to `/-/reload`."""


def _event_log(path: object) -> object:
    return Path("/dev/stdout") if path == "stdout" else path or None


class Log(Section):
    """What is written to stderr, and how; and what becomes of jobs."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    """Only log messages with the given severity or above."""
    format: Literal["logfmt", "json"] = "logfmt"
    """Output format of log messages."""
    events: Annotated[Path | None, BeforeValidator(_event_log)] = None
    """File to append a line of JSON to for each job that is created, has started or has ended, or `stdout`. If unset,
    there are no such lines.
    """


class Storage(Section):
    """Where what is known of jobs is kept when the exporter stops."""

    path: Annotated[Path | None, BeforeValidator(lambda path: path or None)] = None
    """Directory to keep what is known of jobs in, so that a restart loses nothing. If unset, it is kept in memory."""


class Poll(Section):
    """When AWS is polled, and how long the result counts."""

    interval: Duration = parse_duration("1m")
    """How often to read each list of jobs, from the start of one poll to the start of the next."""
    idle_interval: Duration = parse_duration("10m")
    """How often to read a list in which nothing has happened for an hour; not less than `interval`."""
    discovery_interval: Duration = parse_duration("10m")
    """How often to look for accounts, regions and scopes."""
    resync: Duration = parse_duration("1h")
    """How often to list everything again, not just what is new or active; this finds deleted jobs."""
    lookback: Duration = parse_duration("7d")
    """How long a job counts after it finishes."""
    stale_after: Duration = parse_duration("5m")
    """How long to export the metrics of a source after its last successful poll; at least three of its intervals."""
    # Shorter than the default interval: a poll that hangs does not delay the next one.
    timeout: Duration = parse_duration("55s")
    """How long a poll may wait for AWS without a further page of its list."""
    concurrency: Annotated[int, Field(gt=0, le=10_000)] = 32
    """Maximum number of sources to poll at the same time."""
    # Twenty seconds' worth of the default rate.
    details_budget: Count = 20
    """Maximum number of finished jobs whose details, which its list lacks, one poll of a source requests."""
    usage_details: bool = False
    """Request the details of each job that finishes, where only they tell what it used: one request for each job."""


class FamilyChoice(Patterns):
    """Which metric families are exported."""

    include: Annotated[tuple[str, ...], AfterValidator(not_empty)] = ("*",)
    """Metric families to export, by their names or by patterns such as `aws_job_exporter_*`. Repeatable."""
    exclude: tuple[str, ...] = ()
    """Metric families to leave out, by their names or by patterns. Repeatable."""


class Metrics(Section):
    """What is exported beyond the counts."""

    per_job: bool = False
    """Export series for individual jobs: `aws_job_info` and its times."""
    per_job_finished: CountOrNone = 50
    """Maximum number of finished jobs of a source with series of their own, newest first."""
    per_job_active: CountOrNone = 500
    """Maximum number of active jobs of a source with series of their own, oldest first."""
    duration_buckets: Annotated[tuple[Duration, ...], AfterValidator(_ascending)] = ()
    """Upper bounds of buckets for run times, in ascending order: with them, they are histograms. Repeatable."""
    duration_states: tuple[FinalState, ...] = ()
    """Final states whose run times are exported; all, if empty. Repeatable."""
    zero_fill: Literal["seen", "all"] = "seen"
    """When to export zeros: `seen` for sources that ever had a job, with counters from their first event on; `all` for
    every source and counter from the start.
    """
    families: FamilyChoice = FamilyChoice()
    exporter_details: bool = False
    """Export about the exporter itself what its developers want to know: more of each source, times by kind and
    operation, the garbage collector.
    """


class Limits(Section):
    """What bounds memory and the number of series, whatever AWS lists."""

    series: Count = 1_000_000
    """Maximum number of series about jobs in total; families are dropped to stay below it."""
    series_per_source: Count = 10_000
    """Maximum number of series about jobs per source; families are dropped to stay below it."""
    dimension_values: Count = 50
    """Maximum number of values of each dimension that a source exports; any more become `other`."""
    # About 125 MB: see docs/performance.md for the memory of a job, and of a source below.
    jobs_per_source: Count = 500_000
    """Maximum number of finished jobs to count per source; the last to finish are kept."""
    # About 800 MB, and the most that docs/performance.md advises for one process.
    sources: Count = 50_000
    """Maximum number of sources to poll; any more are left out."""
    groups: Count = 500
    """Maximum number of groups whose names come from those of jobs (`groups[].name_from`); any more are one, `other`.
    """
    pages: Count = 5000
    """Maximum number of pages in a list; the poll of a longer one fails."""
    # At least 100, so that most of what is kept is text, not the mark for what was cut out.
    message_length: Annotated[int, Field(ge=100, le=1_000_000)] = 4000
    """Maximum number of characters to keep of a failure message, a name or a dimension: the start and the end."""


class Aws(Section):
    """How AWS is reached."""

    endpoint_url: Annotated[str, AfterValidator(endpoint)] | None = None
    """Endpoint URL to use instead of every service's own."""
    connect_timeout: Duration = parse_duration("3s")
    """How long to wait for a connection to AWS to open."""
    read_timeout: Duration = parse_duration("20s")
    """How long to wait for AWS to respond to a request."""
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How many times to try a request before the poll fails, 1 to 10."""
    # Enough for 60 sources of one service in an account and region, each polled once a minute.
    requests_per_second: PerSecond = 1.0
    """Maximum rate of requests to a service, per account and region; reduced while AWS throttles."""
    burst: Count = 10
    """Maximum number of requests to a service in quick succession after a pause."""
    # The jobs that are watched use up the same quotas.
    quota_share: Annotated[float, Field(ge=0.001, le=1e12)] = 0.25
    """Largest part to use of a quota that AWS documents for an operation, if that is less than the service's rate."""
    calls_per_hour: Annotated[int, Field(ge=FEWEST_CALLS, le=1_000_000_000)] | None = None
    """Maximum number of requests to AWS in any hour, of all accounts, regions and services together: if there would be
    more, every source is polled less often. If unset, there is no such limit.
    """


class Shard(Section):
    """Which part of the sources this exporter reads."""

    count: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many exporters share the sources. Read only at startup, like `shard.index`."""
    index: CountOrNone | None = None
    """Which of them this exporter is, counted from 0. If unset, the number at the end of the host name, such as that of
    a pod in a StatefulSet.
    """
