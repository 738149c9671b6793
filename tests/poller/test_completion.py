"""What AWS tells of a finished job only when asked about it alone: why it failed, and when it started and ended."""

from __future__ import annotations

import pytest

from exporter.simulator import AwsError
from exporter.simulator.world import ACCOUNT
from tests.support.faults import Fault
from tests.support.harness import CATALOG, NOW, configured, running
from tests.support.reloading import Configured, reloading

HOUR = 3600.0
DAY = 24 * HOUR
TRANSFER = CATALOG["datasync"].kinds["task_execution"]
PIPELINE = CATALOG["sagemaker"].kinds["pipeline_execution"]
QUERY = CATALOG["cleanrooms"].kinds["protected_query"]
TRAINING = CATALOG["sagemaker"].kinds["training_job"]

DATASYNC = {"datasync": None}


def ran(exporter, **labels):
    """Return the sum of run times, and of how many jobs that were seen to finish."""
    return tuple(exporter.value(f"aws_job_duration_seconds_{part}", **labels) for part in ("sum", "count"))


async def test_old_failures_are_not_news_after_a_start(aws, clock):
    """The list of executions has no times at all: errors of three weeks ago are not this week's."""
    for age in (20 * DAY, 19 * DAY, 2 * HOUR):
        aws.world.add_job(TRANSFER, created=NOW - age, path=[(0, "QUEUED"), (10, "TRANSFERRING"), (70, "ERROR")])
    async with running(configured(aws.endpoint_url, DATASYNC, poll={"details_budget": 1}), clock) as exporter:
        seen = [exporter.value("aws_jobs", state="failed") or 0]
        for _ in range(4):
            await exporter.turn(70)
            seen.append(exporter.value("aws_jobs", state="failed") or 0)
        assert max(seen) == seen[-1] == 1
        assert exporter.value("aws_jobs_finished_total", state="failed") == 0
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="failed") == NOW - 2 * HOUR + 70
        assert exporter.value("aws_job_duration_seconds", quantile="0.5", state="failed") == 60.0
        assert ran(exporter, kind=TRANSFER.key, state="failed") == (0.0, 0)
        assert aws.requests["datasync", "DescribeTaskExecution"] == 3


async def test_times_that_only_the_details_have(aws, clock):
    """Who asks how long transfers take and wait, and when the last one came, gets AWS's own times."""
    async with running(configured(aws.endpoint_url, DATASYNC), clock) as exporter:
        aws.world.add_job(TRANSFER, created=NOW + 5, path=[(0, "QUEUED"), (20, "TRANSFERRING"), (50, "SUCCESS")])
        await exporter.turn(70)
        assert exporter.value("aws_jobs", status="SUCCESS") == 1
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
        assert ran(exporter, kind=TRANSFER.key, state="succeeded") == (30.0, 1)
        assert exporter.value("aws_job_last_created_timestamp_seconds", kind=TRANSFER.key) == NOW + 5
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW + 55
        for _ in range(3):
            await exporter.turn(70)
        assert aws.requests["datasync", "DescribeTaskExecution"] == 1
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1


async def test_a_job_counts_while_its_times_are_still_to_be_asked_for(aws, clock):
    """An outage of the details costs run times, not counts; what arrives later is counted once."""
    aws.faults.add(Fault.throttled(), operation="DescribeTaskExecution", until=NOW + 600)
    async with running(configured(aws.endpoint_url, DATASYNC), clock) as exporter:
        aws.world.add_job(TRANSFER, created=NOW + 5, path=[(0, "QUEUED"), (50, "SUCCESS")])
        for _ in range(8):
            await exporter.turn(70)
            assert exporter.value("aws_jobs", status="SUCCESS") == 1
            assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
            assert exporter.samples("aws_job_last_finished_timestamp_seconds") == {}
            assert exporter.value("aws_job_exporter_details_pending", kind=TRANSFER.key) == 1
        await exporter.turn(70)
        assert exporter.value("aws_job_exporter_details_pending", kind=TRANSFER.key) is None
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW + 55


