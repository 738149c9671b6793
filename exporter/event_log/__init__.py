"""The event log: one line of JSON for each transition of a job, in a file or on stdout."""

from exporter.event_log.line import Configured, line
from exporter.event_log.sink import Sink
from exporter.event_log.writer import EventLog

__all__ = ["Configured", "EventLog", "Sink", "line"]
