"""Every fault at every stage: what fails, how it shows, what stays right, and that it ends.

`python -m tests.e2e.test_fault_matrix` writes the table of docs/reliability.md anew from the table below.
"""

import asyncio
import gc
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.app import assembly
from exporter.aws import catalog_loader
from exporter.exposition import Format
from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus
from tests.support.faults import LATER, Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    LOOKOUT,
    NOW,
    REGION,
    HandClock,
    Running,
    configured,
    running,
    simulated,
)
from tests.support.simulated_aws import SimulatedAws as Simulator

OTHER, ROLE = "444455556666", "arn:aws:iam::444455556666:role/exporter"
INTERVAL, DISCOVERY, STALE = 60.0, 600.0, 300.0
LATEST = 1.1
"""Intervals after which a source has been polled again for certain."""
OWN = "aws_job_exporter_source"
OK = "-"
"""The poll does not fail."""
FINAL = {"access_denied", "not_found", "invalid_request"}
"""Answers upon which a failed job's reason is not asked for again."""
HUGE = "x" * 100_000
FUTURE = "2100-01-01T00:00:00Z"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


class Stage(NamedTuple):
    """A kind of request that a fault can strike."""

    name: str
    service: str
    operation: str
    members: Mapping[str, str]
    """What the answer calls the members that faults are about."""
    page: int | None = None
    source: Mapping[str, str] = {}
    """The labels of the source that fails."""


BATCH = {
    "list": "invocationJobSummaries",
    "id": "jobArn",
    "token": "nextToken",
    "created": "submitTime",
    "updated": "lastModifiedTime",
    "ended": "endTime",
    "deadline": "jobExpirationTime",
    "name": "jobName",
    "status": "status",
    "message": "message",
}
SCHEDULERS = {"list": "InferenceSchedulerSummaries", "id": "InferenceSchedulerName", "token": "NextToken"}
LISTED = {"account_id": ACCOUNT, "kind": BEDROCK.key}
ACCOUNT_STAGE = Stage(
    "account", "sts", "GetCallerIdentity", {"id": "Account"}, source={"account_id": "", "kind": "account"}
)
CREDENTIALS = Stage(
    "credentials",
    "sts",
    "AssumeRole",
    {"id": "AccessKeyId", "updated": "Expiration", "list": "Credentials"},
    source={"account_id": OTHER, "kind": BEDROCK.key},
)
SCOPES = Stage(
    "discovery", "lookoutequipment", "ListInferenceSchedulers", SCHEDULERS, source={"kind": "inference_scheduler"}
)
FIRST = Stage("first page", "bedrock", BEDROCK.operation, BATCH, page=1, source=LISTED)
MIDDLE = Stage("middle page", "bedrock", BEDROCK.operation, BATCH, page=2, source=LISTED)
DETAILS = Stage(
    "details", "bedrock", "GetModelCustomizationJob", {"message": "failureMessage"}, source={"kind": CUSTOMIZATION.key}
)
STAGES = (ACCOUNT_STAGE, CREDENTIALS, SCOPES, FIRST, MIDDLE, DETAILS)
LISTS = (SCOPES, FIRST, MIDDLE)
NAMING = (ACCOUNT_STAGE, *LISTS)
NO_KEYS = "expired_credentials"


class Row(NamedTuple):
    """One fault: what it does, and what must come of it."""

    name: str
    fault: Callable[[Mapping[str, str]], Fault]
    """Makes the fault, given what the stage calls its members."""
    outcome: Mapping[str, str]
    """By the stage's name, the reason for which the poll fails; OK where it does not."""
    note: str = ""
    """What holds where the poll does not fail."""
    every_page: bool = False
    """Whether the fault is one of a whole list: it strikes all pages from the stage's on."""
    read_timeout: str = "20s"
    holds: Callable[[Running], bool] = lambda _: True
    """Whether that is so, of a list of jobs that a fault struck."""


