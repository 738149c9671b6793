"""Every kind of the catalog, from AWS's responses to the numbers that Prometheus reads."""

import asyncio
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.catalog import Kind
from exporter.jobs import State
from exporter.simulator import Quirk, SimulatedJob, SimulatedScope, World
from tests.support.harness import CATALOG, NOW, HandClock, Reading, configured, running, simulated
from tests.support.held import jobs_in, state_of

# In a group, because all tests share one exporter.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("every kind")]

HOUR, DAY = 3600.0, 86_400.0
LOOKBACK = 7 * DAY
KINDS = list(CATALOG.kinds())
SILENT = [kind for kind in KINDS if kind.reason and kind.details]
"""Kinds that have the reason in the list, unless AWS leaves it out, and in the details."""


@dataclass
class Everything:
    """What AWS holds of every kind, and what the exporter shows of it."""

    world: World
    jobs: dict[str, list[SimulatedJob]]
    lines: dict[tuple[str, str], list[str]]

    def reading(self, kind: Kind) -> Reading:
        """Return what /metrics shows of one kind."""
        return Reading(self.lines[kind.service, kind.key])


@pytest.fixture(scope="module")
def everything() -> Everything:
    """Let one exporter read jobs of every kind in every status."""
    return asyncio.run(read_everything(KINDS))


@pytest.fixture(scope="module")
def silent() -> Everything:
    """Let one exporter read the same from lists that do not say why jobs failed."""
    return asyncio.run(read_everything(SILENT, Quirk.NO_MESSAGES))


async def read_everything(kinds: list[Kind], *quirks: Quirk) -> Everything:
    """Return what AWS holds and what the exporter shows after its first polls."""
    clock = HandClock()
    async with simulated(clock, page_size=7) as aws:
        aws.world.quirks = frozenset(quirks)
        jobs = {}
        for kind in kinds:
            scopes = settle(aws.world, kind)
            for scope in scopes:
                add_jobs(aws.world, kind, scope)
            jobs[str(kind)] = [job for scope in scopes for job in jobs_in(aws.world, kind, scope=scope)]
        services: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"kinds": []})
        for kind in kinds:
            services[kind.service]["kinds"].append(kind.key)
        settings = configured(aws.endpoint_url, services, poll={"details_budget": 1000})
        async with running(settings, clock) as exporter:
            lines = defaultdict(list)
            for line in exporter.read().lines:
                if found := re.search(r'aws_service="([\w-]+)",.*kind="(\w+)"', line):
                    lines[found[1], found[2]].append(line)
    return Everything(aws.world, jobs, lines)


def settle(world: World, kind: Kind) -> list[SimulatedScope | None]:
    """Add two scopes of each type, with jobs in those that the catalog filters out; return the other innermost ones."""
    level: list[SimulatedScope | None] = [None]
    for name, scope in kind.scopes:
        if scope.where and name == kind.scope:
            add_jobs(world, kind, world.add_scope(kind.service, name, within=level[0], passed_over=True))
        level = [world.add_scope(kind.service, name, within=outer) for outer in level for _ in range(2)]
    return level


def add_jobs(world: World, kind: Kind, scope: SimulatedScope | None) -> None:
    """Add a job in each status, one for each refinement, two whose records failed, and an old one in each final status.

    Those that failed in another way than by their status are left without a message, as AWS leaves them.
    """
    said = {"message": "User is not authorized to perform: s3:GetObject", "code": "403"}
    ends: list[tuple[str, float, dict[str, Any]]] = [(status, HOUR, said) for status in kind.state_of]
    ends += [(status, 30 * DAY, said) for status, state in kind.state_of.items() if state.is_final]
    ends += [(kind.states[rule.from_][0], HOUR, {"refined": number}) for number, rule in enumerate(kind.refine)]
    if "failed" in kind.records:
        done = kind.states[State.SUCCEEDED][0]
        ends += [
            (done, HOUR, {"records": {"total": 9, "processed": 9, "succeeded": 9 - failed, "failed": failed}})
            for failed in (4, 9)
        ]
    for number, (status, age, more) in enumerate(ends):
        path = [(0.0, next(iter(kind.state_of))), (60.0, status)]
        world.add_job(kind, scope=scope, created=NOW - age - number, path=path, **more)


