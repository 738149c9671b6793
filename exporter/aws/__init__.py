"""The only room that knows aiobotocore: sessions and clients, listing, scope discovery, details."""

from exporter.aws.clients import Clients
from exporter.aws.landscape import Endpoints, Member, beneath, members, regions
from exporter.aws.loader import catalog_loader
from exporter.aws.poll_error import PollError, PollErrorReason, poll_error
from exporter.aws.rate import DEADLINE, Limiters, paused
from exporter.aws.reader import Place, Reader, Scoped
from exporter.aws.sessions import Credentials, default_region

__all__ = [
    "DEADLINE",
    "Clients",
    "Credentials",
    "Endpoints",
    "Limiters",
    "Member",
    "Place",
    "PollError",
    "PollErrorReason",
    "Reader",
    "Scoped",
    "beneath",
    "catalog_loader",
    "default_region",
    "members",
    "paused",
    "poll_error",
    "regions",
]
