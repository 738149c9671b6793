"""What the exporter says of itself: its own metrics and its log."""

from exporter.telemetry.instruments import Telemetry
from exporter.telemetry.logs import configure_logging
from exporter.telemetry.sources import POLLED, SOURCE_FAMILIES, SourceStatus

__all__ = ["POLLED", "SOURCE_FAMILIES", "SourceStatus", "Telemetry", "configure_logging"]
