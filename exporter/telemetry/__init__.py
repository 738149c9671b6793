"""What the exporter says of itself: its own metrics and its log."""

from exporter.telemetry.instruments import Telemetry
from exporter.telemetry.logs import configure_logging
from exporter.telemetry.status import Denial, PollErrorReason, SourceStatus

__all__ = ["Denial", "PollErrorReason", "SourceStatus", "Telemetry", "configure_logging"]
