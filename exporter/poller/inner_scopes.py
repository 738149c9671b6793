"""The scopes within a source's outermost one, such as the trained models of a membership."""

from __future__ import annotations

from exporter.aws import Place, PollRun, Scoped
from exporter.catalog import Kind
from exporter.poller.context import Context
from exporter.settings import ServiceSettings


class InnerScopes:
    """The innermost scopes of a source, rediscovered at the discovery interval, or by each poll if made with jobs."""

    def __init__(self, context: Context, place: Place, kind: Kind, outer: Scoped, settings: ServiceSettings) -> None:
        self._context = context
        self._place = place
        self._kind = kind
        self._outer = outer
        self._settings = settings
        self._found: list[Scoped] = []
        self._due = 0.0
        made_with_job = any(scope.made_with_job for _, scope in kind.scopes[1:])
        self._interval = 0.0 if made_with_job else context.settings.poll.discovery_interval

    async def all(self, poll: PollRun) -> list[Scoped]:
        """Return the scopes that the kind is listed in; the outermost itself where there are no others."""
        if len(self._kind.scopes) <= 1:
            return [self._outer]
        now = self._context.clock.monotonic()
        if now >= self._due:
            self._found = await self._discover(poll)
            self._due = now + self._interval
        return self._found

    def expire(self) -> None:
        """Rediscover them at the next poll."""
        self._due = 0.0

    async def _discover(self, poll: PollRun) -> list[Scoped]:
        level, reader = [self._outer], self._context.reader
        for name, scope in self._kind.scopes[1:]:
            patterns = self._settings.patterns(name)
            found = [await reader.scopes(poll, self._place, self._kind.service, name, scope, outer) for outer in level]
            level = [inner for inners in found for inner in inners if patterns.takes(inner.name, inner.ids[name])]
        return level
