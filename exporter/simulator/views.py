"""How a job looks to whoever lists it, which may be otherwise than it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.catalog import Kind
from exporter.simulator import quirks, shapes
from exporter.simulator.quirks import Quirk
from exporter.simulator.resources import SimulatedJob
from exporter.simulator.responses import Encoded, iso
from exporter.simulator.values import seconds
from exporter.simulator.world import World

NEW_MEMBERS = {"newMember": {"newerMember": [1, None]}}
"""Members that no model has."""


@dataclass(frozen=True)
class View:
    """The jobs of a world as lists show them, given the world's quirks."""

    world: World

    def shows(self, job: SimulatedJob, now: float) -> bool:
        """Whether lists have a job that exists at a time in seconds: already, still, and just then."""
        has, ended = self.world.has, job.times(job.phase_at(now)).get("ended", now)
        return not (
            (has(Quirk.LISTED_LATE, job.kind) and now < job.created + quirks.lag(job.token, Quirk.LISTED_LATE))
            or (has(Quirk.RETENTION, job.kind) and now > ended + quirks.RETAINED)
            or (has(Quirk.MISSING_ONCE, job.kind) and quirks.is_missing(job.token, now))
        )

    def seen(self, job: SimulatedJob, now: float) -> float:
        """Return the time as of which lists show a job."""
        return now - quirks.lag(job.token, Quirk.OLD_STATUS) if self.world.has(Quirk.OLD_STATUS, job.kind) else now

    def item(self, job: SimulatedJob, seen: float) -> dict[str, Any]:
        """Return a job as lists show it, as of a time: less than its model has, more, or something else."""
        kind, builder = job.kind, self.world.job_items(job.kind)
        item, has = builder.item(job, seen), self.world.has
        if has(Quirk.NO_MESSAGES, kind):
            # What tells one status from another is no message, though it may be the same member.
            for path in {kind.reason, kind.code} - {None, *(rule.when for rule in kind.refine)}:
                shapes.drop(item, str(path))
        if has(Quirk.NO_REQUIRED, kind):
            for name in builder.expendable:
                item.pop(name, None)
        for quirk, written in _TIMES.items():
            if has(quirk, kind):
                _rewrite_times(kind, item, written)
        return item | NEW_MEMBERS if has(Quirk.UNKNOWN_MEMBERS, kind) else item


def _rewrite_times(kind: Kind, item: dict[str, Any], written: Callable[[float], str]) -> None:
    for path in {path for name, path in kind.times.named() if name != "duration"}:
        value = shapes.at(item, path)
        # Integers are in milliseconds already.
        if value is not None and not isinstance(value, int):
            shapes.put(item, path, written(seconds(value)))


_TIMES: Mapping[Quirk, Callable[[float], str]] = {
    Quirk.NO_ZONE: lambda time: iso(time).rstrip("Z"),
    Quirk.MILLISECONDS: lambda time: Encoded(round(time * 1000)),
}
"""How times are written, where not as the model says."""