def counts(world: World, job: SimulatedJob) -> bool:
    """Whether AWS lists a job that is active, or finished within the lookback, as far as AWS reports its times."""
    if job.is_forgotten_at(NOW):
        return False
    reported, times = set(dict(job.kind.times.named())), job.times(job.phase_at(NOW))
    state = state_of(world, job, job.phase_at(NOW))
    # Nobody asks when a deleted record ended.
    if job.kind.details and state is not State.DELETING:
        reported |= set(dict(job.kind.details.times.named()))
    if "duration" in reported:
        reported.add("ended")
    known = [times[name] for name in ("ended", "updated", "started", "created") if name in reported and name in times]
    # What ended nobody knows when before the first poll is in no window.
    is_recent = bool(known) and known[0] >= NOW - LOOKBACK
    return state.is_active or is_recent


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_is_read_completely(everything: Everything, kind: Kind) -> None:
    """Jobs by status and state, and failures by reason, match what AWS holds over all pages and scopes."""
    world, exporter = everything.world, everything.reading(kind)
    held = [job for job in everything.jobs[str(kind)] if counts(world, job)]
    seen: Counter[tuple[str, ...]] = Counter()
    for (_, *words), count in exporter.samples("aws_jobs", "scope", "status", "state").items():
        seen[tuple(words)] += int(count)
    states = {job: state_of(world, job, job.phase_at(NOW)) for job in held}
    assert +seen == Counter((job.status_at(NOW), str(state)) for job, state in states.items())
    found = exporter.failures("scope")
    failed = [job for job, state in states.items() if state is State.FAILED]
    assert sum(found.values()) == len(failed)
    assert not (kind.reason or kind.details) or "unspecified" not in {reason for _, reason in found}
    assert set(exporter.samples("aws_job_exporter_detail_errors_total", "kind", "reason").values()) <= {0}
    assert set(exporter.samples("aws_job_exporter_source_up", "kind", "scope").values()) == {1}
    assert not exporter.samples("aws_job_exporter_details_pending", "kind", "scope")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.refine or "failed" in kind.records], ids=str)
def test_whatever_a_rule_can_make_of_a_status_is_there_at_zero(everything: Everything, kind: Kind) -> None:
    """A state that only a second field leads to has been seen at 0 before the first job comes to it."""
    world, exporter = everything.world, everything.reading(kind)
    states = {state_of(world, job, job.phase_at(NOW)) for job in everything.jobs[str(kind)]}
    counted = exporter.by("state", "aws_jobs_finished_total")
    assert {str(state) for state in states if state.is_final} <= set(counted)
    shown = exporter.samples("aws_jobs", "status", "state")
    assert {
        (job.status_at(NOW), str(state_of(world, job, job.phase_at(NOW)))) for job in everything.jobs[str(kind)]
    } <= set(shown)
    assert set(counted.values()) == {0}


WAITING = [kind for kind in KINDS if kind.times.started and next(iter(kind.state_of.values())) is State.PENDING]
"""Kinds whose list tells when jobs start, which those in `add_jobs` never do: they wait until they end."""


@pytest.mark.parametrize("kind", WAITING, ids=str)
def test_a_job_that_only_waited_did_not_run(everything: Everything, kind: Kind) -> None:
    """It was stopped or failed while it was queued: the time that it waited is no run time."""
    assert everything.reading(kind).by("state", "aws_job_last_finished_timestamp_seconds")
    timed = [line for line in everything.reading(kind).lines if line.startswith(("aws_job_duration", "aws_job_last_d"))]
    assert timed == []


@pytest.mark.parametrize("kind", SILENT, ids=str)
def test_a_reason_that_the_list_leaves_out_is_requested(silent: Everything, kind: Kind) -> None:
    """AWS's model promises a message in the list, and the list comes without it: the details have it."""
    found = silent.reading(kind).failures("scope")
    failed = [job for job in silent.jobs[str(kind)] if counts(silent.world, job)]
    assert sum(found.values()) == sum(state_of(silent.world, job, job.phase_at(NOW)) is State.FAILED for job in failed)
    assert "unspecified" not in {reason for (_, reason), count in found.items() if count}


AFTERWARD = [
    (kind, status)
    for kind in KINDS
    for status, state in kind.state_of.items()
    if State.SUCCEEDED in kind.states
    and (state is State.DELETING or (kind.service == "cleanroomsml" and status == "INACTIVE"))
]
"""Kinds and statuses that a job may get after it succeeded, when its record or its output is deleted."""


async def test_a_deletion_never_turns_a_success_into_something_else() -> None:
    """Each kind's job succeeds and is then deleted; in gauges and counters it stays one that succeeded."""
    clock = HandClock()
    async with simulated(clock) as aws:
        for number, (kind, status) in enumerate(AFTERWARD):
            (scope, *_) = settle(aws.world, kind)
            path = [(0.0, next(iter(kind.state_of))), (3600.0, kind.states[State.SUCCEEDED][0]), (7200.0, status)]
            aws.world.add_job(kind, scope=scope, created=NOW - 60 - number, path=path)
        services: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"kinds": []})
        for kind in {str(kind): kind for kind, _ in AFTERWARD}.values():
            services[kind.service]["kinds"].append(kind.key)
        settings = configured(aws.endpoint_url, services, poll={"interval": "1h"})
        async with running(settings, clock) as exporter:
            await exporter.turn(3600 * 1.5)
            succeeded = exporter.samples("aws_jobs", "aws_service", "kind", state="succeeded")
            finished = exporter.samples("aws_jobs_finished_total", "aws_service", "kind", "scope", "state")
            await exporter.turn(3600 * 1.5)
            await exporter.turn(3600 * 1.5)
            assert exporter.samples("aws_jobs", "aws_service", "kind", state="succeeded") == succeeded
            assert sum(succeeded.values()) >= len(AFTERWARD)
            assert exporter.samples("aws_jobs_finished_total", "aws_service", "kind", "scope", "state") == finished
