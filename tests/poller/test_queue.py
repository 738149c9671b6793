"""Events in a queue: the list that one names is polled at once, and no event changes a number."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest

from exporter.jobs import SourceKey
from tests.support.faults import Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    NOW,
    REGION,
    HandClock,
    configured,
    running,
    simulated,
)
from tests.support.sqs import event

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
URL = "https://sqs.us-east-1.amazonaws.com/111122223333/hints"
LIST = ("bedrock", BEDROCK.operation)
BOTH = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
EXECUTION = CATALOG["stepfunctions"].kinds["execution"]
PIPELINE = CATALOG["sagemaker"].kinds["pipeline_execution"]
KEY = SourceKey(ACCOUNT, REGION, "bedrock", BEDROCK.key, "")
NEXT = 20.0
"""Seconds after which the queue has been read again."""


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, aws, services=None, *, queue=URL, **sections):
    """Yield an exporter that polls once in a quarter of an hour, and reads a queue."""
    aws.queues.create(URL)
    poll = {"interval": "15m", "discovery_interval": "1h", "resync": "30d", **sections.pop("poll", {})}
    events = {"sqs_queue_url": queue}
    settings = configured(aws.endpoint_url, services or BOTH, poll=poll, events=events, **sections)
    async with running(settings, clock) as exporter:
        await exporter.turn(2.0)
        yield exporter


def told(kind, happened, **more):
    """Return the event by which AWS tells that a job of a kind changed."""
    return event(kind.events.source, kind.events.detail_type[0], happened, **more)


def hints(exporter, **labels):
    """Return how many events came to what, without those that came to nothing."""
    counted = exporter.by("result", "aws_job_exporter_hints_total", **labels)
    return {result: count for result, count in counted.items() if count}


async def test_a_failure_counts_as_soon_as_its_event_is_there(clock):
    """Without it, it would be seen a quarter of an hour later."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        aws.world.add_job(BEDROCK, created=clock.now, path=[(0, "InProgress"), (10, "Failed")], message="No quota")
        await exporter.turn(NEXT)
        assert exporter.value("aws_jobs_finished_total", kind=BEDROCK.key, state="failed") in {None, 0}
        aws.queues.send(URL, told(BEDROCK, clock.now - 10))
        await exporter.turn(NEXT)
        assert exporter.value("aws_jobs_finished_total", kind=BEDROCK.key, state="failed") == 1
        assert aws.queues.left(URL) == 0
        assert hints(exporter) == {"noted": 1}


async def test_only_the_list_that_is_named_is_polled_and_once_more(clock):
    """AWS may tell of a change before the list has it; after that, the list is polled as often as ever."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        before, others = aws.requests[LIST], aws.requests["bedrock", CUSTOMIZATION.operation]
        aws.queues.send(URL, told(BEDROCK, clock.now))
        await exporter.turn(NEXT)
        assert aws.requests[LIST] == before + 1
        await exporter.turn(4.0)
        assert aws.requests[LIST] == before + 1
        await exporter.turn(1.0)
        assert aws.requests[LIST] == before + 2
        for _ in range(20):
            await exporter.turn(NEXT)
        assert aws.requests[LIST] == before + 2
        assert aws.requests["bedrock", CUSTOMIZATION.operation] == others


async def test_the_time_from_the_event_to_the_poll_is_measured(clock):
    """It is what an operator promises others."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        aws.queues.send(URL, told(BEDROCK, clock.now), told(BEDROCK, clock.now + 1))
        await exporter.turn(NEXT)
        await exporter.turn(5.0)
        lag = "aws_job_exporter_hints_lag_seconds"
        assert exporter.value(f"{lag}_count", aws_service="bedrock") == 1
        assert exporter.value(f"{lag}_sum", aws_service="bedrock") == NEXT


@pytest.mark.slow
async def test_a_flood_polls_each_list_once(clock):
    """Ten thousand events are as good as one, and none is left."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        before = aws.requests[LIST]
        aws.queues.send(URL, *[told(BEDROCK, clock.now)] * 10_000)
        await exporter.turn(NEXT)
        assert aws.requests[LIST] == before + 1
        assert aws.queues.left(URL) == 0
        assert hints(exporter) == {"noted": 10_000}


async def test_a_stream_of_events_polls_a_list_every_five_seconds(clock):
    """A queue in which a job ends each second must not take the whole rate of a service."""
    async with simulated(clock) as aws, reading(clock, aws, poll={"interval": "1h"}) as exporter:
        aws.queues.send(URL, told(BEDROCK, clock.now))
        await exporter.turn(NEXT)
        before = aws.requests[LIST]
        for _ in range(60):
            exporter.poller.hint(KEY, clock.now)
            await exporter.turn(1.0)
        assert 11 <= aws.requests[LIST] - before <= 12


async def test_an_event_from_before_the_last_poll_is_late(clock):
    """Doubled, delayed and replayed events tell what the list has shown already."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        before = aws.requests[LIST]
        aws.queues.send(URL, told(BEDROCK, NOW - 2 * MINUTE))
        await exporter.turn(NEXT)
        assert aws.requests[LIST] == before
        assert hints(exporter) == {"late": 1}


