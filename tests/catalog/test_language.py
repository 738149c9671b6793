"""What the catalog's language rejects by itself, and what its keywords mean."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.catalog import Service
from exporter.catalog.kind import Kind, plural
from exporter.jobs import State

KIND: dict[str, Any] = {
    "title": "Job",
    "operation": "ListJobs",
    "items": "jobs",
    "id": "arn",
    "status": "status",
    "states": {"running": ["Running"], "succeeded": ["Done"]},
    "times": {"created": "createdAt"},
}
ENDED = {"arguments": {"status": "CLOSED"}, "created_after": "since"}
SOURCE = "https://docs.aws.amazon.com/"
DESCRIBE = {"operation": "BatchGetJobs", "ids": "ids", "items": "jobs", "at_once": 100}
EVENTS = {"source": "aws.batch", "detail_type": ["Job State Change"], "reference": SOURCE}
SCOPE: dict[str, Any] = {"operation": "ListQueues", "items": "queues", "id": "arn"}


QUOTA = {"per_second": 0.5, "source": SOURCE}


def service(kind: dict[str, Any], **more: Any) -> Service:
    """Return a service with one kind: `KIND` with changes."""
    return Service.model_validate({"service": "s", "iam_prefix": "s", "kinds": {"job": {**KIND, **kind}}, **more})


def kind_of(**changes: Any) -> Kind:
    """Return `KIND` with changes."""
    return service(changes).kinds["job"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": "Job"}, "titel\n.*Extra inputs are not permitted"),
        ({"title": None}, "kinds.job.title"),
        ({"id": []}, "kinds.job.id"),
        ({"states": {"done": ["Done"]}}, "kinds.job.states.done"),
        ({"states": {"unknown": ["Done"]}}, "no status may be mapped to `unknown`"),
        ({"states": {"running": ["Done"], "failed": ["Done"]}}, "mapped more than once: Done"),
        ({"status": "status..state"}, "kinds.job.status"),
        ({"status": "status[1]"}, "kinds.job.status"),
        ({"times": {"finished": "endedAt"}}, "kinds.job.times.finished"),
        ({"dimensions": {"Model": "model"}}, "kinds.job.dimensions.Model"),
        ({"records": {"bad": "failedCount"}}, "kinds.job.records.bad"),
        ({"filters": {"updated_after": "updatedAfter"}}, "kinds.job.filters.updated_after"),
        ({"details": {"operation": "GetJob"}}, "kinds.job.details.arguments"),
        ({"scope": "queue"}, "kinds.job: no scope 'queue' among none"),
        ({"refine": [{"from": "succeeded", "to": "partial"}]}, "kinds.job.refine.0.when"),
        ({"refine": [{"from": "failed", "to": "stopped", "when": "a"}]}, "no status is mapped to 'failed'"),
        ({"refine": [{"from": "running", "to": "running", "when": "a"}]}, "cannot turn 'running' into 'running'"),
        ({"refine": [{"from": "running", "to": "unknown", "when": "a"}]}, "cannot turn 'running' into 'unknown'"),
        ({"refine": [{"from": "running", "to": "failed", "when": "a"}]}, "cannot turn 'running' into 'failed'"),
        (
            {"refine": [{"from": "succeeded", "to": "partial", "when": "a", "is": "x", "is_not": "y"}]},
            "takes `is` or `is_not`, not both",
        ),
        ({"sweep": {"kind": ["A"]}, "arguments": {"kind": "A"}}, "also given as an argument: kind"),
        ({"longest_run": "two days"}, "kinds.job.longest_run"),
        ({"longest_run": "28"}, "kinds.job.longest_run"),
        ({"longest_run": "0s"}, "kinds.job.longest_run"),
        ({"longest_run": "unbounded", "filters": {"created_after": "a"}}, "`unbounded` takes a filter by status"),
        ({"absent_status": "Dome"}, "absent_status: 'Dome' is not among the states"),
        ({"order": {"newest_first": "created"}}, "kinds.job.order.source"),
        ({"order": {"newest_first": "name", "source": SOURCE}}, "kinds.job.order.newest_first"),
        ({"order": {"newest_first": "ended", "source": SOURCE}}, "the list has no time 'ended'"),
        (
            {"order": {"newest_first": "created", "only_with": "status", "source": SOURCE}},
            "only_with: the list has no filter 'status'",
        ),
        (
            {"order": {"newest_first": "created", "not_with": "created_after", "source": SOURCE}},
            "not_with: the list has no filter 'created_after'",
        ),
        ({"retention": {"period": "3d", "since": "ended"}}, "kinds.job.retention.source"),
        ({"retention": {"period": "3d", "since": "started", "source": SOURCE}}, "kinds.job.retention.since"),
        ({"retention": {"period": "3d", "since": "ended", "source": "aws"}}, "does not start with https://"),
        ({"describe": {**DESCRIBE, "at_once": 0}}, "kinds.job.describe.at_once"),
        ({"describe": DESCRIBE, "id": ["name", "id"]}, "id: one path, to what the list has"),
        ({"events": {**EVENTS, "source": "batch"}}, "kinds.job.events.source"),
        ({"events": {**EVENTS, "detail_type": []}}, "kinds.job.events.detail_type"),
        ({"events": {**EVENTS, "scope": "resources"}}, "kinds.job.events.scope"),
        ({"events": {**EVENTS, "scope": "detail.queue"}}, "events.scope: the kind is in no scope"),
        ({"console": "console.aws.amazon.com"}, "does not start with https://"),
        ({"console": "https://console/{"}, "kinds.job.console"),
        ({"console": "https://console/{}"}, "a pair of braces without a name"),
        ({"console": "https://console/{runId}"}, "{runId} is not one of {region}, {account_id}, {name}, {id}, "),
        (
            {"id": ["name", "run"], "console": "https://console/{id}"},
            "{id} is not one of {region}, {account_id}, {name}, {run}",
        ),
        ({"console": "https://console/{scope}"}, "{scope} is not one of {region}"),
        ({"logs": {"group": "/a/{x}", "source": "https://docs"}}, "logs.group: {x} is not one of {region}"),
        ({"logs": {"group": "/a", "stream": "{x}", "source": "https://docs"}}, "logs.stream: {x} is not one of"),
        ({"logs": {"group": "", "source": "https://docs"}}, "kinds.job.logs.group"),
        ({"logs": {"group": "/a", "source": "docs"}}, "does not start with https://"),
        ({"opt_in": "perhaps"}, "kinds.job.opt_in"),
    ],
)
def test_entry_is_refused(change, message):
    """A mistake in an entry is reported with the key and the wrong word."""
    with pytest.raises(ValidationError, match=message):
        service(change)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"scopes": {"queue": SCOPE}, "kinds": {"job": {**KIND, "scope": "lane"}}}, "no scope 'lane' among queue"),
        (
            {"scopes": {"queue": {**SCOPE, "within": "queue"}}, "kinds": {"job": {**KIND, "scope": "queue"}}},
            "scope 'queue' contains itself",
        ),
        ({"scopes": {"queue": {**SCOPE, "where": "type"}}}, "scopes.queue.where"),
        ({"scopes": {"queue": {**SCOPE, "id": "@name"}}}, "scopes.queue.id"),
        ({"scopes": {"Queue": SCOPE}}, "scopes.Queue"),
        ({"scopes": {"job": SCOPE}}, "kinds.job: scopes.job has the same name"),
        ({"scopes": {"queue": {**SCOPE, "resource": {"arn": "arn:*", "actions": []}}}}, "scopes.queue.resource.arn"),
        ({"scopes": {"queue": {**SCOPE, "ended": {"arguments": {}}}}}, "scopes.queue.ended.created_after"),
        (
            {"scopes": {"queue": SCOPE, "lane": {**SCOPE, "within": "queue", "ended": ENDED}}},
            "scopes.lane.*\n.*only of a scope that is in no other",
        ),
        ({"permissions": {"queue": ["PassQueue"]}}, "permissions.queue"),
        ({"end_of_life": "soon"}, "end_of_life"),
        ({"version": 2}, "version"),
    ],
)
def test_service_is_refused(more, message):
    """A mistake in the settings that all kinds of a file share is reported as clearly."""
    with pytest.raises(ValidationError, match=message):
        service({}, **more)


def test_kind_has_the_settings_of_its_file():
    """A kind carries the settings that its file states once for all."""
    permissions = {"queue": ["sqs:PassQueue"]}
    inner = {**SCOPE, "within": "queue"}
    file = service({"scope": "lane"}, scopes={"queue": SCOPE, "lane": inner}, permissions=permissions)
    kind = file.kinds["job"]
    assert str(kind) == "s/job"
    assert [name for name, _ in kind.scopes] == ["queue", "lane"]
    assert kind.outer_scope == "queue"
    assert list(file.outer_scopes) == ["queue"]
    assert kind.permissions == {"queue": ("sqs:PassQueue",)}


def test_states_by_status():
    """Each status maps to its state."""
    assert kind_of().state_of == {"Running": State.RUNNING, "Done": State.SUCCEEDED}


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("24h", 86400), ("28d", 2419200), ("1h30m", 5400), ("2w", 1209600), ("45s", 45), ("unbounded", math.inf)],
)
def test_longest_run(duration, seconds):
    """A duration is written as Prometheus writes it, and read again as it is printed."""
    kind = kind_of(longest_run=duration)
    assert kind.longest_run == seconds
    assert kind_of(longest_run=kind.model_dump(mode="json")["longest_run"]) == kind


def test_longest_run_defaults_to_a_day():
    """Most jobs finish within a day."""
    assert kind_of().longest_run == 86400


def test_paths_of_a_kind():
    """Whatever is read from an item is listed as a path: ids and corrections too."""
    kind = kind_of(
        id=["name", "run"],
        refine=[{"from": "succeeded", "to": "partial", "when": "counts.failed"}],
    )
    assert dict(kind.paths()) == {
        "id.0": "name",
        "id.1": "run",
        "status": "status",
        "times.created": "createdAt",
        "refine.0.when": "counts.failed",
    }


@pytest.mark.parametrize(
    ("scope", "paths"),
    [
        ({}, [("id", "arn")]),
        ({"name": "title", "where": {"type": "STANDARD"}}, [("id", "arn"), ("name", "title"), ("where", "type")]),
        ({"id": "@"}, []),
    ],
)
def test_paths_of_a_scope(scope, paths):
    """Whatever is read from a scope has a path, unless the scope is a bare id."""
    file = service({}, scopes={"queue": {**SCOPE, **scope}})
    assert list(file.scopes["queue"].paths()) == paths


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("membership", "memberships"),
        ("automated_reasoning_policy", "automated_reasoning_policies"),
        ("index", "indexes"),
    ],
)
def test_plural(word, words):
    """A configuration names scopes in the plural."""
    assert plural(word) == words


def test_a_kind_promises_no_more_than_aws_lists():
    """A job that has ended is known for the lookback, or for as long as AWS lists it if that is shorter."""
    assert kind_of().listed_for(7 * 86_400) == 7 * 86_400
    kept = kind_of(retention={"period": "3d", "since": "created", "source": SOURCE})
    assert kept.listed_for(7 * 86_400) == 3 * 86_400
    assert kept.listed_for(86_400) == 86_400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"per_second": 0}, "quotas.ListJobs.per_second"),
        ({"burst": 0}, "quotas.ListJobs.burst"),
        ({"burst": 0.5}, "quotas.ListJobs.burst"),
        ({"source": "docs.aws.amazon.com"}, "does not start with https://"),
        ({"source": None}, "quotas.ListJobs.source"),
        ({"per_hour": 5}, "quotas.ListJobs.per_hour"),
    ],
)
def test_a_quota_is_a_rate_with_a_source(change, message):
    """Nothing is sent at a rate of nothing, and no number is believed without a source."""
    assert service({}, quotas={"ListJobs": QUOTA}).quotas["ListJobs"].burst is None
    with pytest.raises(ValidationError, match=message):
        service({}, quotas={"ListJobs": {**QUOTA, **change}})
