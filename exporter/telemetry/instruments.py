"""The exporter's own counters and histograms, which belong to no single source."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TypeVar

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
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.telemetry import log_thread
from exporter.telemetry.late_counter import Announce, LateCounter

PREFIX = "aws_job_exporter"

Instrument = TypeVar("Instrument", bound=Collector)

_POLL_BOUNDS = (1.0, 10.0)
# Beyond the last bound are polls that waited for the rate limit, which poll.timeout does not count.
_FINE_POLL_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_REQUEST_BOUNDS = (0.1, 1.0, 10.0)
# What times out is above the last bound, which is the default of aws.read_timeout.
_FINE_REQUEST_BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


class Telemetry:
    """Owns the instruments, those that are exposed in one registry that is passed to whoever serves it."""

    def __init__(self, *, process: bool = True, announce: Announce | None = None) -> None:
        """Create the instruments; those of the process (`process_*`, `python_*`) only if `process` is set.

        If series are announced, counters begin at 0.
        """
        # A `_created` series for each counter and histogram: Prometheus would store it, and nobody queries it.
        disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus_client gives it no types
        self.registry = CollectorRegistry()
        self.instruments: dict[str, Collector] = {}
        """All of them by the names of their families, exposed or not."""
        self._exposed: list[Collector] = []
        self._announce = announce
        self._is_detailed = False
        self._garbage = GCCollector(CollectorRegistry()) if process else None
        if process:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        self._describe_exporter()
        self._watch_work()
        self._watch_polls()
        self._watch_hints()
        self._watch_event_log()
        self._watch_requests()
        self._watch_responses()
        self.configure(is_detailed=False, takes=lambda _: True)

    def configure(self, *, is_detailed: bool, takes: Callable[[str], bool]) -> None:
        """Expose the families whose names are taken; those that have more labels in detail start over with that."""
        for collector in self._exposed:
            self.registry.unregister(collector)
        if is_detailed != self._is_detailed:
            self._is_detailed = is_detailed
            self._watch_work()
        self._exposed = [instrument for name, instrument in self.instruments.items() if takes(name)]
        if self._garbage and is_detailed:
            self._exposed.append(self._garbage)
        for collector in self._exposed:
            self.registry.register(collector)

    def polled(self, service: str, kind: str, took: float) -> None:
        """Time a poll, in seconds."""
        self.poll_duration.labels(service, *self._in_detail(kind)).observe(took)

    def requested(self, service: str, operation: str, code: str, took: float) -> None:
        """Count and time a request to AWS, in seconds."""
        labels = (service, *self._in_detail(operation))
        self.requests.inc(*labels, code)
        self.request_duration.labels(*labels).observe(took)

    def _in_detail(self, label: str) -> tuple[str, ...]:
        return (label,) if self._is_detailed else ()

    def _describe_exporter(self) -> None:
        """Create what describes the process: its version, its configuration and its shard."""
        self.build_info = self._gauge("build_info", "The exporter's version; always 1.", ("version", "pythonversion"))
        self.build_info.labels(__version__, platform.python_version()).set(1)
        self.reload_successful = self._gauge(
            "config_last_reload_successful",
            "Whether the last attempt to read the configuration succeeded; if not, the previous one stays in effect.",
        )
        self.reload_time = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in effect was read: at startup, or at the last successful reload.",
        )
        self.storage_failed = self._gauge(
            "storage_failed",
            "Whether storage.path can no longer be written, so that a restart will lose what is known of jobs.",
        )
        self.storage_size = self._gauge("storage_size_bytes", "Size of the files in storage.path; 0 without it.")
        self.shard = self._gauge(
            "shard_info", "Which shard this exporter is (`shard.index`), 0 if it is the only one; always 1.", ("shard",)
        )
        self.shards = self._gauge("shards", "How many exporters share the sources (`shard.count`).")
        self.log_lines_dropped = log_thread.DROPPED
        self.instruments[f"{PREFIX}_log_lines_dropped_total"] = log_thread.DROPPED
        self.sources = self._gauge("sources", "Sources that are known: accounts, discoveries and lists of jobs.")
        self.sources_unread = self._gauge(
            "sources_unread", "Sources that were not polled yet, successfully or not, since they were found."
        )

        self.sources_overdue = self._gauge(
            "sources_overdue",
            "Sources whose next poll is late by more than one interval, because polls or the rate limit hold it up.",
        )

    def _watch_work(self) -> None:
        """Create what is counted and timed of polls and requests: by service alone, and by more labels in detail."""
        by_kind, by_operation = (("aws_service", *self._in_detail(label)) for label in ("kind", "operation"))
        self.poll_duration = self._histogram(
            "poll_duration_seconds",
            "How long polls took.",
            by_kind,
            _FINE_POLL_BOUNDS if self._is_detailed else _POLL_BOUNDS,
        )
        self.requests = self._late_counter(
            "aws_requests_total",
            "Requests sent to AWS, including retries; code is AWS's, else the HTTP status, else what went wrong.",
            (*by_operation, "code"),
        )
        self.request_duration = self._histogram(
            "aws_request_duration_seconds",
            "How long AWS took to respond to a request.",
            by_operation,
            _FINE_REQUEST_BOUNDS if self._is_detailed else _REQUEST_BOUNDS,
        )

    def _watch_polls(self) -> None:
        """Create what is counted of polls."""
        self.poll_errors = self._late_counter(
            "poll_errors_total", "Polls that failed.", ("aws_service", "kind", "reason")
        )
        self.unknown_statuses = self._late_counter(
            "unknown_statuses_total",
            "Jobs listed with a status that the catalog does not know, counted again in each poll.",
            ("aws_service", "kind"),
        )
        self.detail_errors = self._late_counter(
            "detail_errors_total",
            "Failed requests for the reason of a failed job.",
            ("aws_service", "kind", "reason"),
        )

        self.tag_errors = self._late_counter(
            "tag_errors_total",
            "Failed requests for the AWS tags of jobs and scopes; they are asked for again at poll.discovery_interval.",
            ("account_id", "region", "reason"),
        )

    def _watch_hints(self) -> None:
        """Create what is counted and timed of events that name a list to poll at once."""
        self.hints = self._counter(
            "hints_total",
            "Events taken from the queues, by what became of them: noted, so that a list is polled at once; late, as "
            "it was polled since; unwatched, about what is not polled; unknown to the catalog; unreadable.",
            ("aws_service", "result"),
        )
        # AWS tells the time of an event in whole seconds, and sends most within one.
        self.hints_lag = self._histogram(
            "hints_lag_seconds",
            "Time from an event to the end of the poll that it caused; of events that come together, from the first.",
            ("aws_service",),
            (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
        )

    def _watch_event_log(self) -> None:
        """Create what is counted of the lines of the event log."""
        self.event_log_lines = self._late_counter(
            "event_log_lines_total",
            "Lines of the event log (log.events), by what became of them: written; dropped, as too many waited.",
            ("result",),
        )
        self.event_log_errors = self._late_counter(
            "event_log_errors_total",
            "Failed attempts to write to the event log, by the name of the system's error, such as ENOSPC; its lines "
            "wait.",
            ("reason",),
        )
        self.event_log_waiting = self._gauge(
            "event_log_waiting",
            "Lines of the event log that could not be written yet, as of the last attempt.",
        )

    def _watch_requests(self) -> None:
        """Create what is told of the rate of requests to AWS."""
        self.rate_limit = self._gauge(
            "rate_limit",
            "Most requests per second that the exporter sends the service: requests_per_second, of the service or of "
            "aws, or less while AWS throttles.",
            ("account_id", "region", "aws_service"),
        )
        self.rate_limit_wait = self._late_counter(
            "rate_limit_wait_seconds_total",
            "Total time that requests have waited for the rate limit.",
            ("aws_service",),
        )

        self.calls_per_hour = self._gauge(
            "calls_per_hour",
            "Requests to AWS in an hour as sources are polled now, without aws.calls_per_hour: an estimate.",
        )
        self.calls_per_hour_limit = self._gauge(
            "calls_per_hour_limit",
            "Most requests to AWS that are sent in any hour: aws.calls_per_hour, or a shard's part; 0 for no limit.",
        )
        self.interval_stretch = self._gauge(
            "interval_stretch",
            "By how much all intervals are longer so that aws.calls_per_hour is kept; 1 where they are not.",
        )

    def _watch_responses(self) -> None:
        """Create what is counted of the HTTP server."""
        self.http_responses = self._counter(
            "http_responses_total",
            "Responses to HTTP requests; 503 means too many scrapes at once, 401 and 429 come from the web "
            "configuration file.",
            ("code",),
        )
        self.http_connections_dropped = self._counter(
            "http_connections_dropped_total",
            "HTTP connections that were closed early: slow ones, and those over the limit (full).",
            ("reason",),
        )

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return self._kept(name, Counter(f"{PREFIX}_{name}", text, labels, registry=None))

    def _late_counter(self, name: str, text: str, labels: tuple[str, ...]) -> LateCounter:
        counter = Counter(f"{PREFIX}_{name}", text, labels, registry=None)
        return self._kept(name, LateCounter(counter, self._announce))

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return self._kept(name, Gauge(f"{PREFIX}_{name}", text, labels, registry=None))

    def _histogram(self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return self._kept(name, Histogram(f"{PREFIX}_{name}", text, labels, registry=None, buckets=buckets))

    def _kept(self, name: str, instrument: Instrument) -> Instrument:
        self.instruments[f"{PREFIX}_{name}"] = instrument
        return instrument
