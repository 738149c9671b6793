"""The exporter's own counters and histograms, which belong to no single source."""

from __future__ import annotations

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from exporter import __version__

PREFIX = "aws_job_exporter"


class Telemetry:
    """Owns the instruments, all in one registry that is an argument of whoever serves it, never a global."""

    def __init__(self, *, process: bool = True) -> None:
        """Have those of the process (`process_*`, `python_*`) only where they are wanted."""
        # A second series for each counter and histogram, which Prometheus would store and nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client gives it no types
        self.registry = CollectorRegistry()
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        self._tell_of_itself()
        self._tell_of_polls()
        self._tell_of_requests()
        self._tell_of_jobs()
        self._tell_of_clients()

    def _tell_of_itself(self) -> None:
        self.build_info = self._gauge("build_info", "The exporter's version; always 1.", "version", "pythonversion")
        self.build_info.labels(__version__, platform.python_version()).set(1)
        self.reload_successful = self._gauge(
            "config_last_reload_successful",
            "Whether the last attempt to read the configuration succeeded; else the one before is in effect.",
        )
        self.reload_time = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in effect was read: at the start, or at the last reload that succeeded.",
        )
        self.shard = self._gauge(
            "shard_info", "Which shard this exporter is (`shard.index`), 0 where there is one only; always 1.", "shard"
        )
        self.shards = self._gauge("shards", "How many exporters share the sources (`shard.count`).")

    def _tell_of_polls(self) -> None:
        self.poll_duration = self._histogram(
            "poll_duration_seconds",
            "How long polls took.",
            "aws_service",
            "kind",
            buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
        )
        self.poll_errors = self._counter("poll_errors_total", "Polls that failed.", "aws_service", "kind", "reason")

    def _tell_of_requests(self) -> None:
        self.requests = self._counter(
            "aws_requests_total",
            "Requests sent to AWS, retries included; code is AWS's, else the HTTP status, else what went wrong.",
            "aws_service",
            "operation",
            "code",
        )
        self.request_duration = self._histogram(
            "aws_request_duration_seconds",
            "How long AWS took to answer a request.",
            "aws_service",
            "operation",
            buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0),
        )
        self.rate_limit = self._gauge(
            "rate_limit",
            "Requests a second that the service is asked at most: aws.requests_per_second, less while AWS throttles.",
            "account_id",
            "region",
            "aws_service",
        )
        self.rate_limit_wait = self._counter(
            "rate_limit_wait_seconds_total",
            "Time that requests waited for the rate limit, added up over the requests.",
            "aws_service",
        )

    def _tell_of_jobs(self) -> None:
        self.unknown_statuses = self._counter(
            "unknown_statuses_total",
            "Jobs listed with a status that the catalog does not know, counted anew in each poll.",
            "aws_service",
            "kind",
        )
        self.detail_errors = self._counter(
            "detail_errors_total", "Failed questions for a job's failure reason.", "aws_service", "kind", "reason"
        )

    def _tell_of_clients(self) -> None:
        self.http_responses = self._counter(
            "http_responses_total",
            "Answers to HTTP requests; 503 is one scrape too many, 401 and 429 come from the web configuration file.",
            "code",
        )
        self.http_connections_dropped = self._counter(
            "http_connections_dropped_total",
            "HTTP connections that were broken off: slow ones, and where too many were open (full).",
            "reason",
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, registry=self.registry, buckets=buckets)
