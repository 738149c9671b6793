"""What jobs used, from AWS's answer to the scrape: of lists that tell, and of details that are asked for it."""

import pytest
from aiohttp import web

from tests.support.harness import CATALOG, NOW, configured, running

HOUR = 3600.0
RUN = CATALOG["glue"].kinds["job_run"]
TRAINING = CATALOG["sagemaker"].kinds["training_job"]
SECONDS = "aws_job_resource_seconds_total"
SAGEMAKER = {"sagemaker": {"kinds": [TRAINING.key]}}
COMPLETED = [(0, "InProgress"), (5, "Completed")]


async def describe(call):
    """Answer as AWS does of a training job with two instances."""
    if call.operation != "DescribeTrainingJob":
        return None
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    job = {"TrainingJobName": "a", "TrainingJobArn": "b", "TrainingJobStatus": "Completed", "CreationTime": NOW}
    return web.json_response({**job, "BillableTimeInSeconds": 60, "ResourceConfig": resources})


async def test_a_list_tells_what_its_jobs_used(aws, clock):
    """What had ended before counts nowhere, what ends counts once, by the type of its workers."""
    job = aws.world.add_scope("glue", "job", name="load")
    fields = {"DPUSeconds": 1200.5, "WorkerType": "G.1X"}
    path = [(0, "RUNNING"), (30, "SUCCEEDED")]
    aws.world.add_job(RUN, scope=job, created=NOW - HOUR, path=path, fields=fields)
    services = {"glue": {"kinds": [RUN.key]}}
    groups = [{"name": "load", "match": {"services": ["glue"]}}]
    async with running(configured(aws.endpoint_url, services, groups=groups), clock) as exporter:
        aws.world.add_job(RUN, scope=job, created=NOW + 1, path=path, fields=fields)
        aws.world.add_job(RUN, scope=job, created=NOW + 2, path=path, fields={**fields, "WorkerType": "G.2X"})
        for _ in range(3):
            await exporter.turn(70)
            assert exporter.by("type", SECONDS, resource="dpu") == {"G.1X": 1200.5, "G.2X": 1200.5}
        assert exporter.samples("aws_job_processed_total") == {}
        group = exporter.by("type", "aws_job_group_resource_seconds_total", group="load", resource="dpu")
        assert group == {"G.1X": 1200.5, "G.2X": 1200.5}


async def test_details_tell_what_each_job_used_that_counts(aws, clock):
    """One request for each job that finishes, none for what had ended before."""
    aws.hooks.append(describe)
    aws.world.add_job(TRAINING, created=NOW - HOUR, path=COMPLETED)
    settings = configured(aws.endpoint_url, SAGEMAKER, poll={"usage_details": True})
    async with running(settings, clock) as exporter:
        assert aws.requests["sagemaker", "DescribeTrainingJob"] == 0
        for second in (1, 2):
            aws.world.add_job(TRAINING, created=NOW + second, path=COMPLETED)
        for _ in range(3):
            await exporter.turn(70)
            assert exporter.by("type", SECONDS, resource="instance") == {"ml.m5.xlarge": 240.0}
        assert aws.requests["sagemaker", "DescribeTrainingJob"] == 2


@pytest.mark.parametrize("status", ["Completed", "Failed"])
async def test_without_the_setting_nobody_is_asked(aws, clock, status):
    """What only failures tell would be taken for what all jobs used."""
    aws.hooks.append(describe)
    async with running(configured(aws.endpoint_url, SAGEMAKER), clock) as exporter:
        aws.world.add_job(TRAINING, created=NOW + 1, path=[(0, "InProgress"), (5, status)])
        for _ in range(2):
            await exporter.turn(70)
        assert exporter.samples(SECONDS) == {}
        assert aws.requests["sagemaker", "DescribeTrainingJob"] == (status == "Failed")


async def test_usage_goes_on_after_a_restart(aws, clock, tmp_path):
    """With storage, a counter neither starts over nor counts a job twice."""
    job = aws.world.add_scope("glue", "job", name="load")
    fields = {"DPUSeconds": 1200.5, "WorkerType": "G.1X"}
    services = {"glue": {"kinds": [RUN.key]}}
    settings = configured(aws.endpoint_url, services, storage={"path": str(tmp_path / "storage")})
    async with running(settings, clock) as exporter:
        aws.world.add_job(RUN, scope=job, created=NOW + 1, path=[(0, "RUNNING"), (30, "SUCCEEDED")], fields=fields)
        await exporter.turn(70)
        assert exporter.value(SECONDS, type="G.1X") == 1200.5
    async with running(settings, clock) as exporter:
        aws.world.add_job(RUN, scope=job, created=NOW + 71, path=[(0, "RUNNING"), (1, "FAILED")], fields=fields)
        for _ in range(2):
            await exporter.turn(70)
        assert exporter.value(SECONDS, type="G.1X") == 2401.0
