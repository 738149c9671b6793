"""The source of the scopes of one sort: what jobs are listed in, such as memberships or schedulers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from exporter.aws import Place, PollRun, Scoped
from exporter.catalog import Kind
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Restored, Source, parent_status
from exporter.poller.listing import JobSource
from exporter.poller.sharding import owns
from exporter.settings import Selection
from exporter.store import Finding


class ScopeSource:
    """Discovers the scopes of one sort; its children are the lists of jobs in each."""

    def __init__(
        self, context: Context, place: Place, account: Scoped, selection: Selection, kinds: Sequence[Kind]
    ) -> None:
        self._context = context
        self._place = place
        self._service = selection.service
        self._scope = kinds[0].outer_scope
        self.scope = self._service.scopes.get(self._scope)
        self._kinds = kinds
        self._settings = selection.settings
        self._account = account
        self.found: Sequence[Scoped] = ()
        self.since: dict[str, float] = {}
        """When the discovery before was, for each scope that it lacked: what ends from then on is counted."""
        self.found_at: float | None = None
        key = SourceKey(account.ids["account_id"], place.region, self._service.service, self._scope, "")
        self.status = parent_status(key, context)
        self._finding = Finding(context.database, key, repr((self.scope, sorted(account.ids.items()))))

    async def poll(self, poll: PollRun) -> None:
        """List the scopes."""
        service, reader = self._service, self._context.reader
        scope = service.scopes[self._scope]
        found = await reader.scopes(poll, self._place, service.service, self._scope, scope, self._account)
        self._note_new([scoped.ids[self._scope] for scoped in found])
        self.found, self.found_at = found, self._context.clock.time()
        with poll.paused():
            await self._finding.keep([[dict(ids), name] for ids, name in found], self.found_at)

    async def restore(self) -> Restored | None:
        """Find the scopes of the last poll."""
        kept = await self._finding.read()
        if kept is None:
            return None
        self.found, self.found_at = [Scoped(ids, name) for ids, name in kept.value], kept.time
        return Restored(kept.time)

    def children(self) -> Iterable[Source]:
        """Yield the lists of jobs in those of the discovered scopes that the configuration includes."""
        patterns = self._settings.patterns(self._scope)
        for scoped in self.found:
            if patterns.takes(scoped.name, scoped.ids[self._scope]):
                yield from self.jobs_in(scoped)

    def _note_new(self, scopes: Sequence[str]) -> None:
        """Note when the discovery before was, for each scope that it lacked."""
        if self.found_at is None:
            return
        known = {scoped.ids[self._scope] for scoped in self.found}
        self.since = {
            scope: self.since.get(scope, self.found_at) for scope in scopes if scope not in known or scope in self.since
        }

    def jobs_in(self, scoped: Scoped) -> Iterable[Source]:
        """Yield a source for each kind in one scope, as far as it belongs to this shard."""
        for kind in self._kinds:
            key = self.status.key._replace(kind=kind.key, scope=scoped.ids.get(kind.outer_scope, ""))
            # Every shard reads the sources that find others; each list of jobs is read by one shard.
            if owns(self._context.settings.shard, key):
                since = self.since.get(key.scope)
                yield JobSource(self._context, self._place, key, kind, scoped, self._settings, since)

    def adopt(self, before: Source) -> bool:
        """Keep the scopes found last, unless they are now discovered in another way."""
        if isinstance(before, ScopeSource) and before.scope == self.scope:
            self.found, self.found_at, self.since = before.found, before.found_at, before.since
            return False
        return True

    def withdraw(self) -> None:
        """Do nothing: it publishes no jobs."""
