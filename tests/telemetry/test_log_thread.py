"""The log, when whatever reads it stands still, comes back, or is gone."""

import fcntl
import os
import sys
from contextlib import redirect_stderr

import pytest
import structlog

from exporter.telemetry import configure_logging
from exporter.telemetry.log_thread import DROPPED, LogThread, written_by_thread
from tests.support.patience import eventually

LINE = "x" * 99 + "\n"
pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def pipe():
    """Return both ends of a pipe that holds 4 kB."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            assert end == reader, "only a test's own end is closed before"


@pytest.fixture
def dropped():
    """Return a function that returns how many lines were dropped in this test."""

    def count():
        ((sample,),) = [
            [each for each in family.samples if each.name.endswith("_total")] for family in DROPPED.collect()
        ]
        return sample.value

    before = count()
    return lambda: count() - before


def rest(reader):
    """Return what a pipe holds."""
    os.set_blocking(reader, False)
    content = b""
    try:
        while read := os.read(reader, 65_536):
            content += read
    except BlockingIOError:
        pass
    return content.decode()


def test_what_is_written_arrives_in_order(pipe):
    """Closing waits for the last line."""
    reader, writer = pipe
    with LogThread(writer) as stream:
        for number in range(10):
            print(number, file=stream)
    assert rest(reader).split() == list("0123456789")


async def test_a_reader_that_stands_still_holds_up_nobody(pipe, dropped):
    """Thousands of lines wait, the rest are dropped and counted; once it reads again, the log says how many."""
    reader, writer = pipe
    with LogThread(writer) as stream, redirect_stderr(stream):
        configure_logging("info", "logfmt")
        for _ in range(10_000):
            stream.write(LINE)
        missing = dropped()
        assert 10_000 - 4_096 - 42 <= missing <= 10_000 - 4_096
        content = ""

        async def told():
            nonlocal content
            content += rest(reader)
            return f"lines={missing:.0f}" in content

        await eventually(told)
    assert content.count(LINE) == 10_000 - missing


async def test_the_end_does_not_wait_for_a_reader_that_stands_still(pipe, dropped):
    """The process can end."""
    reader, writer = pipe
    stream = LogThread(writer)
    for _ in range(10_000):
        stream.write(LINE)
    stream.close()
    assert stream.closed
    content = ""

    async def has_rest():
        nonlocal content
        content += rest(reader)
        return content.count(LINE) == 10_000 - dropped()

    # For the thread's sake, which would outlive the test.
    await eventually(has_rest)


def test_a_reader_that_is_gone_is_no_error(pipe, dropped):
    """Lines to nobody are dropped."""
    reader, writer = pipe
    os.close(reader)
    with LogThread(writer) as stream:
        stream.write(LINE)
    assert dropped() == 1


async def test_a_pipe_that_another_process_made_non_blocking_loses_nothing(pipe, dropped):
    """Programs that share a terminal do that to each other."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    content = ""
    with LogThread(writer) as stream:
        for _ in range(1_000):
            stream.write(LINE)

        async def has_all():
            nonlocal content
            content += rest(reader)
            return content.count(LINE) == 1_000

        await eventually(has_all)
    assert dropped() == 0


def test_all_that_goes_to_stderr_is_written_by_the_thread(capfd):
    """The log was configured before, and warnings of Python go there, too."""
    configure_logging("info", "logfmt")
    before = sys.stderr
    with written_by_thread():
        assert sys.stderr is not before
        structlog.get_logger("exporter").info("from the log")
        sys.stderr.write("from Python")
    assert sys.stderr is before
    first, second = capfd.readouterr().err.splitlines()
    assert 'msg="from the log"' in first
    assert second == "from Python"


def test_a_process_without_stderr_can_serve(monkeypatch):
    """Python has none where the descriptor was closed at the start."""
    monkeypatch.setattr(sys, "stderr", None)
    with written_by_thread():
        assert sys.stderr is None
