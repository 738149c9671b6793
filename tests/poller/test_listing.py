"""A list of jobs from poll to poll: how long its numbers live, when all of it is read, and what is said of it once."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from exporter.jobs import State
from exporter.simulator import AwsError
from tests.support.harness import (
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    NOW,
    TRAINED,
    HandClock,
    configured,
    running,
    simulated,
)
from tests.support.held import remove_scope
from tests.support.patience import elapse
from tests.support.reloading import ONE, Configured, reloading

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, services=None, **sections):
    """Yield a simulated AWS, and an exporter that reads it."""
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - HOUR, path=[(0, "InProgress"), (60, "Completed")])
        async with running(configured(aws.endpoint_url, services or ONE, **sections), clock) as exporter:
            yield aws, exporter


def requests(aws, kind=BEDROCK):
    """Return how often a kind was listed."""
    return aws.requests[kind.service, kind.operation]


async def refuse(_call):
    """Fail every request."""
    raise AwsError("InternalServerException", "not now", 500)


async def test_a_service_has_its_own_interval(clock):
    """It replaces that of all services."""
    services = {"bedrock": {"kinds": [BEDROCK.key], "interval": "10m"}}
    async with reading(clock, services) as (aws, exporter):
        before = requests(aws)
        await exporter.turn(5 * MINUTE)
        assert requests(aws) == before
        await exporter.turn(6 * MINUTE)
        assert requests(aws) > before


async def test_the_numbers_of_a_list_that_is_read_seldom_live_as_long(clock):
    """Three times as long as its polls are apart in fact, whatever the interval says: it may wait for others."""
    async with reading(clock, poll={"stale_after": "5m"}) as (aws, exporter):
        await exporter.turn(20 * MINUTE)
        aws.hooks.append(refuse)
        for _ in range(5):
            await exporter.turn(10 * MINUTE)
            assert exporter.value("aws_jobs", status="Completed") == 1
        await exporter.turn(11 * MINUTE)
        assert exporter.value("aws_jobs", status="Completed") is None


async def test_an_outage_does_not_make_numbers_live_longer(clock):
    """The time between two successes is the length of the outage then, and not the pace of the list."""
    async with reading(clock, poll={"stale_after": "5m"}) as (aws, exporter):
        aws.hooks.append(refuse)
        await exporter.turn(2 * MINUTE)
        await exporter.turn(3 * HOUR)
        aws.hooks.remove(refuse)
        await exporter.turn(2 * MINUTE)
        assert exporter.value("aws_jobs", status="Completed") == 1
        aws.hooks.append(refuse)
        for _ in range(4):
            await exporter.turn(2 * MINUTE)
        assert exporter.value("aws_jobs", status="Completed") is None


async def test_numbers_live_while_their_source_waits_for_its_turn(clock):
    """However long the queue is: a source that is up has its numbers."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    over = asyncio.Event()
    async with reading(clock, services, poll={"concurrency": 1, "stale_after": "5m"}) as (aws, exporter):

        async def hang(call):
            if call.operation == CUSTOMIZATION.operation:
                await over.wait()

        aws.hooks.append(hang)
        await clock.turn(66)
        await exporter.settle(hanging=1)
        # Now the other source is due as well, and waits for the only slot.
        await clock.turn(66)
        await exporter.settle(hanging=2)
        for _ in range(10):
            # Woken, it takes its place in the queue.
            await asyncio.sleep(0)
        await clock.turn(50 * MINUTE)
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="Completed") == 1
        # It waited an hour and failed: they live for three polls at that pace, and no longer.
        aws.hooks.append(refuse)
        over.set()
        await exporter.settle()
        assert exporter.up(kind=BEDROCK.key) == 0
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="Completed") == 1
        for _ in range(10):
            await exporter.turn(9 * MINUTE)
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="Completed") == 1
        for _ in range(2):
            await exporter.turn(9 * MINUTE)
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="Completed") is None


@asynccontextmanager
async def reading_pages(clock, each, **sections):
    """Yield a simulated AWS with ten pages of jobs, and an exporter after its first poll; `each` page is awaited."""
    async with simulated(clock, page_size=2) as aws:
        for number in range(20):
            aws.world.add_job(BEDROCK, created=NOW - HOUR + number, path=[(0, "InProgress"), (60, "Completed")])

        async def page(call):
            if call.operation == BEDROCK.operation and "submitTimeAfter" in call.arguments:
                await each(call)

        aws.hooks.append(page)
        async with running(configured(aws.endpoint_url, ONE, **sections), clock) as exporter:
            yield aws, exporter


