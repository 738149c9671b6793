"""The directory of the database: who may use it, what it holds, and what happens when the disk fails."""

import os
import platform
import shutil
import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context

import pytest

from exporter.jobs import Job, SourceKey, State
from exporter.store import Database, Ledger, Listing, Rules, StorageError, StorageLostError
from exporter.store.directory import FILE
from exporter.store.tables import VERSION
from tests.support import seccomp
from tests.support.full_disk import files_of_at_most
from tests.support.ledgers import waited
from tests.support.patience import PATIENCE

KEY = SourceKey("111122223333", "us-east-1", "bedrock", "model_invocation_job", "")
DAY, NOW = 86_400.0, 1_790_000_000.0


@pytest.fixture
def directory(tmp_path):
    """Return a directory that does not exist yet."""
    return tmp_path / "storage"


@contextmanager
def stored(directory):
    """Open a database, and close it."""
    database = Database.stored(directory)
    try:
        yield database
    finally:
        database.close()


def job(name, state=State.RUNNING, **fields):
    """Return a job of two hours ago; a finished one ran for an hour."""
    ended = NOW - 3600 if state.is_final else None
    return Job(id=f"arn:aws:jobs/{name}", status=str(state), state=state, created=NOW - 7200, ended=ended, **fields)


async def polled(database, jobs, now=NOW):
    """Take in a listing, and return the ledger."""
    ledger = Ledger(database, KEY, lambda each: each.message or "other", Rules(7 * DAY))
    await ledger.open()
    async with Listing.of(ledger) as listing:
        await listing.add(jobs, now)
        await listing.take_in(now)
    return ledger


def failed(ledger):
    """Return the counter of failed jobs."""
    return sum(ledger.sums[()].failed_total.values()) if ledger.sums else 0


RUNS, FAILS = [job("a"), job("b")], [job("a", State.FAILED), job("b")]


def test_what_was_taken_in_is_there_after_a_stop(directory):
    """Jobs, sums and counters, and when the source was read."""
    with stored(directory) as database:
        waited(polled(database, RUNS))
        waited(polled(database, FAILS, NOW + 60))
    with stored(directory) as database:
        ledger = Ledger(database, KEY, str, Rules(7 * DAY))
        waited(ledger.open())
        assert (len(ledger), failed(ledger), ledger.last_read) == (2, 1, NOW + 60)


def test_only_the_owner_can_read_it(directory):
    """It has the names and the messages of jobs."""
    with stored(directory) as database:
        waited(polled(database, RUNS))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert set(modes) == {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm", "lock"}
    assert set(modes.values()) == {0o600}


def test_a_second_exporter_is_refused(directory):
    """Two would count the same jobs into the same counters. Once the first has stopped, another may start."""
    with stored(directory), pytest.raises(StorageError, match=r"storage: used by another exporter; each needs"):
        Database.stored(directory)
    with stored(directory):
        pass


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (lambda path: path.write_text("not a directory"), "storage: not a directory"),
        (lambda path: path.parent.rmdir(), "storage: No such file or directory"),
        (lambda path: (path.mkdir(), (path / "lock").mkdir()), "storage: Is a directory"),
        (lambda path: (path.mkdir(), (path / "jobs.sqlite").mkdir()), "jobs.sqlite: unable to open database file"),
    ],
)
def test_a_directory_that_cannot_be_used_is_refused_in_one_line(tmp_path, prepare, problem):
    """The line names the path and the reason."""
    path = tmp_path / "of a user" / "storage"
    path.parent.mkdir()
    prepare(path)
    with pytest.raises(StorageError, match=problem):
        Database.stored(path)
    if (path / "jobs.sqlite").is_dir():
        # The lock is given back: a repaired directory works without another process.
        (path / "jobs.sqlite").rmdir()
        with stored(path):
            pass


def test_a_full_disk_is_refused_at_the_start(directory):
    """Whoever asked for storage must know that there is none."""
    with files_of_at_most(4096), pytest.raises(StorageError, match=r"jobs\.sqlite: "):
        Database.stored(directory)


def spoiled(directory, spoil):
    """Return the names of what is in the directory after an exporter started on a spoiled database."""
    with stored(directory) as database:
        waited(polled(database, RUNS))
        waited(polled(database, FAILS, NOW + 60))
    spoil(directory / "jobs.sqlite")
    with stored(directory) as database:
        assert failed(waited(polled(database, FAILS, NOW + 120))) == 0
    return sorted(path.name for path in directory.iterdir())


