"""The source of the scopes of one sort: what jobs are listed in, such as memberships or schedulers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from exporter.aws import Place, PollRun, Scoped
from exporter.catalog import Kind, Scope
from exporter.jobs import SourceKey
from exporter.poller.context import Context, Restored, Source, parent_status
from exporter.poller.listing import JobSource
from exporter.poller.sharding import owns
from exporter.poller.tags import ScopeTags
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
        self.ended: dict[str, float] = {}
        """Since when a scope is known to have ended, whose jobs still count."""
        self.found_at: float | None = None
        key = SourceKey(account.ids["account_id"], place.region, self._service.service, self._scope, "")
        self.status = parent_status(key, context)
        self.tags = selection.settings.tags
        self._tags = ScopeTags(context, place, self.tags)
        self._finding = Finding(context.database, key, repr((self.scope, sorted(account.ids.items()), self.tags)))

    async def poll(self, poll: PollRun) -> None:
        """List the scopes."""
        scope, now = self._service.scopes[self._scope], self._context.clock.time()
        active = await self._listed(poll, scope)
        ended = await self._listed(poll, scope.having_ended(self._since_ended(now))) if scope.ended else {}
        found = {**self._kept(now), **ended, **active} if scope.ended else active
        self._note_new(list(found))
        self.ended = {scope: self.ended.get(scope, now) for scope in found if scope not in active}
        tagged = await self._tags.put(poll, self._scope, scope, list(found.values()), self.found)
        self.found, self.found_at = tagged, self._context.clock.time()
        kept = [[dict(ids), name, self.ended.get(ids[self._scope]), tags] for ids, name, tags in self.found]
        with poll.paused():
            await self._finding.keep(kept, self.found_at)

    async def restore(self) -> Restored | None:
        """Find the scopes of the last poll."""
        kept = await self._finding.read()
        if kept is None:
            return None
        # Before, no scope was kept that had ended, none had a third value, and none had tags.
        scopes = [(*each, None, None)[:4] for each in kept.value]
        self.found, self.found_at = [Scoped(ids, name, tags) for ids, name, _, tags in scopes], kept.time
        self.ended = {ids[self._scope]: since for ids, _, since, _ in scopes if since is not None}
        return Restored(kept.time)

    def children(self) -> Iterable[Source]:
        """Yield the lists of jobs in those of the discovered scopes that the configuration includes."""
        patterns = self._settings.patterns(self._scope)
        for scoped in self.found:
            if patterns.takes(scoped.name, scoped.ids[self._scope]):
                yield from self.jobs_in(scoped)

    async def _listed(self, poll: PollRun, scope: Scope) -> dict[str, Scoped]:
        """Return scopes by their id."""
        reader, service = self._context.reader, self._service.service
        listed = await reader.scopes(poll, self._place, service, self._scope, scope, self._account)
        return {scoped.ids[self._scope]: scoped for scoped in listed}

    def _since_ended(self, now: float) -> datetime:
        """Return since when scopes were created that may have jobs that count, if they lived no longer than a run."""
        reach = max(kind.reach for kind in self._kinds)
        return datetime.fromtimestamp(now - self._context.settings.poll.lookback - reach, UTC)

    def _kept(self, now: float) -> dict[str, Scoped]:
        """Return the scopes found last, without those that ended before the lookback.

        One that lived for long ended without being in the list of those that were created lately.
        """
        horizon = now - self._context.settings.poll.lookback
        found = {scoped.ids[self._scope]: scoped for scoped in self.found}
        return {scope: scoped for scope, scoped in found.items() if self.ended.get(scope, now) > horizon}

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
        settings = self._settings
        if scoped.ids.get(self._scope) in self.ended:
            # Nothing happens in it any more.
            poll = self._context.settings.poll
            interval = max(settings.interval or poll.interval, poll.discovery_interval)
            settings = settings.model_copy(update={"interval": interval})
        for kind in self._kinds:
            key = self.status.key._replace(kind=kind.key, scope=scoped.ids.get(kind.outer_scope, ""))
            # Every shard reads the sources that find others; each list of jobs is read by one shard.
            if owns(self._context.settings.shard, key):
                since = self.since.get(key.scope)
                yield JobSource(self._context, self._place, key, kind, scoped, settings, since)

    def adopt(self, before: Source) -> bool:
        """Keep the scopes found last, unless they are now discovered in another way."""
        if isinstance(before, ScopeSource) and before.scope == self.scope:
            self.found, self.found_at, self.since = before.found, before.found_at, before.since
            self.ended = before.ended
            if before.tags == self.tags:
                return False
            self.found = [scoped._replace(tags=None) for scoped in self.found]
        return True

    def withdraw(self) -> None:
        """Do nothing: it publishes no jobs."""
