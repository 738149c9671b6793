"""The sources that lead to accounts and regions: an organisation, and the regions of an account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from exporter.aws import Member, Place, Poll, members, regions, unit_accounts
from exporter.catalog import Catalog
from exporter.jobs import SourceKey
from exporter.poller.account import AccountSource
from exporter.poller.context import Context, Source, leading_status
from exporter.settings import ALL_REGIONS, Account, Organization


class OrganizationSource:
    """Lists the accounts of the organisation, then leads to each of them in each of its regions."""

    def __init__(self, context: Context, catalog: Catalog, organization: Organization, region: str) -> None:
        key = SourceKey("", region, "organizations", "account", "")
        self.status = leading_status(key, context)
        self._context = context
        self._catalog = catalog
        self._organization = organization
        self._place = Place(Account(), region)
        self._own = ""
        self._members: Sequence[Member] = ()
        self._units: dict[str, frozenset[str]] = {}

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """List the accounts, and those within each organizational unit that is named."""
        reader = self._context.reader
        own = await reader.account_id(poll, self._place)
        found = await members(reader, poll, self._place)
        names = dict.fromkeys(self._organization.units)
        units = {unit: await unit_accounts(reader, poll, self._place, unit) for unit in names}
        self._own, self._members, self._units = own, found, units
        return self._children()

    def adopt(self, before: Source) -> Iterable[Source]:
        """Lead to those of the accounts found last that are chosen now; ask at once for units that are new."""
        self.status = before.status.renewed(self.status)
        if isinstance(before, OrganizationSource):
            self._keep(before)
        return self._children()

    def _keep(self, before: OrganizationSource) -> None:
        if before._context.reader is not self._context.reader or set(self._organization.units) - before._units.keys():
            self.status.next_poll = None
        self._own, self._members, self._units = before._own, before._members, before._units

    def forget(self) -> None:
        """Nothing is published."""

    def _children(self) -> list[Source]:
        return [source for member in self._members if self._takes(member) for source in self._sources(member)]

    def _takes(self, member: Member) -> bool:
        units = [unit for unit, accounts in self._units.items() if member.account_id in accounts]
        return self._organization.takes(member.name, member.account_id, *units)

    def _sources(self, member: Member) -> Iterator[Source]:
        """Yield what one account is read by; the exporter's own needs no role."""
        if member.account_id == self._own:
            account = Account(regions=self._organization.regions)
        else:
            account = self._organization.account(member.account_id, member.partition)
        yield from account_sources(self._context, self._catalog, account, self._place.region, member)


class RegionsSource:
    """Finds the regions that are enabled for an account, then leads to each."""

    def __init__(self, context: Context, catalog: Catalog, place: Place, member: Member | None) -> None:
        account_id = member.account_id if member else place.account.account_id
        key = SourceKey(account_id, place.region, "ec2", "region", "")
        self.status = leading_status(key, context, member)
        self._context = context
        self._catalog = catalog
        self._place = place
        self._member = member
        self._regions: Sequence[str] = ()

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """Ask EC2, which every region has."""
        self._regions = await regions(self._context.reader, poll, self._place)
        return self._children()

    def adopt(self, before: Source) -> Iterable[Source]:
        """Lead to the regions found last."""
        self.status = before.status.renewed(self.status)
        if isinstance(before, RegionsSource):
            self._keep(before)
        return self._children()

    def _keep(self, before: RegionsSource) -> None:
        self._regions = before._regions

    def forget(self) -> None:
        """Nothing is published."""

    def _children(self) -> list[Source]:
        places = [self._place._replace(region=region) for region in self._regions]
        return [AccountSource(self._context, self._catalog, place, self._member) for place in places]


def account_sources(
    context: Context, catalog: Catalog, account: Account, region: str, member: Member | None = None
) -> Iterator[Source]:
    """Yield what an account is read by: a source for each region, or the one that finds them."""
    if ALL_REGIONS in account.regions:
        yield RegionsSource(context, catalog, Place(account, region), member)
        return
    for each in dict.fromkeys(account.regions or (region,)):
        yield AccountSource(context, catalog, Place(account, each), member)


def roots(context: Context, catalog: Catalog, default_region: str) -> list[Source]:
    """Return the sources that all others follow from: the organisation's, else those of each account that is named."""
    settings = context.settings
    if settings.organization:
        return [OrganizationSource(context, catalog, settings.organization, default_region)]
    accounts = dict.fromkeys(settings.named_accounts)
    return [source for account in accounts for source in account_sources(context, catalog, account, default_region)]
