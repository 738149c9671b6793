"""What the exporter says of itself: its own metrics and its log."""

from exporter.telemetry.instruments import Telemetry
from exporter.telemetry.logs import configure_logging
from exporter.telemetry.status import POLLED, SourceStatus

__all__ = ["POLLED", "SourceStatus", "Telemetry", "configure_logging"]
