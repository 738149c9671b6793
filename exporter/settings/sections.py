"""The sections of the settings: each setting with its default, its meaning and what is allowed."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from exporter.text.durations import Duration

DEFAULT_PORT = 10058
"""No other exporter is known to use it; see the wiki page "Default port allocations" of Prometheus."""

_LAST_PORT = 65_535


def _address(address: str) -> str:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]*):(\d{1,5})", address)
    if match is None or int(match[2]) > _LAST_PORT:
        raise ValueError(f"{address!r} is not an address to listen on: :10058, 127.0.0.1:10058, [::1]:10058")
    return address


def _path(path: str) -> str:
    if not re.fullmatch(r"/[^?#{}\s]*", path):
        raise ValueError(f"{path!r} is not a path: /metrics")
    if path.startswith("/-/"):
        raise ValueError(f"{path!r} is no path for metrics: health checks have their place below /-/")
    return path


def _url(url: str) -> str:
    if not re.fullmatch(r"https?://\S+", url):
        raise ValueError(f"{url!r} is not an address: https://vpce-1a2b3c.bedrock.us-east-1.vpce.amazonaws.com")
    if "@" in urlsplit(url).netloc:
        raise ValueError("must be without user and password: AWS asks for neither")
    return url


def not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return values if there are any; raises ValueError."""
    if not values:
        raise ValueError("must not be empty")
    return values


def _ascending(buckets: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(buckets)):
        raise ValueError("each bucket must be longer than the one before")
    return buckets


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...], BeforeValidator(_as_tuple), AfterValidator(not_empty)
]


class Section(BaseModel):
    """Base of every group of settings: a key that does not exist is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConfigFile(Section):
    """Where the configuration stands."""

    file: Path | None = Field(default=None, description="Configuration file (YAML).")


class WebConfigLocation(Section):
    """Where TLS, passwords and headers are configured."""

    file: Annotated[Path | None, BeforeValidator(lambda path: path or None)] = Field(
        default=None, description="Path to configuration file that can enable TLS or authentication."
    )


class Web(Section):
    """What is served, and where."""

    listen_address: Addresses = Field(
        default=(f":{DEFAULT_PORT}",),
        description="Addresses on which to expose metrics and web interface. Repeatable for multiple addresses. "
        "Examples: :10058, 127.0.0.1:10058, [::1]:10058.",
    )
    systemd_socket: bool = Field(
        default=False, description="Use systemd socket activation listeners instead of port listeners (Linux only)."
    )
    config: WebConfigLocation = WebConfigLocation()
    telemetry_path: Annotated[str, AfterValidator(_path)] = Field(
        default="/metrics", description="Path under which to expose metrics."
    )
    max_requests: int = Field(
        default=40, ge=0, description="Maximum number of parallel scrape requests. Use 0 to disable."
    )
    disable_exporter_metrics: bool = Field(
        default=False, description="Exclude metrics about the exporter's process (process_*, python_*)."
    )
    disable_pages: bool = Field(
        default=False, description="Serve nothing but metrics and health: no pages, no API, no names of jobs."
    )
    enable_lifecycle: bool = Field(default=False, description="Enable reload via HTTP request.")


class Log(Section):
    """What is written to stderr, and how."""

    level: Literal["debug", "info", "warn", "error"] = Field(
        default="info", description="Only log messages with the given severity or above."
    )
    format: Literal["logfmt", "json"] = Field(default="logfmt", description="Output format of log messages.")


class Poll(Section):
    """When AWS is asked, and how long an answer counts."""

    interval: Duration = Field(default=60.0, description="How often a list of jobs is read.")
    discovery_interval: Duration = Field(
        default=600.0, description="How often memberships, schedulers and other containers of jobs are looked for."
    )
    resync: Duration = Field(
        default=3600.0, description="How often everything is listed again, which finds what was deleted."
    )
    lookback: Duration = Field(default=604_800.0, description="How long a job counts after it finished.")
    stale_after: Duration = Field(
        default=300.0,
        description="How long the numbers of a source stay after its last successful poll; at least three intervals.",
    )
    timeout: Duration = Field(default=55.0, description="How long one poll of a source may take.")
    concurrency: int = Field(default=32, ge=1, description="How many sources are polled at the same time.")
    details_budget: int = Field(
        default=20, ge=1, description="How many failed jobs of a source are asked for their reason in one poll."
    )


class Metrics(Section):
    """What is exported beyond the counts."""

    per_job: bool = Field(default=False, description="Export series for single jobs: aws_job_info and its times.")
    per_job_finished: int = Field(
        default=50, ge=0, description="How many finished jobs of a source get series of their own, newest first."
    )
    per_job_active: int = Field(
        default=500, ge=0, description="How many active jobs of a source get series of their own, oldest first."
    )
    duration_buckets: Annotated[tuple[Duration, ...], AfterValidator(not_empty), AfterValidator(_ascending)] = Field(
        default=(60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 172_800.0),
        description="Upper bounds of the duration histograms.",
    )


class Limits(Section):
    """What keeps memory and the number of series in bounds, whatever AWS lists."""

    series: int = Field(
        default=1_000_000,
        ge=1,
        description="How many series about jobs there are in all; more drop families.",
    )
    series_per_source: int = Field(
        default=10_000, ge=1, description="How many series about jobs a source has; more drop families."
    )
    dimension_values: int = Field(
        default=50, ge=1, description="How many values of a dimension a source exports; more become `other`."
    )
    jobs_per_source: int = Field(
        default=500_000, ge=1, description="How many finished jobs of a source count; of more, the newest."
    )
    sources: int = Field(default=20_000, ge=1, description="How many sources are polled; more are not discovered.")
    pages: int = Field(
        default=5000, ge=1, description="How many pages a list of AWS may have; a longer one fails the poll."
    )
    message_length: int = Field(
        default=4000, ge=100, description="How many characters of a failure message or a name are held."
    )


class Aws(Section):
    """How AWS is reached."""

    endpoint_url: Annotated[str, AfterValidator(_url)] | None = Field(
        default=None, description="Address to use in place of every service's own."
    )
    connect_timeout: Duration = Field(default=3.0, description="How long a connection may take to open.")
    read_timeout: Duration = Field(default=20.0, description="How long AWS may take to answer one request.")
    max_attempts: int = Field(
        default=3, ge=1, le=10, description="How often one request is tried before the poll fails."
    )
    requests_per_second: float = Field(
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="How many requests a service gets in a second, by account and region; fewer while AWS throttles.",
    )
    burst: int = Field(default=10, ge=1, description="How many requests a service may get at once after a pause.")


class Shard(Section):
    """Which part of the sources this exporter reads."""

    count: int = Field(default=1, ge=1, le=1000, description="How many exporters share the sources.")
    index: int | None = Field(
        default=None,
        ge=0,
        description="Which of them this one is, from 0. Left out: the number at the end of the host's name.",
    )
