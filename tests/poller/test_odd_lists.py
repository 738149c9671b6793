"""The law of incremental reading holds whatever AWS's lists are like, through the whole exporter."""

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.catalog import Kind
from exporter.jobs import State
from exporter.poller.planner import MARGIN
from exporter.simulator import Quirk, SimulatedJob, World
from exporter.simulator.quirks import LATEST, is_missing, lag
from exporter.simulator.shapes import at
from exporter.simulator.views import View
from exporter.store import SKEW
from tests.support.effort import bounded
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, CATALOG, NOW, HandClock, Running, configured, running, simulated
from tests.support.held import jobs_in

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_loader")]

HOUR, DAY = 3600.0, 86_400.0
KINDS = [
    BEDROCK,
    CATALOG["sagemaker"].kinds["training_job"],
    CATALOG["sagemaker"].kinds["pipeline_execution"],
    CATALOG["textract"].kinds["adapter_version"],
    CATALOG["backup"].kinds["scan_job"],
    CATALOG["batch"].kinds["job"],
    CATALOG["rds"].kinds["export_task"],
    CATALOG["codebuild"].kinds["build"],
]
"""With both filters, by creation alone (one whose jobs run again), by status, one list for each status, without any,
and one of bare ids."""

AT_ONCE = frozenset(Quirk) - {Quirk.REPEATED_TOKEN, Quirk.RETENTION, Quirk.MISSING_ONCE, Quirk.RESTARTS}
"""With these, incremental reading and full reading agree after every poll, with others once everything was listed."""


@dataclass
class Truth:
    """Which ends a patient reader of all lists has seen, and counts."""

    world: World
    jobs: list[SimulatedJob]
    since: float
    seen_active: set[SimulatedJob] = field(default_factory=set)
    ends: dict[SimulatedJob, dict[int, bool]] = field(default_factory=dict)
    """Of each job the phases in which it was seen at its end, and whether that counts."""

    def look(self, now: float) -> None:
        """Look at everything that is listed at a time."""
        view = View(self.world)
        for job in self.jobs:
            seen = view.seen(job, now)
            if job.created > now or not view.shows(job, now):
                continue
            phase, known = job.phase_at(seen), self.ends.setdefault(job, {})
            if not job.kind.state_of[job.statuses[phase]].is_final:
                self.seen_active.add(job)
            elif phase not in known:
                known[phase] = self._counts(job, view.item(job, seen), now, is_again=bool(known))
                self.seen_active.discard(job)

    def _counts(self, job: SimulatedJob, item: object, now: float, *, is_again: bool) -> bool:
        times, paths = job.times(job.phase_at(View(self.world).seen(job, now))), job.kind.times.model_dump()
        listed = [
            name for name in ("ended", "updated", "started", "created") if at(item, paths[name] or "") is not None
        ]
        if job in self.seen_active:
            return True
        if is_again:
            return "ended" in listed
        # What the first listing shows had ended before; what it missed counts if it ended about then.
        return now > self.since and (not listed or times[listed[0]] >= self.since - SKEW)

    def finished(self, kind: Kind) -> int:
        """Return how many ends of a kind's jobs count."""
        return sum(sum(phases.values()) for job, phases in self.ends.items() if job.kind is kind)


def add(world: World, rng: random.Random) -> None:
    """Add jobs around the first poll, most of them short."""
    quirks = world.quirks
    for kind in KINDS:
        # Of the others, only a full reading finds that an old job runs again.
        runs_again = kind.restarts or not kind.filters.created_after
        world.quirks = quirks if runs_again else quirks - {Quirk.RESTARTS}
        scope = None
        for name, _ in kind.scopes:
            scope = world.add_scope(kind.service, name, name=f"{kind.key}-{name}", within=scope)
        active = [status for status, state in kind.state_of.items() if state in {State.PENDING, State.RUNNING}]
        ends = [status for status, state in kind.state_of.items() if state.is_final and state is not State.DELETING]
        for _ in range(rng.randint(2, 9)):
            span = rng.choice([(-2 * DAY, 2 * HOUR), (-900.0, 900.0), (0.0, 66.0)])
            wait, work = (rng.choice([rng.uniform(1, 300), rng.uniform(1, 2 * HOUR), DAY]) for _ in range(2))
            path = [(0.0, active[0]), (wait, active[-1]), (wait + work, rng.choice(ends))]
            created, token = NOW + rng.uniform(*span), f"{rng.getrandbits(128):032x}"
            world.add_job(kind, scope=scope, created=created, path=path, token=token, message="Rate exceeded")
    world.quirks = quirks


@asynccontextmanager
async def reading(seed, quirks, resync):
    """Yield an exporter of the world that follows from a seed, and the world."""
    clock = HandClock()
    async with simulated(clock, page_size=3) as aws:
        aws.world.quirks = quirks
        add(aws.world, random.Random(seed))
        services: dict[str, dict[str, list[str]]] = {}
        for kind in KINDS:
            services.setdefault(kind.service, {"kinds": []})["kinds"].append(kind.key)
        settings = configured(aws.endpoint_url, services, poll={"resync": resync, "details_budget": 1000})
        async with running(settings, clock) as exporter:
            yield exporter, aws.world


def differences(one: Running, other: Running):
    """Return the lines that only one of two exporters shows."""
    return sorted({*shown(one)} ^ {*shown(other)})


def shown(exporter: Running):
    """Return the lines about jobs."""
    return sorted(line for line in exporter.read().lines if line.startswith("aws_job") and "exporter" not in line)


