"""Malformed responses fail a poll; they are not read as empty lists."""

import json

import pytest
from aiohttp import web
from botocore.parsers import ResponseParserError

from exporter.aws.loader import catalog_loader
from exporter.aws.strict_parsers import StrictParserFactory
from exporter.catalog.models import Models
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, CATALOG, NOW, HandClock, configured, running, simulated
from tests.support.responses import operations, wire_path

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
CUT = Models(catalog_loader(CATALOG))
"""What clients use."""
OPERATIONS = operations(CATALOG)
XML_PROTOCOLS = {"query", "ec2", "rest-xml"}

AWS_XML = {
    ("rds", "DescribeExportTasks"): (
        b'<DescribeExportTasksResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><DescribeExportTasksResult>'
        b"<ExportTasks/></DescribeExportTasksResult></DescribeExportTasksResponse>"
    ),
    ("ec2", "DescribeRegions"): (
        b'<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>'
        b"<regionInfo/></DescribeRegionsResponse>"
    ),
    ("s3control", "ListJobs"): (
        b'<?xml version="1.0"?><ListJobsResult xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"/>'
    ),
    ("s3control", "DescribeJob"): b"<DescribeJobResult/>",
    ("sts", "GetCallerIdentity"): (
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult/>'
        b"</GetCallerIdentityResponse>"
    ),
    ("sts", "AssumeRole"): b"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>",
    **{
        (service, name): f"<{name}Response><{name}Result/></{name}Response>".encode()
        for service, name in (
            ("cloudformation", "DescribeResourceScan"),
            ("cloudformation", "DescribeStackSetOperation"),
            ("cloudformation", "ListResourceScans"),
            ("cloudformation", "ListStackSetOperations"),
            ("cloudformation", "ListStackSets"),
            ("redshift", "DescribeTableRestoreStatus"),
        )
    },
    **{
        ("ec2", name): f"<{name}Response><requestId>r</requestId></{name}Response>".encode()
        for name in (
            "DescribeExportImageTasks",
            "DescribeImportImageTasks",
            "DescribeImportSnapshotTasks",
            "DescribeMacModificationTasks",
            "DescribeNetworkInsightsAnalyses",
            "DescribeReplaceRootVolumeTasks",
            "DescribeStoreImageTasks",
        )
    },
}
"""What AWS sends where there is nothing, for each operation of the catalog in XML."""

FOREIGN_XML = [
    b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "dtd"><html xmlns="http://www.w3.org/1999/xhtml"/>',
    b"<Error><Code>Odd</Code><Message>no</Message></Error>",
    b"<Error><Code>Odd</Code><Jobs/><NextToken>n</NextToken><Job/><regionInfo/></Error>",
    b"<ErrorResponse><Error><Code>Odd</Code></Error></ErrorResponse>",
    b"<Response><Errors><Error><Code>Odd</Code><Message>no</Message></Error></Errors></Response>",
    b"<x/>",
    b"<x><DescribeExportTasksResult/><GetCallerIdentityResult/><AssumeRoleResult/><Regions/></x>",
    b"<ListQueuesResponse><ListQueuesResult/></ListQueuesResponse>",
    b"<Response/>",
    b"<Error/>",
]

FOREIGN_JSON = [
    b'{"message": "Forbidden"}',
    b'{"Message": "Forbidden", "RequestId": "r"}',
    b'{"Message": "Forbidden", "RequestId": "r", "Status": 403}',
    b'{"__type": "com.amazonaws#OddException", "message": "no"}',
    b'{"__type": "OddException", "Status": "Failed", "RequestId": "r"}',
    b'{"Error": {"Code": "Odd", "Message": "no"}}',
    b'{"Error": {"Code": "Odd", "Message": "no"}, "nextToken": null, "NextToken": null}',
    b'{"statusText": "OK", "results": []}',
    b'{"Status": "error", "Code": 5}',
]
# The first operation may omit the list, the second has to send it.
OPTIONAL, REQUIRED = ("bedrock", "ListModelInvocationJobs"), ("cleanroomsml", "ListTrainedModels")
XML, REST_XML = ("rds", "DescribeExportTasks"), ("s3control", "ListJobs")


async def parsed(operation, body, status=200, models=MODELS):
    """Return what is parsed from a response to an operation."""
    model = models.operation(*operation)
    parser = StrictParserFactory().create_parser(model.service_model.resolved_protocol)
    context = {"operation_name": model.name}
    response = {"status_code": status, "headers": {}, "body": body, "context": context}
    return await parser.parse(response, model.output_shape)


@pytest.mark.parametrize("operation", [OPTIONAL, REQUIRED, XML, REST_XML], ids=lambda operation: operation[0])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"7", b"\xff", b'{"jobs": [', b"<html></html>", b"<html>", b'{"error": "later"}'],
)
async def test_an_invalid_response_is_an_error(operation, body):
    """This holds in every protocol."""
    with pytest.raises(ResponseParserError):
        await parsed(operation, body)


def ids(protocols):
    """Return the operations of some protocols."""
    of = [each for each in OPERATIONS if MODELS.operation(*each).service_model.resolved_protocol in protocols]
    return sorted(of)


@pytest.mark.parametrize("models", [MODELS, CUT], ids=["whole", "cut"])
async def test_what_is_no_response_of_an_operation_is_an_error(models):
    """Whatever it is, and for every operation of the catalog, whether its model is cut or not."""
    for protocols, bodies in ((XML_PROTOCOLS, FOREIGN_XML), ({"json", "rest-json"}, FOREIGN_JSON)):
        for operation in ids(protocols):
            for body in bodies:
                with pytest.raises(ResponseParserError):
                    pytest.fail(f"{operation}: {body!r} is {await parsed(operation, body, models=models)}")