def at(stages: tuple[Stage, ...], reason: str, **others: str) -> dict[str, str]:
    """Return the same reason for stages, but for those that are named."""
    return {**{stage.name: reason for stage in stages}, **{name.replace("_", " "): why for name, why in others.items()}}


def jobs(exporter: Running, **labels: str) -> float:
    """Return how many jobs of the list are on /metrics."""
    return sum(exporter.samples("aws_jobs", "status", **{**LISTED, **labels}).values())


def failing(fault: Fault) -> Callable[[Mapping[str, str]], Fault]:
    """Return what makes a fault that is the same at every stage."""
    return lambda _: fault


def optional(value: Any) -> Callable[[Mapping[str, str]], Fault]:
    """Return what makes the members that an answer can do without something else."""

    def fault(members: Mapping[str, str]) -> Fault:
        named = ("created", "updated", "ended", "deadline", "name", "message")
        return Fault.members(**{members[name]: value for name in named if name in members})

    return fault


def odd_times(members: Mapping[str, str]) -> Fault:
    """Write each time in a form that is none."""
    forms = {"created": "yesterday", "updated": float("nan"), "ended": {}, "deadline": 10**30}
    return Fault.members(**{members[name]: form for name, form in forms.items() if name in members})


def wrong_types(members: Mapping[str, str]) -> Fault:
    """Give each member a value of another type than the model's."""
    values = {"name": 5, "message": {"a": [1]}, "status": ["Failed"], "ended": True}
    return Fault.members(**{members[name]: value for name, value in values.items() if name in members})


def _nowhere(_: Mapping[str, str]) -> Fault:
    """Stand for what goes wrong before there is a connection: no simulated AWS can show it."""
    raise AssertionError("tried from the exporter's start, not by the simulator")


NOWHERE = _nowhere