async def test_a_list_may_take_as_long_as_it_makes_progress(clock):
    """The timeout is for the time between two pages, not for all of them."""

    async def slow(_):
        elapse(20)

    async with reading_pages(clock, slow, poll={"timeout": "30s"}) as (_, exporter):
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.value("aws_jobs", status="Completed") == 20


async def test_a_list_that_takes_long_shows_how_far_it_is(clock):
    """It does in the metrics and in its status, until the poll is over."""
    seen, listed = [], "aws_job_exporter_source_listed"

    async def quick(_):
        pass

    async with reading_pages(clock, quick) as (aws, exporter):
        (status,) = [each.status for each in exporter.poller.sources if each.status.key.kind == BEDROCK.key]

        async def slow(call):
            if call.operation == BEDROCK.operation:
                clock.now += 7
                seen.append((status.listed, exporter.value(listed, kind=BEDROCK.key)))

        aws.hooks.append(slow)
        await exporter.turn(66)
        assert seen[:4] == [(None, None), (2, None), (4, 4), (6, 4)]
        assert (status.listed, exporter.value(listed, kind=BEDROCK.key)) == (None, None)


async def test_a_page_that_fails_once_is_requested_again(clock):
    """The list goes on where it stopped; the pages before it are not requested twice."""
    pages = []

    async def fail_once(call):
        pages.append(call.arguments.get("nextToken"))
        if len(pages) == 5:
            raise AwsError("InternalServerException", "not now", 500)

    async with reading_pages(clock, fail_once) as (_, exporter):
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.value("aws_jobs", status="Completed") == 20
        assert pages[4] == pages[5]
        assert len(pages) == 11


@pytest.mark.parametrize("error", [("AccessDeniedException", 403), ("ValidationException", 400)])
async def test_a_page_that_is_refused_is_not_requested_again(clock, error):
    """AWS would say the same: the token may be too old."""
    pages = []

    async def refuse_later(call):
        pages.append(call.arguments.get("nextToken"))
        if len(pages) == 5:
            raise AwsError(error[0], "no", error[1])

    async with reading_pages(clock, refuse_later) as (_, exporter):
        assert exporter.up(kind=BEDROCK.key) == 0
        assert len(pages) == 5


def starts(aws):
    """Return a list of the times from which on jobs will be listed."""
    found = []

    async def note(call):
        if call.operation == BEDROCK.operation:
            found.append(call.arguments.get("submitTimeAfter"))

    aws.hooks.append(note)
    return found


def whole(found):
    """Return how many listings reached back over the lookback, and start counting anew."""
    number = sum(start is not None and start < NOW - 6 * DAY for start in found)
    found.clear()
    return number


@pytest.mark.parametrize(("jump", "expected"), [(9.5, 0), (10.5, 1), (-10.5, 1)])
async def test_all_is_read_when_the_wall_clock_was_set(clock, jump, expected):
    """The lookback follows it; a correction of some seconds, as of every machine, changes nothing."""
    # Wrong from the start on is no jump.
    clock.wrong = 1_000.0
    async with reading(clock) as (aws, exporter):
        found = starts(aws)
        for _ in range(2):
            await exporter.turn(66)
        assert whole(found) == 0
        clock.wrong += jump
        await exporter.turn(66)
        assert whole(found) == expected
        await exporter.turn(66)
        assert whole(found) == 0


async def test_all_is_read_at_each_resync(clock):
    """Whatever the polls between found: it is what finds what they cannot."""
    async with reading(clock, poll={"resync": "30m"}) as (aws, exporter):
        found = starts(aws)
        for _ in range(3):
            for _ in range(9):
                await exporter.turn(3 * MINUTE)
            assert whole(found) == 0
            await exporter.turn(4 * MINUTE)
            assert whole(found) == 1


SYNC = CATALOG["kendra"].kinds["data_source_sync_job"]


