"""When to read which source; no source ever touches another."""

from exporter.poller.loop import Poller
from exporter.poller.sources import AccountSource, Context, JobSource, ScopeSource, Source, roots

__all__ = ["AccountSource", "Context", "JobSource", "Poller", "ScopeSource", "Source", "roots"]