def pragma(statement):
    """Return a function that runs a statement on a database."""

    def run(file):
        with sqlite3.connect(file) as connection:
            connection.execute(statement)
        connection.close()

    return run


def overwritten(file):
    """Write over a page in the middle."""
    with file.open("r+b") as open_file:
        open_file.seek(16384 * 3)
        open_file.write(b"\xff" * 16384)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"something else" * 1000),
        overwritten,
        lambda file: os.truncate(file, 50_000),
        pragma("PRAGMA application_id = 7"),
        pragma(f"PRAGMA user_version = {VERSION + 1}"),
    ],
    ids=["no database", "damaged", "cut off", "foreign", "newer"],
)
def test_what_cannot_be_trusted_is_set_aside(directory, spoil):
    """The exporter starts over, and keeps the old file for whoever wants to look."""
    names = spoiled(directory, spoil)
    assert sum(name.startswith("jobs.sqlite.") for name in names) >= 1
    assert "jobs.sqlite" in names


VERSION_4 = """
DROP TABLE used_total;
ALTER TABLE job DROP COLUMN used;
ALTER TABLE job DROP COLUMN counted;
PRAGMA user_version = 4;
"""
VERSION_3 = f"""
{VERSION_4}
DROP TABLE event;
DROP TABLE awaited;
DROP TABLE event_log;
ALTER TABLE source DROP COLUMN has_starts;
ALTER TABLE source DROP COLUMN grouping;
DROP INDEX job_group_active;
ALTER TABLE job DROP COLUMN tags;
ALTER TABLE job DROP COLUMN group_n;
ALTER TABLE job DROP COLUMN told;
DROP TABLE job_group;
PRAGMA user_version = 3;
"""
VERSION_2 = f"""
{VERSION_3}
DROP TABLE span;
DROP TABLE pivot;
DROP TABLE duration_total;
DROP TABLE denied;
CREATE TABLE span (
    source INTEGER, dims INTEGER, state INTEGER, bucket INTEGER, jobs INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (source, dims, state, bucket)
) WITHOUT ROWID;
ALTER TABLE finished_total RENAME TO finished;
CREATE TABLE finished_total (
    source INTEGER, dims INTEGER, state INTEGER, jobs INTEGER NOT NULL, PRIMARY KEY (source, dims, state)
) WITHOUT ROWID;
INSERT INTO finished_total SELECT source, dims, state, jobs FROM finished;
DROP TABLE finished;
ALTER TABLE failed_total RENAME TO failed;
CREATE TABLE failed_total (
    source INTEGER, dims INTEGER, reason TEXT, jobs INTEGER NOT NULL, PRIMARY KEY (source, dims, reason)
) WITHOUT ROWID;
INSERT INTO failed_total SELECT source, dims, reason, jobs FROM failed;
DROP TABLE failed;
PRAGMA user_version = 2;
"""
VERSION_1 = f"""
{VERSION_2}
DROP TABLE tally;
CREATE TABLE tally (
    source INTEGER, dims INTEGER, status INTEGER, state INTEGER, reason TEXT, jobs INTEGER NOT NULL,
    total INTEGER NOT NULL, processed INTEGER NOT NULL, succeeded INTEGER NOT NULL, failed INTEGER NOT NULL,
    PRIMARY KEY (source, dims, status, state, reason)
) WITHOUT ROWID;
DROP INDEX job_asked;
DROP INDEX job_refused;
CREATE INDEX job_asked ON job (source, finished) WHERE asked > 0;
PRAGMA user_version = 1;
"""
"""What makes a database one of an older version, whose sums are in the columns that it had."""


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2, VERSION_3, VERSION_4], ids=["1", "2", "3", "4"])
def test_a_file_of_an_older_version_is_gone_on_with(directory, version):
    """An upgrade of the exporter loses neither jobs nor counters."""
    with stored(directory) as database:
        waited(polled(database, RUNS))
        sums = waited(polled(database, FAILS, NOW + 60)).sums[()]
        before = sums.statuses, sums.last
    with closing(sqlite3.connect(directory / FILE)) as connection:
        connection.executescript(version)
    for later in (120, 180):
        with stored(directory) as database:
            ledger = waited(polled(database, FAILS, NOW + later))
            assert (ledger.sums[()].statuses, ledger.sums[()].last, failed(ledger)) == (*before, 1)
            assert ledger.sums[()].durations[State.FAILED].quantiles