MATRIX = (
    Row("throttled, status 429", lambda _: Fault.throttled(429), at(STAGES, "throttled")),
    Row("throttled, status 400", lambda _: Fault.throttled(400), at(STAGES, "throttled")),
    *(
        Row(f"error {status}, JSON", failing(Fault.server_error(status)), at(STAGES, "server_error"))
        for status in (500, 502, 503, 504)
    ),
    *(
        Row(f"error {status}, HTML", failing(Fault.html(status)), at(STAGES, "server_error"))
        for status in (500, 502, 503, 504)
    ),
    Row(
        "error with a message of 100 kB",
        lambda _: Fault.error("InternalServerException", HUGE, 500),
        at(STAGES, "server_error"),
    ),
    Row("access denied", lambda _: Fault.access_denied(), at(STAGES, "access_denied")),
    Row("expired token", lambda _: Fault.expired_token(), at(STAGES, "expired_credentials")),
    Row("not found", lambda _: Fault.not_found(), at(STAGES, "not_found")),
    Row("the same page token again", lambda _: Fault.repeated_token(), at(LISTS, "bad_response"), every_page=True),
    Row("page tokens without end", lambda _: Fault.endless_tokens(), at(LISTS, "bad_response"), every_page=True),
    Row(
        "page token of a wrong type",
        lambda members: Fault.members(**{members["token"]: 0}),
        at((FIRST, MIDDLE), "bad_response"),
    ),
    Row("connection closed within the answer", lambda _: Fault.broken_off(), at(STAGES, "network")),
    Row("answer cut in half", lambda _: Fault.truncated(), at(STAGES, "bad_response")),
    Row("HTML in place of the answer", lambda _: Fault.html(), at(STAGES, "bad_response")),
    Row("empty answer", lambda _: Fault.body(""), at(STAGES, "bad_response")),
    Row("answer `null`", lambda _: Fault.body("null"), at(STAGES, "bad_response")),
    Row("answer `[]`", lambda _: Fault.body("[]"), at(STAGES, "bad_response")),
    Row(
        "bytes that are no text",
        lambda _: Fault.changed(lambda sound: sound._replace(body=b"\xff\xfe{")),
        at(STAGES, "bad_response"),
    ),
    Row("unknown JSON", lambda _: Fault.body('{"error": "maintenance"}'), at(STAGES, "bad_response")),
    Row("no id", lambda members: Fault.without(members["id"]), at(NAMING, "bad_response", credentials=NO_KEYS)),
    Row(
        "id `null`",
        lambda members: Fault.members(**{members["id"]: None}),
        at(NAMING, "bad_response", credentials=NO_KEYS),
    ),
    Row(
        "list of a wrong type",
        lambda members: Fault.members(**{members["list"]: {}}),
        at(LISTS, "bad_response"),
    ),
    Row(
        "items of a wrong type",
        lambda members: Fault.members(**{members["list"]: ["job", None, 7]}),
        at(LISTS, "bad_response"),
    ),
    Row("no answer", lambda _: Fault.hanging(), at(STAGES, "timeout"), read_timeout="1s"),
    Row("connection reset", lambda _: Fault.reset(), at(STAGES, "network")),
    Row("host name that does not resolve", NOWHERE, at((ACCOUNT_STAGE, SCOPES, FIRST), "network")),
    Row("service without an endpoint in the region", NOWHERE, at((SCOPES, FIRST), "network")),
    Row("late answer", lambda _: Fault.latency(0.02), at(STAGES, OK), "The poll waits for it."),
    Row(
        "wrong content type",
        lambda _: Fault.content_type("text/plain"),
        at(STAGES, OK),
        "The answer counts.",
        holds=lambda exporter: jobs(exporter) == 6,
    ),
    Row(
        "no optional member",
        lambda members: Fault.without(*(members[name] for name in ("ended", "name", "message") if name in members)),
        at((FIRST, MIDDLE, DETAILS), OK),
        "The job counts without it; a failure without a message is `unspecified`.",
        holds=lambda exporter: jobs(exporter) == 6,
    ),
    Row(
        "optional members `null`",
        optional(None),
        at((FIRST, MIDDLE, DETAILS), OK),
        "As if they were left out.",
        holds=lambda exporter: jobs(exporter) == 6,
    ),
    Row(
        "unknown status",
        lambda members: Fault.members(**{members["status"]: "Pondering"}),
        at((FIRST, MIDDLE), OK),
        "The job counts as `unknown`; `aws_job_exporter_unknown_statuses_total` grows.",
        holds=lambda exporter: jobs(exporter) == 6 and jobs(exporter, status="unknown") == 2,
    ),
    Row(
        "members of wrong types",
        wrong_types,
        at((FIRST, MIDDLE, DETAILS), OK),
        "What cannot be read is left out; a status that is no text is `unknown`.",
        holds=lambda exporter: jobs(exporter) == 6 and jobs(exporter, status="unknown") == 2,
    ),
    Row(
        "times in odd forms",
        odd_times,
        at((FIRST, MIDDLE), OK, credentials="bad_response"),
        "The job counts, without the time.",
        holds=lambda exporter: jobs(exporter) == 6,
    ),
    Row(
        "times from the future",
        optional(FUTURE),
        at((FIRST, MIDDLE), OK),
        "The job counts, and new jobs are found.",
        every_page=True,
        holds=lambda exporter: jobs(exporter) == 6,
    ),
    Row(
        "messages of 100 kB",
        lambda members: Fault.members(**{members["message"]: HUGE}),
        at((FIRST, MIDDLE, DETAILS), OK),
        "The failure has a reason; the message is on no page of /metrics.",
        holds=lambda exporter: jobs(exporter) == 6,
    ),
)
CASES = [
    (row, stage, row.outcome[stage.name])
    for row in MATRIX
    for stage in STAGES
    if stage.name in row.outcome and row.fault is not NOWHERE
]


