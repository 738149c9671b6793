"""The messages of a queue: how long a request for them may take, and what keeps none of them from being deleted."""

import json

import pytest

from exporter.aws import Clients, Limiters, Messages, Place, PollError, PollRun, catalog_loader
from exporter.settings import Account, Rates
from exporter.telemetry import PollErrorReason, Telemetry
from tests.support.faults import Fault
from tests.support.harness import CATALOG, KEYS, REGION, HandClock, configured

URL = f"https://sqs.{REGION}.amazonaws.com/111122223333/hints"
PLACE = Place(Account(), REGION)


@pytest.fixture
async def clients(aws):
    """Yield clients that wait a second for an answer, of one connection each."""
    limits = {"connect_timeout": "1s", "read_timeout": "1s"}
    settings = configured(aws.endpoint_url, aws=limits, poll={"concurrency": 1})
    telemetry = Telemetry()
    limiters = Limiters(Rates(settings, CATALOG), telemetry, HandClock())
    async with Clients(settings, telemetry, limiters, catalog_loader(CATALOG), KEYS) as made:
        yield made


@pytest.fixture
def messages(aws, clients):
    """Return the messages of an empty queue."""
    aws.queues.create(URL)
    return Messages(clients, PLACE, URL)


async def test_messages_are_received_and_deleted(aws, messages):
    """Ten at a time, each once."""
    aws.queues.send(URL, *map(str, range(12)))
    poll = PollRun()
    first = await messages.receive(poll)
    assert [message.body for message in first] == [str(number) for number in range(10)]
    await messages.delete(poll, first)
    assert [message.body for message in await messages.receive(poll)] == ["10", "11"]
    assert aws.queues.left(URL) == 2
    assert poll.requests == {("sqs", "ReceiveMessage"): 2, ("sqs", "DeleteMessageBatch"): 1}


async def test_waiting_for_messages_is_no_timeout(aws, clients, messages):
    """Also where all services have one address, and another one's connections came first."""
    await clients.account_id(PollRun(), PLACE)
    aws.faults.add(Fault.latency(1.5), operation="ReceiveMessage")
    assert await messages.receive(PollRun()) == []


async def test_other_requests_keep_their_time_limit(aws, clients, messages):
    """And the connections of the queue are no way around it."""
    await messages.receive(PollRun())
    aws.faults.add(Fault.latency(1.5), operation="GetCallerIdentity")
    with pytest.raises(Exception, match="Read timeout"):
        await clients.account_id(PollRun(), PLACE)


async def test_a_queue_has_no_rate(aws, clients, messages):
    """It is read as fast as it fills: no job shares a quota with it."""
    aws.queues.send(URL, *["{}"] * 1000)
    poll = PollRun()
    while found := await messages.receive(poll):
        await messages.delete(poll, found)
    assert aws.queues.left(URL) == 0
    assert clients.limiters._limiters == {}


async def test_a_message_that_is_kept_is_an_error(aws, messages):
    """In the words of SQS."""
    aws.queues.send(URL, "{}")
    poll = PollRun()
    found = await messages.receive(poll)
    await messages.delete(poll, found)
    with pytest.raises(PollError, match=r"left 1 of 1 messages: .*ReceiptHandleIsInvalid") as raised:
        await messages.delete(poll, found)
    assert raised.value.reason is PollErrorReason.INVALID_REQUEST


async def test_a_message_of_nothing_but_commas_is_received(aws, messages):
    """What would be too costly to read in a list of jobs is a text here, and must not keep others from being read."""
    body = json.dumps(",[{" * 300_000)
    aws.queues.send(URL, body, "next")
    assert [message.body for message in await messages.receive(PollRun())] == [body, "next"]


async def test_trying_a_queue_takes_nothing(aws, messages):
    """The next one who asks is given all of it."""
    aws.queues.send(URL, "{}")
    await messages.probe(PollRun())
    assert len(await messages.receive(PollRun())) == 1
