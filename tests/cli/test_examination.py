"""What the doctor foretells is what the exporter then does: its requests to AWS in a simulated day."""

from __future__ import annotations

import pytest

from tests.support.days import DAY, add_busy, add_daily, add_scopes, day
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, CUSTOMIZATION, NOW, HandClock, simulated

pytestmark = pytest.mark.slow


def empty(_world):
    """Add nothing."""
    return {"bedrock": {"kinds": ["evaluation_job", "model_copy_job"]}, "emr": {}}


def quiet(world):
    """Add scopes of several services, in which nothing has run for two days, each with a list of its own."""
    numbers = {"glue/job_run": 2, "glue/crawl": 1, "batch/job": 1, "stepfunctions/execution": 2}
    add_busy(world, {**numbers, "sagemaker/pipeline_execution": 1})
    return {
        "glue": {"kinds": ["job_run", "crawl"]},
        "batch": {"kinds": ["job"]},
        "stepfunctions": {},
        "sagemaker": {"kinds": ["job", "pipeline_execution"]},
    }


def daily(world):
    """Add a job that runs for three hours each day, before now and after, and one that never ends."""
    add_daily(world, "bedrock/evaluation_job", days=range(-2, 8), runs=3 * 3600.0)
    world.add_job(BEDROCK, created=NOW - 2 * DAY, path=[(0, "InProgress")])
    return {"bedrock": {"kinds": [BEDROCK.key, "evaluation_job"]}}


def many(world):
    """Add a state machine and a Glue job with pages of history, which each resync reads again."""
    for name, number in (("stepfunctions/execution", 1), ("glue/job_run", 1)):
        (scope,) = add_scopes(world, name, number)
        add_daily(world, name, scope, days=[hour / 24 for hour in range(24, 168)])
    return {"stepfunctions": {}, "glue": {"kinds": ["job_run"]}}


@pytest.mark.parametrize(
    ("fill", "options"),
    [(empty, {}), (quiet, {}), (daily, {}), (many, {"page_size": 20})],
    ids=["empty", "quiet", "daily", "many"],
)
async def test_a_day_takes_the_requests_that_the_doctor_foretold(fill, options):
    """Within a tenth of them, and never more than if something happened all the time."""
    clock = HandClock()
    async with simulated(clock, **options) as aws:
        services = fill(aws.world)
        found = await day(aws, clock, services, {})
    assert found.foretold.expected == pytest.approx(found.mean, rel=0.1)
    assert found.mean <= found.foretold.most


@pytest.mark.parametrize("fault", [Fault.access_denied(), Fault.server_error()], ids=["denied", "failing"])
async def test_what_cannot_be_read_is_foretold_as_it_is_asked_again(fault):
    """CloudTrail records what AWS denies, too, and somebody may be alarmed by it."""
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.faults.add(fault, operation=BEDROCK.operation)
        kinds = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
        found = await day(aws, clock, kinds, {}, hours=4)
    assert found.foretold.expected == pytest.approx(found.mean, rel=0.1)


async def test_questions_about_single_jobs_are_foretold():
    """Each failed job is asked about once, so as many a day as failed on each day of the lookback."""
    clock = HandClock()
    async with simulated(clock) as aws:
        for number in range(150):
            for days in (-0.5, 0.5, 1.5):
                path = [(0, "InProgress"), (60 + number / 10, "Failed")]
                aws.world.add_job(BEDROCK, created=NOW - days * DAY, path=path)
        found = await day(aws, clock, {"bedrock": {"kinds": [BEDROCK.key]}}, {"lookback": "2d"})
    assert found.foretold.expected == pytest.approx(found.mean, rel=0.1)
