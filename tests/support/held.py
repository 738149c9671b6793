"""What a simulated world holds, for tests to compare with the exporter's output, and how it goes away."""

from __future__ import annotations

import math
from typing import Any

from exporter.catalog import Kind
from exporter.catalog.kind import Refinement
from exporter.jobs import State
from exporter.simulator import SimulatedJob, SimulatedScope, World
from exporter.simulator.item_builders import scope_type
from exporter.simulator.shapes import at


def jobs_in(
    world: World, kind: Kind, *, scope: SimulatedScope | None = None, until: float = math.inf
) -> list[SimulatedJob]:
    """Return the jobs of a kind that exist at a time, newest first: those in `scope`, by default all in the region."""
    if until < math.inf:
        world.advance(until)
    found = [job for job in world.location().added[str(kind)] if job.exists and job.created <= until]
    return sorted((job for job in found if scope is None or is_in(job, scope)), key=lambda job: job.key, reverse=True)


def is_in(job: SimulatedJob, scope: SimulatedScope) -> bool:
    """Whether a job is in a scope, or in a scope nested in it."""
    around = job.scope
    while around is not scope and isinstance(around, SimulatedScope):
        around = around.parent
    return around is scope


def scopes_in(world: World, service: str, scope_name: str) -> list[SimulatedScope]:
    """Return the scopes of a type that are directly in the world's own region, oldest first."""
    return world.location().scopes(scope_type(service, world.catalog[service].scopes[scope_name]))


def identity_of(world: World, job: SimulatedJob) -> tuple[Any, ...]:
    """Return the values that identify a job, in the order of the catalog's `id`, with a time in seconds."""
    item = world.job_items(job.kind).item(job, job.created)
    return tuple(at(item, path) for path in job.kind.id)


def state_of(world: World, job: SimulatedJob, phase: int) -> State:
    """Return what a job's item means in a phase: its status, corrected by refinements and the counts of records."""
    unrefined = job.kind.state_of.get(job.statuses[phase], State.UNKNOWN)
    item = world.job_items(job.kind).item(job, job.created + job.offsets[phase])
    rules = [rule for rule in job.kind.refine if rule.from_ is unrefined]
    refined = next((rule.to for rule in rules if _holds(rule, at(item, rule.when))), unrefined)
    counts = {key: sum(at(item, path) or 0 for path in paths) for key, paths in job.kind.records.items()}
    if not counts.get("failed") or refined not in {State.SUCCEEDED, State.PARTIAL}:
        return refined
    others = counts.get("succeeded", counts.get("total", math.inf) - counts["failed"])
    return State.PARTIAL if others > 0 else State.FAILED


def _holds(rule: Refinement, value: Any) -> bool:
    """Return whether a member with this value is what a rule asks for."""
    if rule.is_:
        return any(str(value or "")[: len(word)] == word for word in rule.is_)
    return bool(value) and value not in rule.is_not


def delete_job(job: SimulatedJob) -> None:
    """Remove a job as if it had never been; raises ValueError for one that was removed before."""
    job.scope.remove(str(job.kind), job)
    if job.as_scope:
        remove_scope(job.as_scope)


def remove_scope(scope: SimulatedScope) -> None:
    """Remove a scope and everything in it; raises ValueError for one that was removed before."""
    scope.parent.remove(scope.type, scope)
