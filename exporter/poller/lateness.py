"""Has the event log tell which jobs of groups are late, and which successes were missed."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from exporter.families import GroupView
from exporter.jobs import State
from exporter.poller.context import Context
from exporter.store import note_late, note_missed


async def note(context: Context, views: Mapping[str, GroupView]) -> None:
    """Note what is late now of these groups, by name; nothing without an event log."""
    if not context.database.keeps_events:
        return
    for name, view in views.items():
        await _note_jobs(context, name, view)
        await _note_success(context, name, view)


async def _note_jobs(context: Context, name: str, view: GroupView) -> None:
    """Note jobs that run or wait too long, unless nobody knows what they do."""
    if view.group is None or not view.is_current:
        return
    database, now = context.database, context.clock.time()
    oldest = {state: since for (_, state), since in view.sums.oldest_active.items()}
    for state, most in ((State.RUNNING, view.group.max_duration), (State.PENDING, view.group.max_wait)):
        if most is not None and oldest.get(state, inf) < now - most:
            await note_late(database, database.groups[name].n, state, most, now)


async def _note_success(context: Context, name: str, view: GroupView) -> None:
    """Note a success that is due, unless somebody else may have seen it: what is down would know, or another shard."""
    database, now = context.database, context.clock.time()
    if view.due is not None and view.due < now and not view.sources.get("down") and context.settings.shard.count == 1:
        await note_missed(database, database.groups[name].n, view.due, now)
