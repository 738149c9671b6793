"""AWS tags of jobs and of the scopes that they are in: labels, and what groups go by."""

from __future__ import annotations

import pytest

from exporter.aws import Place
from exporter.poller.tags import arn
from exporter.settings import Account
from tests.support.faults import LATER, Fault
from tests.support.harness import BEDROCK, CATALOG, NOW, configured, running, simulated

HOUR, DAY = 3_600.0, 86_400.0
RUNS = [(0, "InProgress"), (600, "Completed")]
SERVICES = {"bedrock": {"kinds": [BEDROCK.key], "tags": ["team"]}}
GLUE = CATALOG["glue"].kinds["job_run"]
GET = ("resourcegroupstaggingapi", "GetResources")


def arn_of(aws, job):
    """Return the id of a simulated job, which is an ARN."""
    return aws.world.job_items(job.kind).item(job, job.created)[job.kind.id[0]]


@pytest.fixture
def tags(aws):
    """Return the tags of resources by their ARNs, to be added to."""
    found: dict[str, dict[str, str]] = {}
    aws.world.tags = lambda arn: found.get(arn, {})
    return found


def add(aws, tags, created=NOW, path=RUNS, **values):
    """Add a job of Bedrock with these tags."""
    job = aws.world.add_job(BEDROCK, created=created, path=path)
    if values:
        tags[arn_of(aws, job)] = values
    return job


def teams(reading, name="aws_jobs", **labels):
    """Return a metric by the tag `team`, without zeros."""
    return {team: value for team, value in reading.by("tag_team", name, **labels).items() if value}


async def test_jobs_are_counted_by_their_tags(aws, clock, tags):
    """Whose jobs run, and whose have ended: from the first number on, and in the counters."""
    add(aws, tags, team="payroll", env="prod")
    add(aws, tags, team="search")
    add(aws, tags)
    async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert teams(exporter, state="running") == {"payroll": 1, "search": 1, "": 1}
        await exporter.turn(610)
        assert teams(exporter, "aws_jobs_finished_total", state="succeeded") == {"payroll": 1, "search": 1, "": 1}


async def test_aws_is_asked_once_for_the_tags_of_a_job(aws, clock, tags):
    """A poll that lists nothing new asks for nothing, however often a job is listed; nor does a resync."""
    for _ in range(3):
        add(aws, tags, path=[(0, "InProgress")], team="payroll")
    async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert aws.requests[GET] == 1
        for _ in range(3):
            await exporter.turn(HOUR)
        assert aws.requests[GET] == 1
        add(aws, tags, created=clock.now, team="search")
        await exporter.turn(70)
        assert aws.requests[GET] == 2
        assert teams(exporter, state="running") == {"payroll": 3, "search": 1}


async def test_what_ended_before_the_lookback_costs_no_request(aws, clock, tags):
    """AWS may list years of jobs."""
    for number in range(5):
        add(aws, tags, created=NOW - (10 + number) * DAY, team="payroll")
    async with running(configured(aws.endpoint_url, SERVICES), clock):
        assert aws.requests[GET] == 0


async def test_a_hundred_jobs_are_one_request(aws, clock, tags):
    """And what does not fit into it is in the next one."""
    for _ in range(201):
        add(aws, tags, team="payroll")
    async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert teams(exporter, state="running") == {"payroll": 201}
        assert aws.requests[GET] == 3


async def test_a_restart_asks_for_nothing_that_is_stored(aws, clock, tags, tmp_path):
    """And counters go on under the same labels."""
    add(aws, tags, team="payroll")
    stored = {"storage": {"path": str(tmp_path)}}
    async with running(configured(aws.endpoint_url, SERVICES, **stored), clock) as exporter:
        await exporter.turn(610)
    tags.clear()
    async with running(configured(aws.endpoint_url, SERVICES, **stored), clock) as exporter:
        await exporter.turn(HOUR)
        assert teams(exporter, "aws_jobs_finished_total", state="succeeded") == {"payroll": 1}
        assert teams(exporter, state="succeeded") == {"payroll": 1}
    assert aws.requests[GET] == 1


@pytest.mark.parametrize("state", ["running", "succeeded"])
async def test_a_missing_permission_costs_the_tags_not_the_jobs(aws, clock, tags, state):
    """It is seen, asked for again now and then, and made up for: also of a job that has ended meanwhile."""
    add(aws, tags, path=RUNS if state == "succeeded" else RUNS[:1], team="payroll")
    permitted = NOW + 2 * HOUR
    aws.faults.add(Fault.access_denied(), operation=GET[1], until=permitted)
    async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert exporter.up(kind=BEDROCK.key) == 1
        assert teams(exporter, state="running") == {"unknown": 1}
        assert exporter.value("aws_job_exporter_tag_errors_total", reason="access_denied") == 1
        for _ in range(9):
            await exporter.turn(60)
        assert aws.requests[GET] == 1
        for _ in range(3):
            await exporter.turn(HOUR)
        assert teams(exporter, state=state) == {"payroll": 1}
        assert aws.requests[GET] <= 5
        finished = {"unknown": 1} if state == "succeeded" else {}
        assert teams(exporter, "aws_jobs_finished_total", state="succeeded") == finished


