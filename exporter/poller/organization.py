"""The sources of accounts and regions: an organization, and the regions of an account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from exporter.aws import Member, Place, PollRun, members, regions, unit_accounts
from exporter.catalog import Catalog
from exporter.jobs import SourceKey
from exporter.poller.account import AccountSource
from exporter.poller.context import Context, Restored, Source, parent_status
from exporter.settings import Account, Organization, are_to_be_found, takes_region
from exporter.store import Finding


class OrganizationSource:
    """Lists the accounts of the organization; its children are each of them in each of its regions."""

    def __init__(self, context: Context, catalog: Catalog, organization: Organization, region: str) -> None:
        self.status = parent_status(SourceKey("", region, "organizations", "account", ""), context)
        self._context = context
        self.reader = context.reader
        self._catalog = catalog
        self._organization = organization
        self._place = Place(Account(), region)
        self.own = ""
        self.members: Sequence[Member] = ()
        self.units: dict[str, frozenset[str]] = {}
        self._finding = Finding(context.database, self.status.key, repr(self._organization.units))

    async def poll(self, poll: PollRun) -> None:
        """List the accounts, and those within each organizational unit that the configuration names."""
        reader = self.reader
        own = await reader.clients.account_id(poll, self._place)
        found = await members(reader, poll, self._place)
        # A unit may be named under `include` and under `exclude`.
        names = dict.fromkeys(self._organization.units)
        units = {unit: await unit_accounts(reader, poll, self._place, unit) for unit in names}
        # All at once, after the last request: a poll that fails half way must change nothing.
        self.own, self.members, self.units = own, found, units
        accounts = {unit: sorted(accounts) for unit, accounts in units.items()}
        with poll.paused():
            await self._finding.keep([own, [tuple(member) for member in found], accounts], self._context.clock.time())

    async def restore(self) -> Restored | None:
        """Find the accounts of the last poll."""
        kept = await self._finding.read()
        if kept is None:
            return None
        self.own, found, units = kept.value
        self.members = [Member(*member) for member in found]
        self.units = {unit: frozenset(accounts) for unit, accounts in units.items()}
        return Restored(kept.time)

    def children(self) -> Iterable[Source]:
        """Yield the sources of the accounts that the configuration includes."""
        for member in self.members:
            units = [unit for unit, accounts in self.units.items() if member.account_id in accounts]
            names = (member.name, member.account_id, *units)
            if not self._organization.takes(*names):
                continue
            regions = self._organization.regions_of(*names)
            if member.account_id == self.own:
                # The exporter runs in this account, so its own credentials read it without a role.
                account = Account(regions=regions)
            else:
                account = self._organization.account(member.account_id, member.partition, regions)
            yield from account_sources(self._context, self._catalog, account, self._place.region, member)

    def adopt(self, before: Source) -> bool:
        """Keep the accounts found last; list them again where units are new or AWS is reached in another way."""
        if not isinstance(before, OrganizationSource):
            return True
        self.own, self.members, self.units = before.own, before.members, before.units
        return before.reader is not self.reader or not self.units.keys() >= set(self._organization.units)

    def withdraw(self) -> None:
        """Do nothing: it publishes no jobs."""


class RegionsSource:
    """Finds the regions that are enabled for an account; its children are the account in each of them."""

    def __init__(self, context: Context, catalog: Catalog, place: Place, member: Member | None) -> None:
        account_id = member.account_id if member else place.account.account_id
        self.status = parent_status(SourceKey(account_id, place.region, "ec2", "region", ""), context, member)
        self._context = context
        self.reader = context.reader
        self._catalog = catalog
        self._place = place
        self._member = member
        self.regions: Sequence[str] = ()
        self._finding = Finding(context.database, self.status.key, repr(place))

    async def poll(self, poll: PollRun) -> None:
        """Ask EC2, which every region has."""
        self.regions = await regions(self.reader, poll, self._place)
        with poll.paused():
            await self._finding.keep(list(self.regions), self._context.clock.time())

    async def restore(self) -> Restored | None:
        """Find the regions of the last poll."""
        kept = await self._finding.read()
        if kept is None:
            return None
        self.regions = kept.value
        return Restored(kept.time)

    def children(self) -> Iterable[Source]:
        """Yield the account in each region that the configuration names, or means among those that were found."""
        configured = self._place.account.regions
        found = [region for region in self.regions if takes_region(configured, region)]
        named = [region for region in configured if not are_to_be_found((region,))]
        for region in dict.fromkeys((*named, *found)):
            yield AccountSource(self._context, self._catalog, self._place._replace(region=region), self._member)

    def adopt(self, before: Source) -> bool:
        """Keep the regions found last."""
        if not isinstance(before, RegionsSource):
            return True
        self.regions = before.regions
        return False

    def withdraw(self) -> None:
        """Do nothing: it publishes no jobs."""


def account_sources(
    context: Context, catalog: Catalog, account: Account, region: str, member: Member | None = None
) -> Iterator[Source]:
    """Yield the sources that an account is read by: one for each region, or the one that finds its regions."""
    if are_to_be_found(account.regions):
        yield RegionsSource(context, catalog, Place(account, region), member)
        return
    for each in dict.fromkeys(account.regions or (region,)):
        yield AccountSource(context, catalog, Place(account, each), member)


def roots(context: Context, catalog: Catalog, default_region: str) -> list[Source]:
    """Return the sources that have no parent: the organization's, or those of each account that is named."""
    settings = context.settings
    if settings.organization:
        return [OrganizationSource(context, catalog, settings.organization, default_region)]
    accounts = dict.fromkeys(settings.named_accounts)
    return [source for account in accounts for source in account_sources(context, catalog, account, default_region)]
