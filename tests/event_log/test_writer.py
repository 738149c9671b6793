"""What the database notes gets into the file, and neither a poll nor the loop waits for it."""

import asyncio
import json
import os
import shutil
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import threads
from exporter.event_log import Configured, EventLog, Sink
from exporter.event_log.line import line
from exporter.jobs import Job, SourceKey, State
from exporter.store import Database, Ledger, Listing, Outbox, Rules
from exporter.telemetry import Telemetry
from tests.support.effort import bounded
from tests.support.full_disk import files_of_at_most
from tests.support.harness import NOW
from tests.support.ledgers import waited
from tests.support.patience import eventually

pytestmark = pytest.mark.usefixtures("logged")

KEY = SourceKey("111122223333", "us-east-1", "bedrock", "model_invocation_job", "")


def read(path):
    """Return what the lines of a file say."""
    return [json.loads(each) for each in path.read_text().splitlines()] if path.exists() else []


def has_lines(path, number):
    """Return whether a file has so many lines."""
    return len(read(path)) == number


def waits(jobs, number):
    """Return whether so many lines wait."""
    return jobs.log.waiting == number


class Noting:
    """An event log, and jobs that are listed for it."""

    def __init__(self, database, **options):
        self.database, self.telemetry = database, Telemetry(process=False)
        self.log = EventLog(database, self.telemetry, lambda *_: Configured(), retry=0.01, **options)
        self._ledger = Ledger(database, KEY, str, Rules(7 * 86_400.0))
        self._times = count()

    async def list(self, *names):
        """Take in a listing of new jobs."""
        if self._ledger.since is None:
            await self._ledger.open()
            names = ((), names)
        else:
            names = (names,)
        for listed in names:
            now = NOW + next(self._times)
            async with Listing.of(self._ledger) as listing:
                await listing.add([Job(name, "New", State.PENDING, created=now) for name in listed], now)
                await listing.take_in(now)

    def counted(self, family, **labels):
        """Return what a counter of the event log is."""
        return self.telemetry.registry.get_sample_value(f"aws_job_exporter_event_log_{family}_total", labels) or 0


@asynccontextmanager
async def noting(path, database=None, **options):
    """Yield jobs whose transitions are written to a file until the block ends."""
    database = database or Database.memory()
    made = Noting(database, **options)
    made.log.choose(path)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(made.log.run())
            try:
                yield made
            finally:
                task.cancel()
        await made.log.finish()
    finally:
        database.close()


@pytest.fixture
def path(tmp_path):
    """Return where the file will be."""
    return tmp_path / "events.jsonl"


async def test_what_is_seen_is_written(path):
    """At once, and counted."""
    async with noting(path) as jobs:
        for number in range(3):
            await jobs.list(f"{number}")
            await eventually(partial(has_lines, path, number + 1))
        await eventually(lambda: jobs.counted("lines", result="written") == 3)
    assert [each["id"] for each in read(path)] == ["0", "1", "2"]
    assert jobs.database.keeps_events


async def test_what_the_last_poll_has_seen_is_written_in_the_end(path):
    """Many batches of it."""
    async with noting(path) as jobs:
        await jobs.list(*map(str, range(1000)))
    assert [each["sequence"] for each in read(path)] == list(range(1, 1001))


async def test_a_file_that_cannot_be_written_costs_no_poll_and_no_line(path, logged):
    """It is counted and logged, once; when it can be written, all that waits is."""
    folder = path.parent / "missing"
    async with noting(folder / path.name) as jobs:
        for number in range(5):
            await jobs.list(f"{number}")
            await eventually(partial(waits, jobs, number + 1))
        await eventually(lambda: jobs.counted("errors", reason="ENOENT") > 5)
        folder.mkdir()
        await eventually(lambda: jobs.log.waiting == 0)
    assert [each["id"] for each in read(folder / path.name)] == list("01234")
    assert [(each["event"], each.get("err")) for each in logged] == [
        ("The event log cannot be written: its lines wait", "No such file or directory"),
        ("The event log can be written again", None),
    ]


async def test_a_disk_that_is_full_costs_no_line(path):
    """Not even the part of one that it took."""
    async with noting(path) as jobs:
        with files_of_at_most(500):
            await jobs.list(*map(str, range(10)))
            await eventually(lambda: jobs.counted("errors", reason="EFBIG"))
        await eventually(lambda: len(path.read_text().splitlines()) == 10)
    assert [each["id"] for each in read(path)] == list(map(str, range(10)))


async def test_only_so_many_lines_wait(path):
    """The oldest are dropped, and counted; the numbers of those that follow tell how many."""
    folder = path.parent / "missing"
    async with noting(folder / path.name, most=3) as jobs:
        await jobs.list(*map(str, range(10)))
        await eventually(lambda: jobs.counted("lines", result="dropped") == 7)
        folder.mkdir()
        await eventually(lambda: jobs.counted("lines", result="written") == 3)
    assert [each["sequence"] for each in read(folder / path.name)] == [8, 9, 10]


async def test_a_reader_that_stands_still_holds_up_nobody(path, monkeypatch):
    """Polls go on, and so does the loop; whoever reads on gets every line."""
    monkeypatch.setattr("exporter.event_log.sink._PATIENCE", 0.05)
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    content = b""
    async with noting(path) as jobs:
        for number in range(20):
            await jobs.list(*(f"{number}-{each}" for each in range(50)))
        await eventually(lambda: jobs.counted("errors", reason="ETIMEDOUT"))

        def all_read():
            nonlocal content
            try:
                content += os.read(reader, 65_536)
            except BlockingIOError:
                return False
            return content.count(b"\n") == 1000

        await eventually(all_read)
    os.close(reader)
    assert [json.loads(each)["sequence"] for each in content.splitlines()] == list(range(1, 1001))