async def test_sources_that_wait_for_one_permission_are_refused_once(aws, clock, tags):
    """However many there are in a region of an account."""
    for name in ("etl-a", "etl-b", "etl-c"):
        scope = aws.world.add_scope("glue", "job", id=name)
        aws.world.add_job(GLUE, created=NOW, path=[(0, "RUNNING")], scope=scope)
    aws.faults.add(Fault.access_denied(), operation=GET[1])
    services = {**SERVICES, "glue": {"kinds": ["job_run"], "tags": ["team"]}}
    add(aws, tags, team="payroll")
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert teams(exporter, state="running") == {"unknown": 4}
        assert aws.requests[GET] == 1


async def test_a_service_that_hangs_costs_the_tags_alone(aws, clock, tags):
    """A network without a way to the tagging API is no reason to be blind."""
    add(aws, tags, team="payroll")
    aws.faults.add(Fault.throttled(), operation=GET[1])
    async with running(configured(aws.endpoint_url, SERVICES, poll={"discovery_interval": "5m"}), clock) as exporter:
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.value("aws_job_exporter_tag_errors_total", reason="throttled") == 1


@pytest.mark.parametrize("named", [True, False], ids=["named", "discovered"])
async def test_jobs_have_the_tags_of_their_scope(aws, clock, tags, named):
    """A run of Glue has none of its own; the job that it is a run of does."""
    for name in ("etl", "report"):
        scope = aws.world.add_scope("glue", "job", id=name)
        aws.world.add_job(GLUE, created=NOW, path=[(0, "RUNNING")], scope=scope)
    tags["arn:aws:glue:us-east-1:111122223333:job/etl"] = {"team": "payroll", "cost-center": "4711"}
    services = {"glue": {"kinds": ["job_run"], "tags": ["team", "cost-center"]}}
    if named:
        services["glue"]["jobs"] = ["etl", "report"]
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.samples("aws_jobs", "scope", "tag_team", "tag_cost_center", state="running") == {
            ("etl", "payroll", "4711"): 1,
            ("report", "", ""): 1,
        }
        labels = ("scope_name", "tag_team", "tag_cost_center")
        assert exporter.samples("aws_job_scope_info", *labels, kind="job_run") == {
            ("etl", "payroll", "4711"): 1,
            ("report", "", ""): 1,
        }
        assert aws.requests[GET] == 1