@pytest.fixture
def indexes(clock):
    """Return a context with an index, two data sources in it with a job each, and an exporter of their jobs."""

    @asynccontextmanager
    async def opened():
        async with simulated(clock) as aws:
            index = aws.world.add_scope("kendra", "index")
            sources = [aws.world.add_scope("kendra", "data_source", within=index) for _ in range(2)]
            for source in sources:
                aws.world.add_job(SYNC, created=NOW - HOUR, path=[(0, "SYNCING")], scope=source)
            async with running(configured(aws.endpoint_url, {"kendra": None}), clock) as exporter:
                yield aws, exporter, sources

    return opened


async def test_an_inner_scope_that_is_gone_is_passed_over_and_looked_for_at_once(indexes):
    """Not at the next discovery only, which is minutes away: what else changed there is as new."""
    async with indexes() as (aws, exporter, (gone, _)):
        remove_scope(gone)
        await exporter.turn(66)
        discoveries = aws.requests["kendra", "ListDataSources"]
        await exporter.turn(66)
        assert aws.requests["kendra", "ListDataSources"] == discoveries + 1
        assert exporter.up(kind=SYNC.key) == 1


async def test_a_scope_that_is_gone_is_looked_for_at_once(clock):
    """It is down for no longer than two discoveries take that lack it, and these do not wait for their interval."""
    async with simulated(clock) as aws:
        execution = CATALOG["stepfunctions"].kinds["execution"]
        machines = [aws.world.add_scope("stepfunctions", "state_machine") for _ in range(3)]
        for machine in machines:
            aws.world.add_job(execution, created=NOW - HOUR, path=[(0, "RUNNING")], scope=machine)
        settings = configured(aws.endpoint_url, {"stepfunctions": None}, poll={"discovery_interval": "6h"})
        async with running(settings, clock) as exporter:
            await exporter.turn(66)
            before = aws.requests["stepfunctions", "ListStateMachines"]
            for machine in machines[:2]:
                remove_scope(machine)
            await exporter.turn(66)
            assert {exporter.why(scope=machine.id) for machine in machines} == {"not_found", None}
            assert aws.requests["stepfunctions", "ListStateMachines"] == before + 1
            await exporter.turn(66)
            assert exporter.by("scope", "aws_job_exporter_source_up", kind=execution.key) == {machines[2].id: 1}
            # From then on at the usual interval again.
            after = aws.requests["stepfunctions", "ListStateMachines"]
            await exporter.turn(66)
            assert aws.requests["stepfunctions", "ListStateMachines"] == after


async def test_a_scope_that_a_discovery_still_shows_has_it_made_once_in_an_interval(clock):
    """AWS may list for a while what it deletes."""
    async with simulated(clock) as aws:
        machines = [aws.world.add_scope("stepfunctions", "state_machine") for _ in range(3)]

        async def deny(call):
            if call.operation == "ListExecutions":
                raise AwsError("StateMachineDoesNotExist", "no such state machine", 400)

        settings = configured(aws.endpoint_url, {"stepfunctions": None}, poll={"discovery_interval": "6h"})
        async with running(settings, clock) as exporter:
            aws.hooks.append(deny)
            before = aws.requests["stepfunctions", "ListStateMachines"]
            for _ in range(4):
                await exporter.turn(66)
            assert 1 < aws.requests["stepfunctions", "ListStateMachines"] - before <= 4
            assert exporter.by("scope", "aws_job_exporter_source_up").keys() >= {machine.id for machine in machines}


async def test_another_error_in_an_inner_scope_fails_the_poll(indexes):
    """It hides jobs, so that all numbers would be too small."""
    async with indexes() as (aws, exporter, (denied, _)):

        async def refuse_one(call):
            if denied.id in call.arguments.values():
                raise AwsError("AccessDeniedException", "not you", 403)

        aws.hooks.append(refuse_one)
        await exporter.turn(66)
        assert (exporter.up(kind=SYNC.key), exporter.why(kind=SYNC.key)) == (0, "access_denied")
        assert exporter.value("aws_jobs", kind=SYNC.key, status="SYNCING") == 2


async def test_a_scope_that_comes_with_its_first_job_is_found_by_the_next_poll(clock):
    """A new trained model is the scope of its own training, which may be over before the next discovery."""
    async with simulated(clock) as aws:
        member = aws.world.add_scope("cleanroomsml", "membership")
        settings = configured(aws.endpoint_url, {"cleanroomsml": {"kinds": [TRAINED.key]}})
        async with running(settings, clock) as exporter:
            model = aws.world.add_scope("cleanroomsml", "trained_model", within=member)
            path = [(0, "CREATE_PENDING"), (30, "CREATE_FAILED")]
            aws.world.add_job(TRAINED, created=clock.now, path=path, scope=model, message="no capacity")
            await exporter.turn(66)
            assert exporter.value("aws_jobs", status="CREATE_FAILED") == 1
            assert exporter.value("aws_jobs_finished_total", state="failed") == 1


