"""What the exporter says of itself: its own metrics and its log."""

from exporter.telemetry.instruments import Telemetry
from exporter.telemetry.logs import configure_logging
from exporter.telemetry.status import SourceStatus

__all__ = ["SourceStatus", "Telemetry", "configure_logging"]
