"""Operations that tell why one job failed, for the kinds whose list does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel, StructureShape

from exporter.catalog import Kind
from exporter.catalog.kind import Details
from exporter.catalog.models import shape_at
from exporter.simulator import shapes
from exporter.simulator.aws_error import not_found
from exporter.simulator.calls import Call
from exporter.simulator.job_items import references
from exporter.simulator.residents import Residence, SimulatedJob
from exporter.simulator.world import World

Known = tuple[tuple[str, Hashable], ...]
"""What identifies a job in a request: the catalog's references with their values."""


@dataclass(frozen=True)
class Description:
    """Answers with the item of one job, and its reason where the catalog says that it stands."""

    world: World
    model: OperationModel
    kinds: list[Kind] = field(default_factory=list)
    _index: defaultdict[tuple[Residence, str], dict[Known, SimulatedJob]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _indexed: defaultdict[tuple[Residence, str], int] = field(default_factory=lambda: defaultdict(int))

    def __call__(self, call: Call) -> dict[str, Any]:
        """Return a job's details; raises AwsError where no job has such arguments."""
        for kind in self.kinds:
            if kind.details and (job := self._found(kind, kind.details, call)):
                return self._described(job, kind.details, call.now)
        raise not_found(self.model, "The requested resource does not exist", ("ResourceNotFoundException",))

    def _found(self, kind: Kind, details: Details, call: Call) -> SimulatedJob | None:
        place = self.world.place(call.account, call.region)
        self._catch_up(place, kind, details)
        job = self._index[place, str(kind)].get(tuple(references(details.arguments, call.arguments)))
        return job if job and job.exists and job.created <= call.now else None

    def _catch_up(self, place: Residence, kind: Kind, details: Details) -> None:
        """Take those jobs into the index that have arrived since the last time."""
        key, jobs = (place, str(kind)), place.arrivals[str(kind)]
        for job in jobs[self._indexed[key] :]:
            self._index[key][_known(job, details.arguments)] = job
        self._indexed[key] = len(jobs)

    def _described(self, job: SimulatedJob, details: Details, now: float) -> dict[str, Any]:
        shape, item = self.model.output_shape, job.form.item(job, now)
        output: dict[str, Any] = shapes.project(shape, job.form.shape, item)
        for wrapper in _wrappers(details.reason):
            if inner := shapes.project(shape_at(shape, wrapper), job.form.shape, item):
                shapes.put(output, wrapper, inner)
        facts = job.facts(job.phase_at(now))
        for path, key in ((details.reason, "reason"), (details.code, "code")):
            if path and (facts[key] or _is_required(shape, path)):
                shapes.put(output, path, facts[key])
        shapes.complete(shape, output, job.form.owner(job))
        return output


def _wrappers(path: str) -> Iterator[str]:
    """Yield the structures that a path leads through, the outermost first."""
    steps = path.split(".")[:-1]
    return (".".join(steps[: number + 1]) for number in range(len(steps)))


def _is_required(shape: StructureShape, path: str) -> bool:
    """Whether each step of a path has to be there, with a text that may be empty."""
    if shape_at(shape, path).metadata.get("min"):
        return False
    wrapper, _, member = path.rpartition(".")
    inside = shape_at(shape, wrapper) if wrapper else shape
    return member in inside.required_members and (not wrapper or _is_required(shape, wrapper))


def _known(job: SimulatedJob, template: Mapping[str, Any]) -> Known:
    item = {"account_id": job.account, **job.scope.ids, **job.form.item(job, job.created)}
    return tuple((name, item.get(name)) for name, _ in references(template, {}))
