"""The whole exporter as one context manager: it polls and serves inside, and leaves nothing behind."""

import asyncio
import gc
import json
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from exporter import app
from exporter.aws import Credentials
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, NOW, REGION, TRAINED, configured, simulated
from tests.support.held import remove_scope
from tests.support.patience import PATIENCE, eventually

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")


@pytest.fixture
async def aws(clock):
    """Return a simulated AWS with one job."""
    async with simulated(clock) as simulator:
        simulator.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "Submitted")])
        yield simulator


@asynccontextmanager
async def running(aws, clock, address="127.0.0.1:0", **web):
    """Yield a running exporter."""
    web = {"listen_address": [address], **web}
    settings = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, web=web)
    async with app.running(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as exporter:
        yield exporter


async def ready(exporter):
    """Wait until every source has been tried."""
    async with asyncio.timeout(PATIENCE):
        await exporter.poller.progress.complete.wait()


async def get(exporter, path):
    """Return the status and the text of a response."""
    host, port = exporter.addresses[0]
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text()


def sessions():
    """Return the HTTP sessions that are open."""
    return {id(thing) for thing in gc.get_objects() if type(thing) is aiohttp.ClientSession and not thing.closed}


@pytest.fixture
async def tidy(aws):
    """Return a check that no task and no client is left; a server's tasks end with its connections."""
    tasks, before = asyncio.all_tasks(), sessions()

    async def check():
        await aws._runner.cleanup()
        assert asyncio.all_tasks() - tasks <= {asyncio.current_task()}
        assert sessions() == before

    return check


async def test_a_polled_job_is_served(aws, clock):
    """A job in AWS shows up in /metrics."""
    async with running(aws, clock) as exporter:
        await ready(exporter)
        assert (await get(exporter, "/-/ready"))[0] == 200
        status, text = await get(exporter, "/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if line.startswith("aws_jobs{") and 'status="Submitted"' in line]
    reasons = {line.partition('reason="')[2].partition('"')[0]: line.rpartition(" ")[2] for line in lines}
    assert reasons == {"": "0.0", "queue": "1.0"}


async def test_a_polled_job_is_shown(aws, clock):
    """A job in AWS shows up on the pages and in the API, with the configuration in effect."""
    async with running(aws, clock) as exporter:
        await ready(exporter)
        content = json.loads((await get(exporter, "/api/v1/jobs"))[1])
        (job,) = content["data"]["jobs"]
        sources = json.loads((await get(exporter, "/api/v1/sources?kind=model_invocation_job"))[1])
        (source,) = sources["data"]["sources"]
        assert (job["status"], job["state"], content["data"]["total"]) == ("Submitted", "pending", 1)
        assert (source["health"], source["jobs"], source["last_poll_calls"]) == ("up", 1, source["calls"])
        assert source["calls"] == aws.requests["bedrock", "ListModelInvocationJobs"]
        assert job["name"] in (await get(exporter, "/jobs"))[1]
        assert aws.endpoint_url in (await get(exporter, "/config"))[1]
        assert ">1 of the" in (await get(exporter, "/kinds"))[1]


async def test_pages_show_the_reloaded_configuration(aws, clock):
    """It is the configuration in effect, not the one loaded at the start."""
    web = {"listen_address": ["127.0.0.1:0"]}
    before = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, web=web)
    after = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}, web=web)
    read = app.Configuration(after, CATALOG, REGION)
    async with app.running(before, CATALOG, REGION, credentials=KEYS, clock=clock, read=lambda: read) as exporter:
        await ready(exporter)
        assert ">1 of the" in (await get(exporter, "/kinds"))[1]
        assert await exporter.reload() == ()
        assert ">2 of the" in (await get(exporter, "/kinds"))[1]
        assert CUSTOMIZATION.key in (await get(exporter, "/config"))[1]


