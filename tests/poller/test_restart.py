"""An exporter with storage goes on after a stop as if it had never stopped."""

import asyncio
import shutil
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import app
from exporter.aws import Credentials
from exporter.simulator import AwsError
from exporter.store import JobFilter, maintain
from exporter.store.directory import Directory
from exporter.store.inventory import Inventory, JobList, Places, Sources
from tests.support.effort import bounded
from tests.support.faults import Fault
from tests.support.full_disk import files_of_at_most
from tests.support.harness import (
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    NOW,
    REGION,
    TRAINED,
    HandClock,
    Running,
    configured,
    running,
    simulated,
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LIST, DETAILS = ("bedrock", "ListModelInvocationJobs"), ("bedrock", "GetModelCustomizationJob")
LAST_SUCCESS = "aws_job_exporter_source_last_success_timestamp_seconds"
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
BATCH = {"bedrock": {"kinds": [BEDROCK.key]}}


class Exporters:
    """Exporters that one after the other use the same storage, while the clock and AWS go on."""

    def __init__(self, aws, clock, folder):
        self.aws, self.clock = aws, clock
        self._folder = folder
        self._number = 0

    @asynccontextmanager
    async def run(self, services=None, **sections):
        """Start an exporter on what the last one left, and stop it in the end."""
        async with running(self.settings(services or BATCH, **sections), self.clock) as exporter:
            yield exporter

    def settings(self, services, **sections):
        """Return the settings of the next exporter."""
        return configured(self.aws.endpoint_url, services, storage={"path": self._path(self._number)}, **sections)

    def kill(self):
        """Have the next exporter find what a process killed right now would leave: the files as they are."""
        shutil.copytree(self._path(self._number), self._path(self._number + 1))
        self._number += 1

    def add(self, at, lasts=90.0, status="Failed", kind=BEDROCK, **fields):
        """Add a job that ends some seconds after it was created."""
        path = [(0, "InProgress"), (lasts, status)]
        return self.aws.world.add_job(kind, created=self.clock.now + at, path=path, **fields)

    def _path(self, number):
        return self._folder / f"storage-{number}"


@pytest.fixture
def exporters(aws, clock, tmp_path):
    """Return exporters with one storage."""
    return Exporters(aws, clock, tmp_path)


def failed(exporter, kind=BEDROCK):
    """Return the counter of failed jobs, by its state and summed over its reasons."""
    by_reason = exporter.by("reason", "aws_jobs_failed_total", kind=kind.key)
    return exporter.value("aws_jobs_finished_total", state="failed", kind=kind.key), sum(by_reason.values())


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("gap", [MINUTE, 2 * HOUR, 9 * DAY], ids=["a minute", "hours", "longer than the lookback"])
async def test_what_ends_while_the_exporter_is_stopped_is_counted_once(exporters, is_killed, gap):
    """What ended before and after is counted once, too."""
    exporters.add(at=-MINUTE)
    exporters.add(at=0.0, lasts=2 * MINUTE + gap / 2)
    exporters.add(at=2 * MINUTE + gap / 3, lasts=gap / 7)
    exporters.add(at=2 * MINUTE + gap, lasts=150.0)
    async with exporters.run() as exporter:
        await exporter.turn(2 * MINUTE)
        assert failed(exporter) == (1, 1)
        if is_killed:
            exporters.kill()
    exporters.clock.now += gap
    async with exporters.run() as exporter:
        assert failed(exporter) == (3, 3)
        await exporter.turn(2 * MINUTE)
        await exporter.turn(2 * MINUTE)
        assert failed(exporter) == (4, 4)


async def test_the_first_poll_after_a_restart_is_incremental(exporters):
    """A quarter of an hour's stop does not cost a week's lists, and no reason is asked for twice."""
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    for number in range(500):
        exporters.add(at=-6 * DAY + number * 1000.0)
    for number in range(10):
        exporters.add(at=-HOUR + number, kind=CUSTOMIZATION, message="Rate exceeded")
    async with exporters.run(services) as exporter:
        assert exporter.value("aws_jobs", status="Failed", kind=BEDROCK.key) == 500
        assert exporters.aws.requests[DETAILS] == 10
    exporters.clock.now += 15 * MINUTE
    before = exporters.aws.requests[LIST]
    async with exporters.run(services) as exporter:
        assert exporters.aws.requests[LIST] - before <= 2
        assert exporters.aws.requests[DETAILS] == 10
        assert exporter.value("aws_jobs", status="Failed", kind=BEDROCK.key) == 500
        assert exporter.value("aws_jobs", state="failed", reason="throttled") == 10


async def test_the_last_numbers_are_there_at_once_and_go_stale_if_aws_cannot_be_reached(exporters):
    """Under the time of their last success; a source that nobody polled yet is neither up nor down."""
    exporters.add(at=-HOUR)
    async with exporters.run() as exporter:
        await exporter.turn(70)
        polled = exporter.value(LAST_SUCCESS, kind=BEDROCK.key)
    exporters.clock.now += MINUTE
    exporters.aws.faults.add(Fault.server_error())
    # The account, which is polled; its list of jobs waits until the account is known to be the same.
    async with exporters.run(poll={"discovery_interval": "1h"}) as exporter:
        assert exporter.value("aws_jobs", status="Failed") == 1
        assert exporter.value(LAST_SUCCESS, kind=BEDROCK.key) == polled
        assert exporter.up(kind=BEDROCK.key) is None
        assert exporter.up(kind="account") == 0
        assert exporter.poller.progress.complete.is_set()
        exporters.clock.now += 5 * MINUTE
        assert exporter.value("aws_jobs", status="Failed") is None


@pytest.mark.parametrize("back", [HOUR, 8 * DAY])
async def test_a_clock_that_is_set_back_meanwhile_counts_nothing_twice(exporters, back):
    """What ended before the stop ended once, and what ends after it is counted."""
    exporters.add(at=0.0)
    async with exporters.run() as exporter:
        await exporter.turn(2 * MINUTE)
        await exporter.turn(2 * MINUTE)
        assert failed(exporter) == (1, 1)
    exporters.clock.wrong = -back
    exporters.add(at=MINUTE)
    async with exporters.run() as exporter:
        assert failed(exporter) == (1, 1)
        await exporter.turn(3 * MINUTE)
        await exporter.turn(MINUTE)
        assert failed(exporter) == (2, 2)


async def test_another_configuration_applies_to_what_was_stored(exporters):
    """As it does at a reload: a longer lookback, other buckets and other rules of reasons; counters go on."""
    exporters.add(at=-10 * DAY)
    exporters.add(at=-HOUR, message="ACME-17")
    exporters.add(at=0.0, message="ACME-18")
    async with exporters.run() as exporter:
        await exporter.turn(2 * MINUTE)
        assert exporter.reasons() == {"other": 2}
    rules = [{"name": "acme", "reason": "dependency", "text": r"ACME-\d+"}]
    sections = {"reasons": rules, "poll": {"lookback": "20d"}, "metrics": {"duration_buckets": ["1m", "2m"]}}
    async with exporters.run(**sections) as exporter:
        assert exporter.reasons() == {"unspecified": 1, "dependency": 2}
        # Two of them were there before the first listing.
        buckets = exporter.by("le", "aws_job_duration_seconds_bucket", state="failed")
        assert buckets == {"60.0": 0, "120.0": 0, "+Inf": 1}
        assert failed(exporter) == (1, 1)


async def test_an_account_that_is_gone_shows_nothing(exporters):
    """Its jobs are stored, but nothing leads to them."""
    exporters.add(at=-HOUR)
    async with exporters.run() as exporter:
        assert exporter.value("aws_jobs", status="Failed") == 1
    async with exporters.run({"bedrock": {"kinds": [CUSTOMIZATION.key]}}) as exporter:
        assert exporter.value("aws_jobs", kind=BEDROCK.key) is None


@pytest.fixture
def membership(aws):
    """Return a membership and its trained model, which is pending."""
    membership = aws.world.add_scope("cleanroomsml", "membership")
    model = aws.world.add_scope("cleanroomsml", "trained_model", within=membership)
    aws.world.add_job(TRAINED, scope=model, created=NOW - HOUR, path=[(0, "CREATE_PENDING")])
    return membership, model


ROOMS = {"cleanroomsml": {"kinds": [TRAINED.key]}}


@pytest.mark.parametrize("times", [1, 2])
async def test_a_scope_is_gone_when_two_discoveries_lack_it(exporters, membership, times):
    """One empty answer takes nothing away, and the second look comes a minute later, not ten."""
    async with exporters.run(ROOMS) as exporter:
        empty = exporters.aws.faults.add(Fault.members(membershipSummaries=[]), operation="ListMemberships")
        await exporter.turn(11 * MINUTE)
        assert exporter.value("aws_job_exporter_source_children", kind="membership") == 0
        if times == 1:
            exporters.aws.faults.remove(empty)
        assert exporter.value("aws_jobs", status="CREATE_PENDING") == 1
        await exporter.turn(70)
        assert exporter.value("aws_jobs", status="CREATE_PENDING") == (1 if times == 1 else None)
        assert exporter.value("aws_job_exporter_source_children", kind="membership") == (1 if times == 1 else 0)


async def test_a_scope_that_comes_back_goes_on_with_its_counters(exporters, membership):
    """It was gone for an hour, for AWS's reasons or for ours."""
    _, model = membership
    exporters.aws.world.add_job(
        TRAINED, scope=model, created=exporters.clock.now, path=[(0, "CREATE_PENDING"), (60, "CREATE_FAILED")]
    )
    async with exporters.run(ROOMS) as exporter:
        await exporter.turn(2 * MINUTE)
        assert exporter.value("aws_jobs_finished_total", state="failed") == 1
        empty = exporters.aws.faults.add(Fault.members(membershipSummaries=[]), operation="ListMemberships")
        for _ in range(3):
            await exporter.turn(11 * MINUTE)
        assert exporter.value("aws_jobs_finished_total", state="failed") is None
        exporters.aws.faults.remove(empty)
        await exporter.turn(11 * MINUTE)
        assert exporter.value("aws_jobs_finished_total", state="failed") == 1


async def test_the_first_failure_in_a_new_scope_is_counted(exporters, membership):
    """It was created, and its first job failed, between two discoveries."""
    async with exporters.run(ROOMS) as exporter:
        await exporter.turn(MINUTE)
        other = exporters.aws.world.add_scope("cleanroomsml", "membership")
        model = exporters.aws.world.add_scope("cleanroomsml", "trained_model", within=other)
        path = [(0, "CREATE_PENDING"), (60, "CREATE_FAILED")]
        exporters.aws.world.add_job(TRAINED, scope=model, created=exporters.clock.now, path=path)
        exporters.aws.world.add_job(TRAINED, scope=model, created=NOW - DAY, path=path)
        await exporter.turn(11 * MINUTE)
        assert exporter.value("aws_jobs_finished_total", state="failed", scope=other.id) == 1


@pytest.mark.parametrize("size", [50_000, 100_000, 300_000])
async def test_a_full_disk_costs_durability_not_service(exporters, size):
    """The poll is repeated, counters go on, and the metric that the alert is made from says so."""
    exporters.add(at=0.0)
    async with exporters.run() as exporter:
        await exporter.turn(2 * MINUTE)
        assert (failed(exporter), exporter.value("aws_job_exporter_storage_failed")) == ((1, 1), 0)
        assert exporter.value("aws_job_exporter_storage_size_bytes") > 0
        for number in range(1000):
            exporters.add(at=number / 10, lasts=1.0, name="x" * 60)
        with files_of_at_most(size):
            await exporter.turn(3 * MINUTE)
        # By state: their reasons take more requests than three polls may send.
        assert (failed(exporter)[0], exporter.value("aws_job_exporter_storage_failed")) == (1001, 1)
        assert exporter.value("aws_job_exporter_storage_size_bytes") == 0
        assert exporter.up(kind=BEDROCK.key) == 1
        exporters.add(at=0.0)
        await exporter.turn(3 * MINUTE)
        assert failed(exporter)[0] == 1002
    # The next start starts over: what the file had counted is behind what was exported.
    async with exporters.run() as exporter:
        assert (failed(exporter), exporter.value("aws_jobs", status="Failed")) == ((0, 0), 1002)


async def test_half_of_a_first_listing_is_not_shown_after_a_restart(exporters):
    """Half a list looks like jobs that vanished: the active ones, which are listed first, and none that ended."""
    for number in range(1200):
        exporters.add(at=-HOUR, lasts=DAY if number % 2 else 60.0)

    async def fail(call):
        if call.operation == LIST[1] and "statusEquals" not in call.arguments:
            raise AwsError("InternalServerException", "not now", 500)

    exporters.aws.hooks.append(fail)
    async with exporters.run() as exporter:
        assert exporter.up(kind=BEDROCK.key) == 0
        held = exporter.poller._context.database.connection.execute("SELECT count(*) FROM job").fetchone()
        assert held[0] >= 500
    exporters.aws.hooks.remove(fail)
    exporters.aws.faults.add(Fault.server_error(), service="sts")
    async with exporters.run() as exporter:
        assert exporter.value("aws_jobs", status="InProgress") is None
        assert exporter.value(LAST_SUCCESS, kind=BEDROCK.key) is None


async def test_a_parent_is_not_down_because_the_disk_is_full(exporters):
    """What it found is kept in memory from then on."""
    async with exporters.run() as exporter:
        with files_of_at_most(1000):
            exporter.clock.now += 11 * MINUTE
            exporters.aws.world.account = "999988887777"
            await exporter.turn(0)
        assert exporter.up(kind="account") == 1


async def test_a_limit_on_sources_holds_for_what_is_restored(exporters):
    """What is over it is neither shown nor does it hold a share of the budget."""
    services = BOTH
    async with exporters.run(services) as exporter:
        assert len(exporter.by("kind", LAST_SUCCESS)) == 3
    async with exporters.run(services, limits={"sources": 2}) as exporter:
        assert len(exporter.by("kind", LAST_SUCCESS)) == 2
        assert len({kind for (kind,) in exporter.samples("aws_jobs", "kind")}) == 1


BOTH = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}


