"""Malformed responses fail a poll; they are not read as empty lists."""

import json

import pytest
from aiohttp import web
from botocore.parsers import ResponseParserError

from exporter.aws.strict_parsers import StrictParserFactory
from exporter.catalog.models import Models
from tests.support.harness import BEDROCK, NOW, HandClock, configured, running, simulated

JOB = b'{"jobArn": "a", "status": "InProgress"}'
BAD = {
    "a page of HTML": b"<html><body>Please log in</body></html>",
    "nothing": b"",
    "half of it": b'{"invocationJobSummaries": [' + JOB,
    "a list": b"[" + JOB + b"]",
    "null": b"null",
    "a text for the list": b'{"invocationJobSummaries": "none"}',
    "zero for the list": b'{"invocationJobSummaries": 0}',
    "an object for the list": b'{"invocationJobSummaries": {}}',
    "a number for the page token": b'{"invocationJobSummaries": [], "nextToken": 5}',
    "a list for the page token": b'{"invocationJobSummaries": [], "nextToken": [1]}',
    "not UTF-8": b'{"invocationJobSummaries": []}\xff',
    "nested too deeply": b'{"a":' * 100_000,
    "a number of 5000 digits": b'{"a": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
async def test_an_invalid_response_leaves_the_jobs_unchanged(body):
    """With status 200, the poll fails with `bad_response`, and the known jobs stay."""
    clock, bad = HandClock(), False

    async def hook(call):
        return web.Response(body=body) if bad and call.operation == BEDROCK.operation else None

    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "InProgress")])
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        async with running(configured(aws.endpoint_url, services), clock) as exporter:
            bad = True
            await exporter.turn(70)
            assert exporter.why(kind=BEDROCK.key) == "bad_response"
            assert exporter.value("aws_jobs", status="InProgress") == 1


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"__type": "a \\ud800 \\n b"}', b"<html/>"])
async def test_an_error_in_any_form_is_an_error(body):
    """Its reason follows its HTTP status, and a code that is not a word does not become a label."""
    clock = HandClock()

    async def hook(call):
        return web.Response(status=503, body=body) if call.operation == BEDROCK.operation else None

    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        async with running(configured(aws.endpoint_url, services), clock) as exporter:
            assert exporter.why(kind=BEDROCK.key) == "server_error"
            codes = exporter.by("code", "aws_job_exporter_aws_requests_total", operation=BEDROCK.operation)
            assert codes == {"503": 1}


async def test_an_account_without_an_id_is_a_bad_response():
    """STS responded, but nothing identifies the account."""
    clock = HandClock()
    empty = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"

    async def hook(call):
        return web.Response(body=empty, content_type="text/xml") if call.operation == "GetCallerIdentity" else None

    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            assert exporter.why(kind="account") == "bad_response"


MODELS = Models()
# The first operation may omit the list, the second has to send it.
OPTIONAL, REQUIRED = ("bedrock", "ListModelInvocationJobs"), ("cleanroomsml", "ListTrainedModels")
XML, REST_XML = ("rds", "DescribeExportTasks"), ("s3control", "ListJobs")


async def parsed(operation, body, status=200):
    """Return what is parsed from a response to an operation."""
    model = MODELS.operation(*operation)
    parser = StrictParserFactory().create_parser(model.service_model.resolved_protocol)
    return await parser.parse({"status_code": status, "headers": {}, "body": body}, model.output_shape)


@pytest.mark.parametrize("operation", [OPTIONAL, REQUIRED, XML, REST_XML], ids=lambda operation: operation[0])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"7", b"\xff", b'{"jobs": [', b"<html></html>", b"<html>", b'{"error": "later"}'],
)
async def test_an_invalid_response_is_an_error(operation, body):
    """This holds in every protocol."""
    with pytest.raises(ResponseParserError):
        await parsed(operation, body)


@pytest.mark.parametrize("body", [b"{}", b'{"trainedModels": null}', b'{"nextToken": "x"}'])
async def test_a_list_required_by_the_model_must_be_present(body):
    """A response without it breaks AWS's own contract and is not an empty list."""
    with pytest.raises(ResponseParserError, match="without trainedModels"):
        await parsed(REQUIRED, body)
    assert (await parsed(REQUIRED, b'{"trainedModels": []}'))["trainedModels"] == []


@pytest.mark.parametrize("body", [b"{}", b'{"invocationJobSummaries": null}', b'{"nextToken": null}'])
async def test_an_omitted_optional_list_is_empty(body):
    """Some services omit a list that would be empty."""
    assert (await parsed(OPTIONAL, body)).keys() == {"ResponseMetadata"}


async def test_an_empty_list_in_xml_is_empty():
    """The wrappers around the list identify the response."""
    body = b"<DescribeExportTasksResponse><DescribeExportTasksResult/></DescribeExportTasksResponse>"
    assert (await parsed(XML, body)).keys() == {"ResponseMetadata"}


@pytest.mark.parametrize("operation", [OPTIONAL, XML], ids=lambda operation: operation[0])
@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"<html>"])
@pytest.mark.parametrize("status", [403, 429, 503])
async def test_an_error_in_any_form_keeps_its_status(operation, body, status):
    """A proxy's 429 counts as a 429, too."""
    response = await parsed(operation, body, status)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"]["Code"]


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"half \\ud800"', "1e400", "-0", "12345678901234567890", "[{}]"])
async def test_what_only_python_takes_for_json_is_read_as_python_reads_it(value):
    """A faster reader takes the rest; what it refuses must not fail a poll that did not fail before."""
    body = f'{{"invocationJobSummaries": [{{"jobArn": "a", "jobName": {value}}}], "nextToken": null}}'.encode()
    (item,) = (await parsed(OPTIONAL, body))["invocationJobSummaries"]
    assert repr(item) == repr(json.loads(body)["invocationJobSummaries"][0])