def cases(*stages: Stage, fails: bool) -> pytest.MarkDecorator:
    """Return the cases at some stages in which the poll fails, or in which it does not."""
    chosen = [case for case in CASES if case[1] in stages and (case[2] != OK) is fails]
    names = [f"{row.name}-{stage.name}" for row, stage, _ in chosen]
    return pytest.mark.parametrize(("row", "stage", "reason"), chosen, ids=names)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load each service's model once."""
    monkeypatch.setattr(assembly, "catalog_loader", lambda _: LOADER)


LOADER = catalog_loader(CATALOG)


@asynccontextmanager
async def exporting(row: Row, stage: Stage) -> AsyncIterator[tuple[Simulator, Running]]:
    """Yield an AWS with five jobs on three pages, a scheduler and a failed job, and an exporter that read them."""
    clock = HandClock()
    async with simulated(clock, page_size=100 if stage is CREDENTIALS else 2) as aws:
        account = OTHER if stage is CREDENTIALS else ACCOUNT
        for number, status in enumerate(("InProgress", "Failed") * 2 + ("InProgress",)):
            path = [(0.0, "Submitted"), (1.0, status)]
            aws.world.add_job(BEDROCK, created=NOW - 100 - number, path=path, message="Rate exceeded", account=account)
        fail_customization(aws, NOW - 100)
        pump = aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-1")
        aws.world.add_job(LOOKOUT, scope=pump, created=NOW - 100, path=[(0, "IN_PROGRESS")])
        services = {
            "bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]},
            "lookoutequipment": {"kinds": [LOOKOUT.key]},
        }
        roles = [{"role_arn": ROLE, "regions": [REGION]}] if stage is CREDENTIALS else []
        if roles:
            # Credentials that are about to end are renewed before each request.
            soon = datetime.fromtimestamp(time.time() + 300, UTC).isoformat()
            aws.faults.add(Fault.members(Expiration=soon), operation="AssumeRole")
        settings = configured(
            aws.endpoint_url,
            services,
            accounts=[{}, *roles],
            limits={"pages": 20},
            aws={"read_timeout": row.read_timeout},
        )
        async with running(settings, clock) as exporter:
            yield aws, exporter


def fail_customization(aws: Simulator, created: float) -> None:
    """Add a job that failed for a reason that AWS must be asked for."""
    path = [(0.0, "InProgress"), (1.0, "Failed")]
    aws.world.add_job(CUSTOMIZATION, created=created, path=path, message="Rate exceeded")


def strike(aws: Simulator, row: Row, stage: Stage) -> Any:
    """Switch a fault on at a stage."""
    page = {None: None, 1: None, 2: LATER}[stage.page] if row.every_page else stage.page
    return aws.faults.add(row.fault(stage.members), service=stage.service, operation=stage.operation, page=page)


def status(exporter: Running, labels: Mapping[str, str]) -> SourceStatus:
    """Return what is known of the one source with these labels."""
    (found,) = (s.status for s in exporter.poller.sources if labels.items() <= s.status.key._asdict().items())
    return found


def numbers(exporter: Running, labels: Mapping[str, str]) -> dict[tuple[str, ...], float]:
    """Return every number about jobs that is on /metrics for some sources."""
    found: dict[tuple[str, ...], float] = {}
    for name in ("aws_jobs", "aws_job_failures", "aws_jobs_finished_total"):
        for key, value in exporter.samples(name, "account_id", "kind", "scope", **labels).items():
            found[name, *key] = found.get((name, *key), 0) + value
    return found


def assert_others_on_time(exporter: Running, stage: Stage) -> None:
    """Each other list of jobs was read when the clock was turned, and is up."""
    failing = {"account_id": OTHER} if stage is CREDENTIALS else stage.source
    others = [
        source.status
        for source in exporter.poller.sources
        if source.status.jobs is not None and not failing.items() <= source.status.key._asdict().items()
    ]
    assert len(others) >= 2
    keys = {tuple(other.key) for other in others}
    now = exporter.clock.now
    for metric, expected in ((f"{OWN}_up", 1), (f"{OWN}_last_success_timestamp_seconds", now), ("aws_jobs", None)):
        found = exporter.samples(metric, *SourceKey._fields)
        assert keys <= found.keys()
        assert expected is None or {found[key] for key in keys} == {expected}


