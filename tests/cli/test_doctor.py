"""The doctor: what works, what is missing and what polling costs, against a simulated AWS."""

import asyncio
import json
import re

import pytest

from exporter.cli import main
from exporter.simulator import AwsError
from tests.support.harness import ACCOUNT, BEDROCK, CUSTOMIZATION, LOOKOUT, NOW, REGION, TRAINED, HandClock, simulated
from tests.support.patience import UNHURRIED_FLAGS

pytestmark = pytest.mark.slow

BATCH = {"bedrock": {"kinds": [BEDROCK.key]}}
TRAINING = {"cleanroomsml": {"kinds": [TRAINED.key]}}


@pytest.fixture
async def aws():
    """Return an empty simulated AWS."""
    async with simulated(HandClock()) as simulator:
        yield simulator


@pytest.fixture
def doctor(aws, aws_credentials, capsys):
    """Return a function that runs the doctor and returns its exit code, the rows, the totals and the closing line."""

    async def call(services, *arguments):
        flags = (
            *UNHURRIED_FLAGS,
            f"--aws.endpoint-url={aws.endpoint_url}",
            "--aws.max-attempts=1",
            f"--services={json.dumps(services)}",
        )
        # In another thread: the simulator needs this thread's event loop.
        code = await asyncio.to_thread(main, ["doctor", *flags, *arguments])
        printed = capsys.readouterr()
        assert printed.err == ""
        sources, totals, closing = printed.out.strip().split("\n\n")
        found = {(row["KIND"], row["SCOPE"]): row for row in rows(sources)}
        return code, found, {row["SERVICE"]: row["REQUESTS/HOUR"] for row in rows(totals)}, closing

    return call


def rows(text):
    """Return the rows of a printed table, each as its cells by column name."""
    head, *lines = text.splitlines()
    columns = [(match[0], match.start()) for match in re.finditer(r"\S+(?: \S+)*", head)]
    ends = [start for _, start in columns[1:]] + [None]
    return [{name: line[start:end].strip() for (name, start), end in zip(columns, ends, strict=True)} for line in lines]


def refuse(aws, operation, message="no"):
    """Make AWS refuse an operation."""

    async def hook(call):
        if call.operation == operation:
            raise AwsError("AccessDeniedException", message, 403)

    aws.hooks.append(hook)


def trained_model(aws, **job):
    """Add a membership with a trained model, and a training of it."""
    membership = aws.world.add_scope("cleanroomsml", "membership")
    model = aws.world.add_scope("cleanroomsml", "trained_model", within=membership)
    job = {"path": [(0, "CREATE_PENDING")], **job}
    aws.world.add_job(TRAINED, scope=model, created=NOW - 60, **job)
    return membership


async def test_all_is_well(aws, doctor):
    """Account, region, service and kind; ok; nothing is missing; exit code 0."""
    code, found, _, closing = await doctor(BATCH)
    row = found[BEDROCK.key, ""]
    assert code == 0
    assert (row["ACCOUNT"], row["REGION"], row["SERVICE"]) == (ACCOUNT, REGION, "bedrock")
    assert (row["RESULT"], row["MISSING ACTION"], row["WHAT AWS SAYS"]) == ("ok", "", "")
    assert closing.startswith("All sources are up;")


async def test_the_identity_comes_first(aws, doctor):
    """Without an identity nothing else works."""
    assert (await doctor(BATCH))[1]["account", ""]["RESULT"] == "ok"


async def test_each_api_is_called_once_or_as_often_as_its_first_polls_need(aws, doctor):
    """The doctor must not be what uses up the quota."""
    trained_model(aws)
    await doctor({**BATCH, **TRAINING})
    first = 1 + sum(state.is_active for state in BEDROCK.state_of.values())
    assert aws.requests.pop((BEDROCK.service, BEDROCK.operation)) == first + 1
    assert set(aws.requests.values()) == {1}
    assert len(aws.requests) == 4


async def test_the_missing_action_is_the_one_that_aws_names(aws, doctor):
    """It may differ from the name of the operation."""
    membership = trained_model(aws)
    message = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/x/y is not authorized to perform: cleanrooms:PassMembership"
    refuse(aws, "ListTrainedModelVersions", f"{message}\non resource: {membership.id}")
    code, found, _, closing = await doctor({**BATCH, **TRAINING})
    row = found[TRAINED.key, membership.id]
    assert code == 1
    assert (row["RESULT"], row["MISSING ACTION"]) == ("access_denied", "cleanrooms:PassMembership")
    assert row["WHAT AWS SAYS"] == f"ListTrainedModelVersions: {message} on resource: {membership.id}"
    assert found[BEDROCK.key, ""]["RESULT"] == "ok"
    assert closing.startswith("1 of 4 sources failed;")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListMemberships", "cleanrooms:ListMemberships"),
        ("ListTrainedModels", "cleanrooms-ml:ListTrainedModels"),
        ("ListTrainedModelVersions", "cleanrooms-ml:ListTrainedModelVersions"),
    ],
)
async def test_the_missing_action_is_derived_where_aws_names_none(aws, doctor, operation, action):
    """It is the action of the operation that failed, for a scope at any depth."""
    trained_model(aws)
    refuse(aws, operation)
    code, found, *_ = await doctor(TRAINING)
    assert code == 1
    assert [row["MISSING ACTION"] for row in found.values() if row["RESULT"] == "access_denied"] == [action]


