"""What is left of AWS's responses where nothing may tell whose they are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from exporter.catalog import Kind
from exporter.catalog.models import Models
from exporter.cli.anonymizer import SENTENCES, Anonymizer
from exporter.jobs import FAILURES, Reason
from exporter.reasons import Classifier
from tests.support.harness import BEDROCK, CATALOG

MODELS = Models()
SECRET = "our secret Project-X in arn:aws:s3:::our-bucket of 210987654321"
LISTING = MODELS.operation("bedrock", BEDROCK.operation)


def operations(kind: Kind) -> Iterator[OperationModel]:
    """Yield every operation whose responses are recorded."""
    yield MODELS.operation(kind.service, kind.operation)
    if kind.details:
        yield MODELS.operation(kind.service, kind.details.operation)
    for _, scope in kind.scopes:
        yield MODELS.operation(scope.service or kind.service, scope.operation)


def full_of(text: Any, shape: Shape, depth: int = 0) -> Any:
    """Return a value with every member of a shape, some that it lacks, and a text in all places."""
    if isinstance(shape, StructureShape) and depth < 6:
        unknown = {"newMember": text, "newGroup": {text: text}, "newList": [text, {"a": text}], f"{text}": text}
        members = shape.members.items()
        known = {inner.serialization.get("name", name): full_of(text, inner, depth + 1) for name, inner in members}
        return {**unknown, **known}
    if isinstance(shape, ListShape):
        return [text, full_of(text, shape.member, depth), {text: text}]
    if isinstance(shape, MapShape):
        return {text: full_of(text, shape.value, depth), "a": [text]}
    return text


@pytest.mark.parametrize("kind", [*CATALOG.kinds()], ids=str)
def test_no_text_survives_anywhere(kind: Kind) -> None:
    """Not where the model has a number, a time, an enumeration or a status, nor in names and keys it does not know."""
    anonymizer = Anonymizer(kind)
    for operation in operations(kind):
        for response in (full_of(SECRET, operation.output_shape), {"a": SECRET}, [SECRET], SECRET):
            printed = json.dumps(anonymizer.response(operation, response))
            for part in ("secret", "Project-X", "our-bucket", "210987654321"):
                assert part not in printed
        names = operation.input_shape.members if operation.input_shape else ()
        assert "secret" not in json.dumps(anonymizer.arguments(operation, dict.fromkeys(names, SECRET)))


def job(**members: Any) -> dict[str, Any]:
    """Return what is left of a listed job."""
    response = Anonymizer(BEDROCK).response(LISTING, {"invocationJobSummaries": [members]})
    found: dict[str, Any] = response["invocationJobSummaries"][0]
    return found


def test_what_the_exporter_reads_stays() -> None:
    """Statuses, also new ones, words that AWS enumerates, numbers, nothing at all, and times to the second."""
    kept = {
        "status": "Failed",
        "modelInvocationType": "Converse",
        "totalRecordCount": 12,
        "jobName": "",
        "vpcConfig": None,
    }
    assert job(**kept) == kept
    assert job(vpcConfig=None) == {"vpcConfig": None}
    assert job(status="NewInYear3") == {"status": "NewInYear3"}
    assert job(submitTime="2026-05-03T22:14:06.209Z") == {"submitTime": "2026-05-03T22:14:06.000Z"}
    assert job(submitTime=1780000000.987, endTime=1780000000) == {"submitTime": 1780000000.0, "endTime": 1780000000}
    assert job(endTime=1780000000987) == {"endTime": 1780000000000}


@pytest.mark.parametrize("status", ["210987654321", "arn:aws:x", "two words", "a/b", "x" * 65])
def test_a_status_that_is_none_does_not_stay(status: str) -> None:
    """A status is a word: no number of an account, no ARN, no sentence."""
    assert job(status=status)["status"] != status


def test_members_that_the_model_lacks_keep_their_names_and_types() -> None:
    """A new member shows up in a recording, without its value."""
    new = {"newText": SECRET, "newNumber": 210987654321, "newFlag": True, "newList": [SECRET], "newGroup": {SECRET: 1}}
    assert job(**new) == {"newText": "text", "newNumber": 0, "newFlag": False, "newList": [], "newGroup": {}}


def test_equal_texts_have_equal_replacements() -> None:
    """A job is found by the id that stood in the list, also in another response, and two jobs are two."""
    anonymizer = Anonymizer(BEDROCK)
    listed = anonymizer.response(LISTING, {"invocationJobSummaries": [{"jobArn": "one"}, {"jobArn": "two"}]})
    first, second = (item["jobArn"] for item in listed["invocationJobSummaries"])
    asked = anonymizer.arguments(MODELS.operation("bedrock", "GetModelInvocationJob"), {"jobIdentifier": "one"})
    assert asked == {"jobIdentifier": first}
    assert first != second


@pytest.mark.parametrize("reason", FAILURES)
def test_a_message_keeps_its_reason(reason: Reason) -> None:
    """The sentence that stands for a message is classified as the message was."""
    assert Classifier.built_in(()).classify(SENTENCES[reason]).reason is reason


@pytest.mark.parametrize(
    ("name", "member", "told", "left"),
    [
        ("backup/backup_job", "MessageCategory", "SUCCESS", "SUCCESS"),
        ("batch/job", "statusReason", f"CAPACITY: {SECRET}", "CAPACITY:"),
    ],
)
def test_what_decides_about_a_state_stays(name: str, member: str, told: str, left: str) -> None:
    """The catalog's own words stay, also where the model does not enumerate them, and what AWS adds to them goes."""
    kind = next(kind for kind in CATALOG.kinds() if str(kind) == name)
    operation = MODELS.operation(kind.service, kind.operation)
    response = Anonymizer(kind).response(operation, {kind.items: [{member: told}]})
    assert response == {kind.items: [{member: left}]}


def test_a_message_is_told_by_its_reason_alone() -> None:
    """Whom access was denied to is gone, that it was denied is not."""
    assert job(message=f"Not authorized to perform s3:ListBucket on {SECRET}") == {"message": "Access denied"}
