"""What there is to read at all: an organization's accounts, an account's regions, a region's services."""

from __future__ import annotations

import asyncio
import math
import re
import socket
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader

from exporter.aws.clients import Place
from exporter.aws.items import at, text
from exporter.aws.poll import PollRun
from exporter.aws.poll_error import BadResponseError
from exporter.aws.reader import Reader
from exporter.catalog.models import regions as known_regions
from exporter.clock import Clock
from exporter.threads import MODELS


class Member(NamedTuple):
    """An account of an organization."""

    account_id: str
    name: str
    partition: str
    """The part of its ARN after `arn:`, such as `aws`, `aws-cn` or `aws-us-gov`."""


async def members(reader: Reader, poll: PollRun, place: Place) -> list[Member]:
    """Return the active accounts of the organization that the credentials belong to (Organizations ListAccounts).

    Raises BadResponseError for none: the account that asks is one of them.
    """
    found: dict[str, Member] = {}
    async for items in reader.pages(poll, place, "organizations", "ListAccounts", {}, "Accounts"):
        for item in items:
            # AWS is replacing `Status` by `State`; older responses have only `Status`.
            if (text(at(item, "State")) or text(at(item, "Status"))) != "ACTIVE":
                continue
            account_id, arn = text(at(item, "Id")), text(at(item, "Arn"))
            # Checked, because both become part of the ARN of the role to assume.
            if not re.fullmatch(r"\d{12}", account_id) or not re.match(r"arn:aws[a-z-]*:", arn):
                raise BadResponseError(f"ListAccounts listed an account without an id: {account_id!r}, {arn!r}")
            found[account_id] = Member(account_id, text(at(item, "Name")), arn.split(":")[1])
    if not found:
        raise BadResponseError("ListAccounts listed no active account, but the one that asks is active")
    return list(found.values())


async def unit_accounts(reader: Reader, poll: PollRun, place: Place, unit: str) -> frozenset[str]:
    """Return the ids of the accounts in an organizational unit and in all units within it.

    See Organizations ListAccountsForParent and ListOrganizationalUnitsForParent.
    """
    accounts: set[str] = set()
    units = [unit]
    for parent in units:  # which grows while it is read
        arguments = {"ParentId": parent}
        async for items in reader.pages(poll, place, "organizations", "ListAccountsForParent", arguments, "Accounts"):
            accounts.update(text(at(item, "Id")) for item in items)
        listing = ("organizations", "ListOrganizationalUnitsForParent", arguments, "OrganizationalUnits")
        async for items in reader.pages(poll, place, *listing):
            children = dict.fromkeys(text(at(item, "Id")) for item in items)
            # A unit that moves while the tree is read may be listed twice.
            units += [child for child in children if child not in units]
    return frozenset(accounts)


async def regions(reader: Reader, poll: PollRun, place: Place) -> list[str]:
    """Return the regions that are enabled for an account (EC2 DescribeRegions).

    Raises BadResponseError for none: the region that responds is one of them.
    """
    found: list[str] = []
    async for items in reader.pages(poll, place, "ec2", "DescribeRegions", {}, "Regions"):
        found += [text(at(item, "RegionName")) for item in items]
    # Only regions that botocore knows: the name becomes part of a host name.
    known = [region for region in found if region in known_regions()]
    if not known:
        raise BadResponseError("DescribeRegions listed no region that botocore knows, but each account has some")
    return known


class Endpoints:
    """Knows which services a region has; `ask` says whether it may ask the name server."""

    def __init__(self, clock: Clock, *, ask: bool) -> None:
        self._clock = clock
        self._ask = ask
        self._resolved: dict[str, tuple[float, bool]] = {}
        """When the name server was asked about a host, and its reply: every account of an organization asks again."""

    async def has(self, service: str, region: str) -> bool:
        """Return whether a service has an endpoint in a region.

        botocore's data says so for most services, and the name server for the others. In doubt, the service has one.
        """
        if known := _known(service):
            return region in known
        # Behind a proxy, names need not resolve here.
        if not self._ask or getproxies():
            return True
        host = await MODELS.run(_host, service, region)
        if not host:
            return True
        now = self._clock.monotonic()
        asked, found = self._resolved.get(host, (-math.inf, True))
        if now - asked >= _BELIEVED:
            found = await _resolves(host)
            self._resolved[host] = now, found
        return found


_BELIEVED = 3600.0
"""Seconds for which a reply of the name server is kept. A service that opens in a region is found within the hour."""


async def _resolves(host: str) -> bool:
    """Return whether a host name exists; a name server that fails does not deny it."""
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 443)
    except socket.gaierror as error:
        return error.errno not in _NO_SUCH_NAME
    except OSError:
        return True
    return True


_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""Python has EAI_NODATA only where the C library has it."""


@cache
def _known(service: str) -> frozenset[str]:
    """Return the regions that botocore's data has for a service; empty if it does not know the service."""
    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(name for each in partitions for name in session.get_available_regions(service, each))


@cache
def _host(service: str, region: str) -> str:
    """Return the host of a service's endpoint; empty if it depends on more than the region."""
    loader = Loader()
    try:
        rules = EndpointProvider(
            loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions")
        )
        url = rules.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False).url
    except BotoCoreError:
        return ""
    return urlsplit(url).hostname or ""
