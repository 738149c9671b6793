"""Every entry of the catalog, compared with botocore's models and with what all entries promise."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.model import StringShape, StructureShape

from exporter import permissions
from exporter.catalog import BUILT_IN, EVERY_CALL, Catalog, Kind, Service
from exporter.catalog.kind import plural
from exporter.catalog.models import Checker, Models, item_shape, shape_at
from exporter.cli.kinds import HEADER, rows
from exporter.jobs import State
from exporter.settings import Rates, ServiceSettings, Settings, Shard
from exporter.simulator import shapes
from tools import catalog_page

CATALOG = Catalog()
MODELS = Models()
KINDS = list(CATALOG.kinds())
DOCUMENT = Path(__file__).parents[2] / "docs" / "catalog.md"

SCOPES = [(service, *each) for service in CATALOG.names for each in CATALOG[service].scopes.items()]
TAGGED = [
    *(pytest.param(kind.arn, *kind.id, id=str(kind)) for kind in KINDS if kind.arn),
    *(pytest.param(scope.arn, scope.id, id=f"{service}: {name}") for service, name, scope in SCOPES if scope.arn),
]
"""How ARNs are made, and of which ids."""

FIRST = {
    "bedrock/model_invocation_job",
    "bedrock/model_customization_job",
    "cleanroomsml/collaboration_trained_model_inference_job",
    "cleanroomsml/trained_model_version",
    "lookoutequipment/inference_execution",
}
"""The kinds that must always work."""

IAM_PREFIXES = {
    "bedrock-agent": "bedrock",
    "bedrock-agent-runtime": "bedrock",
    "bedrock-agentcore-control": "bedrock-agentcore",
    "bedrock-data-automation": "bedrock",
    "bedrock-runtime": "bedrock",
    "cleanroomsml": "cleanrooms-ml",
    "customer-profiles": "profile",
    "emr": "elasticmapreduce",
    "lexv2-models": "lex",
    "location": "geo",
    "mwaa-serverless": "airflow-serverless",
    "qconnect": "wisdom",
    "s3control": "s3",
    "sagemaker-a2i-runtime": "sagemaker",
    "sesv2": "ses",
    "stepfunctions": "states",
    "timestream-write": "timestream",
}
"""The services that IAM knows by another name than botocore."""

TIMELESS = {
    "datasync/task_execution",
    "dynamodb/export",
    "ec2/export_image_task",
    "ec2/import_image_task",
    "ec2/import_snapshot_task",
    "iotsitewise/bulk_import_job",
    "lookoutequipment/data_ingestion_job",
    "neptune-graph/export_task",
    "neptune-graph/import_task",
    "transfer/execution",
}
"""The kinds whose list has no time at all."""

OF_EACH_KIND = pytest.mark.parametrize("kind", KINDS, ids=str)
OF_EACH_SERVICE = pytest.mark.parametrize("service", [CATALOG[name] for name in CATALOG.names], ids=CATALOG.names)


def calls(kind: Kind) -> Iterator[tuple[str, str, set[str]]]:
    """Yield the service, the operation and the arguments of every request that reading a kind takes."""
    yield kind.service, kind.operation, {*kind.arguments, *kind.sweep}
    if kind.describe:
        yield kind.service, kind.describe.operation, {kind.describe.ids}
    for _, scope in kind.scopes:
        yield scope.service or kind.service, scope.operation, set(scope.arguments)
    if kind.details:
        yield kind.service, kind.details.operation, set(kind.details.arguments)


@OF_EACH_KIND
def test_model_agrees(kind):
    """Botocore's model knows everything that an entry names."""
    assert Checker(MODELS).problems(kind) == []


