"""From an event to /metrics, with SQS and EventBridge as moto has them, in real time."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from exporter import app
from tests.support.harness import CATALOG, KEYS, REGION, Reading, configured
from tests.support.patience import SLOWNESS, eventually
from tests.support.sqs import event

pytestmark = [
    pytest.mark.slow,
    # moto's CloudFormation ignores the two policies of the template, and says so.
    pytest.mark.filterwarnings("ignore:Tried to parse AWS..SQS..QueuePolicy"),
]

TEMPLATES = Path(__file__).parents[2] / "config" / "events" / "cloudformation"
JOB = CATALOG["batch"].kinds["job"]
PROMISE = 10.0
"""Seconds within which a failure is on /metrics, if the lists are read every quarter of an hour."""


@pytest.fixture
def job_queue(client, monkeypatch):
    """Return the ARN of a job queue of Batch, in which every job fails at once."""
    monkeypatch.setenv("MOTO_SIMPLE_BATCH_FAIL_AFTER", "0")
    client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument="{}")
    batch = client("batch")
    environment = batch.create_compute_environment(
        computeEnvironmentName="environment",
        type="UNMANAGED",
        state="ENABLED",
        serviceRole="arn:aws:iam::123456789012:role/batch",
    )["computeEnvironmentArn"]
    order = [{"order": 1, "computeEnvironment": environment}]
    container = {"image": "image", "vcpus": 1, "memory": 128}
    batch.register_job_definition(jobDefinitionName="job", type="container", containerProperties=container)
    queue = batch.create_job_queue(jobQueueName="queue", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    return queue["jobQueueArn"]


@pytest.fixture
def deploy(client):
    """Return a function that deploys a template in a region, and returns what the stack puts out."""

    def create(name, region=REGION, **parameters):
        formation = client("cloudformation", region)
        formation.create_stack(
            StackName=name,
            TemplateBody=(TEMPLATES / f"{name}.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}

    return create


@asynccontextmanager
async def serving(moto, queue, **sections):
    """Yield a function that scrapes an exporter, which runs by the real clock."""
    settings = configured(
        moto,
        {"batch": {"kinds": [JOB.key]}},
        web={"listen_address": "127.0.0.1:0"},
        poll={"interval": "15m", "idle_interval": "15m", "discovery_interval": "15m"},
        events={"sqs_queue_url": queue},
        **sections,
    )
    async with (
        app.running(settings, CATALOG, REGION, credentials=KEYS) as exporter,
        aiohttp.ClientSession("http://{}:{}".format(*exporter.addresses[0])) as session,
    ):

        async def scrape():
            async with session.get("/metrics") as response:
                return Reading((await response.text()).split("\n"))

        yield scrape


async def until(scrape, condition):
    """Scrape until a condition holds, and return how many seconds that took."""
    began = time.monotonic()

    async def holds():
        return condition(await scrape())

    await eventually(holds)
    return time.monotonic() - began


async def test_a_failure_is_on_the_metrics_within_seconds_of_its_event(moto, client, deploy, job_queue):
    """Though the list would be read a quarter of an hour later."""
    queue = deploy("queue")["QueueUrl"]
    async with serving(moto, queue) as scrape:
        await until(scrape, lambda reading: reading.up(kind="queue") == 1 and reading.up(kind=JOB.key) == 1)
        job = client("batch").submit_job(jobName="first", jobQueue="queue", jobDefinition="job")["jobId"]
        counted = {"kind": JOB.key, "scope": job_queue, "state": "failed"}
        assert (await scrape()).value("aws_jobs_finished_total", **counted) in {None, 0}
        detail = {"jobArn": "arn", "jobId": job, "jobQueue": job_queue, "status": "FAILED"}
        body = event("aws.batch", "Batch Job State Change", time.time(), account="123456789012", detail=detail)
        client("sqs").send_message(QueueUrl=queue, MessageBody=body)
        took = await until(scrape, lambda reading: reading.value("aws_jobs_finished_total", **counted) == 1)
        assert took < PROMISE * SLOWNESS
        noted = {"aws_service": "batch", "result": "noted"}
        await until(scrape, lambda reading: reading.value("aws_job_exporter_hints_total", **noted) == 1)
        # It is known when the poll is over, which is after the job is shown.
        lag = {"name": "aws_job_exporter_hints_lag_seconds_sum", "aws_service": "batch"}
        await until(scrape, lambda reading: reading.value(**lag) is not None)
        assert 0 < (await scrape()).value(**lag) < PROMISE * SLOWNESS
    attributes = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    left = attributes["ApproximateNumberOfMessages"], attributes["ApproximateNumberOfMessagesNotVisible"]
    assert left == ("0", "0")


async def test_a_queue_that_does_not_exist_is_down_and_lists_are_read(moto, aws_credentials, job_queue):
    """The reason is that of AWS."""
    async with serving(moto, f"https://sqs.{REGION}.amazonaws.com/123456789012/none") as scrape:
        await until(scrape, lambda reading: reading.up(kind="queue") == 0 and reading.up(kind=JOB.key) == 1)
        assert (await scrape()).why(kind="queue") == "not_found"


def test_the_rules_lead_what_tells_of_jobs_into_the_queue(client, deploy):
    """What happens in the account of the queue, and in another region; and nothing else."""
    central = deploy("queue")
    deploy("forward", "eu-west-1", BusArn=central["BusArn"])
    told = [("aws.batch", "Batch Job State Change"), ("aws.states", "Step Functions Execution Status Change")]
    others = [("aws.batch", "AWS API Call via CloudTrail"), ("aws.ec2", "EC2 Instance State-change Notification")]
    for region in (REGION, "eu-west-1"):
        entries = [{"Source": source, "DetailType": type_, "Detail": "{}"} for source, type_ in (*told, *others)]
        assert client("events", region).put_events(Entries=entries)["FailedEntryCount"] == 0
    received = client("sqs").receive_message(QueueUrl=central["QueueUrl"], MaxNumberOfMessages=10)["Messages"]
    contents = [json.loads(message["Body"]) for message in received]
    assert sorted((each["source"], each["detail-type"]) for each in contents) == sorted([*told, *told])
