"""The wiring: settings in, a running exporter as one async context manager."""

from exporter.app.assembly import Configuration, Parts, assembled
from exporter.app.process import Exporter, background, calm_collector, running
from exporter.app.reload import Read, Reloader

__all__ = [
    "Configuration",
    "Exporter",
    "Parts",
    "Read",
    "Reloader",
    "assembled",
    "background",
    "calm_collector",
    "running",
]
