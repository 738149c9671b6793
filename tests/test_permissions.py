"""The permissions of a configuration: IAM's names of the actions, and what they are for."""

import json
from pathlib import Path

import pytest

from exporter import permissions
from exporter.catalog import Kind
from exporter.settings import ServiceSettings, Settings
from tests.support.harness import CATALOG, INFERENCE, TRAINED, configured

ACTIONS = json.loads((Path(__file__).parent / "data" / "iam_actions.json").read_text())
"""What IAM calls the actions that each kind needs, where nothing of it is named; kept apart from the catalog."""

ROLES = [f"arn:aws:iam::{number * 4}:role/aws-job-exporter" for number in ("444", "555")]


def reading(services=None, **sections):
    """Return the actions that reading a configuration needs."""
    return permissions.reading(configured("http://localhost", services, **sections), CATALOG)


def needed(kind: Kind, settings: ServiceSettings | None = None) -> list[str]:
    """Return the actions that a kind needs."""
    calls = permissions.calls(kind, settings or ServiceSettings())
    return sorted({action for call in calls for action in permissions.actions(call, kind, CATALOG)})


@pytest.mark.parametrize("kind", [*CATALOG.kinds()], ids=str)
def test_the_permissions_of_every_kind_have_iams_names(kind):
    """They are derived from the catalog, and equal IAM's own names."""
    assert needed(kind) == ACTIONS[str(kind)]


def test_every_action_belongs_to_a_kind():
    """The list of names contains no removed kinds."""
    assert ACTIONS.keys() == {str(kind) for kind in CATALOG.kinds()}


@pytest.mark.parametrize(
    ("service", "argument", "action"),
    [
        ("cleanroomsml", "membershipIdentifier", "cleanrooms:PassMembership"),
        ("cleanroomsml", "collaborationIdentifier", "cleanrooms:PassCollaboration"),
        ("timestream-write", "", "timestream:DescribeEndpoints"),
    ],
)
def test_requests_need_permissions_beyond_the_name_of_the_operation(service, argument, action):
    """AWS checks them in addition to the one with the operation's name."""
    calls = [
        (kind, call) for kind in CATALOG[service].kinds.values() for call in permissions.calls(kind, ServiceSettings())
    ]
    asking = [(kind, call) for kind, call in calls if not argument or argument in call.arguments]
    assert asking
    assert all(action in permissions.actions(call, kind, CATALOG) for kind, call in asking)


def test_a_scope_needs_the_permission_of_the_service_that_lists_it():
    """Clean Rooms lists the memberships of Clean Rooms ML, under its own prefix."""
    assert "cleanrooms:ListMemberships" in needed(TRAINED)
    assert "cleanrooms-ml:ListMemberships" not in needed(TRAINED)


def test_a_service_outside_the_catalog_uses_its_signing_name():
    """The same holds for user-defined kinds."""
    assert permissions.action(permissions.Operation("apigateway", "GetRestApis"), CATALOG) == "apigateway:GetRestApis"
    assert permissions.action(permissions.Operation("sesv2", "ListExportJobs"), CATALOG) == "ses:ListExportJobs"


def test_configured_scopes_need_no_discovery():
    """The scopes within them do."""
    settings = ServiceSettings.model_validate({"memberships": ["m1"]})
    assert set(needed(TRAINED)) - set(needed(TRAINED, settings)) == {"cleanrooms:ListMemberships"}
    assert "cleanrooms-ml:ListTrainedModels" in needed(TRAINED, settings)


def test_patterns_need_discovery():
    """They filter the scopes that are discovered."""
    settings = ServiceSettings.model_validate({"memberships": {"include": ["prod-*"]}})
    assert "cleanrooms:ListMemberships" in needed(TRAINED, settings)


def test_only_the_selected_kinds_count():
    """An unused permission is one too many."""
    needed = reading({"bedrock": {"kinds": ["model_invocation_job"]}})
    assert needed == dict.fromkeys(
        ("bedrock:GetModelInvocationJob", "bedrock:ListModelInvocationJobs"), permissions.ANY
    )


def test_configured_scopes_narrow_the_resources():
    """The resource is limited to their ids, wherever the scopes occur."""
    needed = reading({"cleanroomsml": {"kinds": [TRAINED.key], "memberships": ["m2", "m1"]}})
    assert needed["cleanrooms:PassMembership"] == (
        "arn:*:cleanrooms:*:*:membership/m1",
        "arn:*:cleanrooms:*:*:membership/m2",
    )
    assert needed["cleanrooms-ml:ListTrainedModelVersions"] == permissions.ANY


def test_a_scope_reached_through_another_one_is_not_narrowed():
    """A collaboration's jobs belong to memberships that only a response from AWS reveals."""
    service = {"kinds": [INFERENCE.key, TRAINED.key], "memberships": ["m1"], "collaborations": ["c1"]}
    needed = reading({"cleanroomsml": service})
    assert needed["cleanrooms:PassCollaboration"] == ("arn:*:cleanrooms:*:*:collaboration/c1",)
    assert needed["cleanrooms:PassMembership"] == permissions.ANY


def test_the_base_assumes_the_roles():
    """The base identity reads nothing itself."""
    accounts = [{"role_arn": role} for role in reversed(ROLES)]
    settings = configured("http://localhost", {"bedrock": {}}, accounts=accounts)
    assert permissions.base(settings, CATALOG) == {"sts:AssumeRole": tuple(ROLES), "sts:TagSession": tuple(ROLES)}