@OF_EACH_KIND
def test_statuses_are_mapped_once(kind):
    """Every status of the model's enumeration means exactly one state."""
    mapped = Counter(status for statuses in kind.states.values() for status in statuses)
    operation, items = kind.described
    item = item_shape(MODELS.operation(kind.service, operation), items)
    shape = shape_at(item, kind.status)
    assert isinstance(shape, StringShape)
    assert set(mapped.values()) == {1}
    assert not shape.enum or set(shape.enum) == set(mapped)


@OF_EACH_KIND
def test_job_can_run_and_complete(kind):
    """A kind has a state for a job at work and one for a job that completed."""
    assert State.RUNNING in kind.states
    assert State.SUCCEEDED in kind.final_states


@OF_EACH_KIND
def test_job_has_a_creation_time(kind):
    """A job's creation is known, unless the list has no time at all; a start differs from the creation."""
    assert (kind.times.created is None) == (str(kind) in TIMELESS)
    assert kind.times.started is None or kind.times.started != kind.times.created


NAMES_COME_AGAIN = {"batch/job", "batch/service_job", "emr/step", "ssm/automation_execution", "ssm/command"}
"""Where each run has a name that whoever submits it may choose, and nothing else says what ran."""


@OF_EACH_KIND
def test_dimensions_are_few(kind):
    """A kind has at most three dimensions; none is its id, and its name only where the same comes again."""
    assert len(kind.dimensions) <= 3
    assert not {*kind.id} & set(kind.dimensions.values())
    assert (kind.name in kind.dimensions.values()) == (str(kind) in NAMES_COME_AGAIN)


@OF_EACH_KIND
def test_requests_only_read(kind):
    """Reading a kind changes nothing in AWS."""
    assert all(
        operation.startswith(("List", "Get", "BatchGet", "Describe", "Search")) for _, operation, _ in calls(kind)
    )


@OF_EACH_KIND
def test_permissions_can_be_derived(kind):
    """Every service that a kind calls is in the catalog, so that its prefix in IAM is known."""
    assert {service for service, _, _ in calls(kind)} <= set(CATALOG.names)


@OF_EACH_SERVICE
def test_file_is_named_after_its_service(service):
    """A file describes the service that it is named after."""
    assert (BUILT_IN / f"{service.service}.yaml").is_file()


@OF_EACH_SERVICE
def test_iam_prefix(service):
    """IAM knows a service by botocore's name, with a few exceptions."""
    assert service.iam_prefix == IAM_PREFIXES.get(service.service, service.service)


@OF_EACH_SERVICE
def test_quotas_are_those_of_its_operations(service):
    """A misspelled operation would be requested as often as any other."""
    called = {operation for kind in KINDS for name, operation, _ in calls(kind) if name == service.service}
    assert set(service.quotas) <= called


@OF_EACH_SERVICE
def test_no_operation_gets_more_than_a_quarter_of_its_quota(service):
    """The others are left to whoever runs the jobs, with all shards together."""
    for shards in (1, 4):
        rates = Rates(Settings(shard=Shard(count=shards, index=0)), CATALOG)
        for operation, quota in service.quotas.items():
            rate = rates.of_operation(service.service, operation) or rates.of_service(service.service)
            assert rate.per_second * shards <= quota.per_second / 4
            assert rate.burst == 1 or rate.burst * shards <= (quota.burst or quota.per_second) / 4


@OF_EACH_SERVICE
def test_titles_differ(service):
    """Titles distinguish the kinds of a service."""
    assert max(Counter(kind.title for kind in service.kinds.values()).values()) == 1


@OF_EACH_SERVICE
def test_scopes_are_used(service):
    """Every scope of a file has jobs in it, and a separate key in a configuration."""
    used = {name for kind in service.kinds.values() for name, _ in kind.scopes}
    assert used == set(service.scopes)
    assert len({plural(name) for name in service.outer_scopes}) == len(service.outer_scopes)


