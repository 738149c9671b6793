"""Turns on the event loop: what is ready at once is not done at once."""

import asyncio
from itertools import pairwise
from operator import itemgetter

import pytest

from exporter.turns import Turnstile, first_in_turns, slices


def crowd():
    """Return ten tasks that want to pass at the same moment, and the list of those that have passed."""
    turnstile, passed = Turnstile(), []

    async def task(number):
        await turnstile.passed()
        passed.append(number)

    return [asyncio.create_task(task(number)) for number in range(10)], passed


async def test_whoever_else_waits_gets_a_turn_after_each_task():
    """A health check must not wait for everything that came with it."""
    tasks, passed = crowd()
    seen = []
    while len(passed) < len(tasks):
        await asyncio.sleep(0)
        seen.append(len(passed))
    assert passed == [*range(10)]
    assert all(after - before <= 1 for before, after in pairwise(seen))


async def test_a_task_that_gave_up_keeps_nobody_waiting():
    """A poll may reach its time limit here as anywhere else."""
    tasks, passed = crowd()
    await asyncio.sleep(0)
    for number in (0, 3, 9):
        tasks[number].cancel()
    await asyncio.wait(tasks)
    assert passed == [1, 2, 4, 5, 6, 7, 8]


async def test_it_serves_again_after_all_have_passed():
    """The last one of a crowd stops the turning."""
    turnstile = Turnstile()
    for _ in range(2):
        await asyncio.gather(turnstile.passed(), turnstile.passed())


@pytest.mark.parametrize("size", [0, 1, 499, 500, 501, 1700])
async def test_the_first_are_those_of_all(size):
    """However many slices they are sorted in; equal ones keep their order."""
    items = [(number * 7919 % 1000 // 10, number) for number in range(size)]
    for count in (0, 1, 600, 2000):
        assert await first_in_turns(items, count, itemgetter(0)) == sorted(items, key=itemgetter(0))[:count]


def test_slices_have_each_item_once():
    """In their order, and no slice is long."""
    parts = list(slices(range(1234)))
    assert [number for part in parts for number in part] == list(range(1234))
    assert max(map(len, parts)) <= 500
