"""The doctor: what works, what is missing and what polling costs, against a simulated AWS."""

import asyncio
import json
import re
import time

import pytest

from exporter.cli import main
from exporter.simulator import AwsError
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    LOOKOUT,
    NOW,
    REGION,
    TRAINED,
    HandClock,
    simulated,
)
from tests.support.patience import UNHURRIED_FLAGS, eventually

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
    """Return a function that runs the doctor and returns its exit code, all rows, the totals and the closing line."""

    async def call(services, *arguments):
        flags = (
            *UNHURRIED_FLAGS,
            f"--aws.endpoint-url={aws.endpoint_url}",
            "--aws.max-attempts=1",
            f"--services={json.dumps(services)}",
        )
        # In another thread: the simulator needs this thread's event loop.
        code = await asyncio.to_thread(main, ["doctor", "--all", *flags, *arguments])
        printed = capsys.readouterr()
        assert printed.err == ""
        sources, totals, *_, closing = printed.out.strip().split("\n\n")
        found = {(row["KIND"], row["SCOPE"]): row for row in rows(sources)}
        # A service has a row in each account; before it is known, that of the default credentials has no id.
        rates = {row["SERVICE"]: row["REQUESTS/HOUR"] for row in rows(totals) if row["REQUESTS/HOUR"] != "0"}
        return code, found, rates, closing

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
    assert closing.startswith("All 2 sources are up;")


async def test_the_identity_comes_first(aws, doctor):
    """Without an identity nothing else works."""
    assert (await doctor(BATCH))[1]["account", ""]["RESULT"] == "ok"


async def test_each_api_is_called_once_or_as_often_as_its_first_polls_need(aws, doctor):
    """The doctor must not be what uses up the quota."""
    trained_model(aws)
    await doctor({**BATCH, **TRAINING})
    first = 1 + sum(state.is_active for state in BEDROCK.state_of.values())
    # Once more as a resync reads it, and once as any other poll does.
    assert aws.requests.pop((BEDROCK.service, BEDROCK.operation)) == first + 2
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


QUEUE = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/hints"


async def test_a_queue_is_tried_and_keeps_its_messages(aws, doctor):
    """They are for the exporter that runs, and SQS hands out each once in a while."""
    aws.queues.create(QUEUE)
    aws.queues.send(QUEUE, "{}")
    code, found, rates, _ = await doctor(BATCH, f"--events={json.dumps({'sqs_queue_url': QUEUE})}")
    assert code == 0
    assert (found["queue", "hints"]["RESULT"], found["queue", "hints"]["SERVICE"]) == ("ok", "sqs")
    assert int(rates["sqs"]) >= 180
    assert aws.queues.left(QUEUE) == 1
    assert aws.requests["sqs", "ReceiveMessage"] == 1


@pytest.mark.parametrize(
    ("operation", "action"), [("ReceiveMessage", "sqs:ReceiveMessage"), ("DeleteMessageBatch", "sqs:DeleteMessage")]
)
@pytest.mark.parametrize("is_named", [False, True])
async def test_what_reading_a_queue_lacks_is_named(aws, doctor, operation, action, is_named):
    """Also where SQS names the action in its own way, in lower case."""
    aws.queues.create(QUEUE)
    refuse(aws, operation, f"User: arn is not authorized to perform: {action.lower()} on resource" if is_named else "")
    code, found, *_ = await doctor(BATCH, f"--events={json.dumps({'sqs_queue_url': QUEUE})}")
    row = found["queue", "hints"]
    assert code == 1
    assert (row["RESULT"], row["MISSING ACTION"]) == ("access_denied", action)
    assert found[BEDROCK.key, ""]["RESULT"] == "ok"


SCP = "arn:aws:organizations::123412341234:policy/o-a1b2c3d4e5/service_control_policy/p-a1b2c3d4"
REFUSALS = {
    "explicit deny": f"{'x' * 150} is not authorized to perform: bedrock:ListModelInvocationJobs on resource: "
    f"{'x' * 150} with an explicit deny in a service control policy: {SCP}",
    "blocked account": "Your account is currently blocked. Contact aws-verification@amazon.com for questions.",
}


