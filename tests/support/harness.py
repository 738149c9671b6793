"""The whole exporter between a simulated AWS and its exposition, on a clock that a test turns."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter import app
from exporter.aws import Credentials
from exporter.catalog import Catalog
from exporter.clock import Clock
from exporter.exposition import Exposition, Format
from exporter.poller import GroupReport, Poller
from exporter.settings import Settings, load
from exporter.simulator import World
from tests.support.patience import PATIENCE, UNHURRIED
from tests.support.simulated_aws import SimulatedAws

NOW = 1_790_000_000.0
"""When tests start, in seconds since 1970-01-01 UTC."""

ACCOUNT, REGION = "111122223333", "us-east-1"
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
CATALOG = Catalog()
BEDROCK = CATALOG["bedrock"].kinds["model_invocation_job"]
CUSTOMIZATION = CATALOG["bedrock"].kinds["model_customization_job"]
INFERENCE = CATALOG["cleanroomsml"].kinds["collaboration_trained_model_inference_job"]
TRAINED = CATALOG["cleanroomsml"].kinds["trained_model_version"]
LOOKOUT = CATALOG["lookoutequipment"].kinds["inference_execution"]


@dataclass
class HandClock(Clock):
    """A clock that stands still until a test advances it; a sleeper wakes once it passes the end of the sleep."""

    now: float = NOW
    wrong: float = 0.0
    """How many seconds the machine's wall clock is ahead: AWS's clock and the monotonic one are always right."""
    _sleepers: dict[asyncio.Future[None], float] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def time(self) -> float:
        """Return the time of the wall clock."""
        return self.now + self.wrong

    def monotonic(self) -> float:
        """Return how far the clock has advanced."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has advanced this far."""
        waker = asyncio.get_running_loop().create_future()
        self._sleepers[waker] = self.now + seconds
        self._note()
        try:
            await waker
        finally:
            self._sleepers.pop(waker, None)
            # A source that is stopped no longer sleeps, which may be what a test waits for.
            self._note()

    def _note(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def turn(self, seconds: float) -> None:
        """Advance the clock and wake the sleepers that are due."""
        self.now += seconds
        for waker, until in list(self._sleepers.items()):
            if until <= self.now and not waker.done():
                waker.set_result(None)
                del self._sleepers[waker]

    @property
    def due(self) -> float:
        """When the next sleeper wakes; the end of time if nobody sleeps."""
        return min(self._sleepers.values(), default=math.inf)

    async def until_asleep(self, count: Callable[[], int]) -> None:
        """Wait until as many tasks sleep as `count` returns."""
        async with asyncio.timeout(PATIENCE):
            while not 0 < len(self._sleepers) == count():
                await self._changed.wait()


# Most lines are read many times over: they stay the same from poll to poll.
@lru_cache(20_000)
def _sample(line: str) -> Sample:
    """Return the sample of a line."""
    (family,) = text_string_to_metric_families(f"{line}\n")
    (sample,) = family.samples
    return sample


@dataclass(frozen=True)
class Reading:
    """What /metrics shows at one moment."""

    lines: list[str]

    def samples(self, name: str, *requested: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a metric that carry `labels`, by the values of their `requested` labels.

        Of several with the same values, the last one stands; counts of jobs add up, since a status has several states.
        """
        samples = [_sample(line) for line in self.lines if line.startswith((f"{name}{{", f"{name} "))]
        found: dict[tuple[str, ...], float] = {}
        for sample in samples:
            if labels.items() <= sample.labels.items():
                values = tuple(sample.labels[label] for label in requested)
                found[values] = sample.value + (found.get(values, 0.0) if name == "aws_jobs" else 0.0)
        return found

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the samples of a metric that carry `labels`, by the value of one other label."""
        return {values[0]: value for values, value in self.samples(name, label, **labels).items()}

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sample with these labels, or None if it does not exist."""
        found = self.samples(name, **labels)
        return next(iter(found.values()), None)

    def failures(self, *requested: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Return how many jobs failed, by the values of some labels and by the reason, where one is known."""
        found = self.samples("aws_jobs", *requested, "reason", **{"state": "failed", **labels})
        return {values: count for values, count in found.items() if values[-1]}

    def reasons(self, **labels: str) -> dict[str, float]:
        """Return how many jobs failed by the reason, where one is known."""
        return {values[-1]: count for values, count in self.failures(**labels).items()}

    def up(self, **labels: str) -> float | None:
        """Return whether a source is up."""
        return self.value("aws_job_exporter_source_up", **labels)

    def why(self, **labels: str) -> str | None:
        """Return the reason why a source is down."""
        return next(iter(self.by("reason", "aws_job_exporter_source_failure_info", **labels)), None)


@dataclass
class Running:
    """An exporter that polls when the clock advances."""

    poller: Poller
    exposition: Exposition
    clock: HandClock
    group_report: GroupReport | None = None

    async def settle(self, *, hanging: int = 0) -> None:
        """Wait until every source has polled and waits for its next poll, except for this many that hang."""
        await self.clock.until_asleep(lambda: len(self.poller._tasks) - hanging)
        if self.group_report:
            await self.group_report.publish()

    async def turn(self, seconds: float) -> None:
        """Advance the clock and wait for the polls that are due."""
        await self.clock.turn(seconds)
        await self.settle()

    async def elapse(self, seconds: float) -> None:
        """Let time pass, with each poll at the very moment at which it is due."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            await self.turn(max(0.0, min(self.clock.due, end) - self.clock.now))

    def read(self) -> Reading:
        """Return what is on /metrics now."""
        # Not splitlines(): a label's value may contain other line separators.
        return Reading(self.exposition.render(Format.TEXT).decode().split("\n"))

    def samples(self, name: str, *requested: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Read the samples of a metric that carry `labels`, by the values of their `requested` labels."""
        return self.read().samples(name, *requested, **labels)

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Read the samples of a metric that carry `labels`, by the value of one other label."""
        return self.read().by(label, name, **labels)

    def value(self, name: str, **labels: str) -> float | None:
        """Read the sample with these labels, or None if it does not exist."""
        return self.read().value(name, **labels)

    def failures(self, *requested: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Read how many jobs failed, by the values of some labels and by the reason, where one is known."""
        return self.read().failures(*requested, **labels)

    def reasons(self, **labels: str) -> dict[str, float]:
        """Read how many jobs failed by the reason, where one is known."""
        return self.read().reasons(**labels)

    def up(self, **labels: str) -> float | None:
        """Read whether a source is up."""
        return self.read().up(**labels)

    def why(self, **labels: str) -> str | None:
        """Read the reason for which a source is down."""
        return self.read().why(**labels)


def configured(endpoint_url: str, services: Mapping[str, Any] | None = None, **sections: Any) -> Settings:
    """Return settings for a simulated AWS."""
    # No request may wait for the rate limit: it would sleep on the same clock as a source between its polls.
    unlimited = {"endpoint_url": endpoint_url, "max_attempts": 1, "requests_per_second": 1e12}
    aws = {**UNHURRIED["aws"], **unlimited, **sections.pop("aws", {})}
    poll = {**UNHURRIED["poll"], **sections.pop("poll", {})}
    # Most tests ask for counters that are 0, and for more than operators do.
    metrics = {"zero_fill": "all", "exporter_details": True, **sections.pop("metrics", {})}
    return load(
        CATALOG, defaults={"aws": aws, "poll": poll, "metrics": metrics, "services": services or {}, **sections}
    )


@asynccontextmanager
async def running(
    settings: Settings,
    clock: HandClock,
    *,
    catalog: Catalog = CATALOG,
    credentials: Credentials | None = KEYS,
    settled: bool = True,
) -> AsyncIterator[Running]:
    """Yield an exporter after its first polls, or at once; without `credentials` it finds some as usual."""
    async with app.assembled(settings, catalog, REGION, credentials=credentials, clock=clock) as parts:
        parts.poller._rng = random.Random(1)
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(parts.poller.run([*parts.queues, *parts.roots]))
            exporter = Running(parts.poller, parts.exposition, clock, parts.group_report)
            if settled:
                await exporter.settle()
            try:
                yield exporter
            finally:
                polling.cancel()


@asynccontextmanager
async def simulated(clock: HandClock, *, catalog: Catalog = CATALOG, **options: Any) -> AsyncIterator[SimulatedAws]:
    """Yield an empty simulated AWS on the test's clock."""
    async with SimulatedAws(
        World(catalog, account=ACCOUNT, region=REGION), clock=lambda: clock.now, **options
    ) as simulator:
        yield simulator
