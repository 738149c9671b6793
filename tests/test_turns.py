"""Turns on the event loop: what is ready at once is not done at once."""

import asyncio
from itertools import pairwise

from exporter.turns import Turnstile


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
