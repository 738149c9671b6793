"""Wild responses over HTTP to a whole exporter: polls succeed or say why not, and the exposition stays readable."""

import asyncio
import json
import math
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.aws.items import job_reader
from exporter.aws.poll_error import BadResponseError
from exporter.catalog import Kind
from exporter.catalog.models import shape_at
from exporter.exposition import Format
from exporter.simulator import World
from tests.support.effort import bounded
from tests.support.harness import CATALOG, CUSTOMIZATION, NOW, HandClock, Running, configured, running, simulated
from tests.support.responses import (
    DAMAGE,
    MODELS,
    encoded,
    listing,
    responses,
    scopes,
    structures,
    tree,
    wire_path,
    wrapped,
)
from tests.support.wild import HOSTILE, anything, is_dated, rarely, texts

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_loader")]

KINDS = list(CATALOG.kinds())
HEADERS = {"Content-Type": "application/json"}
LOOKBACK = "200y"
"""Long enough for every job to count."""

STAGES = ("list", "discovery", "details")


def settle(world: World, kind: Kind) -> str:
    """Add one scope of each type and one failed job in the innermost; return its status."""
    scope = None
    for name, _ in kind.scopes:
        scope = world.add_scope(kind.service, name, within=scope)
    failed = next((words[0] for state, words in kind.states.items() if state == "failed"), None)
    first = next(iter(kind.state_of))
    world.add_job(kind, scope=scope, created=NOW - 60, path=[(0, first), (30, failed or first)], message="", code="")
    return failed or first


def parsed(exporter: Running) -> None:
    """Assert that both formats parse, and that every time is a number."""
    for form, read in ((Format.TEXT, read_text), (Format.OPENMETRICS, read_openmetrics)):
        for family in read(exporter.exposition.render(form).decode()):
            for sample in family.samples:
                assert "timestamp_seconds" not in sample.name or math.isfinite(sample.value), sample
                assert not sample.name.startswith("aws_job") or not math.isnan(sample.value), sample


def no_bug(exporter: Running) -> None:
    """Fail if anything went wrong for an unforeseen reason."""
    for name in ("aws_job_exporter_poll_errors_total", "aws_job_exporter_detail_errors_total"):
        assert not any(exporter.samples(name, "kind", reason="internal").values()), name
    parsed(exporter)


@st.composite
def replies(draw, operation, content):
    """Draw an operation's response as status and body."""
    if rarely(draw, 6):
        error = {"__type": draw(texts), "message": draw(anything), "Message": draw(texts)}
        body = json.dumps(draw(st.just(error) | anything)).encode()
        return draw(st.sampled_from((400, 403, 404, 429, 500, 503, 301))), body
    body = encoded(operation, draw(responses(operation, content)))
    if rarely(draw, 4):
        body = DAMAGE[draw(st.sampled_from(sorted(DAMAGE)))](body)
    return draw(st.sampled_from((200, 200, 200, 204, 300))), body


def attacked(draw, kind):
    """Draw the operation of a kind that gets wild responses, and two such responses."""
    possible = [stage for stage in STAGES if stage == "list" or (kind.scopes if stage == "discovery" else kind.details)]
    stage = draw(st.sampled_from(possible))
    if stage == "list":
        name, path = kind.described
        operation = MODELS.operation(kind.service, name)
        content = listing(kind).map(lambda items: wrapped(operation, path, items))
    elif stage == "discovery":
        _, scope = draw(st.sampled_from(kind.scopes))
        operation = MODELS.operation(scope.service or kind.service, scope.operation)
        content = scopes(operation, scope).map(lambda items: wrapped(operation, scope.items, items))
    else:
        operation = MODELS.operation(kind.service, kind.details.operation)
        members = tree(filter(None, (kind.details.reason, kind.details.code)))
        content = structures(operation.output_shape, members)
    content |= anything
    return operation, [draw(replies(operation, content)) for _ in range(2)]


async def play(kind: Kind, operation, bodies) -> None:
    """Poll two wild responses, then honest ones."""
    clock, left = HandClock(), list(bodies)

    async def hook(call):
        if not left or call.operation != operation.name:
            return None
        status, body = left[0]
        return web.Response(status=status, body=body, headers=HEADERS)

    async with simulated(clock) as aws:
        status = settle(aws.world, kind)
        aws.hooks.append(hook)
        services = {kind.service: {"kinds": [kind.key], "dimensions": sorted(kind.dimensions)}}
        settings = configured(
            aws.endpoint_url, services, poll={"lookback": LOOKBACK, "resync": "10m"}, metrics={"per_job": True}
        )
        async with running(settings, clock) as exporter:
            while left:
                no_bug(exporter)
                if not exporter.up(kind=kind.key):
                    assert len(left) == 1 or not exporter.samples("aws_jobs", "status", kind=kind.key)
                left.pop(0)
                await exporter.turn(1300)
            no_bug(exporter)
            # Once more than there are levels: a job of a wild response stays until a second honest one lacks it, too.
            for _ in range(1 + len(kind.scopes)):
                await exporter.turn(1300)
            assert set(exporter.samples("aws_job_exporter_source_up", "kind", "scope").values()) == {1}
            # Nobody knows when a job without times ended: one that was over at the start does not count.
            if [*kind.times.named()]:
                assert 1 in exporter.samples("aws_jobs", *kind.dimensions, kind=kind.key, status=status).values()


