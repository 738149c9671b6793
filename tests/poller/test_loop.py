"""The poll loop itself: an error around a poll stays with its source, and waiting delays no other source."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from exporter import app
from exporter.aws import PollError, PollErrorReason
from exporter.jobs import SourceKey
from exporter.poller import loop
from exporter.simulator import AwsError
from exporter.telemetry import SourceStatus
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    REGION,
    TRAINED,
    configured,
    running,
    simulated,
)
from tests.support.patience import PATIENCE


class Scripted:
    """A source whose poll is set by the test."""

    def __init__(self, service, scope, script):
        self.status = SourceStatus(SourceKey(ACCOUNT, REGION, service, "job", scope), interval=60.0)
        self._script = script

    async def poll(self, _):
        """Do what the test says."""
        await self._script()

    def children(self):
        """Find no children."""
        return ()

    async def restore(self):
        """Know nothing from before."""

    def adopt(self, _):
        """Take over no earlier state."""
        return False

    def withdraw(self):
        """Do nothing: nothing was published."""


@asynccontextmanager
async def polling(clock, concurrency, sources):
    """Run the test's sources until the block ends."""
    settings = configured("http://localhost:1", poll={"concurrency": concurrency})
    assembled = app.assembled(settings, CATALOG, REGION, clock=clock)
    async with assembled as parts, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        task = group.create_task(parts.poller.run(sources))
        try:
            yield
        finally:
            task.cancel()


async def test_a_lone_surrogate_in_the_name_of_a_scope_stops_no_source(clock):
    """JSON can hold half a character, the exposition cannot: it becomes a question mark."""
    async with simulated(clock) as aws:
        scope = aws.world.add_scope("cleanroomsml", "membership", name="half \ud800")
        async with running(configured(aws.endpoint_url, {"cleanroomsml": None}), clock) as exporter:
            assert exporter.by("scope_name", "aws_job_scope_info", scope=scope.id) == {"half ?": 1}
            assert exporter.up(scope=scope.id) == 1


async def test_a_lone_surrogate_in_an_error_can_be_shown(clock):
    """The status page and the log are UTF-8 too."""

    async def refuse(call):
        if call.operation == BEDROCK.operation:
            raise AwsError("ValidationException", "half \ud800", 400)

    async with simulated(clock) as aws:
        aws.hooks.append(refuse)
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            errors = [source.status.error for source in exporter.poller.sources if source.status.error]
    assert [error.rpartition(": ")[2] for error in errors] == ["half ?"]


@pytest.mark.parametrize("method", ["polled", "_reconcile"])
async def test_a_bug_around_a_poll_stops_no_source(clock, monkeypatch, method):
    """It is logged, the source goes on with its next poll, and the others are unaffected."""
    hit = []

    async with simulated(clock) as aws:
        async with running(configured(aws.endpoint_url, {"bedrock": None}), clock) as exporter:
            owner = exporter.poller if method == "_reconcile" else exporter.poller._outcomes
            original = getattr(owner, method)

            def fail(polled, *arguments):
                status = polled if isinstance(polled, SourceStatus) else polled.status
                if status.key.kind == CUSTOMIZATION.key:
                    hit.append(status)
                    raise RuntimeError("a bug")
                return original(polled, *arguments)

            monkeypatch.setattr(owner, method, fail)
            for _ in range(2):
                await exporter.turn(700)
            successes = exporter.by("kind", "aws_job_exporter_source_last_success_timestamp_seconds")
        assert len(hit) == 2
        assert successes[BEDROCK.key] == clock.now


async def test_the_wait_for_a_slot_does_not_shorten_the_back_off(clock, monkeypatch):
    """A refused source that had to queue waits as long for its next poll as one that had not."""
    monkeypatch.setattr(loop, "pause", lambda *_: 60.0)

    async def take_long():
        await asyncio.sleep(0)  # the other source comes to the queue
        clock.now += 50

    async def refuse():
        raise PollError(PollErrorReason.ACCESS_DENIED, "not you")

    refused = Scripted("glue", "b", refuse)
    async with polling(clock, 1, [Scripted("bedrock", "a", take_long), refused]):
        await clock.until_asleep(lambda: 2)
    assert refused.status.next_poll == clock.now + 60


@pytest.mark.parametrize("concurrency", [2, 3, 4, 7])
async def test_one_waiting_service_never_holds_every_slot(clock, concurrency):
    """This holds even where there are fewer slots than one service may use elsewhere."""
    never, polled = asyncio.Event(), asyncio.Event()

    async def note():
        polled.set()

    waiting = [Scripted("bedrock", str(number), never.wait) for number in range(9)]
    async with polling(clock, concurrency, [*waiting, Scripted("glue", "", note)]):
        await polled.wait()


async def test_a_poll_that_ends_late_stops_no_other(clock):
    """The source was stopped, restarted, and polled before the canceled poll had cleaned up."""
    started, canceled, second = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def linger():
        if started.is_set():
            second.set()
            return
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()
            await second.wait()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    settings = configured("http://localhost:1")
    async with app.assembled(settings, CATALOG, REGION, clock=clock) as parts, asyncio.timeout(PATIENCE):
        task = asyncio.create_task(parts.poller.run([Scripted("a", "", linger)]))
        await started.wait()
        context = parts.poller._context
        parts.poller.replace(context, [])
        await canceled.wait()
        parts.poller.replace(context, [Scripted("a", "", linger)])
        await clock.until_asleep(lambda: 1)
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_readiness_survives_new_sources(clock):
    """A new membership must not make a readiness probe fail."""
    services = {"cleanroomsml": {"kinds": [TRAINED.key]}}
    async with simulated(clock) as aws, running(configured(aws.endpoint_url, services), clock) as exporter:
        assert exporter.poller.progress.complete.is_set()
        before = len(list(exporter.poller.sources))
        aws.world.add_scope("cleanroomsml", "membership")
        await exporter.turn(700)
        assert len(list(exporter.poller.sources)) > before
        assert exporter.poller.progress.complete.is_set()


async def test_the_requests_of_a_poll_count_for_its_source(clock):
    """Both the last poll's requests and the total, retries included; other sources have separate counts."""
    async with simulated(clock, page_size=2) as aws:
        for _ in range(5):
            aws.world.add_job(BEDROCK, created=clock.now - 60, path=[(0, "Submitted")])
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            statuses = {source.status.key.kind: source.status for source in exporter.poller.sources}
            jobs, account = statuses[BEDROCK.key], statuses["account"]
            first = jobs.last_calls
            await exporter.turn(70)
            assert first == jobs.calls - jobs.last_calls > 2
            assert jobs.calls == aws.requests["bedrock", "ListModelInvocationJobs"]
            assert account.calls == 1