@pytest.mark.parametrize("is_early", [True, False], ids=["while sources are restored", "while the account is unknown"])
async def test_a_reload_soon_after_a_restart_takes_effect(exporters, is_early):
    """New kinds are read, but not before the account is known to be the same."""
    exporters.add(at=-HOUR)
    async with exporters.run():
        pass
    outage = exporters.aws.faults.add(Fault.server_error(), service="sts")
    before, after = exporters.settings(BATCH), exporters.settings(BOTH)
    async with app.assembled(before, CATALOG, REGION, credentials=KEYS, clock=exporters.clock) as parts:
        exporter = Running(parts.poller, parts.exposition, exporters.clock)
        async with asyncio.TaskGroup() as group:
            polling = group.create_task(parts.poller.run(parts.roots))
            if is_early:
                while not list(parts.poller.sources):  # noqa: ASYNC110 - there is no event: it is over in a moment
                    await asyncio.sleep(0)
            else:
                await exporter.settle()
            await parts.switch(app.Configuration(after, CATALOG, REGION))
            # The task that waited for the next poll ends before anything else is waited for.
            await asyncio.sleep(0)
            await exporter.settle()
            for _ in range(2):
                await exporter.turn(70)
                assert exporter.up(kind=CUSTOMIZATION.key) is None
            exporters.aws.faults.remove(outage)
            await exporter.turn(70)
            assert (exporter.up(kind=BEDROCK.key), exporter.up(kind=CUSTOMIZATION.key)) == (1, 1)
            polling.cancel()


