"""The sources that lead to jobs: an account in one region, and the containers that jobs live in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from exporter.aws import Member, Place, Scoped
from exporter.catalog import Catalog, Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Source
from exporter.poller.listing import JobSource
from exporter.poller.sharding import owns
from exporter.settings import ALL_REGIONS, Selection
from exporter.telemetry import SourceStatus

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

    async def poll(self) -> Iterable[Source]:
        """Ask STS: a role that cannot be assumed shows here, once, and not on every source of the account."""
        self._account_id = await self._context.reader.account_id(self._place)
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


class ScopeSource:
    """Discovers the containers of one sort, then leads to the jobs in each."""

    def __init__(
        self, context: Context, place: Place, account: Scoped, selection: Selection, kinds: Sequence[Kind]
    ) -> None:
        self._context = context
        self._place = place
        self._service = selection.service
        self._scope = kinds[0].outer_scope
        self._kinds = kinds
        self._settings = selection.settings
        self._account = account
        self._found: Sequence[Scoped] = ()
        key = SourceKey(account.ids["account_id"], place.region, self._service.service, self._scope, "")
        self.status = leading_status(key, context)

    async def poll(self) -> Iterable[Source]:
        """List the containers."""
        scope = self._service.scopes[self._scope]
        reader = self._context.reader
        self._found = await reader.scopes(self._place, self._service.service, self._scope, scope, self._account)
        return self._taken()

    def adopt(self, before: Source) -> Iterable[Source]:
        """Lead to those of the containers found last that are chosen now."""
        self.status = before.status.renewed(self.status)
        if isinstance(before, ScopeSource):
            self._keep(before)
        return self._taken()

    def _keep(self, before: ScopeSource) -> None:
        if before._service.scopes[self._scope] == self._service.scopes[self._scope]:
            self._found = before._found
        else:
            self.status.next_poll = None

    def _taken(self) -> list[Source]:
        patterns = self._settings.patterns(self._scope)
        taken = (scoped for scoped in self._found if patterns.takes(scoped.name, scoped.ids[self._scope]))
        return [source for scoped in taken for source in self.children(scoped)]

    def forget(self) -> None:
        """Nothing is published."""

    def children(self, scoped: Scoped) -> Iterable[Source]:
        """Yield a source for each kind in one container, as far as it is this shard's."""
        for kind in self._kinds:
            key = self.status.key._replace(kind=kind.key, scope=scoped.ids.get(kind.outer_scope, ""))
            # What leads to others, every shard reads; what they lead to, one of them.
            if owns(self._context.settings.shard, key):
                yield JobSource(self._context, self._place, key, kind, scoped, self._settings)


def leading_status(key: SourceKey, context: Context, member: Member | None = None) -> SourceStatus:
    """Return the status of a source that leads to others: while it fails, it is polled as often as those would be."""
    poll, name = context.settings.poll, member.name if member else ""
    return SourceStatus(key, poll.discovery_interval, "account" if name else "", name, retry_interval=poll.interval)
