"""The exporter against a simulated AWS over real HTTP: what is published, when it changes, and what a failure does."""

import asyncio
import itertools

import pytest
import structlog
from aiohttp import web

from exporter.exposition import Format
from exporter.simulator import AwsError
from tests.support.faults import Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    INFERENCE,
    LOOKOUT,
    NOW,
    REGION,
    TRAINED,
    configured,
    running,
    simulated,
)
from tests.support.held import delete_job, identity_of, remove_scope
from tests.support.patience import elapse, eventually

HOUR = 3600.0
LIVE_STATUSES = sum(state.is_active for state in BEDROCK.state_of.values())
"""A first read lists these one by one: what has been active for very long."""


def batch_job(aws, *, created=NOW - HOUR, path=((0, "Submitted"), (60, "InProgress")), **fields):
    """Add a Bedrock batch inference job."""
    return aws.world.add_job(BEDROCK, created=created, path=path, **fields)


async def test_counts_carry_every_label_of_the_source(aws, clock):
    """They are the account, region, service, kind and scope; the service label is never just `service`."""
    batch_job(aws)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        labels = {
            "account_id": ACCOUNT,
            "region": REGION,
            "aws_service": "bedrock",
            "kind": "model_invocation_job",
            "scope": "",
            "status": "InProgress",
            "state": "running",
        }
        assert exporter.samples("aws_jobs", *labels, **labels) == {tuple(labels.values()): 1}


async def test_every_status_starts_at_zero(aws, clock):
    """A series exists before its first job."""
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        found = exporter.samples("aws_jobs", "status", "state", kind=BEDROCK.key)
    by_records = {("Completed", "partial"), ("Completed", "failed"), ("PartiallyCompleted", "failed")}
    alone = {(word, str(state)) for word, state in BEDROCK.state_of.items()}
    assert found.keys() == alone | by_records | {("unknown", "unknown")}
    assert set(found.values()) == {0}


async def test_a_job_changes_its_status_with_the_next_poll(aws, clock):
    """The metrics follow AWS at the interval."""
    batch_job(aws, created=NOW, path=[(0, "Submitted"), (90, "InProgress"), (200, "Completed")])
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.value("aws_jobs", status="Submitted") == 1
        await exporter.turn(100)
        assert exporter.value("aws_jobs", status="Submitted") == 0
        assert exporter.value("aws_jobs", status="InProgress", kind=BEDROCK.key) == 1
        await exporter.turn(120)
        assert exporter.value("aws_jobs", status="Completed", kind=BEDROCK.key) == 1
        assert exporter.value("aws_jobs_finished_total", state="succeeded", kind=BEDROCK.key) == 1


async def test_a_list_of_many_pages_is_read_completely(clock):
    """AWS decides where pages end."""
    async with simulated(clock, page_size=7) as aws:
        for number in range(50):
            batch_job(aws, created=NOW - number)
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            assert exporter.value("aws_jobs", status="Submitted") == 50
    assert aws.requests["bedrock", "ListModelInvocationJobs"] == 2 * 8 + LIVE_STATUSES - 1


def test_without_configuration_the_kinds_without_scopes_are_read():
    """Every kind that needs no scopes, except those that AWS has ended or that have to be named."""
    read = [kind for selection in configured("http://localhost").selections(CATALOG) for kind in selection.kinds]
    assert BEDROCK in read
    assert CUSTOMIZATION in read
    assert not any(kind.scopes or kind.end_of_life or kind.closed or kind.opt_in for kind in read)
    assert not any(CATALOG[kind.service].opt_in for kind in read)


async def test_durations_and_times(aws, clock):
    """Run time from creation to end, as quantiles; times as timestamps."""
    batch_job(aws, created=NOW - 3 * HOUR, path=[(0, "Submitted"), (60, "InProgress"), (2 * HOUR, "Completed")])
    batch_job(aws, created=NOW - HOUR)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        quantiles = exporter.by("quantile", "aws_job_duration_seconds", state="succeeded")
        assert quantiles == {"0.5": 2 * HOUR, "0.9": 2 * HOUR, "0.99": 2 * HOUR}
        # Nobody saw it end.
        assert exporter.value("aws_job_duration_seconds_count", state="succeeded") == 0
        assert exporter.value("aws_job_last_duration_seconds", state="succeeded") == 2 * HOUR
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW - HOUR
        assert exporter.value("aws_job_last_created_timestamp_seconds", kind=BEDROCK.key) == NOW - HOUR
        assert exporter.value("aws_job_oldest_active_timestamp_seconds", status="InProgress") == NOW - HOUR