async def test_pages_go_on_when_the_storage_fails(exporters):
    """What is known is the same, wherever it is held."""
    exporters.add(at=-HOUR)
    async with exporters.run() as exporter:
        database = exporter.poller._context.database
        lists = [
            JobList(each.status, each.kind, each.ledger) for each in exporter.poller.sources if hasattr(each, "kind")
        ]
        inventory = Inventory(database, lambda: Sources([], lists), exporters.clock.time)
        database.connection.execute("PRAGMA query_only = 1")
        await maintain(database, [], exporters.clock.now, DAY)
        assert database.has_failed
        assert len((await inventory.jobs(Places(), JobFilter(), 10)).jobs) == 1


async def test_storage_that_fails_as_the_exporter_starts_ends_nothing(exporters, monkeypatch):
    """Another lookback has everything summed up anew, which is the first write."""
    exporters.add(at=-HOUR)
    async with exporters.run():
        pass
    opened = Directory.opened

    def read_only(directory):
        connection = opened(directory)
        connection.execute("PRAGMA query_only = 1")
        return connection

    monkeypatch.setattr(Directory, "opened", read_only)
    exporters.aws.faults.add(Fault.server_error(), service="sts")
    async with exporters.run(poll={"lookback": "3d"}) as exporter:
        assert exporter.value("aws_job_exporter_storage_failed") == 1
        assert exporter.value("aws_jobs", status="Failed") == 1


