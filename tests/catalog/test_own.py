"""User-defined kinds: ten lines of YAML, checked at start like the built-in ones."""

import pytest
import yaml

from exporter.catalog.own import extended
from exporter.settings import ConfigurationError, load
from tests.support.harness import CATALOG, NOW, HandClock, configured, running, simulated

OWN = yaml.safe_load("""
imported_model:
  service: bedrock
  title: Model import job
  operation: ListModelImportJobs
  items: modelImportJobSummaries
  id: jobArn
  name: jobName
  status: status
  states: {running: [InProgress], succeeded: [Completed], failed: [Failed]}
  times: {created: creationTime, updated: lastModifiedTime, ended: endTime}
""")


def own(**changes):
    """Return the entry with changes."""
    return {"imported_model": {**OWN["imported_model"], **changes}}


def problem(kinds):
    """Return the one line that a configuration with these kinds is rejected with."""
    with pytest.raises(ConfigurationError) as refused:
        load(CATALOG, defaults={"kinds": kinds})
    assert len(refused.value.problems) == 1
    return refused.value.problems[0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"service": "bedrok"}, "kinds.imported_model.service: botocore has no service 'bedrok'; did you mean"),
        ({"service": None}, "kinds.imported_model.service: is missing"),
        ({"operation": "ListModelImports"}, "kinds.imported_model.operation: bedrock has no operation"),
        (
            {"items": "jobSummaries"},
            "items: no 'jobSummaries' in ListModelImportJobsResponse; did you mean `modelImportJobSummaries`?",
        ),
        ({"operation": "GetModelImportJob", "items": "jobName"}, "kinds.imported_model.items: 'jobName' is a string"),
        ({"id": "jobArm"}, "kinds.imported_model.id.0: no 'jobArm' in ModelImportJobSummary; did you mean `jobArn`"),
        (
            {"states": {"running": ["InProgress"], "succeeded": ["Completed"]}},
            "kinds.imported_model.states: not mapped: Failed",
        ),
        ({"states": {"runing": ["InProgress"]}}, "kinds.imported_model.states.runing: must be 'pending', 'running'"),
        ({"titel": "x"}, "kinds.imported_model.titel: unknown key; did you mean `title`"),
        ({"scope": "policy_x"}, "kinds.imported_model: no scope 'policy_x' among"),
        (
            {
                "scope": "a",
                "scopes": {
                    "a": {"operation": "ListGuardrails", "items": "guardrails", "id": "id", "within": "b"},
                    "b": {"operation": "ListGuardrails", "items": "guardrails", "id": "id", "within": "a"},
                },
            },
            "kinds.imported_model: scope 'a' contains itself",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_an_invalid_entry_is_reported_in_one_line(change, line):
    """The line names the entry, the key, the wrong value and the closest valid ones."""
    assert line in problem(own(**change))


MISSHAPEN = {
    "scopes that are a number": ({"scopes": 3}, "kinds.imported_model.scopes: must be a mapping, not 3"),
    "scopes that are a list": ({"scopes": ["a"]}, 'kinds.imported_model.scopes: must be a mapping, not ["a"]'),
    "a scope that is a number": (
        {"scope": "a", "scopes": {"a": 5}},
        "kinds.imported_model.scopes.a: must be a mapping, not 5",
    ),
    "the name of a scope that is a list": ({"scope": [1]}, "kinds.imported_model.scope: must be text, not [1]"),
    "states that are a number": ({"states": 3}, "kinds.imported_model.states: must be a mapping, not 3"),
    "states that are a list": ({"states": ["a"]}, 'kinds.imported_model.states: must be a mapping, not ["a"]'),
}


@pytest.mark.parametrize(("change", "line"), MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_an_entry_of_the_wrong_shape_is_reported_in_one_line(change, line):
    """For example, a list in place of a mapping, or a number in place of a name."""
    assert problem(own(**change)) == line


def test_an_entry_that_is_not_a_mapping_is_reported_in_one_line():
    """This holds in a configuration and where entries come from elsewhere."""
    line = "kinds.x: must be a mapping, not 5"
    assert problem({"x": 5}).startswith(line)
    with pytest.raises(ValueError, match=line):
        extended(CATALOG, {"x": 5})  # type: ignore[dict-item] # that is the point


def test_scopes_named_by_numbers_cause_no_traceback():
    """The message includes the missing scope."""
    line = problem(own(scope="a", scopes={1: {"operation": "ListGuardrails", "items": "guardrails", "id": "id"}}))
    assert "no scope 'a' among 1" in line


async def test_a_user_defined_kind_is_read():
    """Its service does not have to be listed in `services`."""
    clock = HandClock()
    settings = load(CATALOG, defaults={"kinds": OWN})
    catalog = settings.catalog(CATALOG)
    kind = catalog["bedrock"].kinds["imported_model"]
    async with simulated(clock, catalog=catalog) as aws:
        aws.world.add_job(kind, created=NOW - 60, path=[(0, "InProgress")])
        settings = configured(aws.endpoint_url, {"lookoutequipment": None}, kinds=OWN)
        async with running(settings, clock, catalog=catalog) as exporter:
            assert exporter.value("aws_jobs", kind="imported_model", status="InProgress") == 1


def test_a_built_in_kind_can_be_replaced():
    """`kinds --output yaml` prints one to start from."""
    settings = load(CATALOG, defaults={"kinds": {"model_import_job": {**OWN["imported_model"], "title": "Mine"}}})
    assert settings.catalog(CATALOG)["bedrock"].kinds["model_import_job"].title == "Mine"
    assert CATALOG["bedrock"].kinds["model_import_job"].title != "Mine"


def test_a_service_missing_from_the_catalog_can_be_read():
    """Any list operation that botocore knows can be read."""
    kinds = yaml.safe_load("""
    build:
      service: amplify
      title: App build
      scope: branch
      scopes:
        app: {operation: ListApps, items: apps, id: appId, name: name}
        branch:
          within: app
          operation: ListBranches
          arguments: {appId: $app}
          items: branches
          id: branchName
      operation: ListJobs
      arguments: {appId: $app, branchName: $branch}
      items: jobSummaries
      id: jobArn
      status: status
      states:
        pending: [PENDING, PROVISIONING, CREATED]
        running: [RUNNING]
        stopping: [CANCELLING]
        succeeded: [SUCCEED]
        failed: [FAILED]
        stopped: [CANCELLED]
      times: {started: startTime, ended: endTime}
    """)
    settings = load(CATALOG, defaults={"kinds": kinds})
    catalog = settings.catalog(CATALOG)
    assert catalog["amplify"].iam_prefix == "amplify"
    chosen = {str(kind) for selection in settings.selections(catalog) for kind in selection.kinds}
    assert "amplify/build" in chosen