@pytest.mark.parametrize("limit", [70_000, 200_000, 400_000])
def test_a_disk_that_becomes_full_costs_nothing_but_durability(directory, limit):
    """The poll fails and is repeated; everything goes on in memory, counters too, and the next start starts over."""
    with stored(directory) as database:
        ledger = waited(polled(database, RUNS))
        waited(polled(database, FAILS, NOW + 60))
        many = [job(f"{n:040}", State.FAILED, message="x" * 100) for n in range(3000)]
        with files_of_at_most(limit):
            with pytest.raises(StorageLostError):
                waited(polled(database, [*FAILS, *many], NOW + 120))
            ledger = waited(polled(database, [*FAILS, *many], NOW + 120))
        assert database.has_failed
        assert (failed(ledger), len(ledger)) == (1, 3002)
        assert failed(waited(polled(database, [job("a", State.FAILED), job("b", State.FAILED), *many], NOW + 180))) == 2
        assert database.size == 0
    with stored(directory) as database:
        assert failed(waited(polled(database, RUNS, NOW + 240))) == 0


def polled_on_a_failing_disk(directory, calls):
    """Poll before and after these system calls start to fail; return what was counted, and whether it was repeated."""
    with stored(directory) as database:
        waited(polled(database, RUNS))
        waited(polled(database, FAILS, NOW + 60))
        seccomp.fail(*calls)
        ends = [job("a", State.FAILED), job("b", State.FAILED)]
        try:
            waited(polled(database, ends, NOW + 120))
        except StorageLostError as error:
            return failed(waited(polled(database, ends, NOW + 120))), database.has_failed, str(error)
    return "the disk did not fail"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in seccomp.CALLS, reason="the numbers of its system calls are not known")
@pytest.mark.parametrize("calls", [("fsync", "fdatasync"), ("pwrite64",)])
def test_a_disk_that_fails_costs_nothing_but_durability(directory, calls):
    """A sync that fails is as bad as a write that does: nothing says what of the log is on the disk."""
    # In a process of its own, because a call that failed once fails for good.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        counted = pool.submit(polled_on_a_failing_disk, directory, calls).result(PATIENCE)
    assert counted == (2, True, "disk I/O error")
    with stored(directory) as database:
        assert failed(waited(polled(database, RUNS, NOW + 240))) == 0


def test_a_file_that_is_damaged_while_it_is_used_is_started_over(directory):
    """What cannot be trusted is not copied: jobs are read again, and counters start at 0, but nothing is wrong."""
    with stored(directory) as database:
        many = [job(f"{n:040}") for n in range(2000)]
        ledger = waited(polled(database, many))
        database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (directory / "jobs.sqlite").write_bytes(b"\xff" * (directory / "jobs.sqlite").stat().st_size)
        database.connection.execute("PRAGMA shrink_memory")
        with pytest.raises(StorageLostError):
            waited(polled(database, many, NOW + 60))
        assert (database.has_failed, ledger.is_open, ledger.shown) == (True, False, None)
        assert len(waited(polled(database, many, NOW + 60))) == 2000


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_log_that_was_cut_off_loses_whole_polls(directory, tmp_path, cut):
    """A power cut leaves the log at any byte: what is read back is the state after one of the polls."""
    copy = tmp_path / "copy"
    with stored(directory) as database:
        waited(polled(database, [job(f"{n}") for n in range(20)]))
        for number in range(1, 20):
            jobs = [job(f"{n}", State.FAILED if n < number else State.RUNNING) for n in range(20)]
            waited(polled(database, jobs, NOW + number * 60))
        shutil.copytree(directory, copy)
    log = copy / "jobs.sqlite-wal"
    os.truncate(log, log.stat().st_size * cut // 60)
    with stored(copy) as database:
        ledger = Ledger(database, KEY, str, Rules(7 * DAY))
        waited(ledger.open())
        counted = failed(ledger)
        assert (
            sum(
                count
                for (status, *_), count in (ledger.sums[()].statuses.items() if ledger.sums else ())
                if status == "failed"
            )
            == counted
        )
        # What was lost is counted now, and nothing twice.
        jobs = [job(f"{n}", State.FAILED if n < 19 else State.RUNNING) for n in range(20)]
        is_known = ledger.since is not None
        assert failed(waited(polled(database, jobs, NOW + 3600))) == (19 if is_known else 0)
