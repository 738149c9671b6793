"""The population is the same for the same seed, plausible, and never stands still."""

import itertools
from collections import Counter

import pytest

from exporter.jobs import State
from exporter.simulator import SimulatedJob, Simulator, World, populate
from tests.support.harness import CATALOG
from tests.support.held import jobs_in, scopes_in, state_of

pytestmark = pytest.mark.slow

NOW = 1_800_000_000.0
DAY = 86400.0
KINDS = {str(kind): kind for kind in CATALOG.kinds()}


def populated(seed: int = 1) -> World:
    """Return a world with a week of history."""
    world = World(CATALOG)
    populate(world, world.catalog, seed=seed, now=NOW)
    return world


def facts(world: World, until: float) -> list[tuple[object, ...]]:
    """Return everything that describes the jobs of a world."""
    jobs = itertools.chain.from_iterable(jobs_in(world, kind, until=until) for kind in KINDS.values())
    return [
        (str(job.kind), job.key, job.name, job.created, job.offsets, job.statuses, job.message, dict(job.records))
        for job in jobs
    ]


@pytest.fixture(scope="module")
def world() -> World:
    """Return a world with a week of history and a day to come."""
    return populated()


def jobs(world: World, kind: str) -> list[SimulatedJob]:
    """Return the jobs of a kind up to the end of the first day."""
    return jobs_in(world, KINDS[kind], until=NOW + DAY)


def test_a_seed_determines_the_world(world) -> None:
    """The same seed gives the same jobs, whether they are read once or repeatedly; another seed gives others."""
    again = populated()
    for hour in range(25):
        again.advance(NOW + hour * 3600)
    assert facts(again, NOW + DAY) == facts(world, NOW + DAY)
    assert facts(populated(seed=2), NOW + DAY) != facts(world, NOW + DAY)


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_occurs(world, kind) -> None:
    """Within a week, some job was in each status of the kind."""
    seen = {
        status
        for job in jobs(world, kind)
        for offset, status in zip(job.offsets, job.statuses, strict=True)
        if job.created + offset <= NOW
    }
    assert seen == set(KINDS[kind].state_of)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if len(kind.meanings) > len(kind.state_of)])
def test_a_status_means_more_than_one_state_for_some_jobs(world, kind) -> None:
    """Whatever a status can mean by a second field or by the counts of records occurs; mostly it means itself."""
    seen = Counter(
        (job.statuses[phase], state_of(world, job, phase))
        for job in jobs(world, kind)
        for phase in range(len(job.statuses))
    )
    states, state_of_status = Counter[tuple[State, State]](), KINDS[kind].state_of
    for (status, state), count in seen.items():
        states[state_of_status[status], state] += count
    possible = {(state_of_status[status], state) for status, state in KINDS[kind].meanings}
    assert set(states) == possible - {(State.PARTIAL, State.FAILED)}
    assert sum(count for (alone, state), count in states.items() if alone is not state) < states.total() / 2


def passes(scope, fields) -> bool:
    """Return whether a scope with these fields is one that the catalog takes."""
    return all(path in fields and value in ("*", fields[path]) for path, value in scope.where.items())


def test_some_scopes_are_filtered_out(world) -> None:
    """Each type of scope that the catalog filters has one that is filtered out, without jobs."""
    chosen = {(kind.service, name): scope for kind in KINDS.values() for name, scope in kind.scopes if scope.where}
    for (service, name), scope in chosen.items():
        made = [one for one in scopes_in(world, service, name) if one.scope_name == name]
        left_out = [one for one in made if not passes(scope, one.fields)]
        assert len(left_out) == 1 < len(made)
        assert not any(jobs_in(world, kind, scope=one) for kind in KINDS.values() for one in left_out)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_sources_have_a_plausible_size(world, kind) -> None:
    """A source has dozens to hundreds of jobs a week."""
    sources = Counter(job.scope.ids.get(KINDS[kind].outer_scope, "") for job in jobs_in(world, KINDS[kind], until=NOW))
    assert all(20 <= count <= 1500 for count in sources.values())


def test_a_few_percent_of_the_jobs_fail(world) -> None:
    """Between five and ten percent of jobs fail, each with one of many messages; no others have a message."""
    everything = [job for kind in KINDS for job in jobs(world, kind)]
    failed = [job for job in everything if job.kind.state_of[job.statuses[-1]] is State.FAILED and job.refined is None]
    assert 0.05 <= len(failed) / len(everything) <= 0.1
    assert all(job.message and job.code and "{" not in job.message for job in failed)
    assert len({job.code for job in failed}) >= 10
    assert not any(job.message for job in set(everything) - set(failed))


@pytest.mark.parametrize("kind", KINDS)
def test_statuses_come_in_order(world, kind) -> None:
    """A job goes from pending through running and stopping to an end, and an expired one never ran."""
    order = [State.PENDING, State.RUNNING, State.STOPPING]
    for job in jobs(world, kind):
        states = [state_of(world, job, phase) for phase in range(len(job.statuses))]
        live = [order.index(state) for state in states if state.is_active]
        assert live == sorted(live)
        # The clusters that steps run in go on.
        assert states[-1].is_final or (job.as_scope and len(states) == 1)
        assert State.EXPIRED not in states or State.RUNNING not in states
        assert list(job.offsets) == sorted(job.offsets)


def test_something_changes_every_minute(world) -> None:
    """Across all kinds a status changes about every half minute, and at least once a minute."""
    moments = sorted(
        job.created + offset
        for kind in KINDS
        for job in jobs(world, kind)
        for offset in job.offsets
        if NOW <= job.created + offset <= NOW + DAY
    )
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert max(gaps) < 60
    assert sum(gaps) / len(gaps) < 30


@pytest.mark.slow
async def test_a_populated_world_is_served_as_time_goes_by(connect, read, clock) -> None:
    """New jobs are listed once the clock has reached them, and requests are all that it takes."""
    world, kind = populated(), KINDS["bedrock/model_invocation_job"]
    counts = []
    async with Simulator(world, clock=clock) as simulator:
        client = connect(simulator, "bedrock")
        for clock.now in (NOW, NOW + DAY):
            counts.append(sum(len(page[kind.items]) for page in await read(client, kind.operation)))
    assert counts == [len(jobs_in(world, kind, until=NOW)), len(jobs_in(world, kind, until=NOW + DAY))]
    assert counts[0] < counts[1]


def test_nothing_to_populate_is_not_an_error() -> None:
    """A world for no kinds stays empty."""
    world = World(CATALOG)
    populate(world, [], now=NOW)
    world.advance(NOW)
    assert jobs_in(world, KINDS["bedrock/model_invocation_job"]) == []
