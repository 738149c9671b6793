"""Every setting: file, environment and flags, checked against the catalog."""

from exporter.settings.durations import format_duration, parse_duration
from exporter.settings.loading import ConfigurationError, load
from exporter.settings.model import (
    DEFAULT_PORT,
    ENVIRONMENT_PREFIX,
    Account,
    Aws,
    Log,
    Metrics,
    Selection,
    ServiceSettings,
    Settings,
)

__all__ = [
    "DEFAULT_PORT",
    "ENVIRONMENT_PREFIX",
    "Account",
    "Aws",
    "ConfigurationError",
    "Log",
    "Metrics",
    "Selection",
    "ServiceSettings",
    "Settings",
    "format_duration",
    "load",
    "parse_duration",
]
