"""The wiring: settings in, a running exporter as one async context manager."""

from exporter.app.assembly import Configuration, assembled
from exporter.app.process import Exporter, background, calm_collector, running, skip_sources
from exporter.app.reload import Read

__all__ = [
    "Configuration",
    "Exporter",
    "Read",
    "assembled",
    "background",
    "calm_collector",
    "running",
    "skip_sources",
]
