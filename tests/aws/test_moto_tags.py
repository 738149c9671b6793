"""AWS tags that boto3 gives to resources in moto, in the labels of their jobs."""

import json

import pytest

from tests.support.harness import HandClock, configured, running

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::123456789012:role/jobs"


def train(client, name, **tags):
    """Train a model with SageMaker, with these tags."""
    client("sagemaker").create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://bucket/jobs"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )


async def test_the_tags_of_jobs(moto, client):
    """More of them than moto tells in one response."""
    for number in range(60):
        train(client, f"job-{number}", team="payroll" if number % 2 else "search", env="prod")
    train(client, "untagged")
    services = {"sagemaker": {"kinds": ["training_job"], "tags": ["team"]}}
    async with running(configured(moto, services), HandClock()) as exporter:
        counts = {
            team: sum(exporter.samples("aws_jobs", "status", "state", tag_team=team).values())
            for team in ("payroll", "search", "")
        }
        assert counts == {"payroll": 30, "search": 30, "": 1}


async def test_the_tags_of_scopes(moto, client):
    """Of a state machine, which its executions have, and of a job of Glue."""
    states = client("stepfunctions")
    definition = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    machine = states.create_state_machine(
        name="nightly", definition=definition, roleArn=ROLE, tags=[{"key": "team", "value": "payroll"}]
    )["stateMachineArn"]
    states.start_execution(stateMachineArn=machine)
    glue = client("glue")
    glue.create_job(Name="etl", Role=ROLE, Command={"Name": "glueetl"}, Tags={"team": "search"})
    glue.start_job_run(JobName="etl")
    services = {
        "stepfunctions": {"kinds": ["execution"], "tags": ["team"]},
        "glue": {"kinds": ["job_run"], "tags": ["team"]},
    }
    async with running(configured(moto, services), HandClock()) as exporter:
        for kind, team in (("execution", "payroll"), ("job_run", "search")):
            assert exporter.by("tag_team", "aws_job_scope_info", kind=kind) == {team: 1}
            assert exporter.samples("aws_jobs", "tag_team", kind=kind).keys() == {(team,)}