@pytest.mark.parametrize("message", REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_no_permission_would_help_has_no_missing_action(aws, doctor, message):
    """The end of what AWS says is kept: it names the policy that denies."""
    refuse(aws, "ListModelInvocationJobs", message)
    _, found, *_ = await doctor(BATCH)
    row = found[BEDROCK.key, ""]
    assert (row["RESULT"], row["MISSING ACTION"]) == ("access_denied", "")
    assert row["WHAT AWS SAYS"].endswith(message[-90:])


async def test_the_policy_that_denies_is_what_to_change(aws, aws_credentials, capsys):
    """It is named in what to do."""
    refuse(aws, "ListModelInvocationJobs", REFUSALS["explicit deny"])
    _, text = await report_of(aws, capsys)
    assert (
        f"* Remove the explicit deny of bedrock:ListModelInvocationJobs from the service control policy: {SCP};" in text
    )


async def test_other_failures_have_no_missing_action(aws, doctor):
    """No action is reported as missing; what is asked again and again counts all the same."""
    nowhere = {"lookoutequipment": {"kinds": [LOOKOUT.key], "inference_schedulers": ["pump-8"]}}
    code, found, totals, _ = await doctor(nowhere)
    row = found[LOOKOUT.key, "pump-8"]
    assert code == 1
    assert (row["RESULT"], row["MISSING ACTION"]) == ("not_found", "")
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("1", totals["lookoutequipment"])
    assert int(totals["lookoutequipment"]) >= 60


async def test_refused_details_do_not_fail_the_source(aws, doctor):
    """The jobs are still counted, so the source is up; the operation that would explain the failures is named."""
    trained_model(aws, path=[(0, "CREATE_PENDING"), (10, "CREATE_FAILED")])
    refuse(aws, "GetTrainedModel")
    code, found, *_ = await doctor(TRAINING, "--poll.lookback=50y")
    (row,) = (row for (kind, _), row in found.items() if kind == TRAINED.key)
    assert code == 0
    assert (row["RESULT"], row["MISSING ACTION"]) == ("ok", "cleanrooms-ml:GetTrainedModel")
    assert "why jobs failed" in row["WHAT AWS SAYS"]


async def test_refused_tags_do_not_fail_the_source(aws, doctor):
    """The jobs are counted without their tags; the action that would tell them is named."""
    aws.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "InProgress")])
    refuse(aws, "GetResources")
    code, found, *_ = await doctor({"bedrock": {"kinds": [BEDROCK.key], "tags": ["team"]}}, "--poll.lookback=50y")
    row = found[BEDROCK.key, ""]
    assert code == 0
    assert (row["RESULT"], row["MISSING ACTION"]) == ("ok", "tag:GetResources")
    assert "tags" in row["WHAT AWS SAYS"]


async def test_usage_costs_a_request_for_each_job(aws, doctor):
    """What had ended is not asked about, but what ends from now on is: as often as within the lookback."""
    training, now = CATALOG["sagemaker"].kinds["training_job"], time.time()
    aws._clock = time.time
    for minutes in range(1, 31):
        aws.world.add_job(training, created=now - 60 * minutes, path=[(0, "InProgress"), (10, "Completed")])
    services, lookback, hourly = {"sagemaker": {"kinds": [training.key]}}, "--poll.lookback=1h", []
    for flags in ([lookback], [lookback, "--poll.usage-details=true"]):
        _, found, *_ = await doctor(services, *flags)
        hourly.append(int(found[training.key, ""]["REQUESTS/HOUR"]))
    assert hourly[1] == hourly[0] + 30


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
        await asyncio.to_thread(main, ["doctor", "--all", *flags])
    sources = rows(capsys.readouterr().out.split("\n\n")[0])
    (row,) = (row for row in sources if row["KIND"] == BEDROCK.key)
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("3", "180")


async def test_the_limit_of_an_hour_keeps_nobody_waiting(aws, doctor):
    """Somebody looks on, and whatever runs has a limit of its own. Of ten requests, one may be sent at once."""
    code, found, _, _ = await doctor(BATCH, "--aws.calls-per-hour=10")
    assert code == 0
    assert sum(aws.requests.values()) > 1
    assert BEDROCK.key in {kind for kind, _ in found}


async def test_discovery_counts_at_its_own_interval(aws, doctor):
    """Memberships are looked up at the discovery interval, models by each poll: they come with their first training."""
    membership = trained_model(aws)
    _, found, totals, _ = await doctor(TRAINING)
    assert found["membership", ""]["REQUESTS/HOUR"] == "6"
    row = found[TRAINED.key, membership.id]
    assert (row["REQUESTS/POLL"], row["REQUESTS/HOUR"]) == ("1", "120")
    assert totals == {"cleanroomsml": "126", "sts": "6"}


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
    code, found, *_ = await doctor({"bedrock": {"requests_per_second": 1000}}, "--poll.concurrency=1")
    assert code == 0
    assert found[kind.key, ""]["RESULT"] == "ok"


def test_the_doctor_needs_a_region(capsys):
    """So does every command that queries AWS."""
    assert main(["doctor"]) == 2
    assert "no region" in capsys.readouterr().err