@bounded(15, shrink=False)
@given(data=st.data())
def test_a_wild_response_makes_a_good_poll_or_a_failed_one_with_a_reason(data):
    """No bugs and no partial lists; once AWS responds properly again, the numbers are right again."""
    kind = data.draw(st.sampled_from(KINDS), label="kind")
    operation, bodies = attacked(data.draw, kind)
    asyncio.run(play(kind, operation, bodies))


async def count(kind: Kind, body: bytes) -> tuple[float | None, float]:
    """Return whether a kind's source is up after one wild response, and how many jobs it counts."""
    clock = HandClock()

    async def hook(call):
        return web.Response(body=body, headers=HEADERS) if call.operation == kind.operation else None

    async with simulated(clock) as aws:
        settle(aws.world, kind)
        aws.hooks.append(hook)
        settings = configured(aws.endpoint_url, {kind.service: {"kinds": [kind.key]}}, poll={"lookback": LOOKBACK})
        async with running(settings, clock) as exporter:
            no_bug(exporter)
            jobs = exporter.samples("aws_jobs", "scope", "status", "state", kind=kind.key).values()
            return exporter.up(kind=kind.key), sum(jobs)


def is_as_on_the_wire(kind: Kind) -> bool:
    """Return whether the reader understands the items as they are sent: in JSON, their ids under the model's names."""
    operation = MODELS.operation(kind.service, kind.operation)
    item = getattr(shape := shape_at(operation.output_shape, kind.items), "member", shape)
    is_json = operation.service_model.resolved_protocol in ("json", "rest-json")
    return is_json and all(wire_path(item, path) == path.split(".") for path in kind.id)


@bounded(15, shrink=False)
@given(data=st.data())
def test_counts_add_up_to_the_jobs_that_were_listed(data):
    """Each job counts once, whatever its fields say; none count if one item cannot be distinguished from the others."""
    kind = data.draw(
        st.sampled_from([kind for kind in KINDS if not kind.describe and is_as_on_the_wire(kind)]), label="kind"
    )
    items = data.draw(listing(kind), label="items")
    operation = MODELS.operation(kind.service, kind.operation)
    read = job_reader(kind)
    try:
        # The later of two jobs with one id counts, and none that had ended nobody knows when.
        listed = [job for job in {job.id: job for job in read(items, {})}.values() if is_dated(job)]
    except BadResponseError:
        listed = None
    up, counted = asyncio.run(count(kind, encoded(operation, wrapped(operation, kind.items, items))))
    if listed is None:
        assert not up
        assert counted == 0
    else:
        # botocore may refuse what the reader would accept: then none of it counts.
        assert counted == (len(listed) if up else 0)


async def test_details_are_requested_for_hostile_ids_too():
    """The reason of a failure is requested with the job's id as AWS gave it; an id that cannot be sent is not a bug."""
    clock, requests = HandClock(), []
    failed = {"status": "Failed", "creationTime": "2026-09-21T12:00:00Z"}
    jobs = [{"jobArn": f"{name}-{number}", **failed} for number, name in enumerate(HOSTILE)]

    async def hook(call):
        if call.operation == CUSTOMIZATION.operation:
            return web.json_response({"modelCustomizationJobSummaries": jobs})
        if call.operation == "GetModelCustomizationJob":
            requests.append(call.arguments)
            # What the model requires in a response, among it lists and structures.
            whole: dict[str, Any] = dict.fromkeys(("jobArn", "jobName", "roleArn", "baseModelArn"), "x")
            whole |= {"validationDataConfig": {}, "trainingDataConfig": {}, "outputDataConfig": {"s3Uri": "s3://x"}}
            return web.json_response({**whole, "failureMessage": "access denied"})
        return None

    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        services = {"bedrock": {"kinds": [CUSTOMIZATION.key]}}
        settings = configured(aws.endpoint_url, services, poll={"details_budget": 1000})
        async with running(settings, clock) as exporter:
            for _ in range(6):
                no_bug(exporter)
                await exporter.turn(70)
            assert requests
            assert not exporter.samples("aws_job_exporter_details_pending", "kind")
            assert sum(exporter.reasons(kind=CUSTOMIZATION.key).values()) == len(jobs)