async def test_pages_show_sources_that_come_and_go(aws, clock):
    """They are listed anew as soon as one does, although not for every page."""
    settings = configured(
        aws.endpoint_url, {"cleanroomsml": {"kinds": [TRAINED.key]}}, web={"listen_address": ["127.0.0.1:0"]}
    )
    aws.world.add_scope("cleanroomsml", "membership", id="first")

    async def are_shown(*expected):
        await clock.turn(700)
        sources = json.loads((await get(exporter, f"/api/v1/sources?kind={TRAINED.key}"))[1])["data"]["sources"]
        return {source["scope"] for source in sources} == set(expected)

    async with app.running(settings, CATALOG, REGION, credentials=KEYS, clock=clock) as exporter:
        await ready(exporter)
        assert await are_shown("first")
        second = aws.world.add_scope("cleanroomsml", "membership", id="second")
        await eventually(lambda: are_shown("first", "second"))
        remove_scope(second)
        await eventually(lambda: are_shown("first"))


async def test_pages_can_be_left_out(aws, clock):
    """Names of jobs can be sensitive."""
    async with running(aws, clock, disable_pages=True) as exporter:
        await ready(exporter)
        statuses = {
            path: (await get(exporter, path))[0] for path in ("/", "/jobs", "/api/v1/jobs", "/metrics", "/-/ready")
        }
    assert statuses == {"/": 404, "/jobs": 404, "/api/v1/jobs": 404, "/metrics": 200, "/-/ready": 200}


async def test_a_scrape_sends_no_request_to_aws(aws, clock):
    """A scrape only costs serving bytes that are already there."""
    async with running(aws, clock) as exporter:
        await ready(exporter)
        requests = dict(aws.requests)
        for path in ("/metrics", "/", "/jobs", "/sources", "/api/v1/status", "/-/ready"):
            assert (await get(exporter, path))[0] == 200
        assert aws.requests == requests


async def test_nothing_is_left_when_the_block_ends(aws, clock, tidy):
    """No task, no client and no server survives it."""
    async with running(aws, clock) as exporter:
        await ready(exporter)
        assert sessions()
    await tidy()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(exporter, "/-/healthy")


async def test_a_poll_in_progress_is_canceled(aws, clock, tidy):
    """Stopping does not wait for AWS."""
    requested, over = asyncio.Event(), asyncio.Event()

    async def hang(call):
        if call.operation == "ListModelInvocationJobs":
            requested.set()
            await over.wait()

    aws.hooks.append(hang)
    async with asyncio.timeout(PATIENCE), running(aws, clock):
        await requested.wait()
    over.set()
    await tidy()


async def test_an_exception_in_the_block_closes_everything(aws, clock, tidy):
    """The exception still propagates."""
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with running(aws, clock) as exporter:
            await ready(exporter)
            raise ZeroDivisionError
    await tidy()


async def test_a_canceled_block_closes_everything(aws, clock, tidy):
    """A supervisor stops it this way."""
    entered = asyncio.Event()

    async def run():
        async with running(aws, clock):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await tidy()


async def test_an_address_in_use_raises_and_leaves_nothing_behind(aws, clock, tidy):
    """The error is raised before anything is polled."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        async with running(aws, clock, f"127.0.0.1:{taken.getsockname()[1]}"):
            pytest.fail("listened on an address in use")
    assert not aws.requests
    await tidy()


@pytest.mark.slow
async def test_many_clients_do_not_delay_the_polls(aws, clock):
    """Despite scrapers, silent connections and clients that never read, every poll is on time and health responds."""
    async with running(aws, clock) as exporter, AsyncExitStack() as stack:
        await ready(exporter)
        host, port = exporter.addresses[0]
        for request in [b""] * 100 + [b"GET /metr"] * 50 + [b"GET /metrics HTTP/1.1\r\n\r\n" * 1000] * 20:
            client = stack.enter_context(socket.create_connection((host, port)))
            client.sendall(request)
        for _ in range(5):
            polls = aws.requests["bedrock", "ListModelInvocationJobs"]
            scrapes = [asyncio.create_task(get(exporter, "/metrics")) for _ in range(200)]
            await clock.turn(120)
            await clock.until_asleep(lambda: len(list(exporter.poller.sources)))
            assert aws.requests["bedrock", "ListModelInvocationJobs"] == polls + 1
            assert (await get(exporter, "/-/healthy"))[0] == 200
            assert {status for status, _ in await asyncio.gather(*scrapes)} <= {200, 503}