HISTORY = st.lists(
    st.tuples(st.integers(-60, 240), st.sampled_from([20, 70, 200, 3600]), st.sampled_from(["Failed", "Completed"])),
    max_size=12,
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["poll", "kill", "stop", "outage"]), st.sampled_from([61, 70, 600, 4000, 9 * DAY])),
    min_size=1,
    max_size=8,
)


@pytest.mark.slow
@bounded(15, shrink=False)
@given(history=HISTORY, steps=STEPS)
async def test_counters_are_exact_over_any_stop(history, steps, tmp_path_factory):
    """Whatever was polled, killed, stopped or could not be reached, each job that ended is counted once."""
    clock = HandClock()
    async with simulated(clock) as aws:
        exporters = Exporters(aws, clock, tmp_path_factory.mktemp("storage"))
        ends = []
        for minute, lasts, status in history:
            exporters.add(at=minute * MINUTE, lasts=float(lasts), status=status)
            ends.append((NOW + minute * MINUTE + lasts, status))
        for action, seconds in steps:
            async with exporters.run() as exporter:
                fault = aws.faults.add(Fault.server_error()) if action == "outage" else None
                await exporter.turn(seconds)
                if fault:
                    aws.faults.remove(fault)
                if action == "kill":
                    exporters.kill()
            clock.now += seconds if action in {"kill", "stop"} else 0
        async with exporters.run() as exporter:
            # Longer than an interval with its jitter, so that everything that has ended by then was read.
            await exporter.turn(70)
            counted = exporter.by("state", "aws_jobs_finished_total")
        for status, state in (("Failed", "failed"), ("Completed", "succeeded")):
            assert counted[state] == sum(NOW < end <= clock.now for end, each in ends if each == status)
