"""What is no answer is an error, and never an empty list."""

import pytest
from botocore.parsers import ResponseParserError

from exporter.aws.answers import StrictParserFactory
from exporter.catalog.models import Models

MODELS = Models()
# The list may be left out of the first, and has to be in the second.
OPTIONAL, REQUIRED = ("bedrock", "ListModelInvocationJobs"), ("cleanroomsml", "ListTrainedModels")
XML = ("rds", "DescribeExportTasks")


async def parsed(operation, body, status=200):
    """Return what is read of an answer to an operation."""
    model = MODELS.operation(*operation)
    parser = StrictParserFactory().create_parser(model.service_model.resolved_protocol)
    return await parser.parse({"status_code": status, "headers": {}, "body": body}, model.output_shape)


@pytest.mark.parametrize("operation", [OPTIONAL, REQUIRED, XML], ids=lambda operation: operation[0])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"text"', b"7", b"\xff", b'{"jobs": [', b"<html></html>", b"<html>", b'{"error": "later"}'],
)
async def test_what_is_no_answer_is_an_error(operation, body):
    """In every protocol."""
    with pytest.raises(ResponseParserError):
        await parsed(operation, body)


@pytest.mark.parametrize("body", [b"{}", b'{"trainedModels": null}', b'{"nextToken": "x"}'])
async def test_a_list_that_the_model_requires_is_there(body):
    """AWS breaks its own word: that is no empty list."""
    with pytest.raises(ResponseParserError, match="without trainedModels"):
        await parsed(REQUIRED, body)
    assert (await parsed(REQUIRED, b'{"trainedModels": []}'))["trainedModels"] == []


@pytest.mark.parametrize("body", [b"{}", b'{"invocationJobSummaries": null}', b'{"nextToken": null}'])
async def test_a_list_that_may_be_left_out_is_empty(body):
    """Some services say nothing of what they have none of."""
    assert (await parsed(OPTIONAL, body)).keys() == {"ResponseMetadata"}


async def test_an_empty_list_in_xml_is_empty():
    """The wrappers around it tell that it is the answer."""
    body = b"<DescribeExportTasksResponse><DescribeExportTasksResult/></DescribeExportTasksResponse>"
    assert (await parsed(XML, body)).keys() == {"ResponseMetadata"}


@pytest.mark.parametrize("operation", [OPTIONAL, XML], ids=lambda operation: operation[0])
@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"<html>"])
@pytest.mark.parametrize("status", [403, 429, 503])
async def test_an_error_in_whatever_form_keeps_its_status(operation, body, status):
    """A proxy's 429 is one, too."""
    answer = await parsed(operation, body, status)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Code"]
