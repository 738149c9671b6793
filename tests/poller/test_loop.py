"""The poll loop itself: an error around a poll stays with its source, and waiting delays no other source."""

import asyncio
import operator
from contextlib import asynccontextmanager

import pytest

from exporter import app, turns
from exporter.aws import PollError, PollErrorReason
from exporter.exposition import Format, blocks
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
    Running,
    configured,
    running,
    simulated,
)
from tests.support.patience import PATIENCE, eventually


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


class Parent(Scripted):
    """A source that finds what the test says."""

    def __init__(self, scope, script, found):
        super().__init__("glue", scope, script)
        self._found = found

    def children(self):
        """Find other sources."""
        yield from self._found


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
        await parts.poller.replace(context, [])
        await canceled.wait()
        await parts.poller.replace(context, [Scripted("a", "", linger)])
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


MANY = 50
"""Sources that come or go together."""


async def nothing():
    """Poll successfully."""


def many(first, number):
    """Return so many sources."""
    return [Scripted("glue", str(scope), nothing) for scope in range(first, first + number)]


@asynccontextmanager
async def watched(clock, monkeypatch, roots):
    """Yield a poller after its first polls, and what is seen from now on: a scrape's number of sources at each turn.

    Every step of what takes turns has one of its own; a scrape takes none.
    """

    async def at_once(work):
        return list(work)

    monkeypatch.setattr(turns, "_TURN", 0.0)
    monkeypatch.setattr(blocks, "in_turns", at_once)
    seen = []

    async def scrape(exposition):
        while True:
            await asyncio.sleep(0)
            body = await exposition.body(Format.TEXT, gzipped=False)
            seen.append(b"".join(body.pieces).count(b"aws_job_exporter_source_up{"))

    assembled = app.assembled(configured("http://localhost:1"), CATALOG, REGION, clock=clock)
    async with assembled as parts, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        tasks = [group.create_task(parts.poller.run(roots))]
        exporter = Running(parts.poller, parts.exposition, clock)
        await exporter.settle()
        tasks.append(group.create_task(scrape(parts.exposition)))
        yield exporter, seen
        for task in tasks:
            task.cancel()


async def test_a_reload_of_many_sources_takes_turns(clock, monkeypatch):
    """Scrapes go on meanwhile, and none sees a part of those that are gone."""
    async with watched(clock, monkeypatch, many(0, 2 * MANY)) as (exporter, seen):
        context = exporter.poller._context
        known = await known_while(exporter.poller.replace(context, many(0, 2 * MANY)), exporter)
        assert len(known) >= 2 * MANY
        assert set(seen) <= {2 * MANY}
        known = await known_while(exporter.poller.replace(context, many(0, MANY)), exporter)
        # A turn for each that stays, and two for each that goes: it is stopped, and later withdrawn.
        assert len(known) >= 3 * MANY
        await eventually(lambda: seen[-1:] == [MANY])
        assert set(seen) == {2 * MANY, MANY}


async def known_while(work, exporter):
    """Return how many sources there are, at each turn of the event loop until something is done."""
    known, task = [exporter.poller.known], asyncio.create_task(work)
    while not task.done():
        await asyncio.sleep(0)
        known.append(exporter.poller.known)
    await task
    return known


async def test_many_sources_that_come_and_go_take_turns(clock, monkeypatch):
    """As where the scopes of a service are made for each run."""
    found = many(0, MANY)
    async with watched(clock, monkeypatch, [Parent("", nothing, found)]) as (exporter, seen):

        async def turn(sources):
            await clock.turn(70)
            await eventually(lambda: (seen[-1:], exporter.poller.known) == ([sources], sources))

        found[:] = many(MANY, MANY)
        known = await known_while(turn(1 + 2 * MANY), exporter)
        assert max(map(operator.sub, known[1:], known)) == 1
        seen.clear()
        # Those that are missing a second time are gone.
        known = await known_while(turn(1 + MANY), exporter)
        assert max(map(operator.sub, known, known[1:])) == 1
        assert set(seen) == {1 + 2 * MANY, 1 + MANY}


async def test_a_poll_that_ends_while_a_reload_takes_turns_starts_nothing(clock, monkeypatch):
    """What it found belongs to the configuration before."""
    going, go, polled = asyncio.Event(), asyncio.Event(), []

    async def wait():
        going.set()
        await go.wait()

    async def note():
        polled.append("a child of the configuration before")

    async with watched(clock, monkeypatch, many(0, MANY)) as (exporter, _):
        context = exporter.poller._context
        before, after = Parent("p", wait, [Scripted("glue", "c", note)]), Parent("p", nothing, ())
        await exporter.poller.replace(context, [*many(0, MANY), before])
        await going.wait()
        reload = asyncio.create_task(exporter.poller.replace(context, [*many(0, MANY), after]))
        await asyncio.sleep(0)
        go.set()
        await reload
        await exporter.settle()
        assert polled == []
        assert exporter.poller.known == MANY + 1
