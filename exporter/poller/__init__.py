"""When to read which source; no source ever touches another."""

from exporter.poller.bounds import Budget
from exporter.poller.context import Context, Source
from exporter.poller.discovery import AccountSource, ScopeSource
from exporter.poller.landscape import OrganizationSource, RegionsSource, roots
from exporter.poller.listing import JobSource
from exporter.poller.loop import Poller

__all__ = [
    "AccountSource",
    "Budget",
    "Context",
    "JobSource",
    "OrganizationSource",
    "Poller",
    "RegionsSource",
    "ScopeSource",
    "Source",
    "roots",
]
