"""Wall clocks jump, are corrected and change to winter time; the exported numbers are unaffected."""

import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

import exporter as package
from exporter.clock import Clock
from exporter.jobs import State
from exporter.simulator import AwsError
from tests.support.harness import BEDROCK, CATALOG, CUSTOMIZATION, NOW, HandClock, configured, running, simulated

pytestmark = pytest.mark.slow

HOUR, DAY = 3600.0, 86_400.0
PACKAGE = Path(package.__file__).parent
JUMPS = pytest.mark.parametrize("jump", [DAY, -HOUR, 5.0, -5.0, -400 * DAY, 30 * DAY])
INTERVAL = 66.0
BATCH = CATALOG["batch"].kinds["job"]


@asynccontextmanager
async def history(clock):
    """Yield an AWS with jobs that finish all the time, and settings to read it."""
    async with simulated(clock) as aws:
        for n in range(-200, 60):
            path = [(0, "Submitted"), (60, "InProgress"), (25 * 60, "Failed" if n % 3 else "Completed")]
            aws.world.add_job(BEDROCK, created=NOW + n * HOUR + 100, path=path, message="Rate exceeded")
        yield aws, configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, poll={"resync": "10h"})


def counts(exporter):
    """Return the counts and the counters."""
    names = {"aws_jobs": "status"}
    totals = {"aws_jobs_finished_total": "state", "aws_jobs_failed_total": "reason"}
    counted = {name: exporter.by(label, name) for name, label in {**names, **totals}.items()}
    return {**counted, "reasons": exporter.reasons()}


@asynccontextmanager
async def side_by_side(clock):
    """Yield an exporter on a clock and one on a clock that is always right, each with the same jobs, and that clock."""
    steady = HandClock()
    async with (
        history(clock) as (_, ours),
        history(steady) as (_, theirs),
        running(ours, clock) as exporter,
        running(theirs, steady) as reference,
    ):
        yield exporter, reference, steady


@JUMPS
async def test_a_wall_clock_that_jumps_and_jumps_back_changes_nothing(jump):
    """No job is counted twice or lost from a count, and polls keep their pace."""
    jumping = HandClock()
    async with side_by_side(jumping) as (exporter, reference, _):
        for wrong in (0.0, jump, jump, 0.0, 0.0):
            jumping.wrong = wrong
            for _ in range(10):
                await exporter.turn(INTERVAL)
                await reference.turn(INTERVAL)
                assert exporter.up(kind=BEDROCK.key) == 1
        assert counts(exporter) == counts(reference)
        for _ in range(3):
            await exporter.turn(12 * HOUR)
            await reference.turn(12 * HOUR)
        assert counts(exporter) == counts(reference)
        total = "aws_job_exporter_poll_duration_seconds_count"
        assert exporter.value(total, kind=BEDROCK.key) == reference.value(total, kind=BEDROCK.key)


@JUMPS
async def test_numbers_become_stale_with_elapsed_time(jump):
    """A forward jump does not drop good numbers, and a backward one does not keep stale ones."""
    clock = HandClock()

    async def fail(_call):
        raise AwsError("InternalServerException", "not now", 500)

    async with history(clock) as (aws, settings), running(settings, clock) as exporter:
        clock.wrong = jump
        await exporter.turn(INTERVAL)
        aws.hooks.append(fail)
        clock.wrong = 0.0
        await exporter.turn(INTERVAL)
        assert exporter.samples("aws_jobs") != {}
        await exporter.turn(300.0 - INTERVAL - 1)
        assert exporter.samples("aws_jobs") != {}
        await exporter.turn(2)
        assert exporter.samples("aws_jobs") == {}


async def test_a_clock_that_was_wrong_at_the_start_can_be_corrected():
    """A finish after the correction is new, though the first listing has a later timestamp."""
    clock = HandClock(wrong=DAY)
    async with history(clock) as (_, settings), running(settings, clock) as exporter:
        clock.wrong = 0.0
        await exporter.turn(INTERVAL)
        for _ in range(3):
            await exporter.turn(2 * HOUR)
        finished = sum(exporter.by("state", "aws_jobs_finished_total").values())
        assert finished == 6