async def test_jobs_of_a_new_inner_scope_are_found_though_they_are_old(clock):
    """Between two resyncs, a poll lists what is new; in a scope that was not there before, all is new."""
    async with simulated(clock) as aws:
        index = aws.world.add_scope("kendra", "index")
        sources = [aws.world.add_scope("kendra", "data_source", within=index) for _ in range(2)]
        for source in sources:
            aws.world.add_job(SYNC, created=NOW - 5 * HOUR, path=[(0, "SYNCING"), (60, "SUCCEEDED")], scope=source)
        settings = configured(aws.endpoint_url, {"kendra": None}, poll={"resync": "24h"})
        async with running(settings, clock) as exporter:
            assert exporter.value("aws_jobs", kind=SYNC.key, status="SUCCEEDED") == 2
            later = aws.world.add_scope("kendra", "data_source", within=index)
            aws.world.add_job(SYNC, created=NOW - 4 * HOUR, path=[(0, "SYNCING"), (60, "SUCCEEDED")], scope=later)
            await exporter.turn(11 * MINUTE)
            await exporter.turn(66)
            assert exporter.value("aws_jobs", kind=SYNC.key, status="SUCCEEDED") == 3


async def test_an_active_job_that_is_in_no_list_any_more_is_looked_for(clock):
    """Where many jobs have finished, only new ones and active ones are listed; one that is neither has finished."""
    async with simulated(clock, page_size=2) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 5 * HOUR, path=[(0, "InProgress"), (5 * HOUR + 30, "Odd")], name="old")
        for number in range(30):
            path = [(0, "InProgress"), (60, "Completed")]
            aws.world.add_job(BEDROCK, created=NOW - 4 * HOUR + number * 60, path=path)
        settings = configured(aws.endpoint_url, ONE, poll={"resync": "24h"})
        async with running(settings, clock) as exporter:
            assert exporter.value("aws_jobs", status="InProgress") == 1
            await exporter.turn(66)
            assert exporter.value("aws_jobs", status="InProgress") == 0
            assert exporter.by("status", "aws_jobs", state="unknown") == {"unknown": 1}
            assert exporter.value("aws_job_exporter_unknown_statuses_total", kind=BEDROCK.key) == 1


async def test_sagemaker_is_never_asked_for_a_status_without_a_bound(clock):
    """It takes a page and filters that: without a bound, it goes through all jobs that there ever were."""
    services = {"sagemaker": {"kinds": ["training_job", "processing_job"]}}
    async with simulated(clock) as aws:
        asked = []

        async def note(call):
            asked.append((call.operation, "StatusEquals" in call.arguments, "CreationTimeAfter" in call.arguments))

        aws.hooks.append(note)
        training = CATALOG["sagemaker"].kinds["training_job"]
        aws.world.add_job(training, created=NOW - 30 * DAY, path=[(0, "InProgress")])
        async with running(configured(aws.endpoint_url, services), clock) as exporter:
            await exporter.turn(66)
            # Older than the lookback, but no older than the longest that one may take.
            assert exporter.value("aws_jobs", status="InProgress", kind="training_job") == 1
        assert ("ListTrainingJobs", False, True) in asked
        assert ("ListProcessingJobs", True, True) in asked
        lists = {each for each in asked if each[0].startswith("List")}
        assert all(is_bounded for _, _, is_bounded in lists)
        assert ("ListTrainingJobs", True, True) not in lists


RESTARTING = [
    kind
    for name in CATALOG.names
    for kind in CATALOG[name].kinds.values()
    # DMS has no status of its own for a success.
    if kind.restarts and State.SUCCEEDED in kind.states
]


def words(kind):
    """Return a kind's statuses for a job that runs, one that failed and one that succeeded."""
    running, failed, succeeded = (kind.states[state][0] for state in (State.RUNNING, State.FAILED, State.SUCCEEDED))
    return running, failed, succeeded


