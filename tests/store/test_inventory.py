"""Pages find the jobs of sources that were listed once, whatever happens to them until one comes or goes."""

import sqlite3

import pytest

from exporter.jobs import Job, SourceKey, State
from exporter.store import Database, JobFilter, Ledger, Listing, Rules, StorageLostError
from exporter.store.inventory import Inventory, JobList, Places, Sources
from exporter.telemetry import SourceStatus
from tests.support.harness import BEDROCK

DAY, NOW = 86_400.0, 1_790_000_000.0


def listing(database, scope):
    """Return a list of jobs that was never read."""
    key = SourceKey("111122223333", "us-east-1", "bedrock", BEDROCK.key, scope)
    return JobList(SourceStatus(key, 60.0), BEDROCK, Ledger(database, key, str, Rules(DAY)))


async def read(each):
    """Let a poll read a list: one job, which is called as its scope is."""
    await each.ledger.open()
    scope = each.status.key.scope
    async with Listing.of(each.ledger) as listed:
        await listed.add([Job(scope, "Failed", State.FAILED, name=scope, created=NOW - 60, ended=NOW - 30)], NOW)
        await listed.take_in(NOW)


async def found(inventory):
    """Return the name of each job with the scope of its source."""
    page = await inventory.jobs(Places(), JobFilter(), 10)
    return sorted((each.record.job.name, each.source.status.key.scope) for each in page.jobs)


@pytest.fixture
def database(tmp_path):
    """Return a database on disk."""
    database = Database.stored(tmp_path)
    yield database
    database.close()


async def test_the_jobs_of_a_source_are_found_once_it_was_read(database):
    """Pages are looked at before the first poll, too."""
    lists = [listing(database, scope) for scope in ("first", "second")]
    sources = Sources([each.status for each in lists], lists)
    inventory = Inventory(database, lambda: sources, lambda: NOW)
    expected: list[tuple[str, str]] = []
    for each in lists:
        assert await found(inventory) == expected
        await read(each)
        expected.append((each.status.key.scope, each.status.key.scope))
    assert await found(inventory) == expected


async def test_half_of_a_first_list_is_not_found(database):
    """It is taken in while it is read, which may take minutes, or break off: then nothing of it stays."""
    each = listing(database, "first")
    inventory = Inventory(database, lambda: Sources([each.status], [each]), lambda: NOW)
    jobs = [Job(f"{n}", "Failed", State.FAILED, created=NOW - 60, ended=NOW - 30) for n in range(600)]
    await each.ledger.open()
    async with Listing.of(each.ledger) as broken_off:
        await broken_off.add(jobs, NOW)
        assert database.connection.execute("SELECT count(*) FROM job").fetchone() == (500,)
        assert await found(inventory) == []
    assert (await found(inventory), await inventory.states(), len(each.ledger)) == ([], {}, 0)
    async with Listing.of(each.ledger) as whole:
        await whole.add(jobs[:100], NOW)
        await whole.take_in(NOW)
    assert (await inventory.states())["bedrock"][State.FAILED] == len(each.ledger) == 100


async def test_jobs_are_found_under_their_own_source_after_the_storage_was_lost(database):
    """Sources are numbered anew then, in the order in which they are read."""
    lists = [listing(database, scope) for scope in ("first", "second")]
    sources = Sources([each.status for each in lists], lists)
    inventory = Inventory(database, lambda: sources, lambda: NOW)
    for each in lists:
        await read(each)
    assert await found(inventory) == [("first", "first"), ("second", "second")]
    damage = sqlite3.DatabaseError("made up")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    with pytest.raises(StorageLostError):
        async with database.exclusive():
            raise damage
    for each in reversed(lists):
        await read(each)
    assert await found(inventory) == [("first", "first"), ("second", "second")]
