"""Operations that describe jobs by their ids, several at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from exporter.catalog import Kind
from exporter.simulator import shapes
from exporter.simulator.operations import RequestContext
from exporter.simulator.resources import Location, SimulatedJob
from exporter.simulator.responses import ResponseWriter
from exporter.simulator.views import View
from exporter.simulator.world import World


@dataclass(frozen=True)
class DescribeOperation:
    """Returns the items of the jobs that a request names, without those that do not exist."""

    world: World
    kind: Kind
    writer: ResponseWriter
    _known: dict[Location, dict[str, SimulatedJob]] = field(default_factory=dict)

    def __call__(self, context: RequestContext) -> dict[str, Any]:
        """Return the jobs in the order of their ids."""
        describe = self.kind.describe
        assert describe is not None  # noqa: S101 - for the type checker
        jobs = self._jobs(self.world.location(context.account, context.region))
        found = (jobs.get(each) for each in context.arguments[describe.ids])
        there = [job for job in found if job and job.exists and job.created <= context.now]
        output: dict[str, Any] = {}
        shapes.put(output, describe.items, [self._encoded(job, context.now) for job in there])
        return output

    def _jobs(self, region: Location) -> dict[str, SimulatedJob]:
        known, items = self._known.setdefault(region, {}), self.world.job_items(self.kind)
        # Jobs are only ever appended: those that are not known are the last ones.
        for job in region.added[str(self.kind)][len(known) :]:
            known[shapes.at(items.item(job, job.created), self.kind.id[0])] = job
        return known

    def _encoded(self, job: SimulatedJob, now: float) -> Any:
        view = View(self.world)
        return self.writer.encode(self.world.job_items(self.kind).shape, view.item(job, view.seen(job, now)))
