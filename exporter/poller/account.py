"""The source of an account in one region: whose credentials they are, and what is configured for the account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from exporter.aws import Member, Place, PollRun, Scoped
from exporter.catalog import Catalog, Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Restored, Source, parent_status
from exporter.poller.scopes import ScopeSource
from exporter.poller.tags import ScopeTags
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
        self.tags = {each.service.service: each.settings.tags for each in self._selections if each.settings.tags}
        self.named: dict[tuple[str, str], Sequence[Scoped]] = {}
        """Scopes that the configuration names, by service and sort, once their tags were asked for."""
        self._scope_tags: dict[tuple[str, str], ScopeTags] = {}
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
        for selection in self._selected():
            if selection.settings.tags:
                await self._read_tags(poll, selection)
        with poll.paused():
            await self._finding.keep([self.account_id, sorted(self.absent)], self._context.clock.time())

    async def restore(self) -> Restored | None:
        """Find the account's id of the last poll."""
        found = await self._finding.read()
        if found is None:
            return None
        self.account_id, self.absent = found.value[0], frozenset(found.value[1])
        return Restored(found.time)

    async def _read_tags(self, poll: PollRun, selection: Selection) -> None:
        """Read the tags of the scopes that the configuration names; those of others, their discovery reads."""
        service = selection.service
        for name in {kind.outer_scope for kind in selection.kinds if kind.has_tags}:
            if (ids := selection.settings.named(name) if name else None) is not None:
                key = service.service, name
                found, before = self._named(name, ids), self.named.get(key, ())
                tags = self._scope_tags.setdefault(
                    key, ScopeTags(self._context, self._own_place, selection.settings.tags)
                )
                self.named[key] = await tags.put(poll, name, service.scopes[name], found, before)

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
        for selection in self._selected():
            yield from self._sources(selection)

    def _selected(self) -> Iterable[Selection]:
        """Yield what is read of the services that the region has."""
        for selection in self._selections:
            regions = selection.settings.regions or (ALL_REGIONS,)
            if selection.service.service not in self.absent and takes_region(regions, self._place.region):
                yield selection

    def _sources(self, selection: Selection) -> Iterable[Source]:
        by_scope: dict[str, list[Kind]] = {}
        for kind in selection.kinds:
            by_scope.setdefault(kind.outer_scope, []).append(kind)
        account = Scoped({"account_id": self.account_id})
        for scope, kinds in by_scope.items():
            source = ScopeSource(self._context, self._own_place, account, selection, kinds)
            if not scope:
                yield from source.jobs_in(account)
            elif (ids := selection.settings.named(scope)) is not None:
                # Ids that the configuration names need no discovery.
                for scoped in self.named.get((selection.service.service, scope)) or self._named(scope, ids):
                    yield from source.jobs_in(scoped)
            else:
                yield source

    def _named(self, scope: str, ids: Iterable[str]) -> Sequence[Scoped]:
        return [Scoped({"account_id": self.account_id, scope: each}, each) for each in dict.fromkeys(ids)]

    @property
    def _own_place(self) -> Place:
        return self._place._replace(account_id=self.account_id)

    def adopt(self, before: Source) -> bool:
        """Keep the account's id; ask STS again where AWS is reached in another way."""
        if not isinstance(before, AccountSource):
            return True
        self.account_id, self.absent = before.account_id, before.absent
        self.named = before.named if before.tags == self.tags else {}
        return before.reader is not self.reader or bool(self.tags)

    def withdraw(self) -> None:
        """Have nothing of the account stay with those who made its requests; it publishes no jobs."""
        self.reader.clients.forget(self._place)

    @property
    def _labels(self) -> dict[str, str]:
        return self.status.key._asdict()
