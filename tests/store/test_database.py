"""One connection for many polls: none sees half of another, and none is lost when one is cut off."""

import asyncio
import itertools
import sqlite3
import threading
from contextlib import closing

import pytest

from exporter.jobs import Job, SourceKey, State
from exporter.store import Database, Ledger, Listing, Rules, maintain
from tests.support.ledgers import waited

DAY, NOW = 86_400.0, 1_790_000_000.0
SCOPES = itertools.count()


@pytest.fixture
def database():
    """Return a database in memory."""
    database = Database.memory()
    yield database
    database.close()


def key(scope="scope"):
    """Return the key of a source."""
    return SourceKey("111122223333", "us-east-1", "bedrock", "model_invocation_job", scope)


def jobs(number, prefix="job", state=State.SUCCEEDED):
    """Return jobs that ended an hour ago, or run."""
    ended = NOW - 3600 if state.is_final else None
    ids = (f"arn:{prefix}/{n:06}" for n in range(number))
    return [Job(id=each, status=str(state), state=state, created=NOW - 7200, ended=ended) for each in ids]


async def opened(database, scope="scope"):
    """Return the ledger of a source."""
    ledger = Ledger(database, key(scope), lambda _: "other", Rules(7 * DAY))
    await ledger.open()
    return ledger


async def take(ledger, listed, now=NOW, **options):
    """Take in a listing."""
    async with Listing.of(ledger) as listing:
        await listing.add(listed, now)
        await listing.take_in(now, **options)


async def break_off(ledger, listed):
    """Stage a listing that ends in an error."""
    async with Listing.of(ledger) as listing:
        await listing.add(listed, NOW)
        raise ConnectionError


async def test_polls_at_the_same_time_do_not_mix(database):
    """Each takes in what it listed, however the pages of all of them alternate."""
    ledgers = [await opened(database, str(number)) for number in range(10)]
    async with asyncio.TaskGroup() as group:
        for number, ledger in enumerate(ledgers):
            group.create_task(take(ledger, jobs(700 + 100 * number)))
    assert [len(ledger) for ledger in ledgers] == [700 + 100 * number for number in range(10)]
    assert database.connection.execute("SELECT count(DISTINCT poll) FROM listed").fetchone()[0] <= 10


async def test_a_poll_that_broke_off_changes_nothing(database):
    """What it had listed is dropped, and the next poll finds what was known before."""
    ledger = await opened(database)
    await take(ledger, jobs(10, state=State.RUNNING))
    with pytest.raises(ConnectionError):
        await break_off(ledger, jobs(5, state=State.FAILED))
    await take(ledger, jobs(10, state=State.RUNNING), NOW + 120)
    assert not any(tally.finished_total for tally in ledger.sums.values())
    await take(ledger, jobs(10, state=State.RUNNING), NOW + 180)
    assert database.connection.execute("SELECT count(*) FROM listed").fetchone()[0] == 10


async def test_a_first_listing_that_broke_off_is_begun_again(database):
    """Its pages were taken in as they came, and none of them counts as seen to finish."""
    ledger = await opened(database)
    with pytest.raises(ConnectionError):
        await break_off(ledger, jobs(3000))
    await take(ledger, jobs(3500), NOW + 60)
    assert len(ledger) == 3500
    assert not any(tally.finished_total for tally in ledger.sums.values())


@pytest.mark.parametrize("turns", [1, 5, 20, 50, 100])
async def test_a_poll_that_is_cancelled_leaves_the_database_to_the_others(database, turns):
    """Wherever that happens: the statement ends, nothing is half written, and nobody waits for ever."""
    big, small = await opened(database, "big"), await opened(database, "small")
    await take(big, jobs(10))
    task = asyncio.create_task(take(big, [*jobs(10), *jobs(5000, "more")], NOW + 60))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await take(small, jobs(20))
    await asyncio.wait([task])
    await take(big, [*jobs(10), *jobs(5000, "more")], NOW + 120)
    assert (len(small), len(big)) == (20, 5010)
    total = sum(tally.finished_total.total() for tally in big.sums.values())
    # They ended before the first listing.
    assert total == 0


def test_what_grows_with_a_source_leaves_turns_to_others(database):
    """While a million rows would be written, a task that wants a turn gets one."""

    async def turns():
        ledger = await opened(database)
        await take(ledger, jobs(10))
        task = asyncio.create_task(take(ledger, [*jobs(10), *jobs(20_000, "more")], NOW + 60))
        turns = 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert waited(turns()) > 100


async def test_a_quiet_poll_writes_nothing(tmp_path):
    """Ten thousand sources a minute would be 59 GB a day."""
    database = Database.stored(tmp_path)
    ledger = await opened(database)
    listed = [*jobs(20), *jobs(10, "active", State.RUNNING)]
    await take(ledger, listed, is_full=True)
    log = tmp_path / "jobs.sqlite-wal"
    before = log.stat().st_size, log.stat().st_mtime_ns
    for minute in range(1, 50):
        await take(ledger, listed, NOW + 60 * minute)
    assert (log.stat().st_size, log.stat().st_mtime_ns) == before
    database.close()


async def test_the_times_of_successes_do_not_hold_the_loop(database):
    """There may be ten thousand, each minute."""
    ledger = await opened(database)
    await take(ledger, [], NOW)
    threads = []
    database.connection.set_trace_callback(
        lambda sql: threads.append(threading.get_ident()) if "SET last_success" in sql else None
    )
    await maintain(database, [ledger.key], NOW + 60, DAY)
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