def test_the_base_reads_its_own_account():
    """This applies where the configuration names an account without a role."""
    settings = configured("http://localhost", {"bedrock": {}}, accounts=[{}, {"role_arn": ROLES[0]}])
    assert permissions.base(settings, CATALOG) == {
        **permissions.reading(settings, CATALOG),
        "sts:AssumeRole": (ROLES[0],),
        "sts:TagSession": (ROLES[0],),
    }


def test_without_roles_the_base_reads_the_jobs():
    """There is only one identity."""
    assert permissions.base(Settings(), CATALOG) == permissions.reading(Settings(), CATALOG)


def test_an_organization_is_listed_and_its_roles_are_assumed():
    """Its own account is read without a role; units need a permission only where one is named."""
    organization: dict[str, object] = {"role_name": "a/b"}
    settings = configured("http://localhost", {"bedrock": {}}, accounts={"organization": organization})
    roles = ("arn:*:iam::*:role/a/b",)
    listed = {"organizations:ListAccounts": permissions.ANY, "sts:AssumeRole": roles, "sts:TagSession": roles}
    assert permissions.base(settings, CATALOG) == {**permissions.reading(settings, CATALOG), **listed}
    organization["exclude"] = ["ou-ab12-11111111"]
    settings = configured("http://localhost", {"bedrock": {}}, accounts={"organization": organization})
    within = ("organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent")
    assert permissions.base(settings, CATALOG) == {
        **permissions.reading(settings, CATALOG),
        **listed,
        **dict.fromkeys(within, permissions.ANY),
    }


@pytest.mark.parametrize(
    "accounts", [[{"regions": "all"}], {"organization": {"role_name": "r", "regions": "all"}}], ids=["list", "mapping"]
)
def test_reading_all_regions_requires_listing_them(accounts):
    """The permission is needed in each account."""
    assert reading({"bedrock": {}}, accounts=accounts)["ec2:DescribeRegions"] == permissions.ANY


QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/hints"
RECEIVING = {"sqs:ReceiveMessage", "sqs:DeleteMessage"}


def sqs(needed):
    """Return the actions on queues, each with its resources."""
    return {name: resources for name, resources in needed.items() if name.startswith("sqs:")}


def test_a_queue_is_read_by_whoever_reads_the_account_where_there_is_no_role():
    """On that queue alone; what deletes several messages needs the permission to delete one."""
    expected = dict.fromkeys(RECEIVING, ("arn:*:sqs:eu-west-1:111122223333:hints",))
    assert sqs(reading({"bedrock": {}}, events={"sqs_queue_url": QUEUE})) == expected


def test_no_queue_needs_no_permission():
    """Hints are optional."""
    assert sqs(reading({"bedrock": {}})) == {}


@pytest.mark.parametrize("accounts", [[{"role_arn": ROLES[0]}], {"organization": {"role_name": "jobs"}}])
def test_a_queue_without_a_role_is_read_by_the_exporter_itself(accounts):
    """The roles of other accounts must not read it."""
    settings = configured("http://localhost", {"bedrock": {}}, accounts=accounts, events={"sqs_queue_url": QUEUE})
    assert sqs(permissions.reading(settings, CATALOG)) == {}
    assert sqs(permissions.base(settings, CATALOG)).keys() == RECEIVING


def test_a_queue_with_a_role_is_read_by_that():
    """The exporter itself only assumes it."""
    queue = {"sqs_queue_url": QUEUE, "role_arn": ROLES[1]}
    settings = configured("http://localhost", {"bedrock": {}}, events=queue)
    assert sqs(permissions.reading(settings, CATALOG)) == {}
    base = permissions.base(settings, CATALOG)
    assert sqs(base) == {}
    assert base["sts:AssumeRole"] == (ROLES[1],)
    assert permissions.receiving(settings, CATALOG).keys() == RECEIVING


def test_the_queue_of_each_shard_is_allowed():
    """All shards have one identity."""
    url, shard = f"{QUEUE}-{{shard}}", {"count": 2, "index": 1}
    arns = sqs(reading({"bedrock": {}}, events={"sqs_queue_url": url}, shard=shard))["sqs:ReceiveMessage"]
    assert arns == tuple(f"arn:*:sqs:eu-west-1:111122223333:hints-{index}" for index in range(2))


def test_statements_are_grouped_by_service_and_resource():
    """Each has a unique Sid, and all are in a stable order."""
    allowed = {
        "s3:ListJobs": permissions.ANY,
        "a-b:X": permissions.ANY,
        "s3:DescribeJob": permissions.ANY,
        "s3:Z": ("arn:1",),
    }
    assert permissions.statements(allowed) == [
        permissions.Statement("AB", ("a-b:X",), permissions.ANY),
        permissions.Statement("S3", ("s3:DescribeJob", "s3:ListJobs"), permissions.ANY),
        permissions.Statement("S3Z", ("s3:Z",), ("arn:1",)),
    ]


def test_tags_need_one_permission_for_all_services():
    """It is asked for where the configuration names tags of a kind that has some, and nowhere else."""
    assert reading({"bedrock": {"tags": ["team"]}})["tag:GetResources"] == permissions.ANY
    assert "tag:GetResources" not in reading({"bedrock": {}})
    assert "tag:GetResources" in reading({"glue": {"kinds": ["job_run"], "tags": ["team"], "jobs": ["etl"]}})


def test_sids_are_unique():
    """IAM rejects a policy with a duplicate Sid."""
    services = dict.fromkeys(CATALOG.names) | {
        "cleanrooms": {"memberships": ["m1"]},
        "cleanroomsml": {"memberships": ["m2"], "kinds": [TRAINED.key]},
    }
    sids = [statement.sid for statement in permissions.statements(reading(services))]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)