@OF_EACH_SERVICE
def test_an_inner_scope_that_is_a_job_itself_comes_with_it(service):
    """One list shows both, so that a new scope is found no later than the job."""
    listed = {kind.operation for kind in service.kinds.values()}
    made = {name for name, scope in service.scopes.items() if scope.within and scope.operation in listed}
    assert made <= {name for name, scope in service.scopes.items() if scope.made_with_job}


@OF_EACH_SERVICE
def test_additional_permissions_are_needed(service):
    """A permission of a service is listed under an argument that one of its requests passes."""
    passed = {
        name for kind in service.kinds.values() for called, _, names in calls(kind) for name in names
        if called == service.service
    }  # fmt: skip
    assert set(service.permissions) <= {*passed, EVERY_CALL}


@OF_EACH_SERVICE
def test_actions_on_a_scope_are_needed(service):
    """An action whose resource is a scope is needed by a kind in that scope."""
    for name, scope in service.scopes.items():
        needed = {
            action
            for kind in service.kinds.values() if kind.outer_scope == name
            for call in permissions.calls(kind, ServiceSettings())
            for action in permissions.actions(call, kind, CATALOG)
        }  # fmt: skip
        assert scope.resource is None or set(scope.resource.actions) <= needed


def test_catalog_has_many_kinds():
    """The catalog has the first kinds and many more."""
    assert {str(kind) for kind in KINDS} >= FIRST
    assert len(KINDS) >= 120
    assert len(CATALOG.names) >= 40


def test_discontinued_services():
    """AWS has ended one service of the catalog; each of its kinds is marked."""
    assert {kind.service for kind in KINDS if kind.end_of_life} == {"lookoutequipment"}


def test_services_that_take_no_new_customers():
    """Hardly anyone has such jobs, so nobody pays for requests about them without having named them."""
    services = {"cloudtrail", "forecast", "frauddetector", "timestream-write"}
    kinds = {"omics/annotation_import_job", "omics/variant_import_job", "rekognition/media_analysis_job"}
    assert {str(kind) for kind in KINDS if kind.closed and kind.service not in services} == kinds
    assert {kind.service for kind in KINDS if kind.closed} - {"omics", "rekognition"} == services


def test_what_the_models_call_closed_is_closed():
    """AWS writes it into the documentation of the operations; a newer botocore tells of the next one."""
    notice = re.compile("no longer (be )?(open|available) to new customers", re.IGNORECASE)
    told = [kind for kind in KINDS if notice.search(MODELS.operation(kind.service, kind.operation).documentation or "")]
    assert told
    assert [str(kind) for kind in told if not kind.closed] == []


def test_a_first_listing_reaches_back_as_far_as_jobs_may_run():
    """By the maximum in AWS's own model, where there is one."""
    longest = MODELS.service("sagemaker").shape_for("ProcessingMaxRuntimeInSeconds").metadata["max"]
    assert CATALOG["sagemaker"].kinds["processing_job"].longest_run == longest


def test_whether_a_model_can_be_hosted_says_nothing_of_its_training():
    """Rekognition has one status for both; a model that was started, or could not be, was trained before."""
    states = CATALOG["rekognition"].kinds["project_version"].state_of
    assert {states[word] for word in ("STARTING", "RUNNING", "STOPPING", "STOPPED", "FAILED")} == {State.SUCCEEDED}


def test_documentation_lists_the_kinds():
    """`make docs` would change nothing: the tables in the documentation match the catalog."""
    text = DOCUMENT.read_text()
    assert catalog_page.written(text) == text


def test_table_has_every_kind():
    """The table has a row for each kind, and a text in each of its columns."""
    assert [row[:2] for row in rows(CATALOG)] == [(kind.service, kind.key) for kind in KINDS]
    assert {len(row) for row in rows(CATALOG)} == {len(HEADER)}


@pytest.mark.parametrize("name", ["kinds", "lists", "events"])
@pytest.mark.parametrize("end", [0, 1], ids=["start", "end"])
def test_table_needs_its_markers(name, end):
    """A document without both markers in their order is left unchanged."""
    document = DOCUMENT.read_text().replace(catalog_page.markers(name)[end], "")
    with pytest.raises(ValueError, match=f"no markers <!-- {name}"):
        catalog_page.written(document)


