"""The messages of the checker about an entry that contradicts botocore's models."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.catalog import Catalog, Service
from exporter.catalog.models import Checker, Models

CHECKER = Checker(Models())
FILE: dict[str, Any] = {
    "service": "sagemaker",
    "iam_prefix": "sagemaker",
    "scopes": {"pipeline": {"operation": "ListPipelines", "items": "PipelineSummaries", "id": "PipelineName"}},
}
KIND: dict[str, Any] = {
    "title": "Pipeline execution",
    "scope": "pipeline",
    "operation": "ListPipelineExecutions",
    "arguments": {"PipelineName": "$pipeline"},
    "items": "PipelineExecutionSummaries",
    "id": "PipelineExecutionArn",
    "status": "PipelineExecutionStatus",
    "states": {
        "running": ["Executing"],
        "stopping": ["Stopping"],
        "succeeded": ["Succeeded"],
        "partial": ["CompletedWithFailures"],
        "failed": ["Failed"],
        "stopped": ["Stopped"],
    },
    "times": {"created": "StartTime"},
}
DETAILS: dict[str, Any] = {
    "operation": "DescribePipelineExecution",
    "arguments": {"PipelineExecutionArn": "$PipelineExecutionArn"},
    "reason": "FailureReason",
}


def problems(kind: dict[str, Any], scope: dict[str, Any] | None = None, **file: Any) -> list[str]:
    """Return what is wrong with `KIND` after changes to it, to its scope and to its file."""
    scopes = {"pipeline": {**FILE["scopes"]["pipeline"], **(scope or {})}}
    data = {**FILE, "scopes": scopes, **file, "kinds": {"kind": {**KIND, **kind}}}
    return CHECKER.problems(Service.model_validate(data).kinds["kind"])


def states(**changes: list[str]) -> dict[str, Any]:
    """Return a change to some states."""
    return {"states": {**KIND["states"], **changes}}


def details(**changes: Any) -> dict[str, Any]:
    """Return a change that adds details, modified as given."""
    return {"details": {**DETAILS, **changes}}


def test_correct_entry_has_no_problems():
    """The entry that the other tests break is correct."""
    assert problems(details()) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"operation": "ListPipelineExecution"},
            "operation: sagemaker has no operation 'ListPipelineExecution'; did you mean `ListPipelineExecutions`",
        ),
        ({"items": "PipelineExecutions"}, "items: no 'PipelineExecutions' in ListPipelineExecutionsResponse; did you"),
        ({"items": "NextToken"}, "items: 'NextToken' is a string, not a list of structures"),
        ({"id": "PipelineExecutionARN"}, "id.0: no 'PipelineExecutionARN' in PipelineExecutionSummary; did you mean `"),
        ({"name": "DisplayName"}, "name: no 'DisplayName' in PipelineExecutionSummary; did you mean `"),
        ({"reason": "StartTime.Reason"}, "reason: no 'Reason' in Timestamp"),
        ({"reason": "StartTime[0]"}, "reason: 'StartTime' in 'StartTime[0]' is not a list"),
        ({"times": {"created": "CreatedAt"}}, "times.created: no 'CreatedAt' in PipelineExecutionSummary; one of: "),
        ({"dimensions": {"start": "StartTime"}}, "dimensions.start: 'StartTime' is a timestamp, not one of: string, "),
        (
            {"records": {"total": "PipelineExecutionArn"}},
            "records.total: 'PipelineExecutionArn' is a string, not one of: integer, long, float, double",
        ),
        (
            {"refine": [{"from": "succeeded", "to": "partial", "when": "StartTime"}]},
            "refine.0.when: 'StartTime' is a timestamp, not one of: boolean, string, integer, ",
        ),
        (
            {"refine": [{"from": "stopped", "to": "failed", "when": "PipelineExecutionStatus", "is": "Fialed"}]},
            "refine.0: 'Fialed' is not a value of 'PipelineExecutionStatus'; did you mean `Failed`?",
        ),
        (
            {"refine": [{"from": "stopped", "to": "failed", "when": "PipelineExecutionStatus", "is_not": "Stoped"}]},
            "refine.0: 'Stoped' is not a value of 'PipelineExecutionStatus'; did you mean `Stopped`?",
        ),
        (
            {"refine": [{"from": "stopped", "to": "failed", "when": "PipelineExecutionStatus"}]},
            "refine.0: 'PipelineExecutionStatus' is always one of CompletedWithFailures, Executing, ",
        ),
        (states(failed=[]), "states: not mapped: Failed"),
        (
            states(failed=["Failed", "Stoped"]),
            "states: 'Stoped' is not a status of ListPipelineExecutions; did you mean `",
        ),
        (
            {"arguments": {"PipelineName": "$pipelines"}},
            "arguments.PipelineName: nothing is called '$pipelines'; did you mean `pipeline`?",
        ),
        ({"arguments": {}}, "arguments: ListPipelineExecutions also requires 'PipelineName'"),
        (
            {"arguments": {"PipelineName": "p", "SortBy": "CreatedTime"}},
            "arguments.SortBy: 'CreatedTime' is not allowed; did you mean `CreationTime`?",
        ),
        (
            {"arguments": {"PipelineName": "p", "SortOder": "Descending"}},
            "arguments.SortOder: ListPipelineExecutions takes no 'SortOder'; did you mean `SortOrder`?",
        ),
        ({"arguments": {"PipelineName": "p", "MaxResults": "9"}}, "arguments.MaxResults: '9' is not of type integer"),
        (
            {"sweep": {"SortOrder": ["Descending", "Upwards"]}},
            "sweep.SortOrder: 'Upwards' is not allowed; one of: Ascending, Descending",
        ),
        ({"sweep": {"Order": ["Descending"]}}, "sweep.Order: ListPipelineExecutions takes no 'Order'; did you mean `"),
        ({"filters": {"created_after": "CreationTimeAfter"}}, "filters.created_after: no 'CreationTimeAfter' in List"),
        ({"filters": {"created_after": "SortBy"}}, "filters.created_after: 'SortBy' is a string, not a timestamp"),
        ({"filters": {"status": "SortOrder"}}, "filters.status: does not take Executing, Stopping"),
        (
            details(operation="DescribePipelineExecutions"),
            "details.operation: sagemaker has no operation 'DescribePipelineExecutions'; did you mean `",
        ),
        (details(reason="Reason"), "details.reason: no 'Reason' in DescribePipelineExecutionResponse; did you mean `"),
        (details(code="Code"), "details.code: no 'Code' in DescribePipelineExecutionResponse"),
        (details(arguments={}), "details.arguments: DescribePipelineExecution also requires 'PipelineExecutionArn'"),
        (
            details(arguments={"PipelineExecutionArn": "$Arn"}),
            "details.arguments.PipelineExecutionArn: nothing is called '$Arn'; did you mean `PipelineExecutionArn`?",
        ),
    ],
)
def test_kind(change, line):
    """A mistake in an entry gives one line with the key, the wrong word and the closest valid ones."""
    (problem,) = problems(change)
    assert problem.startswith(line)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"operation": "ListPipeline"},
            "scopes.pipeline: sagemaker has no operation 'ListPipeline'; did you mean `ListPipelines`",
        ),
        ({"items": "Pipelines"}, "scopes.pipeline: no 'Pipelines' in ListPipelinesResponse; did you mean `"),
        ({"id": "Name"}, "scopes.pipeline.id: no 'Name' in PipelineSummary; did you mean `Pipeline"),
        ({"name": "Title"}, "scopes.pipeline.name: no 'Title' in PipelineSummary; one of: "),
        ({"where": {"Type": "A"}}, "scopes.pipeline.where: no 'Type' in PipelineSummary; one of: "),
        (
            {"arguments": {"SortBy": "Age"}},
            "scopes.pipeline.arguments.SortBy: 'Age' is not allowed; one of: CreationTime, Name",
        ),
        ({"arguments": {"PipelineNamePrefix": "$account"}}, "scopes.pipeline.arguments.PipelineNamePrefix: nothing is"),
        ({"id": "@"}, "scopes.pipeline: 'PipelineSummaries' is a list of structure, so the id has a name, not `@`"),
        ({"service": "sagemakers"}, "scopes.pipeline: botocore has no service 'sagemakers'; did you mean `sagemaker"),
        (
            {"service": "glue", "operation": "ListJobs", "items": "JobNames", "id": "Name"},
            "scopes.pipeline: 'JobNames' is a list of string, not a list of structures",
        ),
    ],
)
def test_scope(change, line):
    """A mistake in a scope gives one line that starts with the scope's name."""
    (problem,) = problems({}, change)
    assert problem.startswith(line)


