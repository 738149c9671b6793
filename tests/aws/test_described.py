"""Lists of bare ids: another operation tells of each job, and of those that have ended only once."""

from contextlib import asynccontextmanager

import pytest

from tests.support.faults import Fault
from tests.support.harness import CATALOG, NOW, HandClock, configured, running, simulated

BUILD = CATALOG["codebuild"].kinds["build"]
ATHENA = CATALOG["athena"].kinds["query_execution"]
LIST, DESCRIBE = ("codebuild", "ListBuildsForProject"), ("codebuild", "BatchGetBuilds")


def add_builds(aws, project, count, status="SUCCEEDED", age=3600.0):
    """Add builds that ended a minute after their start, or run."""
    for number in range(count):
        path = [(0.0, "IN_PROGRESS")] if status == "IN_PROGRESS" else [(0.0, "IN_PROGRESS"), (60.0, status)]
        aws.world.add_job(BUILD, scope=project, created=NOW - age - number, path=path)


@asynccontextmanager
async def building(*, resync="24h", jobs=((3, "SUCCEEDED"),)):
    """Yield a simulated AWS, a project with builds, and an exporter that has read them."""
    clock = HandClock()
    async with simulated(clock) as aws:
        project = aws.world.add_scope("codebuild", "project")
        for count, status in jobs:
            add_builds(aws, project, count, status)
        settings = configured(aws.endpoint_url, {"codebuild": {"kinds": ["build"]}}, poll={"resync": resync})
        async with running(settings, clock) as exporter:
            yield aws, project, exporter


def counts(exporter):
    """Return how many builds are in which status."""
    return {status: n for status, n in exporter.by("status", "aws_jobs", kind="build").items() if n}


async def test_what_has_ended_is_described_once():
    """A poll of a project in which nothing happens is the list alone."""
    async with building() as (aws, _, exporter):
        before = aws.requests[LIST], aws.requests[DESCRIBE]
        await exporter.turn(130)
        assert counts(exporter) == {"SUCCEEDED": 3}
        assert (aws.requests[LIST] - before[0], aws.requests[DESCRIBE] - before[1]) == (1, 0)


async def test_what_runs_and_what_is_new_is_described():
    """An active build may have ended, and of a new one nothing is known."""
    async with building(jobs=((3, "SUCCEEDED"), (1, "IN_PROGRESS"))) as (aws, project, exporter):
        assert counts(exporter) == {"SUCCEEDED": 3, "IN_PROGRESS": 1}
        add_builds(aws, project, 2, "FAILED", age=-60.0)
        before = aws.requests[DESCRIBE]
        await exporter.turn(130)
        assert counts(exporter) == {"SUCCEEDED": 3, "IN_PROGRESS": 1, "FAILED": 2}
        assert aws.requests[DESCRIBE] - before == 1
        assert exporter.value("aws_jobs_finished_total", state="failed") == 2


async def test_a_resync_describes_everything_again():
    """Whatever was wrong the first time is right then."""
    async with building(resync="2m") as (aws, _, exporter):
        before = aws.requests[DESCRIBE]
        await exporter.turn(130)
        assert counts(exporter) == {"SUCCEEDED": 3}
        assert aws.requests[DESCRIBE] - before == 1


async def test_no_request_has_more_ids_than_aws_takes():
    """A page of a list may have more: 100 here, and BatchGetDeployments takes 25."""
    clock = HandClock()
    async with simulated(clock) as aws:
        kind = CATALOG["codedeploy"].kinds["deployment"]
        for number in range(60):
            aws.world.add_job(kind, created=NOW - 600 - number, path=[(0.0, "Created"), (60.0, "Succeeded")])
        settings = configured(aws.endpoint_url, {"codedeploy": {"kinds": ["deployment"]}}, poll={"resync": "24h"})
        async with running(settings, clock) as exporter:
            assert exporter.value("aws_jobs", status="Succeeded") == 60
            assert aws.requests["codedeploy", "BatchGetDeployments"] == 3


async def test_an_id_of_which_aws_tells_nothing_is_left_out():
    """The build was deleted since it was listed; the others count."""
    async with building(jobs=()) as (aws, project, exporter):
        add_builds(aws, project, 2, age=-60.0)
        aws.faults.add(Fault.members(ids=["project:gone"]), operation=LIST[1])
        await exporter.turn(130)
        assert exporter.up(kind="build") == 1
        assert counts(exporter) == {}


@pytest.mark.parametrize("ids", [[7], [None], [{"id": "a"}], [["a"]]], ids=str)
async def test_an_id_that_is_none_fails_the_poll(ids):
    """What is known stays, and nothing is asked about it."""
    async with building() as (aws, _, exporter):
        aws.faults.add(Fault.members(ids=ids), operation=LIST[1])
        before = aws.requests[DESCRIBE]
        await exporter.turn(130)
        assert exporter.why(kind="build") == "bad_response"
        assert counts(exporter) == {"SUCCEEDED": 3}
        assert aws.requests[DESCRIBE] == before


async def test_a_description_that_fails_fails_the_poll():
    """Half a list would look as if the other builds were gone."""
    async with building(jobs=((3, "SUCCEEDED"), (1, "IN_PROGRESS"))) as (aws, _, exporter):
        aws.faults.add(Fault.throttled(), operation=DESCRIBE[1])
        await exporter.turn(130)
        assert exporter.why(kind="build") == "throttled"
        assert counts(exporter) == {"SUCCEEDED": 3, "IN_PROGRESS": 1}


def test_the_newest_queries_are_read_without_those_of_weeks_ago():
    """Athena lists 45 days of queries, the newest first."""
    assert ATHENA.is_bounded
    assert ATHENA.listed_for(100 * 86_400) == 45 * 86_400
