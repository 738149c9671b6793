"""Operations that tell of one job what its list leaves out: why it failed, and its times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel, StructureShape

from exporter.catalog import Kind
from exporter.catalog.kind import Details
from exporter.catalog.models import shape_at
from exporter.simulator import shapes
from exporter.simulator.aws_error import not_found
from exporter.simulator.operations import RequestContext
from exporter.simulator.quirks import Quirk
from exporter.simulator.resources import Location, SimulatedJob
from exporter.simulator.world import World

JobReference = tuple[Hashable, ...]
"""What identifies a job in a request: the values of the references in the catalog's arguments."""


@dataclass(frozen=True)
class DetailsOperation:
    """Returns the item of one job, with its reason and times where the catalog says."""

    world: World
    model: OperationModel
    kinds: list[Kind]
    _indexes: defaultdict[tuple[Location, str], dict[JobReference, SimulatedJob]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def __call__(self, context: RequestContext) -> dict[str, Any]:
        """Return a job's details; raises AwsError where no job has such arguments."""
        for kind in self.kinds:
            if kind.details and (job := self._find(kind, kind.details, context)) is not None:
                return self._output(job, kind.details, context.now)
        raise not_found(self.model, "The requested resource does not exist", ("ResourceNotFoundException",))

    def _find(self, kind: Kind, details: Details, context: RequestContext) -> SimulatedJob | None:
        region = self.world.location(context.account, context.region)
        index = self._indexes[region, str(kind)]
        items = self.world.job_items(kind)
        # Jobs are only ever appended: those that the index lacks are the last ones.
        for job in region.added[str(kind)][len(index) :]:
            known = {"account_id": job.account, **job.scope.ids, **items.item(job, job.created)}
            index[tuple(known.get(name) for name in shapes.references(details.arguments, {}))] = job
        found = index.get(tuple(shapes.references(details.arguments, context.arguments).values()))
        return found if found is not None and found.exists and found.created <= context.now else None

    def _output(self, job: SimulatedJob, details: Details, now: float) -> dict[str, Any]:
        items, shape = self.world.job_items(job.kind), self.model.output_shape
        item = items.item(job, now)
        output: dict[str, Any] = shapes.project(shape, items.shape, item)
        # What is read may be inside structures that describe the job as well: `trainingJob.failureReason`.
        for wrapper in dict.fromkeys(_wrappers(details)):
            if inner := shapes.project(shape_at(shape, wrapper), items.shape, item):
                shapes.put(output, wrapper, inner)
        facts, seed = job.facts(job.phase_at(now)), items.seed(job.scope, job.created, job.token)
        for key, path in details.paths():
            value = items.value(job, seed, key, path, shape_at(shape, path), facts.get(key))
            if value is not None:
                shapes.put(output, path, value)
            elif key in ("reason", "code") and _is_required(shape, path):
                shapes.put(output, path, "")
        shapes.complete(shape, output, seed)
        if self.world.has(Quirk.NO_REQUIRED, job.kind):
            required = set(shape.required_members)
            return {name: value for name, value in output.items() if name not in required & {details.reason}}
        return output


def _wrappers(details: Details) -> Iterator[str]:
    """Yield the paths of the structures around what is read, the outer ones first."""
    for _, path in details.paths():
        steps = path.split(".")
        yield from (".".join(steps[:depth]) for depth in range(1, len(steps)))


def _is_required(shape: StructureShape, path: str) -> bool:
    """Whether every step of a path is required, and leads to a string that may be empty."""
    if shape_at(shape, path).metadata.get("min"):
        return False
    wrapper, _, member = path.rpartition(".")
    inside = shape_at(shape, wrapper) if wrapper else shape
    return member in inside.required_members and (not wrapper or _is_required(shape, wrapper))