async def test_the_times_of_successes_are_written_together(database):
    """Once a minute, and when the exporter stops."""
    ledgers = [await opened(database, str(number)) for number in range(3)]
    for number, ledger in enumerate(ledgers):
        await take(ledger, [], NOW)
        await take(ledger, [], NOW + number)
    await maintain(database, [ledger.key for ledger in ledgers], NOW + 60, DAY)
    rows = database.connection.execute("SELECT last_success FROM source ORDER BY n").fetchall()
    assert [time for (time,) in rows] == [(NOW + number) * 1000 for number in range(3)]
    before = database.connection.total_changes
    await maintain(database, [ledger.key for ledger in ledgers], NOW + 120, DAY)
    assert database.connection.total_changes == before


async def test_a_source_that_is_gone_is_dropped_after_a_while(database):
    """Until then it goes on where it stopped; afterward, nothing of it stays."""
    gone, stays = await opened(database, "gone"), await opened(database, "stays")
    for ledger in (gone, stays):
        await take(ledger, jobs(5, state=State.RUNNING))
    await maintain(database, [stays.key], NOW, DAY)
    await maintain(database, [stays.key], NOW + DAY, DAY)
    back = await opened(database, "gone")
    assert len(back) == 5
    await maintain(database, [stays.key], NOW + DAY, DAY)
    await maintain(database, [stays.key], NOW + 3 * DAY, DAY)
    assert len(await opened(database, "gone")) == 0
    assert len(await opened(database, "stays")) == 5
    for table in ("job", "tally", "combination"):
        found = database.connection.execute(f"SELECT count(DISTINCT source) FROM {table}").fetchone()
        assert found[0] <= 1, table


async def test_words_that_no_job_uses_are_dropped(database):
    """The parents of jobs come and go for years; those in use keep their numbers."""
    ledger = await opened(database)
    await take(ledger, [job._replace(id=f"arn:{n}/{n}") for n, job in enumerate(jobs(12_000))])
    kept = [job._replace(tags=("payroll",)) for job in jobs(9, "kept")]
    await take(ledger, kept[:7], NOW + 8 * DAY)
    await maintain(database, [ledger.key], NOW + 8 * DAY, DAY)
    words = {word for (word,) in database.connection.execute("SELECT text FROM word")}
    assert words == {"", "succeeded", "arn:kept/", '["payroll"]'}
    await take(ledger, kept, NOW + 8 * DAY + 60)
    assert {record.job.id.partition("/")[0] for record in await ledger.newest(99)} <= {"arn:kept"}


async def test_a_source_that_comes_back_unread_is_not_dropped(database):
    """Its parent found it again, but AWS has not told anything of it yet."""
    ledger = await opened(database)
    await take(ledger, jobs(5, state=State.RUNNING))
    await maintain(database, [], NOW, DAY)
    for day in range(1, 5):
        await maintain(database, [ledger.key], NOW + day * DAY, DAY)
    assert len(await opened(database)) == 5


async def test_another_list_of_jobs_has_nothing_of_the_one_before(database):
    """Not even the time at which that was read: its number in the database may be the same."""
    await take(await opened(database), jobs(5))
    other = Ledger(database, key(), lambda _: "other", Rules(7 * DAY), identity="another")
    await other.open()
    await maintain(database, [other.key], NOW + 60, DAY)
    assert database.connection.execute("SELECT last_success FROM source").fetchall() == [(None,)]
    assert len(other) == 0


async def test_the_longest_run_of_a_kind_can_change(database):
    """A newer catalog knows better what is overdue."""
    for longest, rules in ((100.0, Rules(7 * DAY)), (200.0, Rules(7 * DAY)), (300.0, Rules(8 * DAY))):
        ledger = Ledger(database, key(), lambda _: "other", rules, longest_run=longest)
        await ledger.open()
        assert database.connection.execute("SELECT longest_run FROM source").fetchall() == [(longest * 1000,)]


def test_many_failures_at_once_leave_turns_to_others(database):
    """A raised lookback brings a hundred thousand of them: each slice is classified in its turn."""

    async def turns():
        turn, seen = 0, set()

        def reason(_):
            seen.add(turn)
            return "other"

        ledger = Ledger(database, key(), reason, Rules(7 * DAY))
        await ledger.open()
        await take(ledger, [])
        failed = [each._replace(message=f"{n}") for n, each in enumerate(jobs(10_000, state=State.FAILED))]
        task = asyncio.create_task(take(ledger, failed, NOW + 60))
        while not task.done():
            await asyncio.sleep(0)
            turn += 1
        return len(seen)

    # 40 slices.
    assert waited(turns()) >= 40


async def test_words_in_use_are_not_looked_through_every_minute(database):
    """With fifteen thousand parents, a million jobs would be read each time."""
    ledger = await opened(database)
    await take(ledger, [each._replace(id=f"arn:{n}/{n}") for n, each in enumerate(jobs(12_000))])
    looked = []
    for minute in (1, 2):
        database.connection.set_trace_callback(lambda sql: looked.append("DELETE FROM word" in sql))
        await maintain(database, [ledger.key], NOW + minute, DAY)
        database.connection.set_trace_callback(None)
        # A poll lists all of them, and has their numbers again.
        await take(ledger, [each._replace(id=f"arn:{n}/{n}") for n, each in enumerate(jobs(12_000))], NOW + minute)
    assert sum(looked) == 1


async def test_a_file_that_someone_else_holds_is_maintained_the_next_time(tmp_path):
    """An operator looks into it with a program that writes: the exporter goes on, and so does its storage."""
    database = Database.stored(tmp_path)
    ledger = await opened(database)
    await take(ledger, [])
    await take(ledger, [], NOW + 60)
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await maintain(database, [ledger.key], NOW + 60, DAY)
        assert not database.has_failed
        other.execute("ROLLBACK")
        await maintain(database, [ledger.key], NOW + 60, DAY)
        assert other.execute("SELECT last_success FROM source").fetchall() == [((NOW + 60) * 1000,)]
    database.close()
