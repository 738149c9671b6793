"""Answers that are none: they fail a poll, they are no empty list."""

import pytest
from aiohttp import web

from tests.harness import BEDROCK, NOW, HandClock, configured, running, simulated

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
async def test_what_is_no_answer_leaves_the_jobs_as_they_were(body):
    """With status 200: the poll fails with `bad_response`, and what was known stays."""
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
    """It has the reason of its HTTP status, and a code that is no word becomes no label."""
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


async def test_an_account_without_an_id_is_a_bad_answer():
    """STS answered, but nothing that identifies the account."""
    clock = HandClock()
    empty = b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"

    async def hook(call):
        return web.Response(body=empty, content_type="text/xml") if call.operation == "GetCallerIdentity" else None

    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            assert exporter.why(kind="account") == "bad_response"
