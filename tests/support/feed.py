"""Jobs that are created all the time, for exporters that are killed meanwhile."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.simulator import World
from tests.support.harness import BEDROCK
from tests.support.stack import BEAT


class Feed:
    """Jobs that are created all the time, and fail or succeed a moment later."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.failing = self.jobs = 0
        self._rng = random.Random(1)

    async def run(self) -> None:
        """Create jobs until cancelled."""
        while True:
            is_failing = self._rng.random() < 0.3
            self.failing += is_failing
            self.jobs += 1
            path = [(0, "InProgress"), (self._rng.uniform(0, 3 * BEAT), "Failed" if is_failing else "Completed")]
            self.world.add_job(BEDROCK, created=time.time(), path=path)
            await asyncio.sleep(self._rng.uniform(0, 0.1))


@asynccontextmanager
async def feeding(world: World) -> AsyncIterator[Feed]:
    """Create jobs in the background."""
    feed = Feed(world)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
