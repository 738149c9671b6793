"""Every fault that can strike, every stage that it can strike at, and what must come of it: data for tests and page."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support.faults import Fault
from tests.support.harness import ACCOUNT, BEDROCK, CUSTOMIZATION, Reading

OTHER, FURTHER = "444455556666", "777788889999"
"""Accounts that are read through a role: at one the role fails, at one a page in the middle of a list."""
ROLES = {account: f"arn:aws:iam::{account}:role/exporter" for account in (OTHER, FURTHER)}
OK = "-"
"""The poll does not fail."""
HUGE = "x" * 100_000
XHTML = (
    '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "xhtml1-strict.dtd">'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Please wait</title></head><body><p>Soon.</p></body></html>'
)
FUTURE = "2100-01-01T00:00:00Z"


class Stage(NamedTuple):
    """A kind of request that a fault can strike."""

    name: str
    service: str
    operation: str
    members: Mapping[str, str]
    """What the answer calls the members that faults are about."""
    source: Mapping[str, str]
    """The labels of the source that fails."""
    account: str = ACCOUNT
    """The account that asks."""
    page: int | None = None
    scope: str | None = None


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
OF_ACCOUNT = {"account_id": "", "kind": "account"}
OF_JOBS, OF_JOBS_ELSEWHERE, OF_JOBS_FURTHER = (
    {"account_id": account, "kind": BEDROCK.key} for account in (ACCOUNT, OTHER, FURTHER)
)
OF_SCHEDULERS = {"account_id": ACCOUNT, "kind": "inference_scheduler"}
OF_CUSTOMIZATIONS = {"account_id": ACCOUNT, "kind": CUSTOMIZATION.key}
ROLE = {"id": "AccessKeyId", "updated": "Expiration", "list": "Credentials"}

ACCOUNT_STAGE = Stage("account", "sts", "GetCallerIdentity", {"id": "Account"}, OF_ACCOUNT)
CREDENTIALS = Stage("credentials", "sts", "AssumeRole", ROLE, OF_JOBS_ELSEWHERE, scope=ROLES[OTHER])
SCOPES = Stage("discovery", "lookoutequipment", "ListInferenceSchedulers", SCHEDULERS, OF_SCHEDULERS)
FIRST = Stage("first page", "bedrock", BEDROCK.operation, BATCH, OF_JOBS, page=1)
MIDDLE = Stage("middle page", "bedrock", BEDROCK.operation, BATCH, OF_JOBS_FURTHER, account=FURTHER, page=2)
DETAILS = Stage("details", "bedrock", "GetModelCustomizationJob", {"message": "failureMessage"}, OF_CUSTOMIZATIONS)
STAGES = (ACCOUNT_STAGE, CREDENTIALS, SCOPES, FIRST, MIDDLE, DETAILS)
LISTS = (SCOPES, FIRST, MIDDLE)
NAMING = (ACCOUNT_STAGE, *LISTS)
NO_KEYS = "expired_credentials"


HANGING = Fault.hanging()
"""The fault after which a test turns the loop's clock: nothing else would end the call."""


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
    holds: Callable[[Reading, Stage], bool] = lambda *_: True
    """Whether that is so, of a list of jobs that a fault struck."""


def at(stages: tuple[Stage, ...], reason: str, **others: str) -> dict[str, str]:
    """Return the same reason for all stages, except for those with their own."""
    return {**{stage.name: reason for stage in stages}, **{name.replace("_", " "): why for name, why in others.items()}}


def jobs(page: Reading, stage: Stage, **labels: str) -> float:
    """Return how many jobs of a stage's list are on /metrics."""
    return sum(page.samples("aws_jobs", "status", **{**stage.source, **labels}).values())


def all_count(page: Reading, stage: Stage) -> bool:
    """Whether all of a list's jobs are on /metrics."""
    return jobs(page, stage) == 6


def two_are_unknown(page: Reading, stage: Stage) -> bool:
    """Whether all are, including the two of the page to which a fault gave an unknown status."""
    return all_count(page, stage) and jobs(page, stage, status="unknown") == 2


def failing(fault: Fault) -> Callable[[Mapping[str, str]], Fault]:
    """Return a factory that makes the same fault at every stage."""
    return lambda _: fault


def optional(value: Any) -> Callable[[Mapping[str, str]], Fault]:
    """Return a factory that replaces the members that a response can do without."""

    def fault(members: Mapping[str, str]) -> Fault:
        named = ("created", "updated", "ended", "deadline", "name", "message")
        return Fault.members(**{members[name]: value for name in named if name in members})

    return fault


def odd_times(members: Mapping[str, str]) -> Fault:
    """Write each time in an invalid form."""
    forms = {"created": "yesterday", "updated": float("nan"), "ended": {}, "deadline": 10**30}
    return Fault.members(**{members[name]: form for name, form in forms.items() if name in members})