async def follow(seed, quirks):
    """Compare an exporter that lists everything with one that lists what can have changed, and both with the truth."""
    seed = f"{seed}/{sorted(quirk.name for quirk in quirks)}"
    rng = random.Random(f"{seed}/steps")
    steps = [rng.choice([66.0, 66.0, 330.0, 2 * HOUR]) for _ in range(rng.randint(2, 6))]
    async with reading(seed, quirks, "1s") as (complete, world), reading(seed, quirks, "1h") as (frugal, _):
        truth = Truth(world, [job for kind in KINDS for job in jobs_in(world, kind)], NOW)
        truth.look(NOW)
        # In the end, nothing is late any more, and everything is listed twice.
        for step in (*steps, LATEST + 66.0, HOUR + 66.0, 66.0, 66.0):
            for exporter in (complete, frugal):
                await exporter.turn(step)
            truth.look(complete.clock.now)
            if quirks <= AT_ONCE:
                assert differences(frugal, complete) == []
        assert differences(frugal, complete) == []
        for kind in KINDS:
            assert frugal.up(kind=kind.key) == 1
            finished = sum(frugal.by("state", "aws_jobs_finished_total", kind=kind.key).values())
            # What only details tell, a reader of lists does not know.
            is_known = not kind.details or not any(kind.details.times.named())
            assert not is_known or (kind.key, finished) == (kind.key, truth.finished(kind))


SEEDS = st.integers(1, 2**32)
ODD = sorted(set(Quirk) - {Quirk.REPEATED_TOKEN}, key=lambda quirk: quirk.name)


@pytest.mark.parametrize("quirk", ODD, ids=lambda quirk: quirk.name.lower())
@bounded(1, shrink=False)
@given(seed=SEEDS)
def test_incremental_reading_ends_in_the_same_numbers(quirk, seed):
    """They are those of reading everything, and the counters are the truth, with each quirk alone."""
    asyncio.run(follow(seed, frozenset({quirk})))


@bounded(3, shrink=False)
@given(quirks=st.sets(st.sampled_from(ODD), min_size=2), seed=SEEDS)
def test_the_same_holds_with_several_at_once(quirks, seed):
    """Whatever AWS does together."""
    asyncio.run(follow(seed, frozenset(quirks)))


BY_CREATION = [kind for kind in KINDS if kind.filters.created_after and not kind.scopes]


async def passing(kind: Kind, quirk: Quirk, token: str, step: float, polls: int) -> tuple[float, int]:
    """Return how many jobs count as finished, and how many did, where the only late one has this token.

    All are over within seconds, and newer ones are known by the time that it is listed. Nothing is listed in full.
    """
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.world.quirks = frozenset({quirk})
        settings = configured(aws.endpoint_url, {kind.service: {"kinds": [kind.key]}}, poll={"resync": "100d"})
        async with running(settings, clock) as exporter:
            final = next(status for status, state in kind.state_of.items() if state is State.SUCCEEDED)
            path = [(0.0, next(iter(kind.state_of))), (4.0, final)]
            aws.world.add_job(kind, created=NOW + 1, path=path, token=token)
            for number in range(polls):
                # Listed at once: the token is a small number.
                created = clock.now + step - 10
                aws.world.add_job(kind, created=created, path=path, token=f"{number:032x}")
                await exporter.turn(step)
            return sum(exporter.by("state", "aws_jobs_finished_total").values()), polls + 1


@pytest.mark.parametrize("kind", BY_CREATION, ids=str)
async def test_a_job_that_is_listed_as_late_as_the_margin_is_not_missed(kind):
    """It came and went before it was listed, and all others are newer."""
    late = "ff" * 16
    assert lag(late, Quirk.LISTED_LATE) > MARGIN - 10
    finished, held = await passing(kind, Quirk.LISTED_LATE, late, 66.0, polls=12)
    assert finished == held


@pytest.mark.parametrize("kind", BY_CREATION, ids=str)
async def test_a_job_that_the_first_list_lacks_is_in_the_next(kind):
    """Polls are nearly as far apart as the margin is long."""
    step = 590.0
    lacked = next(token for n in range(20) if is_missing(token := f"{n:020x}{'0' * 12}", NOW + step))
    finished, held = await passing(kind, Quirk.MISSING_ONCE, lacked, step, polls=2)
    assert finished == held


@pytest.mark.parametrize("form", ["yesterday", "", 10**30, -5, "1790000000000", "NaN"], ids=str)
async def test_a_time_in_an_odd_form_costs_no_job(form):
    """The job counts without the time, or with it where that can be read, in whatever protocol."""
    clock = HandClock()
    async with simulated(clock) as aws:
        add(aws.world, random.Random(1))
        for kind in KINDS:
            members = {path.rpartition(".")[2]: form for _, path in kind.times.named()}
            aws.faults.add(Fault.members(**members), service=kind.service, operation=kind.described[0])
        services: dict[str, dict[str, list[str]]] = {}
        for kind in KINDS:
            services.setdefault(kind.service, {"kinds": []})["kinds"].append(kind.key)
        async with running(configured(aws.endpoint_url, services, poll={"lookback": "10000d"}), clock) as exporter:
            for kind in KINDS:
                active = [
                    job
                    for job in jobs_in(aws.world, kind, until=NOW)
                    if job.created > NOW - DAY and kind.state_of[job.status_at(NOW)].is_active
                ]
                assert exporter.up(kind=kind.key) == 1, exporter.why(kind=kind.key)
                states = exporter.samples("aws_jobs", "state", "status", kind=kind.key)
                assert sum(n for (state, _), n in states.items() if State(state).is_active) >= len(active), kind.key
