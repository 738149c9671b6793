"""A fault strikes where, when and as often as its rule says, and affects nothing else."""

import asyncio
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from exporter.simulator import World
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, CATALOG, LOOKOUT
from tests.support.patience import PATIENCE
from tests.support.simulated_aws import SimulatedAws

NOW = 1_800_000_000.0
DENIED = Fault.access_denied()
JOBS, SCHEDULERS = ("bedrock", BEDROCK.operation), ("lookoutequipment", "ListInferenceSchedulers")


@pytest.fixture
async def aws(clock):
    """Return an AWS with five jobs on three pages and two schedulers."""
    world = World(CATALOG)
    for number in range(5):
        world.add_job(BEDROCK, created=NOW - 100 - number, path=[(0, "InProgress")])
    for name in ("pump-1", "pump-2"):
        world.add_scope("lookoutequipment", "inference_scheduler", id=name)
    async with SimulatedAws(world, clock=clock, page_size=2) as simulator:
        yield simulator


@pytest.fixture
def outcome(aws, connect, call):
    """Return a function that calls an operation and returns the code of its error, or `ok` on success."""

    async def outcome(service: str, operation: str, **arguments: Any) -> str:
        try:
            await call(connect(aws, service), operation, **arguments)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "ok"

    return outcome


@pytest.fixture
def pages(aws, connect, call):
    """Return a function that reports the outcome of each page of the jobs; a page that fails ends the list."""

    async def pages() -> list[str]:
        client, found, arguments = connect(aws, "bedrock"), list[str](), dict[str, str]()
        while True:
            try:
                page = await call(client, BEDROCK.operation, **arguments)
            except ClientError as error:
                return [*found, error.response["Error"]["Code"]]
            found.append("ok")
            if "nextToken" not in page:
                return found
            arguments = {"nextToken": page["nextToken"]}

    return pages


async def test_a_fault_without_conditions_strikes_everything(aws, outcome):
    """It strikes until it is removed."""
    rule = aws.faults.add(DENIED)
    assert [await outcome(*JOBS), await outcome(*SCHEDULERS)] == ["AccessDeniedException"] * 2
    assert rule.struck == 2
    aws.faults.remove(rule)
    assert await outcome(*JOBS) == "ok"


async def test_a_fault_strikes_one_service_one_operation_one_scope(aws, outcome):
    """Every given condition must hold."""
    aws.faults.add(DENIED, service="lookoutequipment", operation=LOOKOUT.operation, scope="pump-1")
    listed = [
        await outcome("lookoutequipment", LOOKOUT.operation, InferenceSchedulerName=name)
        for name in ("pump-1", "pump-2")
    ]
    assert listed == ["AccessDeniedException", "ok"]
    assert [await outcome(*JOBS), await outcome(*SCHEDULERS)] == ["ok", "ok"]


async def test_a_fault_strikes_one_account(aws, outcome):
    """The account is the caller's."""
    aws.faults.add(DENIED, account="999999999999")
    assert await outcome(*JOBS) == "ok"
    aws.faults.add(DENIED, account=aws.world.account)
    assert await outcome(*JOBS) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (None, ["AccessDeniedException"]),
        (1, ["AccessDeniedException"]),
        (2, ["ok", "AccessDeniedException"]),
        (3, ["ok", "ok", "AccessDeniedException"]),
        (4, ["ok", "ok", "ok"]),
        ("later", ["ok", "AccessDeniedException"]),
    ],
)
async def test_a_fault_strikes_a_page(aws, pages, page, expected):
    """The first, the nth, or any with a token; a list that is restarted counts from the first page again."""
    aws.faults.add(DENIED, operation=BEDROCK.operation, page=page)
    assert await pages() == expected
    assert await pages() == expected


async def test_a_fault_strikes_for_a_time(aws, outcome, clock):
    """It strikes from `after` on and before `until`, on the simulator's clock."""
    aws.faults.add(DENIED, after=NOW + 10, until=NOW + 20)
    found = []
    for _ in range(3):
        found.append(await outcome(*JOBS))
        clock.now += 10
    assert found == ["ok", "AccessDeniedException", "ok"]


async def test_a_fault_strikes_a_limited_number_of_times(aws, outcome):
    """It strikes `times` times, then never again."""
    aws.faults.add(DENIED, times=2)
    assert [await outcome(*JOBS) for _ in range(3)] == ["AccessDeniedException", "AccessDeniedException", "ok"]


async def test_the_fault_that_was_added_last_strikes_first(aws, outcome):
    """A fault that only delays lets the others strike as well."""
    waited = []

    async def note(seconds):
        waited.append(seconds)

    aws.faults.add(DENIED)
    aws.faults.add(Fault.not_found())
    aws.faults.add(Fault.latency(7, sleep=note))
    assert await outcome(*JOBS) == "ResourceNotFoundException"
    assert waited == [7]
    aws.faults.clear()
    assert await outcome(*JOBS) == "ok"


async def test_a_client_that_hangs_up_ends_the_wait(aws):
    """A request that never gets a response ends with its connection."""
    reached, left = asyncio.Event(), asyncio.Event()

    async def wait(_):
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    aws.faults.add(Fault.latency(0, sleep=wait))
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20270115/us-east-1/bedrock/aws4_request, ..."}
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        task = group.create_task(session.get(f"{aws.endpoint_url}/model-invocation-jobs", headers=headers))
        await reached.wait()
        assert aws.connections == 1
        task.cancel()
        await left.wait()