@asynccontextmanager
async def reading_one(clock, kind, *paths):
    """Yield a simulated AWS with jobs of a kind, an hour apart from the oldest on, and an exporter that reads them."""
    async with simulated(clock) as aws:
        scope = None
        for name, _ in kind.scopes:
            scope = aws.world.add_scope(kind.service, name, within=scope)
        for hours, path in enumerate(reversed(paths), 1):
            aws.world.add_job(kind, created=NOW - hours * HOUR, path=path, scope=scope)
        services = {kind.service: {"kinds": [kind.key]}}
        async with running(configured(aws.endpoint_url, services, poll={"resync": "24h"}), clock) as exporter:
            yield aws, exporter


def states(exporter, status):
    """Return how many jobs in a status are in which state."""
    return {state: count for state, count in exporter.by("state", "aws_jobs", status=status).items() if count}


@pytest.mark.parametrize("kind", RESTARTING, ids=str)
async def test_a_job_that_runs_again_is_running_and_its_next_end_counts(clock, kind):
    """Though it had ended before the first poll, and another one was created since: its creation is that of before."""
    runs, fails, succeeds = words(kind)
    again = [(0, runs), (60, fails), (2 * HOUR + 90, runs), (2 * HOUR + 190, succeeds)]
    async with reading_one(clock, kind, again, [(0, runs), (60, succeeds)]) as (_, exporter):
        assert states(exporter, fails) == {"failed": 1}
        await exporter.turn(130)
        assert states(exporter, runs) == {"running": 1}
        await exporter.turn(130)
        assert states(exporter, succeeds) == {"succeeded": 2}
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
        assert not exporter.value("aws_jobs_finished_total", state="failed")
        await exporter.turn(130)
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1


async def test_an_unknown_status_is_logged_once(clock):
    """It is in the list for days."""
    async with reading(clock) as (aws, exporter):
        aws.world.add_job(BEDROCK, created=NOW, path=[(0, "Pondering")])
        with capture_logs() as logs:
            for _ in range(3):
                await exporter.turn(66)
        said = [entry["status"] for entry in logs if entry["event"] == "status unknown to the catalog"]
        assert said == ["Pondering"]
        total = exporter.value("aws_job_exporter_unknown_statuses_total", kind=BEDROCK.key)
        assert total == 3