def orders(shape, prefix=""):
    """Yield the paths of an input's members that ask for ascending or descending."""
    for name, member in shape.members.items():
        if isinstance(member, StringShape) and {word.upper()[:3] for word in member.enum} == {"ASC", "DES"}:
            yield f"{prefix}{name}"
        elif isinstance(member, StructureShape) and not prefix:
            yield from orders(member, f"{name}.")


@OF_EACH_KIND
def test_the_newest_jobs_are_asked_for_first(kind):
    """Wherever the operation lets a request say so: a default that AWS does not document may change."""
    for path in orders(MODELS.operation(kind.service, kind.operation).input_shape):
        assert shapes.at(kind.arguments, path).upper().startswith("DES"), path


@OF_EACH_KIND
def test_an_order_holds_for_what_is_requested(kind):
    """AWS's texts about filters name the order that each brings; the oldest first is none to go by."""
    shape = MODELS.operation(kind.service, kind.operation).input_shape
    for name, path in kind.filters.paths():
        text = shape_at(shape, path).documentation
        if "oldest to newest" in text:
            assert kind.order is None
        elif "newest to oldest" in text or "newest job first" in text:
            assert kind.order
            assert kind.order.only_with == name


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("sagemaker/training_job", ("created", None, None)),
        ("comprehend/sentiment_detection_job", ("created", "created_after", None)),
        ("comprehend/topics_detection_job", None),
        ("transcribe/transcription_job", ("created", "status", None)),
        ("emr/step", ("created", None, "status")),
        ("emr-serverless/job_run", None),
        ("stepfunctions/execution", ("ended", None, None)),
        ("polly/speech_synthesis_task", None),
    ],
)
def test_an_order_is_no_more_than_aws_says(kind, order):
    """With the filters that it depends on; where AWS names no direction, there is none."""
    known = next(each.order for each in KINDS if str(each) == kind)
    assert (known and (known.newest_first, known.only_with, known.not_with)) == order


@OF_EACH_KIND
def test_what_aws_says_of_a_list_has_a_source(kind):
    """It is a page of AWS's documentation, or what somebody saw and told AWS's own SDK."""
    for fact in filter(None, (kind.order, kind.retention)):
        assert fact.source.startswith(("https://docs.aws.amazon.com/", "https://github.com/boto/boto3/issues/"))


@OF_EACH_KIND
def test_a_list_of_the_last_days_has_a_retention(kind):
    """Where AWS's text about the operation says for how many days it lists, the catalog says no more than that."""
    text = html.unescape(MODELS.operation(kind.service, kind.operation).documentation)
    if days := re.search(r"(?:last|past|in the list for) (\d+) days", text):
        assert kind.retention
        assert kind.retention.period <= int(days[1]) * 86_400


def test_unknown_service_is_not_a_member():
    """A service without a file is not in the catalog."""
    assert "lookoutvision" not in CATALOG
    assert "bedrock" in CATALOG
    assert isinstance(CATALOG["bedrock"], Service)


@OF_EACH_KIND
def test_entry_survives_a_round_trip(kind):
    """A kind that is written in the catalog's language and read back is the same kind."""
    assert Kind.model_validate(kind.model_dump(mode="json")) == kind


@pytest.mark.parametrize(("template", "path"), TAGGED)
def test_an_arn_is_made_of_an_id_or_is_one(template, path):
    """What AWS does not recognize as an ARN has no tags, and nobody would notice."""
    made = r"arn:\{partition\}:[a-z0-9-]+:\{region\}:\{account_id\}:/?[A-Za-z-]+(/[a-z]+)?/\{id\}"
    assert re.fullmatch(made, template) if not path.lower().endswith("arn") else template == "{id}"