FOREIGN = {
    "another account": (told(BEDROCK, NOW, account="444455556666"), {"unwatched": 1}),
    "another region": (told(BEDROCK, NOW, region="eu-west-1"), {"unwatched": 1}),
    "another kind": (told(CATALOG["batch"].kinds["job"], NOW, detail={"jobQueue": "arn"}), {"unwatched": 1}),
    "another source": (event("aws.ec2", "EC2 Instance State-change Notification", NOW), {"unknown": 1}),
    "an API call": (event("aws.bedrock", "AWS API Call via CloudTrail", NOW), {"unknown": 1}),
    "through SNS": (json.dumps({"Type": "Notification", "Message": told(BEDROCK, NOW)}), {"noted": 1}),
    "from the future": (told(BEDROCK, NOW + DAY), {"noted": 1}),
    "no text": ("", {"unreadable": 1}),
    "a word": ("hello", {"unreadable": 1}),
    "a list": ("[]", {"unreadable": 1}),
    "nothing": ("null", {"unreadable": 1}),
    "an empty object": ("{}", {"unreadable": 1}),
    "nested": ('{"a":' * 100_000, {"unreadable": 1}),
    "half a character": ('{"a": "\\ud800"}', {"unreadable": 1}),
    "SNS in SNS": (json.dumps({"Type": "Notification", "Message": '{"Type": "Notification"}'}), {"unreadable": 1}),
    "no time": (told(BEDROCK, NOW, time="yesterday"), {"unreadable": 1}),
    "a time that is none": (told(BEDROCK, NOW, time=12), {"unreadable": 1}),
    "a list of accounts": (told(BEDROCK, NOW, account=["111122223333"]), {"unreadable": 1}),
    "details that are none": (told(EXECUTION, NOW, detail="stateMachineArn"), {"unwatched": 1}),
    "a million commas": ("," * 1_000_000, {"unreadable": 1}),
}


@pytest.mark.parametrize(("message", "result"), FOREIGN.values(), ids=FOREIGN)
async def test_whatever_is_in_the_queue_is_counted_and_deleted(clock, message, result):
    """Nothing stops what comes after it, or comes again."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        aws.queues.send(URL, message)
        await exporter.turn(NEXT)
        assert hints(exporter) == result
        aws.queues.send(URL, told(CUSTOMIZATION, clock.now))
        await exporter.turn(NEXT)
        assert aws.queues.left(URL) == 0
        assert exporter.up(aws_service="sqs", kind="queue", scope="hints") == 1
        assert hints(exporter, aws_service="bedrock")["noted"] >= 1


async def test_forged_events_change_no_number(clock):
    """A job that only an event knows of is no job."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        before = exporter.samples("aws_jobs", "kind", "status")
        detail = {"status": "Failed", "batchJobArn": "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/x"}
        aws.queues.send(URL, told(BEDROCK, clock.now, detail=detail))
        await exporter.turn(NEXT)
        assert exporter.samples("aws_jobs", "kind", "status") == before


SICK = {
    "it does not exist": (None, "not_found"),
    "it is denied": (Fault.access_denied(), "access_denied"),
    "it is throttled": (Fault.throttled(), "throttled"),
    "SQS is down": (Fault.server_error(), "server_error"),
    "a page of a proxy": (Fault.html(), "bad_response"),
}


@pytest.mark.parametrize(("fault", "reason"), SICK.values(), ids=SICK)
async def test_a_queue_that_cannot_be_read_is_down_and_the_rest_is_not(clock, fault, reason):
    """Polling goes on at its interval, and events count again when the queue can be read."""
    url = URL if fault else f"{URL}-other"
    async with simulated(clock) as aws:
        rule = aws.faults.add(fault, service="sqs") if fault else None
        async with reading(clock, aws, queue=url, poll={"interval": "1m"}) as exporter:
            assert exporter.up(kind="queue") == 0
            assert exporter.why(kind="queue") == reason
            before = aws.requests[LIST]
            for _ in range(60):
                await exporter.turn(10.0)
            assert 9 <= aws.requests[LIST] - before <= 11
            assert exporter.up(kind=BEDROCK.key) == 1
            if rule:
                aws.faults.remove(rule)
            else:
                aws.queues.create(url)
            if reason == "access_denied":
                # What AWS denies is asked about as seldom as that has lasted.
                await exporter.turn(700.0)
            aws.queues.send(url, told(BEDROCK, clock.now))
            await exporter.turn(NEXT)
            assert exporter.up(kind="queue") == 1
            assert hints(exporter) == {"noted": 1}