OTHERS = [f"{444400000000 + number}" for number in range(5)]
ROLES = [{"role_arn": f"arn:aws:iam::{account}:role/exporter", "regions": [REGION]} for account in OTHERS]


async def report_of(aws, capsys, *arguments):
    """Return what the doctor says of five accounts, and its exit code."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}, "glue": {"kinds": ["ml_task_run"]}}
    flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", "--aws.max-attempts=1")
    flags = (*flags, f"--services={json.dumps(services)}", f"--accounts={json.dumps(ROLES)}")
    code = await asyncio.to_thread(main, ["doctor", *flags, *arguments])
    return code, capsys.readouterr().out


async def test_an_organization_that_is_well_is_summed_up(aws, aws_credentials, capsys):
    """A row for each account and service, none for each source: 1,776 rows that say "ok" help nobody."""
    code, text = await report_of(aws, capsys)
    sums, largest, closing = text.strip().split("\n\n")
    found = {(row["ACCOUNT"], row["SERVICE"]): (row["REGION"], row["SOURCES"], row["UP"]) for row in rows(sums)}
    assert code == 0
    assert {found[account, "bedrock"] for account in OTHERS} == {(REGION, "2", "2")}
    assert len(found) == 15
    title, table = largest.split("\n", 1)
    assert title == "The sources that request most:"
    assert len(rows(table)) == 10
    assert closing.startswith("All 20 sources are up; they make ")
    assert re.search(r"/metrics has [\d,]+ series\.$", closing)


async def test_what_is_not_well_comes_row_by_row_and_with_what_to_do(aws, aws_credentials, capsys):
    """First of all what helps most sources."""
    refuse(aws, "ListModelInvocationJobs", "not authorized to perform: bedrock:ListModelInvocationJobs on resource: x")

    async def fail(call):
        if call.service == "glue" and call.account == OTHERS[0]:
            raise AwsError("InternalFailure", "try later", 500)

    aws.hooks.append(fail)
    code, text = await report_of(aws, capsys)
    sources, *_, to_do, closing = text.strip().split("\n\n")
    assert code == 1
    assert {(row["SERVICE"], row["RESULT"]) for row in rows(sources)} == {
        ("bedrock", "access_denied"),
        ("glue", "server_error"),
    }
    assert to_do.splitlines() == [
        "What to do, the most useful first:",
        f"* Allow bedrock:ListModelInvocationJobs. 5 sources in 5 accounts, such as {OTHERS[0]}.",
        f"* Try again later: glue has a fault. 1 source in {OTHERS[0]}.",
    ]
    assert closing.startswith("6 of 20 sources failed; all make ")
    assert re.search(r" AWS denies 5 of them per hour\. ", closing)


async def test_programs_read_the_same_as_json(aws, aws_credentials, capsys):
    """Every source with its result, the sums, what to do, and the totals."""
    refuse(aws, "ListModelInvocationJobs", "not authorized to perform: bedrock:ListModelInvocationJobs on resource: x")
    code, text = await report_of(aws, capsys, "--output=json")
    report = json.loads(text)
    assert code == 1
    assert len(report["sources"]) == report["total"]["sources"] == 20
    assert report["total"]["failed"] == 5
    for key in ("requests_per_hour", "requests_per_month", "most_requests_per_hour"):
        for part in ("sources", "services"):
            assert sum(each[key] for each in report[part]) == pytest.approx(report["total"][key], rel=0.001)
    assert report["total"]["requests_per_month"] == pytest.approx(730 * report["total"]["requests_per_hour"], rel=0.001)
    denied = next(source for source in report["sources"] if source["kind"] == BEDROCK.key)
    assert (denied["result"], denied["missing_action"]) == ("access_denied", "bedrock:ListModelInvocationJobs")
    assert {(service["sources"], service["up"]) for service in report["services"]} == {(2, 1), (1, 1)}
    assert report["to_do"][0].startswith("Allow bedrock:ListModelInvocationJobs.")


async def test_the_largest_come_first(aws, aws_credentials, capsys):
    """Who pays for requests looks there; what happens in a list decides how often that is read."""
    aws.world.add_job(CUSTOMIZATION, created=NOW, path=[(0, "InProgress")])
    flags = ["--poll.idle-interval=10m", "--accounts=[{}]"]
    code, text = await report_of(aws, capsys, *flags)
    sums, largest, closing = text.strip().split("\n\n")
    found = [(row["KIND"], row["REQUESTS/HOUR"], row["AT MOST/HOUR"]) for row in rows(largest.split("\n", 1)[1])]
    assert found[0] == (CUSTOMIZATION.key, "60", "60")
    assert (BEDROCK.key, "6", "60") in found[1:]
    services = [(row["SERVICE"], row["REQUESTS/HOUR"], row["REQUESTS/MONTH"]) for row in rows(sums)]
    assert services[0] == ("bedrock", "66", "48,180")
    assert "make 78 requests to AWS per hour and 56,940 per month" in closing
    assert code == 0


async def test_many_services_are_cut_short(aws, aws_credentials, capsys):
    """What is left out is summed up; --all shows it."""
    more = [{"role_arn": f"arn:aws:iam::{444400000000 + number}:role/exporter"} for number in range(8)]
    _, text = await report_of(aws, capsys, f"--accounts={json.dumps(more)}")
    sums = text.split("\n\n")[0].splitlines()
    assert len(sums) == 1 + 20 + 1
    assert re.fullmatch(r"and 4 more with 2\d requests per hour; --all shows them", sums[-1])
    _, text = await report_of(aws, capsys, f"--accounts={json.dumps(more)}", "--all")
    assert len(text.split("\n\n")[1].splitlines()) == 1 + 24
    assert "The sources that request most" not in text


async def test_a_role_is_assumed_again_and_again(aws, doctor):
    """Its credentials last an hour, of which a quarter is left when they are renewed."""
    role = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/aws-job-exporter"}
    _, found, *_ = await doctor(BATCH, f"--accounts={json.dumps([role])}")
    assert found["account", ""]["REQUESTS/HOUR"] == "7"


async def test_the_cost_is_told_on_request(aws, aws_credentials, capsys):
    """At AWS's list prices, with where they are from, and as an estimate."""
    _, plain = await report_of(aws, capsys)
    _, text = await report_of(aws, capsys, "--cost")
    assert "USD" not in plain
    report, bill = text.split("\n\n", 3)[-2:]
    (month,) = (int(number.replace(",", "")) for number in re.findall(r"([\d,]+) per month", report))
    first, further, guardduty = rows("\n".join(bill.splitlines()[1:5]))
    assert "(an estimate)" in bill.splitlines()[0]
    assert (first["USD/MILLION"], first["USD/MONTH"]) == ("0.00", "0.00")
    assert (further["USD/MILLION"], guardduty["USD/MILLION"]) == ("20.00", "4.00")
    assert float(further["USD/MONTH"]) == pytest.approx(month * 20 / 1e6, abs=0.006)
    assert float(guardduty["USD/MONTH"]) == pytest.approx(month * 4 / 1e6, abs=0.006)
    assert "https://aws.amazon.com/guardduty/pricing/ (October 2026)" in guardduty["PRICE FROM"]


