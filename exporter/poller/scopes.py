"""The source of the scopes of one sort: the containers that jobs live in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.aws import Place, Poll, Scoped
from exporter.catalog import Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Source, leading_status
from exporter.poller.listing import JobSource
from exporter.poller.sharding import owns
from exporter.settings import Selection


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

    async def poll(self, poll: Poll) -> Iterable[Source]:
        """List the containers."""
        scope = self._service.scopes[self._scope]
        reader, service = self._context.reader, self._service.service
        self._found = await reader.scopes(poll, self._place, service, self._scope, scope, self._account)
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