@pytest.mark.parametrize("models", [MODELS, CUT], ids=["whole", "cut"])
async def test_an_empty_response_of_an_operation_is_one(models):
    """Of every operation of the catalog in XML by its root, of every list in JSON with the list, `null` or nothing."""
    assert sorted(AWS_XML) == ids(XML_PROTOCOLS)
    for operation, body in AWS_XML.items():
        await parsed(operation, body, models=models)
    for kind in (kind for kind in CATALOG.kinds() if (kind.service, kind.operation) not in AWS_XML):
        shape = MODELS.operation(kind.service, kind.operation).output_shape
        first, _, rest = kind.items.partition(".")
        (name,) = wire_path(shape, first)
        contents = [{name: {} if rest else []}, *([] if shape.required_members else [{}, {name: None}])]
        for content in contents:
            await parsed((kind.service, kind.operation), json.dumps(content).encode(), models=models)


async def test_another_root_will_do_where_a_member_is_in_it():
    """Some operations of S3 have roots that botocore's models do not tell; the names of their members are right."""
    body = b"<ListJobsOutput><Jobs><member><JobId>j</JobId></member></Jobs></ListJobsOutput>"
    assert (await parsed(REST_XML, body))["Jobs"] == [{"JobId": "j"}]


ERRORS_IN_SUCCESSES = {
    "known JSON": (b'{"__type": "com.amazonaws#ThrottlingException", "message": "slow"}', "throttled"),
    "unknown JSON": (b'{"__type": "OddException", "message": "slow"}', "bad_response"),
    "no code": (b'{"message": "Forbidden"}', "bad_response"),
}


@pytest.mark.parametrize(("body", "reason"), ERRORS_IN_SUCCESSES.values(), ids=ERRORS_IN_SUCCESSES)
async def test_an_error_with_the_status_of_a_success_is_that_error(body, reason):
    """If AWS has its code; else it is a bad response. The known jobs stay."""
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "InProgress")])
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            aws.faults.add(Fault.body(body.decode()), operation=BEDROCK.operation)
            await exporter.turn(70)
            assert exporter.why(kind=BEDROCK.key) == reason
            assert exporter.value("aws_jobs", status="InProgress") == 1


XML_ERRORS_IN_SUCCESSES = {
    "s3control": b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
    "rds": b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
}


@pytest.mark.parametrize("service", XML_ERRORS_IN_SUCCESSES)
async def test_an_error_in_xml_with_the_status_of_a_success_is_that_error(service):
    """S3 is known for it."""
    clock = HandClock()
    async with simulated(clock) as aws, running(configured(aws.endpoint_url, {service: {}}), clock) as exporter:
        aws.faults.add(Fault.body(XML_ERRORS_IN_SUCCESSES[service].decode()), service=service)
        await exporter.turn(700)
        assert exporter.why(aws_service=service) == "access_denied"


@pytest.mark.parametrize("body", [b"{}", b'{"trainedModels": null}', b'{"nextToken": "x"}'])
async def test_a_list_required_by_the_model_must_be_present(body):
    """A response without it breaks AWS's own contract and is not an empty list."""
    with pytest.raises(ResponseParserError, match="without trainedModels"):
        await parsed(REQUIRED, body)
    assert (await parsed(REQUIRED, b'{"trainedModels": []}'))["trainedModels"] == []


async def test_a_text_required_by_the_model_may_be_missing():
    """DescribeCompilationJob promises a FailureReason, and AWS sends it for failed jobs alone."""
    details, models = ("sagemaker", "DescribeCompilationJob"), Models(catalog_loader(CATALOG))
    assert (await parsed(details, b'{"CompilationJobName": "c"}', models=models))["CompilationJobName"] == "c"
    for body in (b"{}", b'{"FailureReason": null}', b'{"message": "Forbidden"}'):
        with pytest.raises(ResponseParserError):
            await parsed(details, body, models=models)


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


COSTLY = {
    "JSON": (OPTIONAL, b'{"invocationJobSummaries": [], "more": [' + b"{}," * 300_000 + b"{}]}", "500,000 values"),
    "XML": (XML, b"<DescribeExportTasksResponse>" + b"<a/>" * 510_000 + b"</DescribeExportTasksResponse>", "values"),
    "attributes": (
        XML,
        b"<DescribeExportTasksResponse><a %s/></DescribeExportTasksResponse>"
        % b" ".join(b'a%d=""' % n for n in range(510_000)),
        "values",
    ),
    "entities": (
        XML,
        b'<!DOCTYPE x [<!ENTITY a "a">]><DescribeExportTasksResponse>&a;</DescribeExportTasksResponse>',
        "XML entities",
    ),
}


@pytest.mark.parametrize(("operation", "body", "words"), COSTLY.values(), ids=COSTLY)
async def test_a_response_that_would_take_too_much_once_read_is_refused(operation, body, words):
    """64 MiB of it took 2 GB of memory, and seconds in which nothing else ran; an error keeps its status."""
    with pytest.raises(ResponseParserError, match=words):
        await parsed(operation, body)
    assert (await parsed(operation, body, 503))["ResponseMetadata"]["HTTPStatusCode"] == 503


async def test_a_full_page_with_long_texts_counts():
    """It has punctuation by the hundred thousand, too."""
    message = "Failed, as [1]: {no} data, " * 10
    items = [{"jobArn": str(number), **{f"member{each}": message for each in range(5)}} for number in range(2_000)]
    body = json.dumps({"invocationJobSummaries": items}).encode()
    assert len((await parsed(OPTIONAL, body))["invocationJobSummaries"]) == 2_000