@pytest.mark.parametrize("kind", [BEDROCK, CUSTOMIZATION, BATCH], ids=lambda kind: kind.key)
@pytest.mark.parametrize(("wrong", "known"), [(200.0, 60), (-200.0, 60), (890.0, 60), (-890.0, 60), (890.0, 0)])
async def test_short_jobs_count_once_by_whatever_clock(kind, wrong, known):
    """Jobs that come and go between two polls, from the exporter's start on, where AWS's clock is behind or ahead."""
    clock = HandClock(wrong=wrong)
    ends = next(words[0] for state, words in kind.states.items() if state is State.FAILED)
    async with simulated(clock) as aws:
        scope = None
        for name, _ in kind.scopes:
            scope = aws.world.add_scope(kind.service, name, within=scope)
        for n in range(-known, 60):
            path = [(0, next(iter(kind.state_of))), (4, ends)]
            aws.world.add_job(kind, scope=scope, created=NOW + n * INTERVAL + 20, path=path, message="Rate exceeded")
        settings = configured(aws.endpoint_url, {kind.service: {"kinds": [kind.key]}}, poll={"resync": "20m"})
        async with running(settings, clock) as exporter:
            for polls in range(1, 41):
                await exporter.turn(INTERVAL)
                assert exporter.value("aws_jobs_finished_total", state="failed", kind=kind.key) == polls
                assert exporter.value("aws_jobs", status=ends, kind=kind.key) == known + polls


@pytest.mark.parametrize("jump", [600.0, -600.0])
async def test_short_jobs_count_once_while_the_clock_is_set(jump):
    """The exporter's clock is right at first, then it is set, then it is corrected."""
    clock = HandClock()
    async with simulated(clock) as aws:
        for n in range(60):
            path = [(0, "Submitted"), (4, "Failed")]
            aws.world.add_job(BEDROCK, created=NOW + n * INTERVAL + 20, path=path, message="Rate exceeded")
        async with running(configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}), clock) as exporter:
            for polls in range(1, 31):
                clock.wrong = jump if 5 <= polls < 20 else 0.0
                await exporter.turn(INTERVAL)
                assert exporter.value("aws_jobs_finished_total", state="failed") == polls


class SleepingClock(HandClock):
    """The clock of a machine that can sleep: its timers stand still meanwhile, and time goes on."""

    slept = 0.0

    def monotonic(self) -> float:
        """Return for how long the machine was awake."""
        return self.now - self.slept

    def sleep_for(self, seconds: float) -> None:
        """Have the machine sleep."""
        self.now += seconds
        self.slept += seconds
        self._sleepers = {waker: until + seconds for waker, until in self._sleepers.items()}


async def test_a_machine_that_sleeps_for_hours_counts_what_ended_meanwhile_once():
    """A laptop that is closed, or a virtual machine that is moved: the next polls come when they would have come."""
    sleeping = SleepingClock()
    async with side_by_side(sleeping) as (exporter, reference, steady):
        for hours in (3, 0, 30):
            sleeping.sleep_for(hours * HOUR)
            await steady.turn(hours * HOUR)
            for _ in range(5):
                await exporter.turn(INTERVAL)
                await reference.turn(INTERVAL)
        assert counts(exporter) == counts(reference)
        assert exporter.up(kind=BEDROCK.key) == 1


@pytest.mark.parametrize("change", ["2026-10-25T00:30", "2026-03-29T00:30"])
async def test_daylight_saving_time_changes_nothing(change, monkeypatch):
    """An hour that comes twice or not at all: AWS and the exporter count in UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        start = datetime.fromisoformat(change).replace(tzinfo=UTC).timestamp()
        clock = HandClock(start)
        async with simulated(clock) as aws:
            path = [(0, "Submitted"), (60, "InProgress"), (2 * HOUR, "Completed")]
            aws.world.add_job(BEDROCK, created=start - HOUR, path=path)
            services = {"bedrock": {"kinds": [BEDROCK.key]}}
            async with running(configured(aws.endpoint_url, services), clock) as exporter:
                oldest = exporter.value("aws_job_oldest_active_timestamp_seconds", status="InProgress")
                assert oldest == start - HOUR
                for _ in range(60):
                    await exporter.turn(INTERVAL)
                assert exporter.value("aws_job_last_duration_seconds", state="succeeded") == 2 * HOUR
                assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == start + HOUR
                assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
                assert exporter.value("aws_jobs", status="Completed") == 1
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_systems_clock_is_two_clocks():
    """One of them can be set, the other cannot."""
    clock = Clock()
    for shown, of_the_system in ((clock.time, time.time), (clock.monotonic, time.monotonic)):
        assert of_the_system() <= shown() <= of_the_system()


def test_only_the_clock_reads_the_system_time():
    """A clock passed as an argument can be turned; the simulated AWS, the demo and the log have separate time."""
    system_time = re.compile(r"\btime\.time\b|\bdatetime\.now\b|\butcnow\b|\b(local|gm)time\b|\btime_ns\b")
    readers = {file for file in PACKAGE.rglob("*.py") if system_time.search(file.read_text())}
    assert {file.relative_to(PACKAGE).parts[0] for file in readers} == {"clock.py", "simulator", "cli", "telemetry"}