def assert_down(exporter: Running, stage: Stage, reason: str, *, since: float = NOW) -> None:
    """The source says that it is down, why, and when it last was not."""
    assert exporter.up(**stage.source) == 0
    assert exporter.why(**stage.source) == reason
    assert exporter.value("aws_job_exporter_source_last_success_timestamp_seconds", **stage.source) == since
    assert (exporter.value("aws_job_exporter_source_consecutive_failures", **stage.source) or 0) > 0


def assert_recovered(exporter: Running, stage: Stage) -> None:
    """The source is up, with nothing left of the failure, and waits as long as any other."""
    assert exporter.up(**stage.source) == 1
    assert exporter.why(**stage.source) is None
    assert exporter.value("aws_job_exporter_source_consecutive_failures", **stage.source) == 0
    found = status(exporter, stage.source)
    assert found.last_success is not None
    assert 0.9 * found.interval <= (found.next_poll or 0) - found.last_success <= LATEST * found.interval


def errors(exporter: Running, metric: str) -> dict[str, float]:
    """Return how often each reason was counted."""
    found: dict[str, float] = {}
    for (reason, _, _), count in exporter.samples(metric, "reason", "aws_service", "kind").items():
        found[reason] = found.get(reason, 0) + count
    return {reason: count for reason, count in found.items() if count}


