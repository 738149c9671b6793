"""What there is to read at all: an organisation's accounts, an account's regions, a region's services."""

from __future__ import annotations

import asyncio
import math
import re
import socket
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader

from exporter.aws.items import at, text
from exporter.aws.poll import Poll
from exporter.aws.poll_error import BadResponseError
from exporter.aws.reader import Place, Reader
from exporter.catalog.models import regions as known_regions
from exporter.clock import Clock


class Member(NamedTuple):
    """An account of an organisation."""

    account_id: str
    name: str
    partition: str
    """The first part of its ARNs after `arn`: `aws`, `aws-cn`, `aws-us-gov`."""


async def members(reader: Reader, poll: Poll, place: Place) -> list[Member]:
    """Return the active accounts of the organisation that the credentials belong to (Organizations ListAccounts)."""
    found: dict[str, Member] = {}
    async for items in reader.pages(poll, place, "organizations", "ListAccounts", {}, "Accounts"):
        # AWS retires `Status` in favour of `State`; an older one has no `State`.
        active = (item for item in items if (text(at(item, "State")) or text(at(item, "Status"))) == "ACTIVE")
        for member in map(_member, active):
            found[member.account_id] = member
    return list(found.values())


def _member(item: Any) -> Member:
    account_id, arn = text(at(item, "Id")), text(at(item, "Arn"))
    if not re.fullmatch(r"\d{12}", account_id) or not re.match(r"arn:aws[a-z-]*:", arn):
        raise BadResponseError(f"ListAccounts gave an account without an id: {account_id!r}, {arn!r}")
    return Member(account_id, text(at(item, "Name")), arn.split(":")[1])


async def beneath(reader: Reader, poll: Poll, place: Place, unit: str) -> frozenset[str]:
    """Return the ids of the accounts in an organisational unit, and in all those within it."""
    accounts: set[str] = set()
    units = {unit: None}
    for parent in _growing(units):
        arguments = {"ParentId": parent}
        async for items in reader.pages(poll, place, "organizations", "ListAccountsForParent", arguments, "Accounts"):
            accounts.update(text(at(item, "Id")) for item in items)
        listing = ("organizations", "ListOrganizationalUnitsForParent", arguments, "OrganizationalUnits")
        async for items in reader.pages(poll, place, *listing):
            units.update(dict.fromkeys(text(at(item, "Id")) for item in items))
    return frozenset(accounts)


def _growing(units: dict[str, None]) -> Any:
    """Yield keys until there are no more, also those that are added meanwhile; each once."""
    done: set[str] = set()
    while left := [unit for unit in units if unit not in done]:
        for unit in left:
            done.add(unit)
            yield unit


async def regions(reader: Reader, poll: Poll, place: Place) -> list[str]:
    """Return the regions that are enabled for an account (EC2 DescribeRegions)."""
    found: list[str] = []
    async for items in reader.pages(poll, place, "ec2", "DescribeRegions", {}, "Regions"):
        found += [text(at(item, "RegionName")) for item in items]
    # Only what botocore knows: a region's name becomes part of a host's name.
    return [region for region in found if region in known_regions()]


class Endpoints:
    """Knows which services a region has; `ask` says whether the name server may be asked."""

    def __init__(self, clock: Clock, *, ask: bool) -> None:
        self._clock = clock
        self._ask = ask
        self._told: dict[str, tuple[float, bool]] = {}
        """When the name server told of a host, and what: each account of an organisation wants to know."""

    async def has(self, service: str, region: str) -> bool:
        """Return whether a service has an endpoint in a region.

        botocore's data tells of most services; of the others, the name server. In doubt it has one.
        """
        if known := _known(service):
            return region in known
        # Behind a proxy, names need not resolve here.
        if not self._ask or getproxies():
            return True
        host = await asyncio.to_thread(_host, service, region)
        return not host or await self._resolved(host)

    async def _resolved(self, host: str) -> bool:
        now = self._clock.monotonic()
        told, found = self._told.get(host, (-math.inf, True))
        if now - told >= _BELIEVED:
            found = await _resolves(host)
            self._told[host] = now, found
        return found


_BELIEVED = 3600.0
"""Seconds for which a name server is taken by its word."""


async def _resolves(host: str) -> bool:
    """Return whether a host's name exists; a name server that fails to tell does not say that it does not."""
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 443)
    except socket.gaierror as error:
        return error.errno not in _NO_SUCH_NAME
    except OSError:
        return True
    return True


_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


@cache
def _known(service: str) -> frozenset[str]:
    """Return the regions that botocore's data names for a service; none where it does not know the service."""
    session = botocore.session.Session()
    partitions = session.get_available_partitions()
    return frozenset(name for each in partitions for name in session.get_available_regions(service, each))


@cache
def _host(service: str, region: str) -> str:
    """Return the host of a service's endpoint, empty where it depends on more than the region."""
    loader = Loader()
    try:
        rules = EndpointProvider(
            loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions")
        )
        url = rules.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False).url
    except BotoCoreError:
        return ""
    return urlsplit(url).hostname or ""
