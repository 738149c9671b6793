"""Recording a listing: from AWS to a file that a test replays."""

import asyncio
import json
import time

import pytest
from aiohttp import web

from exporter.cli import main
from exporter.simulator import AwsError, populate
from exporter.simulator.recordings import recordings
from tests.support.harness import BEDROCK, CATALOG, HandClock, simulated
from tests.support.patience import UNHURRIED_FLAGS
from tests.support.replaying import check

pytestmark = pytest.mark.slow


@pytest.fixture
async def aws():
    """Return a simulated AWS with a week of jobs, at the present time: the command has no other clock."""
    clock = HandClock(time.time())
    async with simulated(clock) as simulator:
        populate(simulator.world, CATALOG, seed=1, now=clock.now)
        yield simulator


@pytest.fixture
def record(aws, aws_credentials, capsys):
    """Return a function that records a kind and returns the exit code and what was printed."""

    async def call(*arguments):
        flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", "--aws.max-attempts=1")
        # In another thread: the simulator needs this thread's event loop.
        code = await asyncio.to_thread(main, ["record", *flags, "--aws.requests-per-second=1000", *arguments])
        return code, *capsys.readouterr()

    return call


KINDS = [
    str(BEDROCK),
    "bedrock/evaluation_job",
    "cleanroomsml/trained_model_version",
    "codebuild/build",
    "glue/materialized_view_refresh_task_run",
]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_recording_is_a_test_that_passes(record, tmp_path, kind):
    """Dropped among the others, the file is replayed: with scopes, details, or the account as an argument."""
    file = tmp_path / "recording.yaml"
    code, out, _ = await record(kind, f"--file={file}", "--most=2")
    assert (code, out) == (0, "")
    (recording,) = recordings(file)
    assert recording.kind == kind
    assert recording.jobs
    await check(recording)
    statuses = [job["status"] for job in recording.jobs]
    assert max(map(statuses.count, statuses)) == 2


async def test_nothing_of_the_account_is_printed(aws, record):
    """AWS's texts are gone wherever they stood, and the account with them."""

    async def respond(context):
        job = {
            "jobArn": "arn:aws:bedrock:us-east-1:210987654321:evaluation-job/secret0",
            "jobName": "secret1",
            "status": "Failed",
            "creationTime": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() - 60))}.123Z",
            "jobType": "secret 2",
            "evaluationTaskTypes": ["secret 3"],
            "somethingNew": {"secret4": "secret5"},
        }
        if context.operation == "GetEvaluationJob":
            assert context.arguments["jobIdentifier"] == job["jobArn"]
            rest = {"roleArn": "secret6", "failureMessages": ["secret7 access denied"], "secret 8": "secret9"}
            return web.json_response({**job, **rest})
        if context.operation != "ListEvaluationJobs":
            return None
        if "nextToken" not in context.arguments:
            return web.json_response({"jobSummaries": [], "nextToken": "secret10"})
        return web.json_response({"jobSummaries": [job]})

    aws.hooks.append(respond)
    code, out, err = await record("bedrock/evaluation_job")
    assert (code, err) == (0, "")
    assert "secret" not in out
    assert "210987654321" not in out
    assert ".123" not in out
    assert "somethingNew: {}" in out
    assert "reason: access_denied" in out


async def test_a_file_is_replaced_only_if_asked(record, tmp_path):
    """Whatever stands in it, such as a recording that someone has corrected."""
    file = tmp_path / "recording.yaml"
    file.write_text("mine")
    code, _, err = await record(str(BEDROCK), f"--file={file}")
    assert (code, file.read_text()) == (2, "mine")
    assert "--overwrite" in err
    code, _, _ = await record(str(BEDROCK), f"--file={file}", "--overwrite")
    assert code == 0
    assert [each.kind for each in recordings(file)] == [str(BEDROCK)]


async def test_what_cannot_be_recorded_is_said_before_aws_is_asked(aws, record):
    """A kind that is none, with the nearest name, and one of a service that speaks XML."""
    for kind, word in (
        ("bedrock/evaluation_jobs", "did you mean `bedrock/evaluation_job`"),
        ("rds/export_task", "XML"),
    ):
        code, out, err = await record(kind)
        assert (code, out) == (2, "")
        assert word in err
    assert not aws.requests


@pytest.mark.parametrize("operation", ["ListEvaluationJobs", "GetEvaluationJob"])
async def test_half_a_listing_is_no_recording(aws, record, operation):
    """If AWS refuses a part of it, the command fails and prints nothing."""

    async def refuse(context):
        if context.operation == operation:
            raise AwsError("AccessDeniedException", "no")

    aws.hooks.append(refuse)
    code, out, err = await record("bedrock/evaluation_job")
    assert (code, out) == (1, "")
    assert err


async def test_two_regions_are_no_recording(record):
    """Their lists could not be told apart."""
    accounts = json.dumps([{"regions": ["us-east-1", "eu-west-1"]}])
    code, out, err = await record("bedrock/evaluation_job", f"--accounts={accounts}")
    assert (code, out) == (1, "")
    assert "several" in err
