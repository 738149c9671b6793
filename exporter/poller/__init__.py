"""When to read which source; no source ever touches another."""

from exporter.poller.account import AccountSource
from exporter.poller.budget import Budget
from exporter.poller.context import Context, Source
from exporter.poller.group_report import GroupReport
from exporter.poller.grouping import Groups
from exporter.poller.listing import JobSource
from exporter.poller.loop import Poller
from exporter.poller.organization import OrganizationSource, RegionsSource, roots
from exporter.poller.pacing import idle, mean_pause
from exporter.poller.queue import QueueProbe, QueueSource, queues
from exporter.poller.scopes import ScopeSource
from exporter.poller.tagging import Tagging

__all__ = [
    "AccountSource",
    "Budget",
    "Context",
    "GroupReport",
    "Groups",
    "JobSource",
    "OrganizationSource",
    "Poller",
    "QueueProbe",
    "QueueSource",
    "RegionsSource",
    "ScopeSource",
    "Source",
    "Tagging",
    "idle",
    "mean_pause",
    "queues",
    "roots",
]