async def test_a_file_system_that_hangs_is_noticed(path, monkeypatch):
    """The loop goes on, and what is in the way is counted."""
    monkeypatch.setattr("exporter.event_log.writer._SLOW", 0.02)
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with noting(path) as jobs:
        blocked = asyncio.ensure_future(
            threads.EVENT_LOG.run(lambda: asyncio.run_coroutine_threadsafe(release.wait(), loop).result())
        )
        await jobs.list("a", "b")
        await eventually(lambda: jobs.counted("errors", reason="ETIMEDOUT") > 2)
        assert jobs.log.waiting == 2
        release.set()
        await blocked
        await eventually(lambda: len(read(path)) == 2)


async def test_another_file_can_be_chosen(path):
    """What was noted since is written there, and nothing twice; without one, nothing is noted."""
    other = path.with_suffix(".other")
    async with noting(path) as jobs:
        await jobs.list("a")
        await eventually(lambda: len(read(path)) == 1)
        await eventually(lambda: jobs.counted("lines", result="written") == 1)
        jobs.log.choose(other)
        await jobs.list("b")
        await eventually(lambda: len(read(other)) == 1)
        jobs.log.choose(None)
        await jobs.list("c")
        jobs.log.choose(path)
        await jobs.list("d")
    assert [each["id"] for each in read(path)] == ["a", "d"]
    assert [each["id"] for each in read(other)] == ["b"]


async def test_what_waits_when_it_is_turned_off_is_dropped(path):
    """Whoever turns it on again wants to know what happens from then on."""
    async with noting(path.parent / "missing" / path.name) as jobs:
        await jobs.list("a")
        await eventually(partial(waits, jobs, 1))
        jobs.log.choose(None)
        await eventually(partial(waits, jobs, 0))
        jobs.log.choose(path)
        await jobs.list("b")
    assert [each["id"] for each in read(path)] == ["b"]


async def test_a_storage_that_fails_costs_no_line(path, tmp_path):
    """They go on in memory, where it was copied to."""
    async with noting(path, Database.stored(tmp_path / "storage")) as jobs:
        await jobs.list("a")
        await eventually(lambda: jobs.counted("lines", result="written") == 1)
        with files_of_at_most(100):
            for name in "bcd":
                await try_to_list(jobs, name)
            await eventually(lambda: jobs.database.has_failed)
        await jobs.list("e")
        await eventually(lambda: jobs.log.waiting == 0 and read(path)[-1]["id"] == "e")
    assert Counter(each["id"] for each in read(path)).most_common(1)[0][1] == 1


async def try_to_list(jobs, name):
    """Take in a listing, and repeat it as the poller does."""
    try:
        await jobs.list(name)
    except Exception:  # noqa: BLE001 - whatever it is, it is repeated
        await jobs.list(name)


class Stops:
    """A process that is stopped again and again, in the middle of what it does."""

    def __init__(self, folder):
        self._folder = folder
        self._number = 0
        self.path = folder / "events.jsonl"
        self._start()

    def _start(self):
        self.database = Database.stored(self._folder / f"storage-{self._number}")
        self.database.keeps_events = True
        self.jobs = Noting(self.database)
        self.sink = Sink(self.path)

    def end(self):
        """Stop."""
        self.sink.close()
        self.database.close()

    def kill(self, cut):
        """Have the next start find the files as they are, with the last bytes of the log missing."""
        shutil.copytree(self._folder / f"storage-{self._number}", self._folder / f"storage-{self._number + 1}")
        self._number += 1
        self.end()
        if self.path.exists():
            os.truncate(self.path, max(0, self.path.stat().st_size - cut))
        self._start()

    async def write(self, *, is_done):
        """Write what there is, and note that, unless the process dies before."""
        outbox = Outbox(self.database)
        name, found = await outbox.take(1000)
        before = self.path.stat().st_size if self.path.exists() else 0
        self.sink.write(name, [(each.number, line(name, each, Configured())) for each in found])
        if is_done and found:
            await outbox.done(found[-1].number)
        return self.path.stat().st_size - before


steps = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["nothing", "done", "written", "cut"]), st.floats(0, 1)), max_size=8
)
"""How many jobs a poll finds, how far their lines get until the next one, and whether the process is killed there."""


@given(steps)
@bounded(40, shrink=False)
def test_each_line_is_written_once_over_any_stops(tmp_path_factory, steps):
    """A kill comes at any moment: before the lines are written, in the middle, or before that is noted."""
    process = Stops(tmp_path_factory.mktemp("stops"))
    names = map(str, count())
    waited(process.jobs.list())
    expected = []
    for number, step, part in steps:
        found = [next(names) for _ in range(number)]
        expected += found
        waited(process.jobs.list(*found))
        written = waited(process.write(is_done=step == "done")) if step != "nothing" else 0
        if step != "done":
            process.kill(round(written * part) if step == "cut" else 0)
            waited(process.jobs._ledger.open())
    waited(process.write(is_done=True))
    process.end()
    assert [each["id"] for each in read(process.path)] == expected
    assert [each["sequence"] for each in read(process.path)] == list(range(1, len(expected) + 1))
