"""Groups of jobs: whose job it is, and whether it is late."""

import asyncio

import aiohttp
import pytest

from exporter import app
from exporter.exposition import Format
from tests.support.faults import Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    KEYS,
    NOW,
    REGION,
    TRAINED,
    HandClock,
    Reading,
    Running,
    configured,
    running,
    simulated,
)
from tests.support.reloading import Configured, reloading

HOUR, DAY = 3_600.0, 86_400.0
PAYROLL = {"name": "payroll", "match": {"names": ["payroll-*"]}, "labels": {"owner": "ml-core"}}
RUNS = [(0, "InProgress"), (600, "Completed")]
FAILS = [(0, "InProgress"), (600, "Failed")]


@pytest.fixture
async def aws(clock):
    """Return an empty simulated AWS."""
    async with simulated(clock) as simulator:
        yield simulator


def settings(aws, *groups, **sections):
    """Return the settings of an exporter that reads two kinds, with these groups."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    return configured(aws.endpoint_url, services, groups=list(groups), **sections)


def states(exporter, group="payroll"):
    """Return how many jobs of a group are in each state, without zeros."""
    found = exporter.samples("aws_job_group_jobs", "state", "reason", group=group)
    return {state: jobs for (state, _), jobs in found.items() if jobs}


async def test_a_group_that_was_never_seen_is_there_at_zero(aws, clock):
    """Absent is not fine: an alert on it would never fire."""
    group = {**PAYROLL, "expect_every": "24h", "max_duration": "6h", "max_wait": "1h"}
    async with running(settings(aws, group), clock) as exporter:
        assert exporter.value("aws_job_group_info", group="payroll", owner="ml-core") == 1
        assert exporter.value("aws_job_group_jobs", group="payroll", state="running", reason="") == 0
        assert exporter.value("aws_job_group_finished_total", group="payroll", state="failed") == 0
        assert exporter.value("aws_job_group_failed_total", group="payroll", reason="quota_exceeded") == 0
        assert exporter.value("aws_job_group_expect_every_seconds", group="payroll") == DAY
        assert exporter.value("aws_job_group_due_timestamp_seconds", group="payroll") == NOW + DAY
        assert exporter.value("aws_job_group_max_duration_seconds", group="payroll") == 6 * HOUR
        assert exporter.value("aws_job_group_max_wait_seconds", group="payroll") == HOUR
        assert exporter.value("aws_job_group_last_finished_timestamp_seconds", group="payroll") is None
        assert exporter.by("state", "aws_job_group_sources", group="payroll") == {"up": 2, "down": 0}


async def test_a_group_adds_up_over_sources(aws, clock):
    """Its jobs may be of several kinds; those with other names are not among them."""
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    aws.world.add_job(CUSTOMIZATION, created=NOW, name="payroll-b", path=FAILS)
    aws.world.add_job(BEDROCK, created=NOW, name="report-a", path=RUNS)
    async with running(settings(aws, PAYROLL), clock) as exporter:
        assert states(exporter) == {"running": 2}
        assert exporter.value("aws_job_group_oldest_active_timestamp_seconds", group="payroll", state="running") == NOW
        assert exporter.value("aws_job_group_last_created_timestamp_seconds", group="payroll") == NOW
        await exporter.turn(610)
        assert states(exporter) == {"succeeded": 1, "failed": 1}
        assert exporter.by("state", "aws_job_group_finished_total", group="payroll")["succeeded"] == 1
        assert sum(exporter.by("reason", "aws_job_group_failed_total", group="payroll").values()) == 1
        assert exporter.value("aws_job_group_duration_seconds_count", group="payroll", state="succeeded") == 1
        assert exporter.by("quantile", "aws_job_group_duration_seconds", group="payroll", state="succeeded")
        ends = exporter.by("state", "aws_job_group_last_finished_timestamp_seconds", group="payroll")
        assert ends == {"succeeded": NOW + 600, "failed": NOW + 600}


async def test_the_first_group_that_takes_a_job_has_it(aws, clock):
    """A job is counted once, whatever else would take it, and one that nobody claims is in none."""
    for name in ("payroll-a", "payroll-b", "audit-a"):
        aws.world.add_job(BEDROCK, created=NOW, name=name, path=RUNS)
    first = {"name": "one", "match": {"names": ["*-a"], "kinds": [BEDROCK.key], "accounts": ["1111*"]}}
    async with running(settings(aws, first, PAYROLL), clock) as exporter:
        assert (states(exporter, "one"), states(exporter)) == ({"running": 2}, {"running": 1})
        # Of the other kind, the first group can have no jobs.
        assert exporter.by("state", "aws_job_group_sources", group="one") == {"up": 1, "down": 0}


@pytest.mark.parametrize(
    "match",
    [
        {"services": ["bedrock"]},
        {"kinds": [BEDROCK.key]},
        {"accounts": [ACCOUNT]},
        {"accounts": ["1111*"]},
        {"regions": ["us-*"]},
        {"regions": [REGION]},
        {"names": ["a-*", "payroll-?"]},
        {},
    ],
)
async def test_what_is_not_said_of_a_job_may_be_anything(aws, clock, match):
    """Everything that is said has to apply."""
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    async with running(settings(aws, {"name": "payroll", "match": match}), clock) as exporter:
        assert states(exporter) == {"running": 1}


@pytest.mark.parametrize(
    "match",
    [
        {"kinds": [CUSTOMIZATION.key]},
        {"accounts": ["2222*"]},
        {"regions": ["eu-*"]},
        {"names": ["PAYROLL-*"]},
        {"scopes": ["?*"]},
        {"kinds": [BEDROCK.key], "names": ["audit-*"]},
    ],
)
async def test_a_job_of_which_something_else_is_said_is_not_in_the_group(aws, clock, match):
    """One thing that does not apply is enough."""
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    async with running(settings(aws, {"name": "payroll", "match": match}), clock) as exporter:
        assert states(exporter) == {}


async def test_jobs_of_a_scope_are_in_a_group(aws, clock):
    """The id of the outermost scope is what patterns are about."""
    membership, other = (aws.world.add_scope("cleanrooms", "membership") for _ in range(2))
    for parent in (membership, other):
        model = aws.world.add_scope("cleanroomsml", "trained_model", within=parent)
        aws.world.add_job(TRAINED, created=NOW, scope=model, path=[(0, "ACTIVE")])
    group = {"name": "acme", "match": {"scopes": [f"{membership.id[:20]}*"]}}
    services = {"cleanroomsml": {"kinds": [TRAINED.key]}}
    async with running(configured(aws.endpoint_url, services, groups=[group]), clock) as exporter:
        assert sum(states(exporter, "acme").values()) == 1
        assert exporter.by("state", "aws_job_group_sources", group="acme") == {"up": 1, "down": 0}


FAMILIES = {
    "name_from": r"^(?P<name>[a-z-]+)-[0-9]{8}$",
    "match": {"services": ["bedrock"]},
    "labels": {"owner": "etl"},
}


async def test_families_of_names_are_groups_of_their_own(aws, clock):
    """One for each name that the pattern finds; a declared group of the same name has the jobs, too."""
    for name in ("import-20260920", "import-20260921", "export-20260921", "payroll-20260921", "adhoc"):
        aws.world.add_job(BEDROCK, created=NOW, name=name, path=RUNS)
    late = {**FAMILIES, "expect_every": "1d"}
    async with running(settings(aws, late, {"name": "payroll", "match": {"names": ["x"]}}), clock) as exporter:
        found = exporter.by("group", "aws_job_group_jobs", state="running", reason="")
        assert found == {"import": 2, "export": 1, "payroll": 1}
        owners = exporter.by("group", "aws_job_group_info", owner="etl")
        assert owners.keys() == {"import", "export"}
        assert exporter.value("aws_job_group_due_timestamp_seconds", group="import") == NOW + DAY
        assert exporter.value("aws_job_group_due_timestamp_seconds", group="payroll") is None


async def test_names_beyond_the_limit_are_one_group(aws, clock):
    """Whoever names jobs at random makes no more series than the limit allows, and those that are there stay."""
    for name in ("b", "a", "c", "other", "d" * 201):
        aws.world.add_job(BEDROCK, created=NOW, name=f"{name}-20260921", path=RUNS)
    limited = settings(aws, FAMILIES, limits={"groups": 2})
    async with running(limited, clock) as exporter:
        found = exporter.by("group", "aws_job_group_jobs", state="running", reason="")
        assert len(found) == 3
        assert found["other"] == 3
        aws.world.add_job(BEDROCK, created=clock.now, name="z-20260921", path=RUNS)
        await exporter.turn(70)
        assert exporter.by("group", "aws_job_group_jobs", state="running", reason="") == {**found, "other": 4}
        assert exporter.value("aws_job_group_info", group="other") == 1


async def test_hostile_names_and_patterns_stall_nothing(aws, clock):
    """A pattern for which a search that goes back would take the age of the universe; a label that is escaped."""
    hostile = {"name_from": r'^(?P<name>(a+)+["\n]?)$'}
    aws.world.add_job(BEDROCK, created=NOW, name="a" * 100 + "!", path=RUNS)
    aws.world.add_job(BEDROCK, created=NOW, name='aaa"', path=RUNS)
    async with running(settings(aws, hostile), clock) as exporter:
        assert exporter.by("group", "aws_job_group_jobs", state="running", reason="") == {'aaa"': 1}


async def test_a_source_that_is_down_shows_in_its_groups(aws, clock):
    """What the group adds up to stays, as of when the source was last read; an alert can wait for it."""
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    only = {"name": "customizations", "match": {"kinds": [CUSTOMIZATION.key]}}
    async with running(settings(aws, PAYROLL, only), clock) as exporter:
        aws.faults.add(Fault.access_denied(), service=BEDROCK.service, operation=BEDROCK.operation)
        await exporter.turn(70)
        assert exporter.by("state", "aws_job_group_sources", group="payroll") == {"up": 1, "down": 1}
        assert exporter.by("state", "aws_job_group_sources", group="customizations") == {"up": 1, "down": 0}
        assert states(exporter) == {"running": 1}


async def test_what_active_jobs_do_is_unknown_once_their_source_is_stale(aws, clock):
    """What nobody knows is missing, as it is of the source itself; what has ended is known, and so is a sibling."""
    aws.world.add_job(BEDROCK, created=NOW - 700, name="payroll-a", path=RUNS)
    aws.world.add_job(BEDROCK, created=NOW, name="audit-a", path=RUNS)
    aws.world.add_job(CUSTOMIZATION, created=NOW, name="audit-b", path=RUNS)
    groups = PAYROLL, {"name": "audit", "match": {"names": ["audit-*"]}}
    async with running(settings(aws, *groups), clock) as exporter:
        assert states(exporter, "audit") == {"running": 2}
        outage = aws.faults.add(Fault.server_error(), service=BEDROCK.service, operation=BEDROCK.operation)
        for _ in range(6):
            await exporter.turn(70)
        assert exporter.by("state", "aws_job_group_jobs", group="audit") == {}
        assert exporter.value("aws_job_group_oldest_active_timestamp_seconds", group="audit") is None
        assert exporter.value("aws_job_group_last_created_timestamp_seconds", group="audit") == NOW
        assert exporter.by("state", "aws_job_group_sources", group="audit") == {"up": 1, "down": 1}
        assert states(exporter) == {"succeeded": 1}
        aws.faults.remove(outage)
        await exporter.turn(300)
        assert states(exporter, "audit") == {"succeeded": 2}


async def test_a_parent_that_is_down_counts_as_well(aws, clock):
    """Nobody knows what it would find."""
    aws.faults.add(Fault.access_denied(), service="cleanrooms")
    services = {"cleanroomsml": {"kinds": [TRAINED.key]}, "bedrock": {"kinds": [BEDROCK.key]}}
    groups = [{"name": "all"}, {"name": "bedrock", "match": {"services": ["bedrock"]}}]
    async with running(configured(aws.endpoint_url, services, groups=groups), clock) as exporter:
        assert exporter.by("state", "aws_job_group_sources", group="all") == {"up": 1, "down": 1}
        assert exporter.by("state", "aws_job_group_sources", group="bedrock") == {"up": 1, "down": 0}


async def test_a_group_is_late_once_a_success_is_due(aws, clock):
    """A failure is none, and the next success moves the moment on."""
    daily = {**PAYROLL, "expect": "06:00 Europe/Berlin"}
    due = 1_790_049_600.0  # 2026-09-22, 06:00 in Berlin

    def add(end, status):
        aws.world.add_job(BEDROCK, created=end - 600, name="payroll-a", path=[(0, "InProgress"), (600, status)])

    def found():
        return exporter.value("aws_job_group_due_timestamp_seconds", group="payroll")

    add(due - 1200, "Failed")
    async with running(settings(aws, daily), clock) as exporter:
        assert found() == due
        await exporter.turn(due - NOW + 60)
        assert (found(), found() < clock.now) == (due, True)
        add(clock.now + 600, "Completed")
        await exporter.turn(700)
        assert found() == due + DAY
        add(due + DAY - 600, "Completed")
        await exporter.turn(due + DAY - clock.now)
        assert found() == due + 2 * DAY


async def test_a_reload_moves_jobs_to_their_new_groups(aws, clock, tmp_path):
    """What is known is assigned anew; what was counted stays, and a group that is gone goes."""
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write(groups=[PAYROLL])
    aws.world.add_job(BEDROCK, created=NOW - 10, name="payroll-a", path=RUNS)
    aws.world.add_job(BEDROCK, created=NOW - 10, name="audit-a", path=RUNS)
    async with reloading(config, clock) as exporter:
        await exporter.turn(600)
        before = exporter.samples("aws_job_group_finished_total", "state", group="payroll")
        assert (states(exporter), before["succeeded",]) == ({"succeeded": 1}, 1)
        everything = {**PAYROLL, "match": {"names": ["*-a"]}, "expect_every": "24h"}
        config.write(groups=[everything, {"name": "audit", "match": {"names": ["audit-*"]}}])
        assert await exporter.reload() == ()
        assert states(exporter) == {"succeeded": 2}
        assert exporter.samples("aws_job_group_finished_total", "state", group="payroll") == before
        assert states(exporter, "audit") == {}
        assert exporter.value("aws_job_group_due_timestamp_seconds", group="payroll") == NOW + 590 + DAY
        config.write(groups=[{"name": "audit", "match": {"names": ["audit-*"]}}])
        assert await exporter.reload() == ()
        assert exporter.by("group", "aws_job_group_info").keys() == {"audit"}
        assert states(exporter, "audit") == {"succeeded": 1}
        config.write()
        assert await exporter.reload() == ()
        assert exporter.by("group", "aws_job_group_jobs") == {}


async def test_the_pages_show_what_is_published(aws, clock, tmp_path):
    """The same groups as the metrics, over HTTP."""
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write(groups=[PAYROLL])
    aws.world.add_job(BEDROCK, created=NOW, name="payroll-a", path=RUNS)
    async with reloading(config, clock) as exporter, aiohttp.ClientSession() as session:
        ((host, port),) = exporter.exporter.addresses
        async with session.get(f"http://{host}:{port}/api/v1/groups") as response:
            (group,) = (await response.json())["data"]["groups"]
        assert (group["name"], group["jobs"]) == ("payroll", {"running": 1})


async def test_the_pages_show_the_jobs_of_a_group(aws, clock, tmp_path):
    """An owner asks for theirs, wherever they run, and in any order; a job says whose it is."""
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write(groups=[PAYROLL, {"name": "audit", "match": {"names": ["audit-*"]}}])
    for name in ("payroll-a", "payroll-b", "audit-a", "mine"):
        aws.world.add_job(BEDROCK, created=NOW, name=name, path=RUNS)
    async with reloading(config, clock) as exporter, aiohttp.ClientSession() as session:
        ((host, port),) = exporter.exporter.addresses

        async def jobs(query):
            async with session.get(f"http://{host}:{port}/api/v1/jobs?{query}") as response:
                data = (await response.json())["data"]
            assert data["total"] is None or "group" not in query
            return {each["name"]: each["group"] for each in data["jobs"]}

        assert await jobs("group=payroll") == {"payroll-a": "payroll", "payroll-b": "payroll"}
        assert list(await jobs("group=payroll&sort=-name&state=running")) == ["payroll-b", "payroll-a"]
        assert await jobs("group=nobody") == {}
        assert (await jobs(""))["mine"] == ""
        async with session.get(f"http://{host}:{port}/jobs?group=payroll") as response:
            page = await response.text()
        assert '<option value="audit"' in page
        assert "payroll-b" in page
        assert "audit-a" not in page


async def test_a_restart_loses_nothing_of_a_group(aws, clock, tmp_path):
    """Counters, last ends, what is due, and the names that were found, before AWS has been read again."""
    aws.world.add_job(BEDROCK, created=NOW - 10, name="payroll-a", path=RUNS)
    aws.world.add_job(BEDROCK, created=NOW - 10, name="import-20260921", path=RUNS)
    groups = {**PAYROLL, "expect": "06:00 Europe/Berlin"}, FAMILIES
    stored = settings(aws, *groups, storage={"path": tmp_path / "storage"})

    def shown(exporter):
        lines = exporter.read().lines
        return {line for line in lines if line.startswith("aws_job_group_") and "_sources{" not in line}

    async with running(stored, clock) as exporter:
        await exporter.turn(600)
        before = shown(exporter)
        assert exporter.value("aws_job_group_finished_total", group="import", state="succeeded") == 1
        assert exporter.value("aws_job_group_info", group="import", owner="etl") == 1
    aws.faults.add(Fault.access_denied())
    async with running(stored, HandClock(clock.now + 1)) as exporter:
        assert shown(exporter) == before
        assert exporter.by("state", "aws_job_group_sources", group="payroll")["up"] == 0


async def test_shards_add_up(aws, clock):
    """Each exports what it has read of a group, and all of them what is declared."""
    for kind in (BEDROCK, CUSTOMIZATION):
        aws.world.add_job(kind, created=NOW - 10, name="payroll-a", path=RUNS)
    parts = []
    group, other = (
        {**PAYROLL, "expect_every": "24h"},
        {"name": "other jobs", "match": {"names": ["x"]}, "expect": "06:00"},
    )
    for index in range(2):
        own = HandClock(NOW)
        async with running(settings(aws, group, other, shard={"count": 2, "index": index}), own) as exporter:
            clock.now += 600 * (index == 0)
            await exporter.turn(600)
            parts.append(exporter.read())
    ends = [part.by("state", "aws_job_group_finished_total", group="payroll")["succeeded"] for part in parts]
    assert sum(ends) == 2
    counts = [part.by("state", "aws_job_group_sources", group="payroll") for part in parts]
    assert sum(count["up"] for count in counts) == 2
    due = [part.value("aws_job_group_due_timestamp_seconds", group="payroll") for part in parts]
    assert max(filter(None, due)) == NOW + 590 + DAY
    assert [part.value("aws_job_group_info", group="payroll") for part in parts] == [1, 1]
    # Of what was never seen, one of them knows since when it is expected.
    never = [part.value("aws_job_group_due_timestamp_seconds", group="other jobs") for part in parts]
    assert never.count(None) == 1


async def test_counters_of_a_group_begin_at_zero(aws, clock):
    """PromQL sees the first step of a name that came with a job, and the second scrape has it."""
    quiet = {"metrics": {"zero_fill": "seen"}}
    made = settings(aws, FAMILIES, **quiet)
    async with app.assembled(made, CATALOG, REGION, credentials=KEYS, clock=clock, is_scraped=True) as parts:
        exporter = Running(parts.poller, parts.exposition, clock, parts.group_report)

        async def scrape():
            body = await parts.exposition.body(Format.TEXT, "prometheus", gzipped=False)
            await parts.exposition.newborns.show()
            reading = Reading(b"".join(body.pieces).decode().split("\n"))
            return reading.value("aws_job_group_finished_total", group="import", state="succeeded")

        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(parts.poller.run(parts.roots))
            await exporter.settle()
            assert await scrape() is None
            aws.world.add_job(BEDROCK, created=clock.now, name="import-20260921", path=[(0, "Completed")])
            await exporter.turn(90)
            assert [await scrape(), await scrape()] == [0, 1]
            polling.cancel()