async def test_failures_by_reason_from_the_list(aws, clock):
    """Bedrock's batch jobs have their reason in the list."""
    failed = [(0, "Submitted"), (60, "Failed")]
    batch_job(aws, path=failed, message="Access denied: the role may not read s3://bucket/input.jsonl")
    batch_job(aws, path=failed, message="")
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.value("aws_jobs", state="failed", reason="access_denied") == 1
        assert exporter.value("aws_jobs", state="failed", reason="unspecified") == 1
        assert exporter.value("aws_jobs", status="Failed", kind=BEDROCK.key) == 2


async def test_details_of_failures_are_requested_once_within_the_budget(aws, clock):
    """A customization job's reason costs a request: newest first, never twice, and pending ones are counted."""
    for number in range(5):
        aws.world.add_job(
            CUSTOMIZATION,
            created=NOW - HOUR + number,
            path=[(0, "InProgress"), (60, "Failed")],
            message="Your quota for this model is exceeded",
        )
    settings = configured(aws.endpoint_url, {"bedrock": None}, poll={"details_budget": 3})
    operation = ("bedrock", "GetModelCustomizationJob")
    async with running(settings, clock) as exporter:
        assert exporter.value("aws_job_exporter_details_pending", kind=CUSTOMIZATION.key) == 2
        assert exporter.value("aws_jobs", state="failed", reason="quota_exceeded") == 3
        await exporter.turn(70)
        assert exporter.value("aws_job_exporter_details_pending", kind=CUSTOMIZATION.key) is None
        assert exporter.value("aws_jobs", state="failed", reason="quota_exceeded") == 5
        await exporter.turn(70)
        assert aws.requests[operation] == 5


async def test_a_refused_detail_request_does_not_affect_the_list(aws, clock):
    """The counts are correct without it, and the refusal is counted."""

    async def refuse(call):
        if call.operation == "GetModelCustomizationJob":
            raise AwsError("AccessDeniedException", "not you", 403)

    aws.hooks.append(refuse)
    aws.world.add_job(CUSTOMIZATION, created=NOW - HOUR, path=[(0, "InProgress"), (60, "Failed")])
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.up(kind=CUSTOMIZATION.key) == 1
        assert exporter.value("aws_jobs", status="Failed", kind=CUSTOMIZATION.key) == 1
        assert exporter.value("aws_jobs", state="failed", reason="unspecified") == 1
        refused = exporter.by("reason", "aws_job_exporter_detail_errors_total", kind=CUSTOMIZATION.key)
        assert {reason: count for reason, count in refused.items() if count} == {"access_denied": 1}


async def test_records_and_deadlines(aws, clock):
    """Bedrock reports record counts and the time at which it gives up."""
    job = batch_job(aws, records={"total": 100, "processed": 40, "succeeded": 39, "failed": 1})
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.by("result", "aws_job_records", kind=BEDROCK.key) == {
            "succeeded": 39,
            "failed": 1,
            "remaining": 60,
        }
        assert (exporter.value("aws_job_next_deadline_timestamp_seconds") or 0) > job.created


@pytest.fixture
def clean_room(aws):
    """Return a membership with a trained model, and a collaboration."""
    membership = aws.world.add_scope("cleanroomsml", "membership", name="with Example Corp")
    collaboration = aws.world.add_scope("cleanroomsml", "collaboration", name="Example Corp")
    model = aws.world.add_scope("cleanroomsml", "trained_model", within=membership)
    return membership, collaboration, model


async def test_scopes_are_discovered(aws, clock, clean_room):
    """Memberships, the trained models in them, and collaborations."""
    membership, collaboration, model = clean_room
    aws.world.add_job(TRAINED, scope=model, created=NOW - HOUR, path=[(0, "CREATE_PENDING")])
    aws.world.add_job(INFERENCE, scope=collaboration, created=NOW - HOUR, path=[(0, "CREATE_IN_PROGRESS")])
    async with running(configured(aws.endpoint_url, {"cleanroomsml": None}), clock) as exporter:
        assert exporter.value("aws_jobs", scope=membership.id, status="CREATE_PENDING") == 1
        assert exporter.value("aws_jobs", kind=INFERENCE.key, scope=collaboration.id, status="CREATE_IN_PROGRESS") == 1
        assert exporter.value("aws_job_scope_info", scope_name="with Example Corp", scope_kind="membership") == 1


