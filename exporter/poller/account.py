"""The source of an account in one region: whose credentials they are, and what is configured for the account."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from exporter.aws import Member, Place, PollRun, Scoped
from exporter.catalog import Catalog, Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Restored, Source, parent_status
from exporter.poller.scopes import ScopeSource
from exporter.settings import ALL_REGIONS, Selection, are_to_be_found, takes_region
from exporter.store import Finding

log = structlog.get_logger(__name__)


class AccountSource:
    """Finds out which account the credentials belong to; its children are all that is configured for that account."""

    def __init__(self, context: Context, catalog: Catalog, place: Place, member: Member | None = None) -> None:
        account_id = member.account_id if member else place.account.account_id
        self.status = parent_status(SourceKey(account_id, place.region, "sts", "account", ""), context, member)
        self._context = context
        self.reader = context.reader
        self._place = place
        self._selections = context.settings.selections(catalog)
        self.account_id = ""
        self.absent: frozenset[str] = frozenset()
        """Services that the region does not have. Empty where the regions are named: then every service is read."""
        self._finding = Finding(context.database, self.status.key, repr(place))

    @property
    def assumes_role(self) -> bool:
        """Whether the account is read through a role."""
        return self._place.account.role_arn is not None

    async def poll(self, poll: PollRun) -> None:
        """Ask STS. A role that cannot be assumed shows here, once, and not on every source of the account."""
        self.account_id = await self.reader.clients.account_id(poll, self._place)
        if are_to_be_found(self._place.account.regions):
            await self._look_for_services()
        with poll.paused():
            await self._finding.keep([self.account_id, sorted(self.absent)], self._context.clock.time())

    async def restore(self) -> Restored | None:
        """Find the account's id of the last poll."""
        found = await self._finding.read()
        if found is None:
            return None
        self.account_id, self.absent = found.value[0], frozenset(found.value[1])
        return Restored(found.time)

    async def _look_for_services(self) -> None:
        """Find out which services the region does not have."""
        endpoints, region = self._context.endpoints, self._place.region
        names = [selection.service.service for selection in self._selections]
        absent = frozenset([name for name in names if not await endpoints.has(name, region)])
        # Once for each service, not at every discovery.
        if new := sorted(absent - self.absent):
            log.info("services left out: the region does not have them", services=", ".join(new), **self._labels)
        self.absent = absent

    def children(self) -> Iterable[Source]:
        """Yield a source for each kind without a scope, and one for each sort of scope."""
        if not self.account_id:
            return
        for selection in self._selections:
            if selection.service.service in self.absent:
                continue
            if takes_region(selection.settings.regions or (ALL_REGIONS,), self._place.region):
                yield from self._sources(selection)

    def _sources(self, selection: Selection) -> Iterable[Source]:
        by_scope: dict[str, list[Kind]] = {}
        for kind in selection.kinds:
            by_scope.setdefault(kind.outer_scope, []).append(kind)
        account = Scoped({"account_id": self.account_id})
        place = self._place._replace(account_id=self.account_id)
        for scope, kinds in by_scope.items():
            source = ScopeSource(self._context, place, account, selection, kinds)
            if not scope:
                yield from source.jobs_in(account)
            elif (ids := selection.settings.named(scope)) is not None:
                # Ids that the configuration names need no discovery.
                for identifier in dict.fromkeys(ids):
                    yield from source.jobs_in(Scoped({**account.ids, scope: identifier}, identifier))
            else:
                yield source

    def adopt(self, before: Source) -> bool:
        """Keep the account's id; ask STS again where AWS is reached in another way."""
        if not isinstance(before, AccountSource):
            return True
        self.account_id, self.absent = before.account_id, before.absent
        return before.reader is not self.reader

    def withdraw(self) -> None:
        """Have nothing of the account stay with those who made its requests; it publishes no jobs."""
        self.reader.clients.forget(self._place)

    @property
    def _labels(self) -> dict[str, str]:
        return self.status.key._asdict()