async def test_other_failures_have_no_missing_action(aws, doctor):
    """No action is reported as missing, and no number is guessed."""
    nowhere = {"lookoutequipment": {"kinds": [LOOKOUT.key], "inference_schedulers": ["pump-8"]}}
    code, found, totals, _ = await doctor(nowhere)
    row = found[LOOKOUT.key, "pump-8"]
    assert code == 1
    assert (row["RESULT"], row["MISSING ACTION"]) == ("not_found", "")
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("", "")
    assert "lookoutequipment" not in totals


async def test_refused_details_do_not_fail_the_source(aws, doctor):
    """The jobs are still counted, so the source is up; the operation that would explain the failures is named."""
    trained_model(aws, path=[(0, "CREATE_PENDING"), (10, "CREATE_FAILED")])
    refuse(aws, "GetTrainedModel")
    code, found, *_ = await doctor(TRAINING, "--poll.lookback=50y")
    (row,) = (row for (kind, _), row in found.items() if kind == TRAINED.key)
    assert code == 0
    assert (row["RESULT"], row["MISSING ACTION"]) == ("ok", "cleanrooms-ml:GetTrainedModel")
    assert "why jobs failed" in row["WHAT AWS SAYS"]


async def test_a_role_that_cannot_be_assumed_lacks_an_action_of_the_base(aws, doctor):
    """The missing permission is one of the base identity."""
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-job-exporter"
    refuse(aws, "AssumeRole", f"User: me is not authorized to perform: sts:AssumeRole on resource: {role}")
    code, found, *_ = await doctor(BATCH, f"--accounts={json.dumps([{'role_arn': role}])}")
    assert code == 1
    assert found["account", ""]["MISSING ACTION"] == "sts:AssumeRole"


async def test_requests_follow_the_interval(aws, doctor):
    """A service's own interval takes precedence."""
    services = {"bedrock": {**BATCH["bedrock"], "interval": "2m"}, "lookoutequipment": {"kinds": ["model_training"]}}
    _, found, totals, closing = await doctor(services, "--poll.interval=30s", "--poll.discovery-interval=10m")
    assert [found[kind, ""]["REQUESTS/POLL"] for kind in (BEDROCK.key, "model_training")] == ["1", "1"]
    assert [found[kind, ""]["REQUESTS/HOUR"] for kind in (BEDROCK.key, "model_training", "account")] == [
        "30",
        "120",
        "6",
    ]
    assert totals == {"bedrock": "30", "lookoutequipment": "120", "sts": "6"}
    assert "156 requests to AWS per hour" in closing


async def test_every_page_is_a_request(aws_credentials, capsys):
    """A long list costs more requests."""
    async with simulated(HandClock(), page_size=7) as aws:
        for number in range(20):
            aws.world.add_job(BEDROCK, created=NOW - number, path=[(0, "Submitted")])
        flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", f"--services={json.dumps(BATCH)}")
        await asyncio.to_thread(main, ["doctor", *flags])
    sources = rows(capsys.readouterr().out.split("\n\n")[0])
    (row,) = (row for row in sources if row["KIND"] == BEDROCK.key)
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("3", "180")


async def test_discovery_counts_at_its_own_interval(aws, doctor):
    """Models in a membership are looked up at the discovery interval, their trainings listed at each poll."""
    membership = trained_model(aws)
    _, found, totals, _ = await doctor(TRAINING)
    assert found["membership", ""]["REQUESTS/HOUR"] == "6"
    row = found[TRAINED.key, membership.id]
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("1", "66")
    assert totals == {"cleanrooms": "6", "cleanroomsml": "66", "sts": "6"}


async def test_sources_of_one_operation_have_separate_rows(aws, doctor):
    """Each row has its own requests, although all are counted together."""
    small, large = trained_model(aws), trained_model(aws)
    for _ in range(3):
        aws.world.add_scope("cleanroomsml", "trained_model", within=large)
    _, found, *_ = await doctor(TRAINING)
    assert [found[TRAINED.key, scope.id]["REQUESTS/POLL"] for scope in (small, large)] == ["1", "4"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [BEDROCK, CUSTOMIZATION])
async def test_the_concurrency_follows_the_configuration(aws, doctor, kind):
    """Even with a concurrency of one, all are read."""
    code, found, *_ = await doctor({"bedrock": {}}, "--poll.concurrency=1")
    assert code == 0
    assert found[kind.key, ""]["RESULT"] == "ok"


def test_the_doctor_needs_a_region(capsys):
    """So does every command that queries AWS."""
    assert main(["doctor"]) == 2
    assert "no region" in capsys.readouterr().err
