"""Scopes that end: what ran in them counts for the lookback, as anything else."""

import json
import sqlite3
from contextlib import asynccontextmanager, closing

import pytest

from exporter.store.directory import FILE
from tests.support.faults import Fault
from tests.support.harness import CATALOG, NOW, HandClock, configured, running, simulated

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
STEP, CLUSTER = (CATALOG["emr"].kinds[key] for key in ("step", "job_flow"))


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, aws, **sections):
    """Yield an exporter that reads the steps of every cluster, and the clusters."""
    services = {"emr": {"kinds": [STEP.key, CLUSTER.key]}}
    poll = {"interval": "1m", "discovery_interval": "10m", **sections.pop("poll", {})}
    async with running(configured(aws.endpoint_url, services, poll=poll, **sections), clock) as exporter:
        yield exporter


def add_cluster(aws, created, lives, *, step_fails_after):
    """Add a cluster with a step that fails, and return its id; it ends when it has lived so long."""
    path = [(0, "STARTING"), (30, "RUNNING"), (lives, "TERMINATED")]
    cluster = aws.world.add_job(CLUSTER, created=created, path=path).as_scope
    path = [(0, "RUNNING"), (step_fails_after, "FAILED")]
    aws.world.add_job(STEP, created=created + 30, path=path, scope=cluster, message="Out of memory")
    return cluster.id


def failed(exporter, kind=STEP):
    """Return how many jobs of a kind count as failed."""
    return sum(exporter.samples("aws_jobs", "scope", "status", kind=kind.key, state="failed").values())


async def test_the_steps_of_a_cluster_outlive_it(clock):
    """It has run for months and ends; its steps count until they leave the lookback, and then nothing of it is read."""
    async with simulated(clock) as aws:
        age = 100 * DAY
        add_cluster(aws, NOW - age, age + HOUR, step_fails_after=age + 50 * MINUTE)
        async with reading(clock, aws) as exporter:
            for _ in range(9):
                await exporter.turn(30 * MINUTE)
            assert failed(exporter) == 1
            assert exporter.value("aws_jobs_finished_total", kind=STEP.key, state="failed") == 1
            for _ in range(8):
                await exporter.turn(DAY)
            assert failed(exporter) == 0
            await exporter.turn(11 * MINUTE)
            before = aws.requests["emr", STEP.operation]
            await exporter.turn(11 * MINUTE)
            assert aws.requests["emr", STEP.operation] == before


async def test_a_cluster_that_came_and_went_between_two_discoveries_is_found(clock):
    """Its steps ended after the discovery before, so they are counted."""
    async with simulated(clock) as aws, reading(clock, aws) as exporter:
        add_cluster(aws, NOW + MINUTE, 4 * MINUTE, step_fails_after=3 * MINUTE)
        await exporter.turn(11 * MINUTE)
        assert failed(exporter) == 1
        assert exporter.value("aws_jobs_finished_total", kind=STEP.key, state="failed") == 1
        assert exporter.value("aws_jobs", kind=CLUSTER.key, state="succeeded") == 1


async def test_a_cluster_that_ended_before_the_first_look_is_found(clock):
    """Within the lookback its steps count; older ones are not even asked about."""
    async with simulated(clock) as aws:
        add_cluster(aws, NOW - 2 * DAY, HOUR, step_fails_after=MINUTE)
        add_cluster(aws, NOW - 20 * DAY, HOUR, step_fails_after=MINUTE)
        async with reading(clock, aws) as exporter:
            assert failed(exporter) == 1
            assert aws.requests["emr", STEP.operation] == 1


async def test_a_cluster_that_has_ended_is_read_less_often(clock):
    """Nothing happens in it any more, and AWS allows few requests; its numbers live as long."""
    async with simulated(clock) as aws:
        ended = add_cluster(aws, NOW - HOUR, 61 * MINUTE, step_fails_after=MINUTE)
        active = add_cluster(aws, NOW - HOUR, DAY, step_fails_after=MINUTE)
        async with reading(clock, aws, poll={"stale_after": "2m"}) as exporter:
            for _ in range(3):
                await exporter.turn(11 * MINUTE)
            intervals = {source.status.key.scope: source.status.interval for source in exporter.poller.sources}
            assert (intervals[active], intervals[ended]) == (MINUTE, 10 * MINUTE)
            await exporter.turn(5 * MINUTE)
            assert failed(exporter) == 2


async def test_a_cluster_that_has_ended_is_known_after_a_restart(clock, tmp_path):
    """Also one that lived for so long that no list shows it any more."""
    async with simulated(clock) as aws:
        age = 100 * DAY
        add_cluster(aws, NOW - age, age + HOUR, step_fails_after=MINUTE + age)
        storage = {"storage": {"path": str(tmp_path)}}
        async with reading(clock, aws, **storage) as exporter:
            for _ in range(3):
                await exporter.turn(HOUR)
        clock.now += 6 * DAY
        async with reading(clock, aws, **storage) as exporter:
            await exporter.turn(HOUR)
            assert failed(exporter) == 1
            for _ in range(4):
                await exporter.turn(8 * HOUR)
            assert STEP.key not in {source.status.key.kind for source in exporter.poller.sources}


async def test_scopes_that_an_older_exporter_kept_are_gone_on_with(clock, tmp_path):
    """It kept an id and a name of each; an upgrade must not end at what it left."""
    storage = {"path": str(tmp_path / "storage")}
    async with simulated(clock) as aws:
        add_cluster(aws, NOW - HOUR, DAY, step_fails_after=MINUTE)
        async with reading(clock, aws, storage=storage):
            pass
        with closing(sqlite3.connect(tmp_path / "storage" / FILE)) as connection, connection:
            (kept,) = connection.execute("SELECT found FROM source WHERE kind = 'cluster'").fetchone()
            old = [each[:2] for each in json.loads(kept)]
            connection.execute("UPDATE source SET found = ? WHERE kind = 'cluster'", (json.dumps(old),))
        aws.faults.add(Fault.server_error(), service="emr")
        async with reading(clock, aws, storage=storage) as exporter:
            assert failed(exporter) == 1
