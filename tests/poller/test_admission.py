"""Who polls when: few at once, and nobody because of others that wait for their rate."""

import asyncio
import math

import pytest

from exporter.jobs import SourceKey
from exporter.poller.admission import Admission
from tests.support.patience import PATIENCE


def key(service="bedrock", kind="job", account="1", scope=""):
    """Return the key of a source."""
    return SourceKey(account, "us-east-1", service, kind, scope)


class Crowd:
    """Polls that last until they are told to end, or to wait for their rate."""

    def __init__(self, slots, of_a_service, under_way):
        self.slots, self.admission = slots, Admission(slots, lambda _: of_a_service, under_way)
        self.began = []
        self.tasks = {}
        self.steps = {}

    def start(self, name, source=None, **options):
        """Start a poll."""
        self.steps[name] = asyncio.Queue()
        self.tasks[name] = asyncio.create_task(self._poll(name, source or key(scope=name), options))

    async def _poll(self, name, source, options):
        async with self.admission.poll(source, **options):
            self.began.append(name)
            while (step := await self.steps[name].get()) != "end":
                async with self.admission.released():
                    await step.wait()
                self.began.append(f"{name} again")

    def tell(self, name, step="end"):
        """Tell a poll to end, or to wait for an event."""
        self.steps[name].put_nowait(step)

    async def settle(self):
        """Let every task go on as far as it can."""
        for _ in range(20):
            await asyncio.sleep(0)
        return self.began


@pytest.fixture
async def crowd():
    """Return a function that makes a crowd; all end afterward."""
    crowds = []

    def make(slots, of_a_service=100, under_way=math.inf):
        crowds.append(Crowd(slots, of_a_service, under_way))
        return crowds[-1]

    async with asyncio.timeout(PATIENCE):
        yield make
        for each in crowds:
            for task in each.tasks.values():
                task.cancel()
            await asyncio.gather(*each.tasks.values(), return_exceptions=True)
            # Nothing of a service stays when nobody polls it.
            assert (each.admission._free, each.admission._lanes) == (each.slots, {})


async def test_no_more_polls_run_than_there_are_slots(crowd):
    """The next begins when one ends."""
    polls = crowd(2)
    for name in "abc":
        polls.start(name)
    assert await polls.settle() == ["a", "b"]
    polls.tell("a")
    assert await polls.settle() == ["a", "b", "c"]


async def test_who_waits_for_a_rate_leaves_the_slot_and_comes_back_first(crowd):
    """Ten slow regions of one service must not keep another service from its first poll."""
    polls, rate = crowd(1), asyncio.Event()
    for name in "abc":
        polls.start(name)
    assert await polls.settle() == ["a"]
    polls.tell("a", rate)
    assert await polls.settle() == ["a", "b"]
    rate.set()
    assert await polls.settle() == ["a", "b"]
    polls.tell("b")
    assert await polls.settle() == ["a", "b", "a again"]
    polls.tell("a")
    assert await polls.settle() == ["a", "b", "a again", "c"]


async def test_few_of_one_service_are_under_way(crowd):
    """They share its rate: more would only wait, each with half a list in memory."""
    polls = crowd(10, of_a_service=2)
    for name in "abc":
        polls.start(name)
    polls.start("other", key("glue"))
    assert await polls.settle() == ["a", "b", "other"]
    polls.tell("b", asyncio.Event())
    assert await polls.settle() == ["a", "b", "other"]
    polls.tell("a")
    assert await polls.settle() == ["a", "b", "other", "c"]


async def test_a_service_has_no_more_polls_for_those_that_are_known(crowd):
    """Its first polls and the others together leave half of the slots to other services, whatever it does."""
    polls = crowd(2, of_a_service=1)
    polls.start("new")
    polls.start("again", is_known=True)
    polls.start("other", key("glue"))
    assert await polls.settle() == ["new", "other"]
    polls.tell("new")
    assert await polls.settle() == ["new", "other", "again"]


async def test_nothing_stays_of_who_gave_up_waiting(crowd):
    """An account may leave while thousands of its sources wait."""
    polls = crowd(1)
    polls.start("a")
    polls.start("b", key("glue"))
    await polls.settle()
    await cancelled(polls.tasks["b"])
    polls.tell("a")
    await polls.settle()
    assert polls.admission._lanes == {}


async def test_accounts_services_and_kinds_take_turns(crowd):
    """Six hundred pipelines of one account do not come before another account, service or kind."""
    polls = crowd(1)
    polls.start("first")
    for number in range(3):
        polls.start(f"pipeline {number}", key("sagemaker", "pipeline", scope=str(number)))
    polls.start("training", key("sagemaker", "training"))
    polls.start("glue", key("glue"))
    polls.start("elsewhere", key("sagemaker", "pipeline", account="2"))
    order = await polls.settle()
    for name in ("first", "pipeline 0", "glue", "elsewhere", "training", "pipeline 1"):
        assert order[-1] == name
        polls.tell(name)
        order = await polls.settle()
    assert order[-1] == "pipeline 2"


async def test_what_was_never_polled_comes_first(crowd):
    """In an organization, the first sources are due again long before the last ones were read."""
    polls = crowd(1)
    polls.start("first")
    polls.start("again", is_known=True)
    await polls.settle()
    polls.start("new", key("glue"))
    polls.tell("first")
    assert await polls.settle() == ["first", "new"]
    polls.tell("new")
    assert await polls.settle() == ["first", "new", "again"]


async def test_not_everybody_may_wait_at_once(crowd):
    """Each poll that waits may have half a list in memory: there are eight for each slot at most."""
    polls = crowd(2)
    for number in range(40):
        polls.start(str(number), key("glue", account=str(number)))
        polls.tell(str(number), asyncio.Event())
    assert len(await polls.settle()) == 16


async def test_a_limit_on_requests_is_one_on_the_polls_under_way(crowd):
    """A poll that has not begun keeps no half list, and its source's numbers."""
    polls = crowd(2, under_way=3.9)
    for number in range(40):
        polls.start(str(number), key("glue", account=str(number)))
        polls.tell(str(number), asyncio.Event())
    assert len(await polls.settle()) == 3


@pytest.mark.parametrize("when", ["waiting", "running", "released", "returning"])
async def test_a_poll_that_is_cancelled_takes_no_slot_along(crowd, when):
    """Wherever it was just then: whoever comes next is admitted, and never two for one slot."""
    polls, rate = crowd(1), asyncio.Event()
    polls.start("a")
    await polls.settle()
    if when == "waiting":
        polls.start("b")
        await polls.settle()
        await cancelled(polls.tasks["b"])
        polls.tell("a")
    elif when == "running":
        await cancelled(polls.tasks["a"])
    else:
        polls.tell("a", rate)
        await polls.settle()
        if when == "returning":
            polls.start("holder")
            await polls.settle()
            rate.set()
            await polls.settle()
        await cancelled(polls.tasks["a"])
        if when == "returning":
            polls.tell("holder")
    for name in "xyz":
        polls.start(name)
    await polls.settle()
    assert [name for name in polls.began if name in "xyz"] == ["x"]


async def cancelled(task):
    """Cancel a task."""
    task.cancel()
    await asyncio.wait([task])
