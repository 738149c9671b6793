"""An independent AWS: what boto3 creates in moto appears in the metrics."""

import pytest

from tests.support.harness import CUSTOMIZATION, INFERENCE, REGION, TRAINED, HandClock, configured, running

pytestmark = pytest.mark.slow


def customize(client, name):
    """Start a model customization job with boto3."""
    return client("bedrock").create_model_customization_job(
        jobName=name,
        customModelName=f"{name}-model",
        roleArn="arn:aws:iam::123456789012:role/bedrock",
        baseModelIdentifier="amazon.titan-text-lite-v1",
        trainingDataConfig={"s3Uri": "s3://bucket/train.jsonl"},
        outputDataConfig={"s3Uri": "s3://bucket/out"},
        hyperParameters={"epochCount": "1"},
    )["jobArn"]


async def test_model_customization_jobs(moto, client):
    """Jobs that boto3 started are counted in the status that boto3 lists, under moto's account."""
    for name in ("first", "second"):
        customize(client, name)
    client("bedrock").stop_model_customization_job(jobIdentifier="first")
    listed = client("bedrock").list_model_customization_jobs()["modelCustomizationJobSummaries"]
    expected = {job["jobName"]: job["status"] for job in listed}
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
    settings = configured(moto, services, metrics={"per_job": True})
    async with running(settings, HandClock()) as exporter:
        assert exporter.by("account_id", "aws_job_exporter_source_up", kind=CUSTOMIZATION.key) == {"123456789012": 1}
        assert exporter.samples("aws_job_info", "job_name", "status").keys() == set(expected.items())
        counts = exporter.by("status", "aws_jobs", kind=CUSTOMIZATION.key)
    assert counts | {status: list(expected.values()).count(status) for status in expected.values()} == counts
    assert sum(counts.values()) == 2


async def test_memberships_and_collaborations(moto, client):
    """Clean Rooms memberships are discovered; only Clean Rooms ML, which moto lacks, shows as down."""
    cleanrooms = client("cleanrooms")
    collaboration = cleanrooms.create_collaboration(
        name="with Example Corp",
        description="",
        members=[],
        creatorMemberAbilities=["CAN_QUERY", "CAN_RECEIVE_RESULTS"],
        creatorDisplayName="us",
        queryLogStatus="DISABLED",
    )["collaboration"]["id"]
    membership = cleanrooms.create_membership(collaborationIdentifier=collaboration, queryLogStatus="DISABLED")
    services = {"cleanroomsml": {"kinds": [TRAINED.key, INFERENCE.key]}}
    async with running(configured(moto, services), HandClock()) as exporter:
        assert exporter.up(kind="membership") == 1
        assert exporter.up(kind="collaboration") == 1
        down = exporter.by("scope", "aws_job_exporter_source_failure_info")
    assert down.keys() == {membership["membership"]["id"], collaboration}


async def test_a_role_is_assumed_with_sts(moto, client):
    """Another account is read through its role, and labeled with the role's account."""
    role = "arn:aws:iam::444455556666:role/aws-job-exporter"
    accounts = [{"role_arn": role, "external_id": "a-secret", "regions": [REGION]}]
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
    async with running(configured(moto, services, accounts=accounts), HandClock()) as exporter:
        assert exporter.by("account_id", "aws_job_exporter_source_up", kind=CUSTOMIZATION.key) == {"444455556666": 1}
        operations = exporter.by("operation", "aws_job_exporter_aws_requests_total", code="200")
    assert operations == {"AssumeRole": 1, "GetCallerIdentity": 1, "ListModelCustomizationJobs": 3}