async def test_a_list_with_creations_alone_has_ends_by_its_details(aws, clock):
    """A pipeline that ran over the start of the lookback ended within it."""
    pipeline = aws.world.add_scope("sagemaker", "pipeline", name="nightly")
    for created, length in ((NOW - 7.5 * DAY, 0.6 * DAY), (NOW - 7.5 * DAY, 0.4 * DAY), (NOW - 2 * DAY, HOUR)):
        aws.world.add_job(PIPELINE, scope=pipeline, created=created, path=[(0, "Executing"), (length, "Succeeded")])
    services = {"sagemaker": {"kinds": [PIPELINE.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        await exporter.turn(70)
        assert exporter.value("aws_jobs", state="succeeded") == 2
        quantiles = exporter.by("quantile", "aws_job_duration_seconds", state="succeeded")
        assert quantiles == {"0.5": HOUR, "0.9": 0.6 * DAY, "0.99": 0.6 * DAY}
        assert ran(exporter, kind=PIPELINE.key, state="succeeded") == (0.0, 0)
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW - 2 * DAY + HOUR


async def test_a_duration_tells_the_end(aws, clock):
    """AWS has no end of a protected query, but how long it took, in milliseconds."""
    membership = aws.world.add_scope("cleanrooms", "membership")
    services = {"cleanrooms": {"kinds": [QUERY.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        path = [(0, "SUBMITTED"), (10, "STARTED"), (42.5, "SUCCESS")]
        aws.world.add_job(QUERY, scope=membership, created=NOW + 1, path=path)
        await exporter.turn(70)
        assert ran(exporter, kind=QUERY.key, state="succeeded") == (42.5, 1)
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW + 43.5


@pytest.mark.parametrize(
    "fault",
    [
        AwsError("AccessDeniedException", "not authorized", 403),
        AwsError("ResourceNotFound", "does not exist yet", 400),
        AwsError("ValidationException", "not yet", 400),
    ],
    ids=lambda error: error.code,
)
async def test_what_was_refused_once_is_asked_again(aws, clock, fault):
    """A role gets its permission, a new record becomes consistent; the failure was counted at once all the same."""

    async def refuse(call):
        if call.operation == "DescribeTrainingJob" and call.now < NOW + 100:
            raise fault

    aws.hooks.append(refuse)
    services = {"sagemaker": {"kinds": [TRAINING.key]}}
    async with running(configured(aws.endpoint_url, services, poll={"resync": "10m"}), clock) as exporter:
        path = [(0, "InProgress"), (5, "Failed")]
        aws.world.add_job(TRAINING, created=NOW + 1, path=path, message="CapacityError: no instances")
        await exporter.turn(70)
        assert exporter.reasons() == {"unspecified": 1}
        assert exporter.value("aws_jobs_failed_total", reason="unspecified") == 1
        for _ in range(9):
            await exporter.turn(70)
        assert exporter.reasons() == {"capacity": 1, "unspecified": 0}
        assert sum(exporter.by("reason", "aws_jobs_failed_total").values()) == 1
        assert aws.requests["sagemaker", "DescribeTrainingJob"] == 2


@pytest.mark.parametrize("outage", [Fault.html(), Fault.server_error()], ids=["html", "500"])
async def test_an_outage_is_no_answer(aws, clock, outage):
    """Ten polls without an answer cost nothing but time, and one or two requests in each."""
    aws.faults.add(outage, operation="DescribeTrainingJob", until=NOW + 700)
    services = {"sagemaker": {"kinds": [TRAINING.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        for number in range(5):
            path = [(0, "InProgress"), (5, "Failed")]
            aws.world.add_job(TRAINING, created=NOW + number, path=path, message="CapacityError: no instances")
        for _ in range(9):
            await exporter.turn(70)
        assert exporter.reasons() == {}
        assert aws.requests["sagemaker", "DescribeTrainingJob"] <= 2 * 9
        for _ in range(3):
            await exporter.turn(70)
        assert exporter.reasons() == {"capacity": 5}
        assert exporter.value("aws_jobs_failed_total", reason="capacity", account_id=ACCOUNT) == 5


async def test_waiting_is_no_run_time_where_the_details_tell_the_start(aws, clock):
    """A transfer that was cancelled in the queue never ran, however long it had waited."""
    async with running(configured(aws.endpoint_url, DATASYNC), clock) as exporter:
        aws.world.add_job(TRANSFER, created=NOW + 5, path=[(0, "QUEUED"), (50, "ERROR")])
        await exporter.turn(70)
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="failed") == NOW + 55
        assert ran(exporter, kind=TRANSFER.key, state="failed") == (None, None)


async def test_times_of_the_details_that_cannot_be(aws, clock):
    """An end before the start of the transfer would be a negative run time."""
    aws.faults.add(Fault.members(EndTime=NOW - DAY), operation="DescribeTaskExecution")
    async with running(configured(aws.endpoint_url, DATASYNC), clock) as exporter:
        aws.world.add_job(TRANSFER, created=NOW + 5, path=[(0, "QUEUED"), (20, "TRANSFERRING"), (50, "SUCCESS")])
        await exporter.turn(70)
        assert exporter.value("aws_jobs", state="succeeded") == 1
        assert ran(exporter, kind=TRANSFER.key, state="succeeded") == (None, None)


async def test_what_was_refused_is_asked_again_after_a_reload(aws, clock, tmp_path):
    """Who has just mended the role need not wait for an hour."""
    rule = aws.faults.add(Fault.access_denied(), operation="DescribeTrainingJob")
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write({"sagemaker": {"kinds": [TRAINING.key]}})
    aws.world.add_job(
        TRAINING, created=NOW - 60, path=[(0, "InProgress"), (5, "Failed")], message="CapacityError: none"
    )
    async with reloading(config, clock) as exporter:
        await exporter.turn(70)
        assert exporter.reasons() == {"unspecified": 1}
        aws.faults.remove(rule)
        await exporter.reload()
        await exporter.turn(70)
        assert exporter.value("aws_jobs", state="failed", reason="capacity") == 1