def tasks() -> list[str]:
    """Return what runs, without the tasks of the simulated AWS: one for each connection."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return sorted(name for name in names if not name.startswith("RequestHandler"))


@cases(FIRST, MIDDLE, CREDENTIALS, fails=True)
async def test_a_list_that_cannot_be_read(row: Row, stage: Stage, reason: str) -> None:
    """The last whole list stays until it is stale, never a part of the next one; then all comes back."""
    async with exporting(row, stage) as (aws, exporter):
        clock, before, running_before = exporter.clock, numbers(exporter, stage.source), tasks()
        rule = strike(aws, row, stage)
        aws.world.add_job(BEDROCK, created=NOW + 1, path=[(0, "Submitted")], account=stage.source["account_id"])
        await exporter.turn(LATEST * INTERVAL)
        assert_down(exporter, stage, reason)
        assert_others_on_time(exporter, stage)
        assert numbers(exporter, stage.source) == before
        await exporter.turn(NOW + STALE - 1 - clock.now)
        assert_others_on_time(exporter, stage)
        assert numbers(exporter, stage.source) == before
        await exporter.turn(1)
        assert_down(exporter, stage, reason)
        assert numbers(exporter, stage.source) == {}
        assert rule.struck >= 2
        aws.faults.remove(rule)
        await exporter.turn(INTERVAL)
        assert_recovered(exporter, stage)
        assert jobs(exporter, account_id=stage.source["account_id"]) == 6
        assert tasks() == running_before
        assert aws.connections <= len(list(exporter.poller.sources))


@cases(ACCOUNT_STAGE, SCOPES, fails=True)
async def test_a_source_that_leads_to_others(row: Row, stage: Stage, reason: str) -> None:
    """All that it led to goes on; what is new shows within `poll.interval` of the end."""
    async with exporting(row, stage) as (aws, exporter):
        running_before, known = tasks(), len(list(exporter.poller.sources))
        rule = strike(aws, row, stage)
        if stage is SCOPES:
            aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-2")
        for turns in (LATEST * DISCOVERY, INTERVAL, STALE):
            await exporter.turn(turns)
            assert_down(exporter, stage, reason)
        assert_others_on_time(exporter, stage)
        assert len(list(exporter.poller.sources)) == known
        assert tasks() == running_before
        assert rule.struck >= 2
        aws.faults.remove(rule)
        await exporter.turn(INTERVAL)
        assert_recovered(exporter, stage)
        if stage is SCOPES:
            assert exporter.up(scope="pump-2") == 1
        assert aws.connections <= len(list(exporter.poller.sources))


@cases(DETAILS, fails=True)
async def test_a_reason_that_cannot_be_asked_for(row: Row, stage: Stage, reason: str) -> None:
    """The list counts, the failure waits for its reason; only a refusal for good is taken for an answer."""
    async with exporting(row, stage) as (aws, exporter):
        running_before = tasks()
        rule = strike(aws, row, stage)
        fail_customization(aws, NOW + 1)
        await exporter.turn(LATEST * INTERVAL)
        assert rule.struck >= 1
        assert exporter.up(**stage.source) == 1
        assert exporter.value("aws_jobs", status="Failed", **stage.source) == 2
        assert errors(exporter, "aws_job_exporter_detail_errors_total") == {reason: 1}
        assert errors(exporter, "aws_job_exporter_poll_errors_total") == {}
        is_final = reason in FINAL
        unspecified = {"unspecified": 1.0} if is_final else {}
        assert exporter.by("reason", "aws_job_failures", **stage.source) == {"throttled": 1, **unspecified}
        assert exporter.value("aws_job_exporter_details_pending", **stage.source) == (0 if is_final else 1)
        assert_others_on_time(exporter, stage)
        aws.faults.remove(rule)
        await exporter.turn(LATEST * INTERVAL)
        expected = {"throttled": 1, **unspecified} if is_final else {"throttled": 2}
        assert exporter.by("reason", "aws_job_failures", **stage.source) == expected
        assert exporter.value("aws_job_exporter_details_pending", **stage.source) == 0
        assert tasks() == running_before


@cases(*STAGES, fails=False)
async def test_what_does_not_fail_a_poll(row: Row, stage: Stage, reason: str) -> None:
    """Nothing is down, and what can be known of the jobs is on /metrics."""
    async with exporting(row, stage) as (aws, exporter):
        rule = strike(aws, row, stage)
        account = stage.source["account_id"] if stage in (FIRST, MIDDLE, CREDENTIALS) else ACCOUNT
        is_listed = stage in (FIRST, MIDDLE)
        aws.world.add_job(
            BEDROCK, created=NOW + 1, path=[(0, "Submitted"), (1, "Failed")], message="Rate exceeded", account=account
        )
        fail_customization(aws, NOW + 1)
        await exporter.turn(LATEST * (DISCOVERY if stage in (ACCOUNT_STAGE, SCOPES) else INTERVAL))
        assert rule.struck >= 1
        assert_recovered(exporter, stage)
        assert_others_on_time(exporter, stage)
        assert errors(exporter, "aws_job_exporter_poll_errors_total") == {}
        assert errors(exporter, "aws_job_exporter_detail_errors_total") == {}
        assert exporter.value("aws_job_exporter_details_pending", kind=CUSTOMIZATION.key, account_id=ACCOUNT) == 0
        assert row.holds(exporter) or not is_listed
        aws.world.add_job(BEDROCK, created=exporter.clock.now - 1, path=[(0, "Submitted")], account=account)
        await exporter.turn(LATEST * INTERVAL)
        assert jobs(exporter, account_id=account) == (7 if account == OTHER or is_listed else jobs(exporter))
        assert len(exporter.exposition.render(Format.TEXT)) < 100_000


@pytest.mark.parametrize("stage", [ACCOUNT_STAGE, SCOPES, FIRST], ids=lambda stage: stage.name)
async def test_a_host_name_that_does_not_resolve(
    stage: Stage, resolver: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else notices, and the first poll after the name is known finds all."""
    resolver["made-up.invalid"] = None
    async with addressed(stage, "http://made-up.invalid:{port}", monkeypatch) as exporter:
        assert exporter.up(**stage.source) == 0
        assert exporter.why(**stage.source) == "network"
        assert exporter.samples("aws_jobs", "kind", aws_service=stage.service) == {}
        resolver["made-up.invalid"] = "127.0.0.1"
        await exporter.turn(INTERVAL)
        assert exporter.why(**stage.source) is None
        assert exporter.up(**stage.source) == 1


