"""Active jobs that take longer than usual are found, by what their own source knows, as the alerts find them."""

import pytest

from exporter.jobs import State
from exporter.store import JobFilter
from exporter.store.inventory import Places
from exporter.store.search import Order
from tests.support.inside import DAY, HOUR, MINUTE, NOW, TRAINING, empty_database, job, listed, searching

LONGER = JobFilter(longer_than_usual_at=NOW)
OLDEST_FIRST = Order("created")


@pytest.fixture(autouse=True)
def database():
    """Begin each test without jobs."""
    empty_database()


def ended(minutes, state=State.SUCCEEDED, waited=0, **fields):
    """Return jobs that ended, one for each of these run times, after a wait."""
    created = NOW - 2 * DAY
    started = created + waited * MINUTE
    return [
        job(f"{state}-{each}", state, created, started=started, ended=started + each * MINUTE, **fields)
        for each in minutes
    ]


def running(minutes, name="running", **fields):
    """Return a job that has been running for so long, after a wait of a week."""
    return job(name, State.RUNNING, NOW - 7 * DAY, started=NOW - minutes * MINUTE, **fields)


def waiting(minutes, name="waiting", **fields):
    """Return a job that has been waiting for so long."""
    return job(name, State.PENDING, NOW - minutes * MINUTE, **fields)


async def longer(*sources, job_filter=LONGER, order=OLDEST_FIRST):
    """Return the names of the jobs that take longer than usual, the oldest first."""
    page = await searching(lambda: sources).jobs(Places(), job_filter, 100, order=order)
    return [each.record.job.name for each in page.jobs]


@pytest.mark.parametrize(
    ("known", "limit"),
    [
        (range(30, 330, 30), 3 * 270),
        ([*range(1, 10), 400], 1.5 * 400),
        ([1, 2, 3], 60),
        ([20], 60),
        ([21], 63),
        ([], 24 * 60),
    ],
    ids=[
        "three times what nine of ten took",
        "half as much again as the longest",
        "never within an hour",
        "just an hour",
        "just more",
        "nothing is known",
    ],
)
async def test_a_run_is_longer_than_usual_by_the_runs_of_others(known, limit):
    """Only what succeeded tells, and what runs counts from its start."""
    others = [*ended([5000], State.FAILED), *ended([5000], State.STOPPED)]
    active = [running(limit), running(limit + 1, "late")]
    assert await longer(listed([*ended(known), *others, *active])) == ["late"]


@pytest.mark.parametrize(
    ("known", "limit"), [([30, 60], 180), ([1], 60), ([], 6 * 60)], ids=["known", "an hour", "nothing is known"]
)
async def test_a_wait_is_longer_than_usual_by_the_waits_of_others(known, limit):
    """However they ended."""
    done = [each for waited in known for each in ended([waited], State.FAILED, waited)]
    assert await longer(listed([*done, waiting(limit), waiting(limit + 1, "late")])) == ["late"]


async def test_a_run_without_a_start_counts_from_its_creation():
    """Its list does not tell."""
    assert await longer(listed([job("late", State.STOPPING, NOW - DAY - MINUTE)])) == ["late"]


async def test_what_is_usual_is_known_by_source_and_dimensions():
    """What one team's jobs take says nothing of another's."""
    fast = ended([10], dimensions=("fast",))
    active = [running(90, each, dimensions=(each,)) for each in ("fast", "slow")]
    assert await longer(listed([*fast, *active]), listed([running(90, "other")], TRAINING)) == ["fast"]


@pytest.mark.parametrize(
    ("state", "created"), [(State.UNKNOWN, NOW - 30 * DAY), (State.RUNNING, None), (State.SUCCEEDED, NOW - 6 * DAY)]
)
async def test_what_may_not_be_active_or_since_when_nobody_knows_is_not(state, created):
    """It could be called late for ever."""
    odd = job("odd", state, NOW - HOUR, updated=NOW)._replace(created=created, ended=None)
    assert await longer(listed([odd])) == []


async def test_it_is_one_filter_among_others():
    """In any order; a state that is over matches nothing."""
    source = listed([running(2000, "b"), waiting(2000, "a"), *ended([10])])
    assert await longer(source) == ["b", "a"]
    assert await longer(source, order=Order("name")) == ["a", "b"]
    assert await longer(source, order=Order()) == ["a", "b"]
    pending = frozenset({State.PENDING})
    assert await longer(source, job_filter=JobFilter(longer_than_usual_at=NOW, states=pending)) == ["a"]
    for order in (Order("name"), Order()):
        over = JobFilter(longer_than_usual_at=NOW, states=frozenset({State.SUCCEEDED}))
        page = await searching(lambda: [source]).jobs(Places(), over, 10, order=order)
        assert (page.jobs, page.next, page.total) == ([], None, None)


async def test_the_limit_of_a_job_is_known():
    """The page of a job shows it."""
    inventory = searching(lambda: [source])
    source = listed([*ended([30], waited=40), running(5), waiting(5)])
    page = await inventory.jobs(Places(), JobFilter(), 2)
    limits = {each.record.job.name: await inventory.limit(each) for each in page.jobs}
    assert limits == {"running": 90 * MINUTE, "waiting": 120 * MINUTE}