def wrong_types(members: Mapping[str, str]) -> Fault:
    """Give each member a value of a different type than the model's."""
    values = {"name": 5, "message": {"a": [1]}, "status": ["Failed"], "ended": True}
    return Fault.members(**{members[name]: value for name, value in values.items() if name in members})


def nowhere(_: Mapping[str, str]) -> Fault:
    """Stand for failures before there is a connection: no simulated AWS can show them."""
    raise AssertionError("tried from the exporter's start, not by the simulator")


MATRIX = (
    Row("throttled, status 429", lambda _: Fault.throttled(429), at(STAGES, "throttled")),
    Row("throttled, status 400", lambda _: Fault.throttled(400), at(STAGES, "throttled")),
    Row("throttled, status 200", lambda _: Fault.throttled(200), at(STAGES, "throttled")),
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
    Row("connection closed within the response", lambda _: Fault.cut_off(), at(STAGES, "network")),
    Row("response cut in half", lambda _: Fault.truncated(), at(STAGES, "bad_response")),
    Row("HTML in place of the response", lambda _: Fault.html(), at(STAGES, "bad_response")),
    Row("XHTML in place of the response", lambda _: Fault.body(XHTML, "application/xml"), at(STAGES, "bad_response")),
    Row("XML of another root", lambda _: Fault.body("<x/>", "application/xml"), at(STAGES, "bad_response")),
    Row("unknown error, status 200", lambda _: Fault.error("OddException", "no", 200), at(STAGES, "bad_response")),
    Row("response without end", lambda _: Fault.endless(), at(STAGES, "bad_response")),
    Row("long response, compressed", lambda _: Fault.bomb(), at(STAGES, "bad_response")),
    Row(
        "response of 510,000 values",
        failing(Fault.padded(b'"padding": [' + b"0," * 510_000 + b"0],")),
        at((*LISTS, DETAILS), "bad_response"),
    ),
    Row(
        "response with XML entities",
        failing(Fault.padded(b'<!DOCTYPE x [<!ENTITY long "long">]>')),
        at((ACCOUNT_STAGE, CREDENTIALS), "bad_response"),
    ),
    Row("empty response", lambda _: Fault.body(""), at(STAGES, "bad_response")),
    Row("response `null`", lambda _: Fault.body("null"), at(STAGES, "bad_response")),
    Row("response `[]`", lambda _: Fault.body("[]"), at(STAGES, "bad_response")),
    Row(
        "bytes that are not text",
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
    Row("no response", failing(HANGING), at(STAGES, "timeout")),
    Row("connection reset", lambda _: Fault.reset(), at(STAGES, "network")),
    Row("host name that does not resolve", nowhere, at((ACCOUNT_STAGE, SCOPES, FIRST), "network")),
    Row("service without an endpoint in the region", nowhere, at((SCOPES, FIRST), "network")),
    Row("late response", lambda _: Fault.latency(0.02), at(STAGES, OK), "The poll waits for it."),
    Row(
        "wrong content type",
        lambda _: Fault.content_type("text/plain"),
        at(STAGES, OK),
        "The response counts.",
        holds=all_count,
    ),
    Row(
        "no optional member",
        lambda members: Fault.without(*(members[name] for name in ("ended", "name", "message") if name in members)),
        at((FIRST, MIDDLE, DETAILS), OK),
        "The job counts without it; a failure without a message is `unspecified`.",
        holds=all_count,
    ),
    Row(
        "optional members `null`",
        optional(None),
        at((FIRST, MIDDLE, DETAILS), OK),
        "As if they were left out.",
        holds=all_count,
    ),
    Row(
        "unknown status",
        lambda members: Fault.members(**{members["status"]: "Pondering"}),
        at((FIRST, MIDDLE), OK),
        "The job counts as `unknown`; `aws_job_exporter_unknown_statuses_total` grows.",
        holds=two_are_unknown,
    ),
    Row(
        "members of wrong types",
        wrong_types,
        at((FIRST, MIDDLE, DETAILS), OK),
        "What cannot be read is left out; a status that is not text is `unknown`.",
        holds=two_are_unknown,
    ),
    Row(
        "times in odd forms",
        odd_times,
        at((FIRST, MIDDLE), OK, credentials="bad_response"),
        "The job counts, without the time.",
        holds=all_count,
    ),
    Row(
        "times from the future",
        optional(FUTURE),
        at((FIRST, MIDDLE), OK),
        "The job counts, and new jobs are found.",
        every_page=True,
        holds=all_count,
    ),
    Row(
        "messages of 100 kB",
        lambda members: Fault.members(**{members["message"]: HUGE}),
        at((FIRST, MIDDLE, DETAILS), OK),
        "The failure has a reason; the message is on no page of /metrics.",
        holds=all_count,
    ),
)