@pytest.mark.parametrize("stage", [SCOPES, FIRST], ids=lambda stage: stage.name)
async def test_a_service_without_an_endpoint_in_the_region(
    stage: Stage, resolver: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address follows from botocore's rules, whether AWS has it or not; it is asked for once in an interval."""
    resolver[f"{stage.service}.{REGION}.amazonaws.com"] = None
    async with addressed(stage, "", monkeypatch) as exporter:
        for failures in (1, 2, 3):
            assert exporter.up(**stage.source) == 0
            assert exporter.why(**stage.source) == "network"
            failed = exporter.value("aws_job_exporter_source_consecutive_failures", **stage.source)
            assert failed == failures
            await exporter.turn(INTERVAL)


@asynccontextmanager
async def addressed(stage: Stage, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """Yield an exporter that looks for one service at an address of its own, empty for AWS's."""
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 100, path=[(0, "InProgress")])
        aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-1")
        for service in ("sts", "bedrock", "lookoutequipment"):
            own = url.format(port=aws.endpoint_url.rpartition(":")[2]) if service == stage.service else aws.endpoint_url
            if own:
                monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", own)
        services = {"bedrock": {"kinds": [BEDROCK.key]}, "lookoutequipment": {"kinds": [LOOKOUT.key]}}
        async with running(configured(aws.endpoint_url, services, aws={"endpoint_url": None}), clock) as exporter:
            yield exporter
            others = {"bedrock", "lookoutequipment"} - {stage.service}
            assert stage is ACCOUNT_STAGE or {exporter.up(aws_service=other) for other in others} == {1}


LASTING = (
    "throttled, status 429",
    "error 503, HTML",
    "connection closed within the answer",
    "answer cut in half",
    "connection reset",
)


@pytest.mark.parametrize("row", [row for row in MATRIX if row.name in LASTING], ids=lambda row: row.name)
async def test_a_fault_that_lasts_leaves_nothing_behind(row: Row) -> None:
    """Many failed polls leave no more tasks, connections and objects than a few."""
    async with exporting(row, FIRST) as (aws, exporter):
        strike(aws, row, FIRST)
        held = []
        for polls in (20, 40):
            for _ in range(polls):
                await exporter.turn(INTERVAL)
            gc.collect()
            held.append(len(gc.get_objects()))
            assert aws.connections <= len(list(exporter.poller.sources))
            assert tasks().count("Poller._loop") == len(list(exporter.poller.sources))
        assert held[1] - held[0] < 40 * CACHED


CACHED = 10
"""Objects that a poll may add to bounded caches, as the addresses that were asked; what leaks is more."""


def documented() -> str:
    """Return the matrix as docs/reliability.md shows it."""
    header = ["fault", *(stage.name for stage in STAGES), "what holds where nothing fails"]
    rows = [[row.name, *(cell(row, stage) for stage in STAGES), row.note] for row in MATRIX]
    lines = [header, ["---"] * len(header), *rows]
    return "".join(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(line)} |\n") for line in lines)


def cell(row: Row, stage: Stage) -> str:
    """Return what the table says of a fault at a stage."""
    outcome = row.outcome.get(stage.name, "")
    return "up" if outcome == OK else f"`{outcome}`" if outcome else ""


TABLE = re.compile(r"^\| fault \| account .*?\n(?!\|)", re.DOTALL | re.MULTILINE)


def test_the_document_shows_the_matrix() -> None:
    """`python -m tests.e2e.test_fault_matrix` writes it."""
    assert [table.strip() for table in TABLE.findall(DOCUMENT.read_text())] == [documented().strip()]


if __name__ == "__main__":
    DOCUMENT.write_text(TABLE.sub(lambda _: documented(), DOCUMENT.read_text()))