async def test_scopes_are_asked_about_again_each_hour(aws, clock, tags):
    """A job belongs to another team now: those that it starts from then on do, too."""
    scope = aws.world.add_scope("glue", "job", id="etl")
    place = "arn:aws:glue:us-east-1:111122223333:job/etl"
    tags[place] = {"team": "payroll"}
    aws.world.add_job(GLUE, created=NOW, path=[(0, "RUNNING")], scope=scope)
    services = {"glue": {"kinds": ["job_run"], "tags": ["team"]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        tags[place] = {"team": "search"}
        await exporter.elapse(HOUR + 1200)
        aws.world.add_job(GLUE, created=clock.now, path=[(0, "RUNNING")], scope=scope)
        await exporter.elapse(1200)
        assert teams(exporter, state="running") == {"payroll": 1, "search": 1}
        assert teams(exporter, "aws_job_scope_info", kind="job_run") == {"search": 1}
        assert aws.requests[GET] == 2


async def test_a_group_goes_by_tags(aws, clock, tags):
    """Whatever the names are, and with a pattern as for any other match."""
    add(aws, tags, team="payroll-eu", env="prod")
    add(aws, tags, team="payroll-us", env="staging")
    add(aws, tags, team="search", env="prod")
    services = {"bedrock": {"kinds": [BEDROCK.key], "tags": ["team", "env"]}}
    groups = [
        {"name": "payroll", "match": {"tags": {"team": "payroll-*", "env": ["prod", "live"]}}},
        {"name": "rest"},
    ]
    async with running(configured(aws.endpoint_url, services, groups=groups), clock) as exporter:
        assert exporter.value("aws_job_group_jobs", group="payroll", state="running") == 1
        assert exporter.value("aws_job_group_jobs", group="rest", state="running") == 2


async def test_a_group_gets_its_jobs_once_their_tags_are_known(aws, clock, tags):
    """Until then they are nobody's."""
    add(aws, tags, path=RUNS[:1], team="payroll")
    add(aws, tags, team="payroll")
    aws.faults.add(Fault.server_error(), operation=GET[1], until=NOW + 60)
    groups = [{"name": "payroll", "match": {"tags": {"team": ["payroll"]}}}]
    async with running(configured(aws.endpoint_url, SERVICES, groups=groups), clock) as exporter:
        assert exporter.value("aws_job_group_jobs", group="payroll", state="running") == 0
        await exporter.elapse(2 * HOUR)
        assert exporter.value("aws_job_group_jobs", group="payroll", state="running") == 1
        assert exporter.value("aws_job_group_jobs", group="payroll", state="succeeded") == 1


async def test_hostile_tags_are_escaped(aws, clock, tags):
    """Everyone who may tag a job may write into the exposition."""
    add(aws, tags, team='"} 1\n# HELP evil \\')
    async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
        assert teams(exporter, state="running") == {'"} 1\n# HELP evil \\': 1}


async def test_values_beyond_the_limit_are_one(aws, clock, tags):
    """A tag with an id in it must not be as many series as there are jobs; a group still finds its jobs."""
    for number in range(5):
        add(aws, tags, team=f"t{number}")
    groups = [{"name": "last", "match": {"tags": {"team": ["t4"]}}}]
    limited = configured(aws.endpoint_url, SERVICES, limits={"dimension_values": 2}, groups=groups)
    async with running(limited, clock) as exporter:
        found = teams(exporter, state="running")
        assert found["other"] == 3
        assert len(found) == 3
        assert exporter.value("aws_job_group_jobs", group="last", state="running") == 1


async def test_a_list_that_breaks_off_costs_its_tags_once(clock):
    """However often it does: a long list may fail on its last page for hours."""
    async with simulated(clock, page_size=10) as aws:
        aws.world.tags = lambda _: {"team": "payroll"}
        for _ in range(20):
            aws.world.add_job(BEDROCK, created=NOW, path=RUNS)
        aws.faults.add(Fault.access_denied(), operation=BEDROCK.operation, page=LATER, until=NOW + HOUR)
        async with running(configured(aws.endpoint_url, SERVICES), clock) as exporter:
            assert exporter.up(kind=BEDROCK.key) == 0
            assert aws.requests[GET] == 1
            await exporter.turn(2 * HOUR)
            assert exporter.up(kind=BEDROCK.key) == 1
            assert teams(exporter, state="succeeded") == {"payroll": 20}
            assert aws.requests[GET] == 2


async def test_old_jobs_without_times_are_asked_about_once(aws, clock, tags):
    """The list of DataSync does not tell when they ended, and has them forever."""
    kind = CATALOG["datasync"].kinds["task_execution"]
    for _ in range(3):
        aws.world.add_job(kind, created=NOW - 20 * DAY, path=[(0, "QUEUED"), (50, "SUCCESS")])
    services = {"datasync": {"tags": ["team"]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        for _ in range(5):
            await exporter.turn(HOUR)
        assert exporter.value("aws_jobs", status="SUCCESS") in {None, 0}
        assert aws.requests[GET] == 1


async def test_what_ended_while_nobody_looked_counts_for_its_team(aws, clock, tags, tmp_path):
    """After a stop that was longer than the lookback: the counter has the job, which nothing else does any more."""
    stored = {"storage": {"path": str(tmp_path)}}
    add(aws, tags, team="search")
    async with running(configured(aws.endpoint_url, SERVICES, **stored), clock) as exporter:
        await exporter.turn(610)
    add(aws, tags, created=clock.now + 60, team="payroll")
    await clock.turn(7.5 * DAY)
    async with running(configured(aws.endpoint_url, SERVICES, **stored), clock) as exporter:
        await exporter.turn(HOUR)
        finished = teams(exporter, "aws_jobs_finished_total", state="succeeded")
        assert finished == {"search": 1, "payroll": 1}


async def test_what_reads_no_tags_concerns_no_group_that_goes_by_them(aws, clock, tags):
    """Its outage says nothing of the group, which would count as unknown all the same."""
    services = {**SERVICES, "comprehend": {"kinds": ["entity_recognizer"]}, "glue": {"kinds": ["job_run"]}}
    groups = [{"name": "payroll", "match": {"tags": {"team": ["payroll"]}}}]
    for operation in ("ListEntityRecognizers", "ListJobs"):
        aws.faults.add(Fault.access_denied(), operation=operation)
    async with running(configured(aws.endpoint_url, services, groups=groups), clock) as exporter:
        assert exporter.up(kind="entity_recognizer") == 0
        assert exporter.by("state", "aws_job_group_sources", group="payroll") == {"up": 1, "down": 0}


@pytest.mark.parametrize(
    ("template", "region", "identifier", "made"),
    [
        ("{id}", "eu-west-1", "arn:aws:iot:eu-west-1:111122223333:job/a", "arn:aws:iot:eu-west-1:111122223333:job/a"),
        (
            "arn:{partition}:glue:{region}:{account_id}:job/{id}",
            "cn-north-1",
            "etl {x}",
            "arn:aws-cn:glue:cn-north-1:111122223333:job/etl {x}",
        ),
        (
            "arn:{partition}:glue:{region}:{account_id}:job/{id}",
            "us-gov-west-1",
            "etl",
            "arn:aws-us-gov:glue:us-gov-west-1:111122223333:job/etl",
        ),
    ],
)
def test_arns_of_every_partition(template, region, identifier, made):
    """An id may hold what a template means something by."""
    assert arn(template, Place(Account(), region, "111122223333"), identifier) == made
