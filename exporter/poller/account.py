"""The source of an account in one region: whose it is, and what is configured for it."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from exporter.aws import Member, Place, Poll, Scoped
from exporter.catalog import Catalog, Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Source, leading_status
from exporter.poller.scopes import ScopeSource
from exporter.settings import ALL_REGIONS, Selection

log = structlog.get_logger(__name__)


class AccountSource:
    """Finds out which account the credentials belong to, then leads to all that is configured for it."""

    def __init__(self, context: Context, catalog: Catalog, place: Place, member: Member | None = None) -> None:
        account_id = member.account_id if member else place.account.account_id
        key = SourceKey(account_id, place.region, "sts", "account", "")
        self.status = leading_status(key, context, member)
        self._context = context
        self._place = place
        self._selections = context.settings.selections(catalog)
        self._account_id = ""
        self._absent: frozenset[str] = frozenset()
        """Services that the region does not have; where the regions are named, all are read."""

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """Ask STS: a role that cannot be assumed shows here, once, and not on every source of the account."""
        self._account_id = await self._context.reader.account_id(poll, self._place)
        if ALL_REGIONS in self._place.account.regions:
            self._note_absent(await self._not_offered())
        return self._children()

    def _note_absent(self, absent: frozenset[str]) -> None:
        if absent - self._absent:
            names = ", ".join(sorted(absent - self._absent))
            log.info("left out, for the region does not have them", services=names, **self.status.key._asdict())
        self._absent = absent

    async def _not_offered(self) -> frozenset[str]:
        names = [selection.service.service for selection in self._selections]
        endpoints, region = self._context.endpoints, self._place.region
        return frozenset([name for name in names if not await endpoints.has(name, region)])

    def adopt(self, before: Source) -> Iterable[Source]:
        """Lead to what is configured now; ask STS again where the way to AWS is another."""
        self.status = before.status.renewed(self.status)
        if isinstance(before, AccountSource):
            self._keep(before)
        return self._children() if self._account_id else ()

    def _keep(self, before: AccountSource) -> None:
        self._account_id, self._absent = before._account_id, before._absent
        if before._context.reader is not self._context.reader:
            self.status.next_poll = None

    def forget(self) -> None:
        """Nothing is published."""

    def _children(self) -> list[Source]:
        there = [selection for selection in self._selections if selection.service.service not in self._absent]
        return [source for selection in there for source in self._sources(self._account_id, selection)]

    def _sources(self, account_id: str, selection: Selection) -> Iterable[Source]:
        """Yield a source for each kind without a container, and one for each sort of container."""
        by_scope: dict[str, list[Kind]] = {}
        for kind in selection.kinds:
            by_scope.setdefault(kind.outer_scope, []).append(kind)
        for scope, kinds in by_scope.items():
            account = Scoped({"account_id": account_id})
            source = ScopeSource(self._context, self._place, account, selection, kinds)
            if not scope:
                yield from source.children(account)
            elif (ids := selection.settings.named(scope)) is not None:
                for identifier in dict.fromkeys(ids):
                    yield from source.children(Scoped({**account.ids, scope: identifier}, identifier))
            else:
                yield source