async def test_what_may_be_counted_later_is_there_at_0(clock):
    """PromQL's `increase` misses the first event of a counter that starts at 1."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    async with reading(clock, services) as (aws, exporter):
        assert exporter.value("aws_job_exporter_unknown_statuses_total", kind=BEDROCK.key) == 0
        errors = "aws_job_exporter_detail_errors_total"
        assert set(exporter.by("reason", errors, kind=CUSTOMIZATION.key).values()) == {0}
        assert exporter.by("reason", errors, kind=BEDROCK.key) == {}
        aws.world.add_job(BEDROCK, created=NOW, path=[(0, "Failed")], message="no such bucket")
        await exporter.turn(66)
        assert set(exporter.by("reason", errors, kind=BEDROCK.key).values()) == {0}


@pytest.mark.parametrize(("active", "left_out"), [(3, None), (4, 1)])
@pytest.mark.parametrize("per_job", [True, False])
async def test_active_jobs_beyond_the_limit_are_told(clock, active, left_out, per_job):
    """Where single jobs are exported at all."""
    async with simulated(clock) as aws:
        for number in range(active):
            aws.world.add_job(BEDROCK, created=NOW - number, path=[(0, "InProgress")])
        settings = configured(aws.endpoint_url, ONE, metrics={"per_job": per_job, "per_job_active": 3})
        async with running(settings, clock) as exporter:
            dropped = exporter.by("bound", "aws_job_exporter_series_dropped", family="aws_job_info")
            assert dropped.get("per_job_active") == (left_out if per_job else None)


@pytest.fixture
async def reloadable(clock, tmp_path):
    """Return a simulated AWS with jobs of ten days, and the configuration file of an exporter that reads it."""
    async with simulated(clock) as aws:
        for days in range(10):
            created = NOW - days * DAY - HOUR
            aws.world.add_job(BEDROCK, created=created, path=[(0, "InProgress"), (60, "Completed")])
        yield aws, Configured(tmp_path / "exporter.yml", aws)


async def test_a_longer_lookback_shows_at_once_what_it_covers(reloadable, clock):
    """Those jobs were never listed: the next poll reads everything, and the one after that does not."""
    aws, config = reloadable
    config.write(poll={"lookback": "5d", "resync": "24h"})
    async with reloading(config, clock) as exporter:
        assert exporter.value("aws_jobs", status="Completed") == 5
        config.write(poll={"lookback": "8d", "resync": "24h"})
        assert not await exporter.reload()
        await exporter.turn(66)
        assert exporter.value("aws_jobs", status="Completed") == 8
        found = starts(aws)
        await exporter.turn(66)
        assert whole(found) == 0


async def test_a_reload_that_changes_nothing_about_a_list_keeps_what_is_known(reloadable, clock):
    """No more is requested than without it, and nothing is said twice."""
    aws, config = reloadable
    aws.world.add_job(BEDROCK, created=NOW, path=[(0, "Pondering")])
    config.write(poll={"resync": "24h"})
    with capture_logs() as logs:
        async with reloading(config, clock) as exporter:
            found = starts(aws)
            for limit in (5, 6):
                config.write(poll={"resync": "24h"}, limits={"dimension_values": limit})
                assert not await exporter.reload()
                await exporter.turn(66)
            assert whole(found) == 0
    assert [entry["event"] for entry in logs].count("status unknown to the catalog") == 1


async def test_limits_on_dimensions_apply_to_what_is_known(reloadable, clock):
    """With a dimension, another limit is another list of jobs: it is read anew."""
    aws, config = reloadable
    for number in range(5):
        job = {"created": NOW - MINUTE, "path": [(0, "InProgress")], "dimensions": {"model_id": f"model-{number}"}}
        aws.world.add_job(BEDROCK, **job)
    services = {"bedrock": {"kinds": [BEDROCK.key], "dimensions": ["model_id"]}}
    config.write(services, poll={"resync": "24h"}, limits={"dimension_values": 4})
    async with reloading(config, clock) as exporter:
        few = exporter.by("model_id", "aws_jobs", status="InProgress")
        config.write(services, poll={"resync": "24h"}, limits={"dimension_values": 50})
        assert not await exporter.reload()
        await exporter.turn(66)
        all_of_them = exporter.by("model_id", "aws_jobs", status="InProgress")
    assert "model-4" in all_of_them
    assert len(few) < len(all_of_them)


async def test_a_status_that_gets_another_meaning_applies_to_what_is_known(reloadable, clock):
    """A kind of one's own may be corrected while the exporter runs."""
    _, config = reloadable
    entry = {
        "service": "bedrock",
        "title": "Mine",
        "operation": BEDROCK.operation,
        "items": BEDROCK.items,
        "id": "jobArn",
        "status": "status",
        "times": {"created": "submitTime", "ended": "endTime"},
        "filters": {"created_after": "submitTimeAfter", "status": "statusEquals"},
    }
    states = {str(state): list(words) for state, words in BEDROCK.states.items()}
    config.write({"bedrock": {"kinds": ["mine"]}}, kinds={"mine": {**entry, "states": states}}, poll={"resync": "24h"})
    async with reloading(config, clock) as exporter:
        assert exporter.by("state", "aws_jobs", status="Completed") == {"succeeded": 7}
        states["partial"], states["succeeded"] = states["succeeded"], states["partial"]
        config.write(
            {"bedrock": {"kinds": ["mine"]}}, kinds={"mine": {**entry, "states": states}}, poll={"resync": "24h"}
        )
        assert not await exporter.reload()
        await exporter.turn(66)
        counted = exporter.by("state", "aws_jobs", status="Completed")
        assert (counted.get("succeeded", 0), counted["partial"]) == (0, 7)


async def test_a_stream_that_runs_without_end_is_found_however_old_it_is(aws, clock):
    """It started long before any lookback."""
    run = CATALOG["emr-serverless"].kinds["job_run"]
    application = aws.world.add_scope("emr-serverless", "application")
    aws.world.add_job(run, scope=application, created=NOW - 400 * 86_400, path=[(0.0, "RUNNING")])
    async with running(configured(aws.endpoint_url, {"emr-serverless": None}), clock) as exporter:
        assert exporter.value("aws_jobs", status="RUNNING") == 1


