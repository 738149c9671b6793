"""Every way in which AWS's lists differ from their models, with kinds of every protocol, filter and form of times."""

import asyncio
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache

import pytest

from exporter.catalog import Kind
from exporter.catalog.models import Models, item_shape, shape_at
from exporter.jobs import State
from exporter.simulator import Quirk, SimulatedJob, World
from exporter.simulator.quirks import LATEST, RETAINED
from exporter.simulator.shapes import at
from exporter.simulator.views import View
from tests.support.harness import CATALOG, NOW, HandClock, Reading, configured, running, simulated
from tests.support.held import jobs_in, state_of

# In a group, because the tests of a quirk share one exporter.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("every quirk"), pytest.mark.usefixtures("one_loader")]

MODELS = Models()
HOUR, DAY = 3600.0, 86_400.0
LOOKBACK = 7 * DAY
AGES = (30 * DAY, RETAINED - 300.0, HOUR, 0.0)
"""Before the lookback; listed for a few more minutes where AWS keeps jobs for a day; an hour; and while it runs."""


def reading_of(kind: Kind) -> tuple[object, ...]:
    """Return what distinguishes how kinds are read."""
    operation, items = kind.described
    item = item_shape(MODELS.operation(kind.service, operation), items)
    times = {shape_at(item, path).type_name for _, path in kind.times.named()}
    filters = (bool(kind.filters.created_after), bool(kind.filters.status))
    return MODELS.service(kind.service).resolved_protocol, frozenset(times), filters, kind.describe is not None


KINDS = [
    *{reading_of(kind): kind for kind in reversed(list(CATALOG.kinds()))}.values(),
    # Its model requires the reason in the details, which AWS leaves out.
    CATALOG["sagemaker"].kinds["compilation_job"],
]


@dataclass
class Read:
    """What AWS holds, and what the exporter shows."""

    world: World
    now: float
    lines: dict[str, list[str]]

    def reading(self, kind: Kind) -> Reading:
        """Return what /metrics shows of one kind, and of the scopes that it is in."""
        return Reading(
            [line for name in (kind.key, *dict(kind.scopes)) for line in self.lines[f"{kind.service}/{name}"]]
        )

    def counted(self, kind: Kind) -> list[SimulatedJob]:
        """Return the jobs that are active or finished within the lookback, as far as AWS tells."""
        return [job for job in jobs_in(self.world, kind, until=self.now) if self._counts(job)]

    def _counts(self, job: SimulatedJob) -> bool:
        view, phase, details = View(self.world), job.phase_at(self.now), job.kind.details
        state = state_of(self.world, job, phase)
        if self.world.has(Quirk.RETENTION, job.kind) and not view.shows(job, self.now):
            return False
        item, times = view.item(job, self.now), job.times(phase)
        told = {name for name, path in job.kind.times.named() if at(item, path) is not None}
        # Nobody asks when a deleted record ended.
        told |= {name for name, _ in details.times.named()} if details and state is not State.DELETING else set()
        told |= {"ended"} if {"created", "duration"} <= told else set()
        known = [times[name] for name in ("ended", "updated", "started", "created") if name in told and name in times]
        # What the first list shows at its end is in no window, unless it is known when that was.
        is_new = job.created > NOW or not view.shows(job, NOW)
        return state.is_active or (known[0] >= self.now - LOOKBACK if known else is_new)


@cache
def read(quirk: Quirk) -> Read:
    """Let one exporter read all kinds from an AWS with a quirk, and some new jobs."""
    return asyncio.run(_read(quirk))


async def _read(quirk: Quirk) -> Read:
    clock = HandClock()
    # Short lists have several pages, too, where a page's token matters.
    async with simulated(clock, page_size=4 if quirk is Quirk.REPEATED_TOKEN else 8) as aws:
        aws.world.quirks = frozenset({quirk})
        services: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"kinds": []})
        for kind in KINDS:
            add_jobs(aws.world, kind)
            services[kind.service]["kinds"].append(kind.key)
        poll = {"details_budget": 1000, "interval": "5m", "resync": "5m"}
        async with running(configured(aws.endpoint_url, services, poll=poll), clock) as exporter:
            for _ in range(3):
                await exporter.turn(330.0)
            assert clock.now > NOW + LATEST + 300
            lines = defaultdict(list)
            for line in exporter.read().lines:
                if found := re.search(r'aws_service="([\w-]+)",.*kind="(\w+)"', line):
                    lines[f"{found[1]}/{found[2]}"].append(line)
    return Read(aws.world, clock.now, lines)


def add_jobs(world: World, kind: Kind) -> None:
    """Add a scope of each type, with jobs of every age in every status in the innermost."""
    scope = None
    for name, _ in kind.scopes:
        scope = world.add_scope(kind.service, name, within=scope)
    for age in AGES:
        for number, (status, state) in enumerate(kind.state_of.items()):
            if age < DAY / 2 or state.is_final:
                path = [(0.0, next(iter(kind.state_of))), (60.0, status)]
                # New ones are created between the first two polls, by any clock.
                created = NOW - age - number if age else NOW + 10.0 + number
                world.add_job(kind, scope=scope, created=created, path=path, message="Rate exceeded", code="400")


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    "quirk", [quirk for quirk in Quirk if quirk is not Quirk.REPEATED_TOKEN], ids=lambda quirk: quirk.name.lower()
)
def test_a_quirk_changes_no_number(quirk: Quirk, kind: Kind) -> None:
    """Jobs by status and state, and failures, are what AWS holds, and each new end counts once."""
    held, exporter = read(quirk), read(quirk).reading(kind)
    world, now = held.world, held.now
    assert exporter.up(kind=kind.key) == 1, exporter.why(kind=kind.key)
    seen: Counter[tuple[str, ...]] = Counter()
    for (_, *words), count in exporter.samples("aws_jobs", "scope", "status", "state").items():
        seen[tuple(words)] += int(count)
    states = {job: state_of(world, job, job.phase_at(now)) for job in held.counted(kind)}
    assert +seen == Counter((job.status_at(now), str(state)) for job, state in states.items())
    failures = exporter.failures("scope")
    assert sum(failures.values()) == sum(state is State.FAILED for state in states.values())
    assert set(exporter.samples("aws_job_exporter_detail_errors_total", "kind", "reason").values()) <= {0}
    new = [job for job in jobs_in(world, kind) if job.created > NOW and job.kind.state_of[job.status_at(now)].is_final]
    finished = sum(exporter.samples("aws_jobs_finished_total", "scope", "state").values())
    # Nobody can tell when a job without any time ended: one that the first list lacked looks like a new one.
    is_undated = quirk is Quirk.MISSING_ONCE and not any(kind.times.named())
    assert finished == len(new) or (is_undated and finished > len(new))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.sweep], ids=str)
def test_a_list_whose_token_repeats_is_never_believed(kind: Kind) -> None:
    """It fails, or where there are no tokens it is complete."""
    held = read(Quirk.REPEATED_TOKEN)
    exporter, pages = held.reading(kind), held.world.models.paging(kind.service, kind.operation).output_token
    reasons = exporter.samples("aws_job_exporter_source_failure_info", "kind", "reason")
    assert ("bad_response" in {reason for _, reason in reasons}) == bool(pages)
    assert bool(sum(exporter.samples("aws_jobs", "scope", "status").values())) != bool(pages)
