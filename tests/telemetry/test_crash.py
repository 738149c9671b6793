"""A crash says where it was, and never keeps the process from ending."""

import asyncio
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.processes import ROOT, announced, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="opens stderr by way of /proc"),
]


@pytest.fixture(autouse=True)
def without_cores() -> Iterator[None]:
    """Have crashes leave no image of their memory."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


CRASHING = """
import os, signal
from exporter.telemetry.crash import tell_of_crashes
def crash(secret):
    os.kill(os.getpid(), signal.SIGSEGV)
tell_of_crashes()
crash("hidden")
"""


def crashed(stderr: int, prefix: tuple[str, ...] = ()) -> int:
    """Return the exit code of a process that crashes."""
    command = (*prefix, sys.executable, "-c", CRASHING)
    return subprocess.run(command, stderr=stderr, cwd=ROOT, timeout=PATIENCE, check=False).returncode


def test_a_crash_says_where_it_was_after_what_was_written_before(tmp_path: Path) -> None:
    """Functions and lines, but no values."""
    log = tmp_path / "log"
    log.write_text("before\n")
    # Opened at its start, as a shell does without `>>`.
    descriptor = os.open(log, os.O_WRONLY)
    try:
        assert crashed(descriptor) == -signal.SIGSEGV
    finally:
        os.close(descriptor)
    text = log.read_text()
    assert text.startswith("before\nFatal Python error: Segmentation fault\n")
    assert "in crash\n" in text
    assert "hidden" not in text


def test_a_crash_whose_log_nobody_reads_ends_the_process() -> None:
    """The pipe is full, and blocks whoever writes to it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    try:
        os.write(writer, b"x" * 4096)
        assert crashed(writer) == -signal.SIGSEGV
    finally:
        os.close(reader)
        os.close(writer)


def test_a_crash_without_stderr_writes_to_no_other_file(tmp_path: Path) -> None:
    """The first file that is opened then has the number of stderr."""
    file = tmp_path / "file"
    opened = f"f = open({str(file)!r}, 'w'); assert f.fileno() == 2\n"
    command = 'exec "$0" -c "$1" 2>&-'
    done = subprocess.run(
        ("/bin/sh", "-c", command, sys.executable, opened + CRASHING), cwd=ROOT, timeout=PATIENCE, check=False
    )
    assert (done.returncode, file.read_text()) == (-signal.SIGSEGV, "")


@pytest.mark.usefixtures("aws_credentials")
async def test_a_serving_exporter_that_crashes_says_so() -> None:
    """In the log, where else there would be nothing."""
    async with started("--aws.endpoint-url=http://127.0.0.1:1") as exporter:
        await announced(exporter, exporter.stderr, r"(Listening on)")
        exporter.send_signal(signal.SIGSEGV)
        async with asyncio.timeout(PATIENCE):
            _, err = await exporter.communicate()
    assert exporter.returncode == -signal.SIGSEGV
    assert b"Fatal Python error: Segmentation fault" in err
