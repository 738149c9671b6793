"""Every setting: from file, environment and flags, checked against the catalog."""

from exporter.settings.accounts import ALL_REGIONS, Account, Organization, are_to_be_found, takes_region
from exporter.settings.errors import ConfigurationError
from exporter.settings.flags import add_flags, given
from exporter.settings.groups import OTHER, Group
from exporter.settings.loading import load
from exporter.settings.model import ENVIRONMENT_PREFIX, Selection, ServiceSettings, Settings, tag_label
from exporter.settings.queues import EventQueue
from exporter.settings.rates import Rate, Rates, above_quotas
from exporter.settings.sections import DEFAULT_PORT, Aws, Limits, Log, Metrics, Poll, Shard, Storage, Web
from exporter.settings.shown import without_secrets
from exporter.text.durations import format_duration, parse_duration

__all__ = [
    "ALL_REGIONS",
    "DEFAULT_PORT",
    "ENVIRONMENT_PREFIX",
    "OTHER",
    "Account",
    "Aws",
    "ConfigurationError",
    "EventQueue",
    "Group",
    "Limits",
    "Log",
    "Metrics",
    "Organization",
    "Poll",
    "Rate",
    "Rates",
    "Selection",
    "ServiceSettings",
    "Settings",
    "Shard",
    "Storage",
    "Web",
    "above_quotas",
    "add_flags",
    "are_to_be_found",
    "format_duration",
    "given",
    "load",
    "parse_duration",
    "tag_label",
    "takes_region",
    "without_secrets",
]
