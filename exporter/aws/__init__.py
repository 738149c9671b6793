"""The only room that knows aiobotocore: identities, clients, listing, scope discovery, details."""

from exporter.aws.clients import LONGEST_WAIT, Clients, Place
from exporter.aws.credential_process import kill_programs
from exporter.aws.described import Described
from exporter.aws.landscape import Endpoints, Member, members, regions, unit_accounts
from exporter.aws.loader import catalog_loader
from exporter.aws.messages import Messages
from exporter.aws.poll import PollRun
from exporter.aws.poll_error import PollError, poll_error
from exporter.aws.rate import Allowance, Limiters
from exporter.aws.reader import GET_RESOURCES, MOST_ARNS, Reader, Scoped
from exporter.aws.session import Credentials, default_region
from exporter.aws.tape import Tape, Taped
from exporter.aws.variables import problems
from exporter.telemetry import PollErrorReason

__all__ = [
    "GET_RESOURCES",
    "LONGEST_WAIT",
    "MOST_ARNS",
    "Allowance",
    "Clients",
    "Credentials",
    "Described",
    "Endpoints",
    "Limiters",
    "Member",
    "Messages",
    "Place",
    "PollError",
    "PollErrorReason",
    "PollRun",
    "Reader",
    "Scoped",
    "Tape",
    "Taped",
    "catalog_loader",
    "default_region",
    "kill_programs",
    "members",
    "poll_error",
    "problems",
    "regions",
    "unit_accounts",
]
