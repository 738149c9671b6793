"""Two exporters with the same configuration, as for high availability: each is right by itself, and costs no more."""

import random
import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.simulator import World
from tests.support.harness import (
    BEDROCK,
    CUSTOMIZATION,
    INFERENCE,
    NOW,
    HandClock,
    Running,
    configured,
    running,
    simulated,
)
from tests.support.processes import announced, scrape, started

pytestmark = pytest.mark.slow

SERVICES = {
    "bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]},
    "cleanroomsml": {"kinds": [INFERENCE.key]},
}
HOURS = 3


def eventful(world: World) -> None:
    """Have jobs start, fail and succeed for some hours, in a scope as well."""
    collaboration = world.add_scope("cleanroomsml", "collaboration")
    for minute in range(0, HOURS * 60, 7):
        created = NOW + 60 * minute
        for kind, scope in ((BEDROCK, None), (CUSTOMIZATION, None), (INFERENCE, collaboration)):
            states = {state.value: words[0] for state, words in kind.states.items() if words}
            last = states["failed"] if minute % 2 else states["succeeded"]
            path = [(0.0, states["running"]), (60.0 * (minute % 50), last)]
            world.add_job(kind, scope=scope, created=created, path=path, message="Rate exceeded")


def about_jobs(exporter: Running) -> set[str]:
    """Return the lines about jobs on /metrics."""
    return {line for line in exporter.read().lines if re.match(r"aws_jobs?_(?!exporter)|aws_jobs\{", line)}


async def watched(count: int) -> tuple[list[list[set[str]]], Counter[tuple[str, str]]]:
    """Run so many exporters side by side; return what each showed in the course of the hours, and all requests."""
    clock, clocks = HandClock(), [HandClock() for _ in range(count)]
    async with simulated(clock) as aws:
        eventful(aws.world)
        settings = configured(aws.endpoint_url, SERVICES)
        shown: list[list[set[str]]] = [[] for _ in clocks]
        async with AsyncExitStack() as stack:
            replicas = [await stack.enter_async_context(running(settings, each)) for each in clocks]
            for number, replica in enumerate(replicas):
                # Each polls at its own times.
                replica.poller._rng = random.Random(number)
            for _ in range(HOURS * 60):
                clock.now += 66
                for seen, replica in zip(shown, replicas, strict=True):
                    await replica.turn(66)
                    seen.append(about_jobs(replica))
        return shown, aws.requests


async def test_two_replicas_show_the_same_and_request_twice_as_much() -> None:
    """Whoever deduplicates by taking the maximum, or either of the two, gets what one alone would have shown."""
    (alone,), once = await watched(1)
    both, twice = await watched(2)
    assert both == [alone, alone]
    assert {operation: 2 * number for operation, number in once.items()} == twice
    finished = [line for line in alone[-1] if line.startswith("aws_jobs_finished_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in finished) > 50


@pytest.mark.usefixtures("aws_credentials")
async def test_two_replicas_need_two_directories(tmp_path: Path) -> None:
    """The second one ends, with a line that says why; the first one goes on."""
    clock = HandClock()
    async with simulated(clock) as aws:
        flags = (f"--aws.endpoint-url={aws.endpoint_url}", f"--storage.path={tmp_path / 'storage'}")
        async with started("serve", *flags) as first:
            address = await announced(first, first.stderr, r"Listening on.* address=(\S+)")
            async with started("serve", *flags) as second:
                _, said = await second.communicate()
            assert second.returncode == 2
            assert (
                said.decode().splitlines()[-1].endswith("used by another exporter; each needs a directory of its own")
            )
            await scrape(f"http://{address}/metrics")