async def test_configured_scopes_are_not_discovered(aws, clock, clean_room):
    """Naming them saves the request and its permission."""
    membership, collaboration, _ = clean_room
    services = {"cleanroomsml": {"memberships": [membership.id], "collaborations": [collaboration.id]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.up(kind=TRAINED.key, scope=membership.id) == 1
        assert exporter.up(kind=INFERENCE.key, scope=collaboration.id) == 1
    assert not {operation for service, operation in aws.requests if service == "cleanrooms"}


async def test_a_configured_scope_that_does_not_exist_affects_nothing_else(aws, clock):
    """It is down, with its reason; its sibling is up."""
    pump = aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-7")
    aws.world.add_job(LOOKOUT, scope=pump, created=NOW - HOUR, path=[(0, "IN_PROGRESS")])
    services = {"lookoutequipment": {"inference_schedulers": ["pump-7", "pump-8"]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.up(scope="pump-7") == 1
        assert exporter.value("aws_jobs", scope="pump-7", status="IN_PROGRESS") == 1
        assert exporter.up(scope="pump-8") == 0
        assert exporter.why(scope="pump-8") == "not_found"
        assert exporter.samples("aws_jobs", scope="pump-8") == {}
        assert exporter.value("aws_job_exporter_poll_errors_total", kind=LOOKOUT.key, reason="not_found") == 1


async def test_scopes_come_and_go_at_the_discovery_interval(aws, clock, clean_room):
    """A scope that disappears takes its series along, and a new one adds series."""
    membership, _, _ = clean_room
    async with running(configured(aws.endpoint_url, {"cleanroomsml": None}), clock) as exporter:
        assert exporter.samples("aws_jobs", scope=membership.id)
        remove_scope(membership)
        new = aws.world.add_scope("cleanroomsml", "membership")
        await exporter.turn(120)
        assert exporter.up(scope=membership.id) is not None
        await exporter.turn(600)
        # A second discovery must lack it, too, which happens as soon as the jobs are polled.
        assert exporter.up(scope=membership.id) is not None
        await exporter.turn(70)
        assert exporter.samples("aws_jobs", scope=membership.id) == {}
        assert exporter.up(scope=membership.id) is None
        assert exporter.up(scope=new.id) == 1


async def test_an_inner_scope_that_was_deleted_is_not_a_failure(aws, clock, clean_room):
    """A trained model may disappear between its discovery and its listing."""
    membership, _, model = clean_room
    other = aws.world.add_scope("cleanroomsml", "trained_model", within=membership)
    for scope in (model, other):
        aws.world.add_job(TRAINED, scope=scope, created=NOW - HOUR, path=[(0, "CREATE_PENDING")])
    async with running(configured(aws.endpoint_url, {"cleanroomsml": None}), clock) as exporter:
        assert exporter.value("aws_jobs", scope=membership.id, status="CREATE_PENDING") == 2
        remove_scope(model)
        await exporter.turn(70)
        assert exporter.up(kind=TRAINED.key) == 1
        # One listing without the job may be an accident; two are not.
        assert exporter.value("aws_jobs", scope=membership.id, status="CREATE_PENDING") == 2
        await exporter.turn(70)
        assert exporter.value("aws_jobs", scope=membership.id, status="CREATE_PENDING") == 1


async def test_failed_discovery_shows_and_keeps_the_known_scopes(aws, clock, clean_room):
    """The known scopes are still read."""
    membership, _, _ = clean_room

    async def refuse(call):
        if call.operation == "ListMemberships" and call.now > NOW:
            raise AwsError("AccessDeniedException", "not you", 403)

    aws.hooks.append(refuse)
    async with running(configured(aws.endpoint_url, {"cleanroomsml": None}), clock) as exporter:
        await exporter.turn(700)
        assert exporter.up(kind="membership") == 0
        assert exporter.why(kind="membership") == "access_denied"
        assert exporter.up(kind=TRAINED.key, scope=membership.id) == 1


async def test_an_incomplete_listing_is_not_published(clock):
    """Half a list would be a wrong number; the last complete one stays."""
    async with simulated(clock, page_size=5) as aws:
        for number in range(12):
            batch_job(aws, created=NOW - number)

        async def cut_off(call):
            if call.arguments.get("nextToken") and call.now > NOW:
                raise AwsError("ValidationException", "broken off", 400)

        aws.hooks.append(cut_off)
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            assert exporter.value("aws_jobs", status="Submitted") == 12
            batch_job(aws, created=NOW)
            await exporter.turn(70)
            assert exporter.up(kind=BEDROCK.key) == 0
            assert exporter.why(kind=BEDROCK.key) == "invalid_request"
            assert exporter.up(kind=CUSTOMIZATION.key) == 1
            assert sum(exporter.by("status", "aws_jobs", kind=BEDROCK.key).values()) == 12


async def test_numbers_go_stale_and_come_back(aws, clock):
    """The last good values stay until `stale_after`, then disappear; everything recovers by itself."""
    batch_job(aws)

    async def fail(_call):
        if NOW < clock.now < NOW + 1000:
            return web.Response(status=503)
        return None

    aws.hooks.append(fail)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        await exporter.turn(70)
        assert exporter.up(kind=BEDROCK.key) == 0
        assert exporter.why(kind=BEDROCK.key) == "server_error"
        assert exporter.value("aws_jobs", status="InProgress", kind=BEDROCK.key) == 1
        assert exporter.value("aws_job_exporter_source_last_success_timestamp_seconds", kind=BEDROCK.key) == NOW
        await exporter.turn(229)
        assert exporter.value("aws_jobs", status="InProgress", kind=BEDROCK.key) == 1
        await exporter.turn(1)
        assert exporter.samples("aws_jobs") == {}
        assert (exporter.value("aws_job_exporter_source_consecutive_failures", kind=BEDROCK.key) or 0) > 1
        await exporter.turn(800)
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.why(kind=BEDROCK.key) is None
        assert exporter.value("aws_jobs", status="InProgress", kind=BEDROCK.key) == 1
        assert exporter.value("aws_job_exporter_source_consecutive_failures", kind=BEDROCK.key) == 0


async def test_the_same_page_token_twice_is_an_error(aws, clock):
    """The listing never loops endlessly."""

    async def repeat(call):
        if call.operation == "ListModelInvocationJobs":
            return web.json_response({"invocationJobSummaries": [], "nextToken": "again"})
        return None

    aws.hooks.append(repeat)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.why(kind=BEDROCK.key) == "bad_response"


async def test_an_unknown_status_is_counted_and_breaks_nothing(aws, clock):
    """AWS adds statuses; the status itself does not become a label."""

    async def invent(call):
        if call.operation == "ListModelInvocationJobs":
            jobs = [{"jobArn": "arn:1", "status": "Pondering", "submitTime": "2026-09-21T13:00:00Z"}]
            return web.json_response({"invocationJobSummaries": jobs})
        return None

    aws.hooks.append(invent)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.value("aws_jobs", status="unknown", kind=BEDROCK.key) == 1
        assert exporter.value("aws_job_exporter_unknown_statuses_total", kind=BEDROCK.key) == 1
        assert exporter.up(kind=BEDROCK.key) == 1
        assert b"Pondering" not in exporter.exposition.render(Format.TEXT)


async def test_only_some_of_many_unknown_statuses_are_logged(aws, clock):
    """Each once, and at most fifty per source: a server in place of AWS may invent a new one every time."""

    async def invent(call):
        if call.operation == "ListModelInvocationJobs":
            words = [f"Word-{call.now}-{number}" for number in range(30)]
            jobs = [{"jobArn": f"arn:{word}", "status": word, "submitTime": "2026-09-21T13:00:00Z"} for word in words]
            return web.json_response({"invocationJobSummaries": jobs})
        return None

    aws.hooks.append(invent)
    with structlog.testing.capture_logs() as log:
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            for _ in range(2):
                await exporter.turn(70)
    statuses = [line["status"] for line in log if line["event"] == "status unknown to the catalog"]
    assert len(statuses) == len(set(statuses)) == 50


async def test_a_poll_that_takes_too_long_is_a_timeout(aws, clock):
    """Every wait is bounded, and the other sources go on."""
    requested, over = asyncio.Event(), asyncio.Event()

    async def hang(call):
        if call.operation == "ListModelInvocationJobs":
            requested.set()
            await over.wait()

    async with running(configured(aws.endpoint_url, {"bedrock": None}, poll={"timeout": "1m"}), clock) as exporter:
        aws.hooks.append(hang)
        await clock.turn(70)
        await exporter.settle(hanging=1)
        await requested.wait()
        elapse(60)
        await exporter.settle()
        assert exporter.why(kind=BEDROCK.key) == "timeout"
        assert exporter.up(kind=CUSTOMIZATION.key) == 1
    over.set()


async def test_single_jobs_are_exported_only_where_requested(aws, clock):
    """They are the active jobs, and the newest finished ones up to the limit."""
    batch_job(aws, name="running")
    for number in range(4):
        path = [(0, "Submitted"), (60 + number, "Failed")]
        batch_job(aws, name=f"failed-{number}", path=path, message="ThrottlingException: slow down")
    services = {"bedrock": {"kinds": [BEDROCK.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.samples("aws_job_info") == {}
    settings = configured(aws.endpoint_url, services, metrics={"per_job": True, "per_job_finished": 2})
    async with running(settings, clock) as exporter:
        assert exporter.by("job_name", "aws_job_info").keys() == {"running", "failed-3", "failed-2"}
        assert exporter.samples("aws_job_info", job_name="failed-3", status="Failed", reason="throttled")
        assert exporter.value("aws_job_finished_timestamp_seconds", job_name="failed-3") == NOW - HOUR + 63
        assert exporter.value("aws_job_created_timestamp_seconds", job_name="running") == NOW - HOUR


async def test_credentials_that_do_not_work_are_visible(aws, clock):
    """Until the account is known, nothing else could show the failure."""

    async def refuse(_call):
        raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)

    aws.hooks.append(refuse)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        assert exporter.up(aws_service="sts", kind="account", region=REGION) == 0
        assert exporter.why(aws_service="sts") == "expired_credentials"


async def test_a_source_never_overlaps_itself(aws, clock):
    """The length of a poll makes no difference."""
    in_progress = most = 0

    async def watch(call):
        nonlocal in_progress, most
        if call.operation == "ListModelInvocationJobs":
            in_progress += 1
            most = max(most, in_progress)
            await asyncio.sleep(0)
            in_progress -= 1

    aws.hooks.append(watch)
    async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
        for _ in range(5):
            await exporter.turn(600)
    assert most == 1
    assert aws.requests["bedrock", "ListModelInvocationJobs"] == 6 + LIVE_STATUSES


async def test_no_more_sources_are_polled_at_a_time_than_configured(aws, clock):
    """A single setting limits concurrency."""
    in_progress = most = 0
    full = asyncio.Event()

    async def watch(call):
        nonlocal in_progress, most
        if call.operation == LOOKOUT.operation:
            in_progress += 1
            most = max(most, in_progress)
            if in_progress == 3:
                full.set()
            await full.wait()
            in_progress -= 1

    aws.hooks.append(watch)
    for number in range(20):
        aws.world.add_scope("lookoutequipment", "inference_scheduler", id=f"pump-{number}")
    settings = configured(aws.endpoint_url, {"lookoutequipment": None}, poll={"concurrency": 6})
    async with running(settings, clock) as exporter:
        assert len(exporter.by("scope", "aws_job_exporter_source_up", kind=LOOKOUT.key)) == 20
    assert 1 < most <= 6


async def test_requests_are_counted_by_operation_and_code(aws, clock):
    """Retries are included: every request that AWS saw is counted."""

    async def throttle(call):
        if call.operation == "ListModelInvocationJobs":
            raise AwsError("ThrottlingException", "Rate exceeded", 429)

    aws.hooks.append(throttle)
    settings = configured(aws.endpoint_url, {"bedrock": None}, aws={"max_attempts": 3})
    async with running(settings, clock) as exporter:
        counted = exporter.value(
            "aws_job_exporter_aws_requests_total", operation="ListModelInvocationJobs", code="ThrottlingException"
        )
        assert counted == aws.requests["bedrock", "ListModelInvocationJobs"] == 3
        assert exporter.why(kind=BEDROCK.key) == "throttled"
        ok = exporter.value("aws_job_exporter_aws_requests_total", operation="GetCallerIdentity", code="200")
        assert ok == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.cut_off(), "ConnectionClosedError"), (Fault.html(), "ResponseParserError")],
    ids=["broken off", "unreadable"],
)
async def test_a_response_that_cannot_be_read_is_counted(aws, clock, fault, code):
    """The request reached AWS and used up quota."""
    aws.faults.add(fault, operation=BEDROCK.operation)
    async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
        counted = exporter.by("code", "aws_job_exporter_aws_requests_total", operation=BEDROCK.operation)
        assert counted == {code: aws.requests["bedrock", BEDROCK.operation]}


async def test_unknown_codes_create_no_series(aws, clock):
    """A server in place of AWS may invent a new one every time."""
    made_up = itertools.count()

    async def refuse(call):
        if call.operation == BEDROCK.operation:
            raise AwsError(f"Code{next(made_up)}", "whatever", 400)

    aws.hooks.append(refuse)
    async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
        for _ in range(3):
            await exporter.turn(120)
        counted = exporter.by("code", "aws_job_exporter_aws_requests_total", operation=BEDROCK.operation)
        assert counted == {"400": 4}


async def test_dimensions_become_labels(aws, clock):
    """The dimensions of the configuration, on every family of the jobs; a kind that lacks them has no such labels."""
    for model in ("titan", "titan", "nova"):
        batch_job(aws, dimensions={"model_id": model})
    services = {"bedrock": {"dimensions": ["model_id"]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        counts = exporter.by("model_id", "aws_jobs", kind=BEDROCK.key, status="InProgress")
        assert counts == {"titan": 2, "nova": 1}
        oldest = exporter.by("model_id", "aws_job_oldest_active_timestamp_seconds", kind=BEDROCK.key)
        assert oldest.keys() == {"titan", "nova"}
        assert exporter.value("aws_jobs", kind=CUSTOMIZATION.key, status="InProgress") == 0


async def test_dimensions_have_few_values(aws, clock):
    """Values beyond the limit become `other`: the sum loses nothing."""
    for number in range(6):
        batch_job(aws, created=NOW - HOUR - number, dimensions={"model_id": f"model-{number}"})
    services = {"bedrock": {"dimensions": ["model_id"], "kinds": [BEDROCK.key]}}
    settings = configured(aws.endpoint_url, services, limits={"dimension_values": 2})
    async with running(settings, clock) as exporter:
        counts = exporter.by("model_id", "aws_jobs", status="InProgress")
        assert counts == {"model-0": 1, "model-1": 1, "other": 4}


async def test_dimensions_without_jobs(aws, clock):
    """The zeros are there, with empty labels."""
    services = {"bedrock": {"dimensions": ["model_id", "invocation_type"], "kinds": [BEDROCK.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.samples("aws_jobs", "model_id", "invocation_type", status="Failed") == {("", ""): 0}


async def test_counters_by_dimension(aws, clock):
    """A finished job counts under its own dimension values."""
    path = [(0, "Submitted"), (HOUR + 30, "Failed")]
    batch_job(aws, path=path, dimensions={"model_id": "titan"}, message="Rate exceeded")
    services = {"bedrock": {"dimensions": ["model_id"], "kinds": [BEDROCK.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        await exporter.turn(70)
        assert exporter.by("model_id", "aws_jobs_finished_total", state="failed") == {"titan": 1}
        assert exporter.by("model_id", "aws_jobs_failed_total", reason="throttled") == {"titan": 1}


async def test_patterns_filter_the_discovered_scopes(aws, clock):
    """They match names or ids, of the outermost scopes and those within."""
    ours = aws.world.add_scope("cleanroomsml", "membership", name="prod-ours")
    aws.world.add_scope("cleanroomsml", "membership", name="prod-test")
    aws.world.add_scope("cleanroomsml", "membership", name="dev")
    for name in ("keep", "leave"):
        model = aws.world.add_scope("cleanroomsml", "trained_model", within=ours, name=name)
        aws.world.add_job(TRAINED, scope=model, created=NOW - HOUR, path=[(0, "CREATE_PENDING")])
    services = {
        "cleanroomsml": {
            "kinds": [TRAINED.key],
            "memberships": {"include": ["prod-*"], "exclude": ["*-test"]},
            "trained_models": {"exclude": ["leave"]},
        }
    }
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.by("scope", "aws_job_exporter_source_up", kind=TRAINED.key) == {ours.id: 1}
        assert exporter.value("aws_jobs", scope=ours.id, status="CREATE_PENDING") == 1


async def test_custom_rules_come_first(aws, clock):
    """The message is one that only the user knows."""
    batch_job(aws, path=[(0, "Submitted"), (60, "Failed")], message="Rate exceeded in ACME-77")
    rules = [{"name": "acme", "reason": "dependency", "text": r"ACME-\d+"}]
    settings = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, reasons=rules)
    async with running(settings, clock) as exporter:
        assert exporter.reasons() == {"dependency": 1}


async def test_a_failed_resync_is_repeated(aws, clock):
    """A deleted job does not stay for another hour."""
    job = batch_job(aws, created=NOW - 5 * HOUR, path=[(0, "Submitted"), (60, "Completed")])
    batch_job(aws, created=NOW - 60)

    async def fail_once(call):
        if call.operation == "ListModelInvocationJobs" and NOW + HOUR < call.now < NOW + HOUR + 100:
            raise AwsError("InternalServerException", "not now", 500)

    aws.hooks.append(fail_once)
    services = {"bedrock": {"kinds": [BEDROCK.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        delete_job(job)
        await exporter.turn(70)
        assert exporter.value("aws_jobs", status="Completed") == 1
        await exporter.turn(HOUR - 60)
        assert exporter.up(kind=BEDROCK.key) == 0
        await exporter.turn(130)
        # The first complete list that lacks the job is followed by another at once, not an hour later.
        assert exporter.value("aws_jobs", status="Completed") == 1
        await exporter.turn(70)
        assert exporter.value("aws_jobs", status="Completed") == 0


async def test_a_job_that_cannot_be_explained_does_not_delay_the_others(aws, clock):
    """In the end it is counted without a reason."""
    jobs = [
        aws.world.add_job(
            CUSTOMIZATION, created=NOW - HOUR + n, path=[(0, "InProgress"), (60, "Failed")], message="Rate exceeded"
        )
        for n in range(3)
    ]
    (poisoned,) = identity_of(aws.world, jobs[-1])

    async def poison(call):
        if call.operation == "GetModelCustomizationJob" and call.arguments["jobIdentifier"] == poisoned:
            raise AwsError("InternalServerException", "never", 500)

    aws.hooks.append(poison)
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.reasons() == {"throttled": 2}
        assert exporter.value("aws_job_exporter_details_pending", kind=CUSTOMIZATION.key) == 1
        for _ in range(60):
            await exporter.turn(70)
        assert exporter.reasons() == {"throttled": 2, "unspecified": 1}
        # From then on only at each resync, not at each poll.
        asked = aws.requests["bedrock", "GetModelCustomizationJob"]
        for _ in range(int(HOUR // 70) + 1):
            await exporter.turn(70)
        assert aws.requests["bedrock", "GetModelCustomizationJob"] == asked + 1


async def test_slow_details_do_not_fail_a_good_poll(aws, clock):
    """The list itself was read completely."""
    requested, over = asyncio.Event(), asyncio.Event()

    async def hang(call):
        if call.operation == "GetModelCustomizationJob":
            requested.set()
            await over.wait()

    aws.hooks.append(hang)
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
    async with running(configured(aws.endpoint_url, services, poll={"timeout": "1m"}), clock) as exporter:
        aws.world.add_job(CUSTOMIZATION, created=NOW - 60, path=[(0, "InProgress"), (60, "Failed")])
        await clock.turn(70)
        await exporter.settle(hanging=1)
        await requested.wait()
        elapse(60)
        await exporter.settle()
        assert exporter.up(kind=CUSTOMIZATION.key) == 1
        assert exporter.value("aws_jobs", status="Failed") == 1
        assert exporter.by("reason", "aws_job_exporter_detail_errors_total", kind=CUSTOMIZATION.key)["timeout"] == 1
    over.set()


async def test_a_slow_source_keeps_its_numbers_between_polls(aws, clock):
    """Three polls at its actual pace rather than at the configured one."""
    batch_job(aws)

    async def take_long(call):
        if call.operation == "ListModelInvocationJobs":
            clock.now += 100.0

    aws.hooks.append(take_long)
    async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
        took = 100.0 * aws.requests["bedrock", "ListModelInvocationJobs"]
        clock.now += 3 * took - 1
        assert exporter.value("aws_jobs", status="InProgress") == 1
        clock.now += 2
        assert exporter.samples("aws_jobs") == {}


async def test_an_outage_during_a_detail_request_does_not_lose_the_reason(aws, clock):
    """The number of polls makes no difference: a failed request is not a response without a reason."""
    aws.world.add_job(
        CUSTOMIZATION, created=NOW - HOUR, path=[(0, "InProgress"), (60, "Failed")], message="Rate exceeded"
    )

    async def throttle(call):
        if call.operation == "GetModelCustomizationJob" and call.now < NOW + 600:
            raise AwsError("ThrottlingException", "Rate exceeded", 429)

    aws.hooks.append(throttle)
    services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
    async with running(configured(aws.endpoint_url, services), clock) as exporter:
        for _ in range(8):
            await exporter.turn(70)
        assert exporter.reasons() == {}
        await exporter.turn(70)
        assert exporter.reasons() == {"throttled": 1}


LIMIT = {"timeout": "30s"}
"""Shorter than what a test waits for, and longer than the simulator takes."""


@pytest.mark.parametrize("operation", ["ListModelCustomizationJobs", "GetModelCustomizationJob"])
async def test_waiting_for_the_database_is_not_waiting_for_aws(aws, clock, operation):
    """While another source takes in a long list, a poll waits; AWS answered in time, so nothing has timed out."""
    aws.world.add_job(CUSTOMIZATION, created=NOW, path=[(0, "InProgress"), (60, "Failed")], message="Rate exceeded")
    held = asyncio.Lock()

    async def take_the_database(call):
        if call.operation == operation and call.now > NOW and not held.locked():
            await held.acquire()
            await database._lock.acquire()

    aws.hooks.append(take_the_database)
    async with running(
        configured(aws.endpoint_url, {"bedrock": {"kinds": [CUSTOMIZATION.key]}}, poll=LIMIT), clock
    ) as exporter:
        database = exporter.poller._context.database
        turn = asyncio.create_task(exporter.turn(70))
        await eventually(held.locked)
        # Its answer arrives, and the poll waits for the database from then on.
        await eventually(lambda: database._lock._waiters)
        elapse(60)
        await asyncio.sleep(0)
        database._lock.release()
        await turn
        assert exporter.up(kind=CUSTOMIZATION.key) == 1
        assert exporter.value("aws_jobs_failed_total", reason="throttled", kind=CUSTOMIZATION.key) == 1
        assert exporter.value("aws_job_exporter_detail_errors_total", reason="timeout", kind=CUSTOMIZATION.key) == 0


async def test_a_poll_waits_for_the_database_before_its_first_request(aws, clock):
    """What to request depends on what is known."""
    aws.world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress")])
    async with running(
        configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, poll=LIMIT), clock
    ) as exporter:
        lock = exporter.poller._context.database._lock
        await lock.acquire()
        turn = asyncio.create_task(exporter.turn(70))
        await eventually(lambda: lock._waiters)
        elapse(60)
        await asyncio.sleep(0)
        lock.release()
        await turn
        assert exporter.up(kind=BEDROCK.key) == 1


async def test_a_first_list_that_breaks_off_shows_and_leaves_nothing(clock):
    """What it had read is not shown, and what AWS has deleted until the next poll does not count then."""
    async with simulated(clock, page_size=100) as aws:
        jobs = [batch_job(aws, created=NOW - HOUR - n, path=[(0, "Completed")]) for n in range(700)]
        aws.faults.add(Fault.server_error(), service="bedrock", page=7)
        services = {"bedrock": {"kinds": [BEDROCK.key]}}
        async with running(configured(aws.endpoint_url, services), clock) as exporter:
            assert exporter.why(kind=BEDROCK.key) == "server_error"
            assert exporter.samples("aws_jobs") == {}
            aws.faults.clear()
            for job in jobs[:300]:
                delete_job(job)
            await exporter.turn(70)
            assert exporter.value("aws_jobs", status="Completed") == 400
            assert sum(exporter.by("state", "aws_jobs_finished_total").values()) == 0