async def test_messages_that_cannot_be_deleted_are_taken_as_hints_and_say_so(clock):
    """They come again, and change nothing but when the list is read."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        aws.faults.add(Fault.access_denied(), service="sqs", operation="DeleteMessageBatch")
        before = aws.requests[LIST]
        aws.queues.send(URL, told(BEDROCK, clock.now))
        await exporter.turn(NEXT)
        assert aws.requests[LIST] == before + 1
        assert exporter.why(kind="queue") == "access_denied"
        for _ in range(30):
            await exporter.turn(NEXT)
        assert aws.requests[LIST] <= before + 6
        assert hints(exporter)["late"] > 10


async def test_a_hint_does_not_hurry_what_aws_refuses(clock):
    """A denied list is asked for no sooner, and a throttled service not more often."""
    async with simulated(clock) as aws:
        aws.faults.add(Fault.access_denied(), operation=BEDROCK.operation)
        async with reading(clock, aws) as exporter:
            before = aws.requests[LIST]
            aws.queues.send(URL, told(BEDROCK, clock.now))
            for _ in range(5):
                await exporter.turn(NEXT)
            assert aws.requests[LIST] == before


async def test_an_idle_list_is_polled_as_well(clock):
    """In which nothing has happened for days, and which would be read ten minutes later."""
    async with simulated(clock) as aws, reading(clock, aws, poll={"interval": "1m", "idle_interval": "2h"}) as exporter:
        for _ in range(24):
            await exporter.turn(HOUR)
        assert exporter.value("aws_job_exporter_source_interval_seconds", kind=BEDROCK.key) == 2 * HOUR
        aws.world.add_job(BEDROCK, created=clock.now, path=[(0, "InProgress")])
        before = aws.requests[LIST]
        aws.queues.send(URL, told(BEDROCK, clock.now))
        await exporter.turn(NEXT)
        assert aws.requests[LIST] == before + 1
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="InProgress") == 1


async def test_an_event_names_one_of_many_scopes(clock):
    """Only the list of that state machine is read."""
    async with simulated(clock) as aws:
        machines = [aws.world.add_scope("stepfunctions", "state_machine", name=name) for name in ("first", "second")]
        async with reading(clock, aws, {"stepfunctions": {}}) as exporter:
            before = aws.requests["stepfunctions", EXECUTION.operation]
            aws.world.add_job(EXECUTION, created=clock.now, path=[(0, "RUNNING")], scope=machines[1])
            aws.queues.send(URL, told(EXECUTION, clock.now, detail={"stateMachineArn": machines[1].id}))
            await exporter.turn(NEXT)
            assert aws.requests["stepfunctions", EXECUTION.operation] == before + 1
            assert exporter.value("aws_jobs", scope=machines[1].id, status="RUNNING") == 1


@pytest.mark.parametrize("is_named", [False, True])
async def test_an_event_without_a_scope_is_about_all_of_them(clock, is_named):
    """Whether they were discovered, or named in the configuration."""
    async with simulated(clock) as aws:
        pipelines = [aws.world.add_scope("sagemaker", "pipeline", name=name) for name in ("first", "second")]
        named = {"pipelines": [each.id for each in pipelines]} if is_named else {}
        async with reading(clock, aws, {"sagemaker": {"kinds": [PIPELINE.key], **named}}) as exporter:
            before = aws.requests["sagemaker", PIPELINE.operation]
            aws.queues.send(URL, told(PIPELINE, clock.now))
            await exporter.turn(NEXT)
            assert aws.requests["sagemaker", PIPELINE.operation] == before + 2


async def test_the_first_event_of_a_new_scope_has_the_scopes_discovered(clock):
    """Not more than once in a minute: it may be one that the configuration leaves out."""
    async with simulated(clock) as aws, reading(clock, aws, {"stepfunctions": {}}) as exporter:
        for _ in range(5):
            await exporter.turn(NEXT)
        before = aws.requests["stepfunctions", "ListStateMachines"]
        machine = aws.world.add_scope("stepfunctions", "state_machine", name="new")
        aws.world.add_job(EXECUTION, created=clock.now, path=[(0, "RUNNING")], scope=machine)
        aws.queues.send(URL, *[told(EXECUTION, clock.now, detail={"stateMachineArn": machine.id})] * 5)
        await exporter.turn(NEXT)
        assert exporter.value("aws_jobs", scope=machine.id, status="RUNNING") == 1
        aws.queues.send(URL, told(EXECUTION, clock.now, detail={"stateMachineArn": "arn:of:another"}))
        await exporter.turn(NEXT)
        assert aws.requests["stepfunctions", "ListStateMachines"] == before + 1
        assert hints(exporter)["unwatched"] == 6


async def test_the_exporter_is_ready_before_an_event_has_come(clock):
    """The first look at a queue waits for nothing."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        assert exporter.poller.progress.is_ready
        assert aws.requests["sqs", "ReceiveMessage"] == 2


async def test_each_shard_reads_its_own_queue_and_shows_it(clock):
    """A message that one shard takes, no other sees."""
    for index in (0, 1):
        async with simulated(clock) as aws:
            aws.queues.create(f"{URL}-{index}")
            shard = {"count": 2, "index": index}
            async with reading(clock, aws, queue=f"{URL}-{{shard}}", shard=shard) as exporter:
                assert exporter.by("scope", "aws_job_exporter_source_up", kind="queue") == {f"hints-{index}": 1}