def test_service():
    """An unknown service gives one line with the closest that botocore knows."""
    (problem,) = problems({}, service="sagemakr")
    assert problem.startswith("operation: botocore has no service 'sagemakr'; did you mean `sagemaker`")


BUILD = Catalog()["codebuild"].kinds["build"]


@pytest.mark.parametrize(
    ("change", "described", "line"),
    [
        ({}, {"operation": "BatchGetBuild"}, "describe: codebuild has no operation 'BatchGetBuild'; did you mean `"),
        ({}, {"items": "build"}, "describe: no 'build' in BatchGetBuildsOutput; did you mean `builds`?"),
        ({}, {"items": "buildsNotFound"}, "describe: 'buildsNotFound' is a list of string, not a list of structures"),
        ({}, {"ids": "id"}, "describe.ids.id: BatchGetBuilds takes no 'id'; did you mean `ids`?"),
        ({"items": "nextToken"}, {}, "items: 'nextToken' is a string, not a list of structures"),
        ({"id": "buildID"}, {}, "id.0: no 'buildID' in Build"),
        (
            {"operation": "ListCuratedEnvironmentImages", "items": "platforms", "arguments": {}},
            {},
            "items: 'platforms' is a list of structure, not of ids",
        ),
    ],
)
def test_describe(change, described, line):
    """What describes jobs takes a list of what the list has, and has the jobs."""
    assert BUILD.describe
    describe = BUILD.describe.model_copy(update=described)
    id_ = {"id": (change["id"],)} if "id" in change else {}
    kind = BUILD.model_copy(update={"describe": describe, **change, **id_})
    assert Checker(Models()).problems(BUILD) == []
    assert Checker(Models()).problems(kind)[0].startswith(line)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"service": "glue", "operation": "ListJobs", "items": "JobNames", "id": "@"}, []),
        (
            {
                "service": "stepfunctions",
                "operation": "ListStateMachines",
                "items": "stateMachines",
                "id": "name",
                "where": {"type": "STANDART"},
            },
            ["scopes.pipeline.where: 'STANDART' is not allowed; did you mean `STANDARD`?"],
        ),
        (
            {
                "service": "stepfunctions",
                "operation": "ListStateMachines",
                "items": "stateMachines",
                "id": "name",
                "where": {"type": "*"},
            },
            [],
        ),
        (
            {
                "service": "emr",
                "operation": "ListClusters",
                "items": "Clusters",
                "id": "Id",
                "arguments": {"ClusterStates": ["RUNNING", "IDLE", "$account_id"]},
            },
            [
                "scopes.pipeline.arguments.ClusterStates[1]: 'IDLE' is not allowed; one of: ",
                "scopes.pipeline.arguments.ClusterStates[2]: nothing is called '$account_id'",
            ],
        ),
        (
            {
                "service": "emr",
                "operation": "ListClusters",
                "items": "Clusters",
                "id": "Id",
                "ended": {"arguments": {"ClusterStates": ["ENDED"]}, "created_after": "CreatedSince"},
            },
            [
                "scopes.pipeline.ended.arguments.ClusterStates[0]: 'ENDED' is not allowed; one of: ",
                "scopes.pipeline.ended.created_after: no 'CreatedSince' in ListClustersInput; did you mean",
            ],
        ),
        (
            {
                "service": "emr",
                "operation": "ListClusters",
                "items": "Clusters",
                "id": "Id",
                "ended": {"arguments": {}, "created_after": "Marker"},
            },
            ["scopes.pipeline.ended.created_after: 'Marker' is a string, not a timestamp"],
        ),
        (
            {
                "service": "healthlake",
                "operation": "ListFHIRDatastores",
                "items": "DatastorePropertiesList",
                "id": "DatastoreId",
                "arguments": {"Filter": {"Status": "ACTIVE"}},
            },
            ["scopes.pipeline.arguments.Filter.Status: DatastoreFilter takes no 'Status'; did you mean `Datastore"],
        ),
    ],
)
def test_values_with_parts(value, lines):
    """Lists and structures among the arguments are checked against the model part by part."""
    found = problems({}, value)
    assert len(found) == len(lines)
    assert all(problem.startswith(line) for problem, line in zip(found, lines, strict=True))


def test_account_can_always_be_an_argument():
    """An argument may be the account's id."""
    assert problems({}, {"arguments": {"PipelineNamePrefix": "$account_id"}}) == []