async def test_prices_can_be_given(aws, aws_credentials, capsys):
    """One given price asks for the cost, and replaces the list price alone."""
    _, text = await report_of(aws, capsys, "--guardduty-price=1.75", "--output=json")
    cost = json.loads(text)["cost"]
    total = json.loads(text)["total"]
    assert [(charge["usd_per_million"], charge["price_from"]) for charge in cost[2:]] == [(1.75, "command line")]
    assert cost[1]["usd_per_million"] == 20
    assert cost[2]["usd_per_month"] == pytest.approx(total["requests_per_month"] * 1.75 / 1e6, abs=0.006)
    assert cost[2]["most_usd_per_month"] == pytest.approx(total["most_requests_per_hour"] * 730 * 1.75 / 1e6, abs=0.006)


@pytest.mark.parametrize("text", ["free", "-1", "nan", "inf", ""])
def test_a_price_is_an_amount(text, capsys):
    """The flag and the text are named, and nothing is asked of AWS."""
    with pytest.raises(SystemExit) as left:
        main(["doctor", f"--cloudtrail-price={text}"])
    assert left.value.code == 2
    assert f"--cloudtrail-price: {text!r} is not a price in USD, such as 20 or 1.75" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["doctor"], ["once", "--output=table"]], ids=" ".join)
async def test_a_terminal_shows_how_far_it_is(aws, aws_credentials, command, monkeypatch, capsys):
    """Somebody who waits for a minute must see that something happens; a file gets the result alone."""
    monkeypatch.setattr("exporter.cli.progress_line._PATIENCE", 0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    held = asyncio.Event()

    async def hold(call):
        if call.operation == "ListModelInvocationJobs":
            await held.wait()

    aws.hooks.append(hold)
    flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", f"--services={json.dumps(BATCH)}")
    running = asyncio.create_task(asyncio.to_thread(main, [*command, *flags]))
    shown = ""

    def has_shown():
        nonlocal shown
        shown += capsys.readouterr().err
        return "read 1 of 2 sources" in shown

    await eventually(has_shown)
    held.set()
    assert await running == 0
    printed = capsys.readouterr()
    assert printed.err.endswith("\r\x1b[K")
    assert "\x1b" not in printed.out