@pytest.mark.parametrize("name", ["stepfunctions/execution", "glue/job_run", "mediaconvert/job"])
async def test_a_list_that_has_the_newest_first_is_read_no_further_than_it_must(clock, name):
    """A state machine with thousands of finished executions takes one request a poll, and nothing is missed."""
    service, _, key = name.partition("/")
    kind = CATALOG[service].kinds[key]
    runs, fails, succeeds = words(kind)
    async with simulated(clock, page_size=10) as aws:
        scope = None
        for scope_name, _ in kind.scopes:
            scope = aws.world.add_scope(kind.service, scope_name, within=scope)
        for number in range(300):
            created = NOW - 20 * DAY + number * 1.2 * HOUR
            aws.world.add_job(kind, scope=scope, created=created, path=[(0, runs), (60, succeeds)])
        aws.world.add_job(kind, scope=scope, created=NOW - 100, path=[(0, runs), (2 * HOUR, fails)])
        async with running(configured(aws.endpoint_url, {kind.service: {"kinds": [kind.key]}}), clock) as exporter:
            for _ in range(3):
                before = aws.requests[kind.service, kind.operation]
                aws.world.add_job(kind, scope=scope, created=clock.now + 5, path=[(0, runs), (20, succeeds)])
                await exporter.turn(66)
                assert aws.requests[kind.service, kind.operation] - before <= 2
            assert exporter.value("aws_jobs_finished_total", state="succeeded") == 3
            assert exporter.value("aws_jobs_finished_total", state="failed") == 0
            for _ in range(2):
                await exporter.turn(HOUR)
            assert exporter.value("aws_jobs_finished_total", state="failed") == 1
            expected = sum(NOW - 20 * DAY + n * 1.2 * HOUR + 60 >= clock.now - 7 * DAY for n in range(300)) + 3
            assert exporter.value("aws_jobs", status=succeeds, state="succeeded") == expected


async def test_a_batch_queue_takes_one_list(clock):
    """Whatever the statuses of its jobs, and though some have waited for longer than the lookback."""
    kind = CATALOG["batch"].kinds["job"]
    async with simulated(clock) as aws:
        queue = aws.world.add_scope("batch", "job_queue")
        aws.world.add_job(kind, scope=queue, created=NOW - 30 * DAY, path=[(0, "RUNNABLE"), (30 * DAY + 90, "RUNNING")])
        for number, status in enumerate(("PENDING", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")):
            aws.world.add_job(kind, scope=queue, created=NOW - HOUR - number, path=[(0, "SUBMITTED"), (60, status)])
        async with running(configured(aws.endpoint_url, {"batch": {"kinds": [kind.key]}}), clock) as exporter:
            assert exporter.value("aws_jobs", status="RUNNABLE", state="pending") == 1
            before = aws.requests["batch", "ListJobs"]
            for _ in range(3):
                aws.world.add_job(kind, scope=queue, created=clock.now + 5, path=[(0, "SUBMITTED"), (20, "FAILED")])
                await exporter.turn(66)
            assert aws.requests["batch", "ListJobs"] == before + 3
            assert exporter.value("aws_jobs_finished_total", state="failed") == 3
            assert exporter.value("aws_jobs", status="RUNNABLE", state="pending") == 0
            assert exporter.value("aws_jobs", status="RUNNING", state="running") == 2


async def test_an_execution_that_runs_for_long_costs_no_further_request(clock):
    """It stands where it started, behind all that has ended since; that it is not listed says that it still runs."""
    kind = CATALOG["stepfunctions"].kinds["execution"]
    async with simulated(clock, page_size=10) as aws:
        machine = aws.world.add_scope("stepfunctions", "state_machine")
        aws.world.add_job(kind, scope=machine, created=NOW - 6 * DAY, path=[(0, "RUNNING"), (6 * DAY + HOUR, "FAILED")])
        for number in range(100):
            aws.world.add_job(kind, scope=machine, created=NOW - DAY - number, path=[(0, "RUNNING"), (60, "SUCCEEDED")])
        async with running(configured(aws.endpoint_url, {"stepfunctions": None}), clock) as exporter:
            before = aws.requests["stepfunctions", "ListExecutions"]
            for _ in range(3):
                await exporter.turn(66)
            assert aws.requests["stepfunctions", "ListExecutions"] == before + 3
            assert exporter.value("aws_jobs", status="RUNNING", state="running") == 1
            await exporter.turn(HOUR)
            assert exporter.value("aws_jobs_finished_total", state="failed") == 1
