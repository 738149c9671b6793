"""Where the event log is written to: each line once, whatever happens to the process, the file or its reader."""

import json
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager, suppress

import pytest

from exporter.event_log import Sink
from exporter.event_log.sink import STDOUT
from tests.support.full_disk import files_of_at_most
from tests.support.patience import PATIENCE

LOG = "0011223344556677"


def lines(*numbers, log=LOG):
    """Return lines as the event log has them."""
    return [
        (number, json.dumps({"text": "x" * 50, "log": log, "sequence": number}).encode() + b"\n") for number in numbers
    ]


def numbers(path):
    """Return the numbers of the lines of a file, each of which is whole."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line)["sequence"] for line in content.splitlines()]


@pytest.fixture
def path(tmp_path):
    """Return where the file will be."""
    return tmp_path / "events.jsonl"


@contextmanager
def opened(path):
    """Open a sink, and close it."""
    sink = Sink(path)
    try:
        yield sink
    finally:
        sink.close()


def test_lines_are_appended(path):
    """Also to what somebody else has written; others can't read it."""
    path.write_text("not ours\n")
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2))
        sink.write(LOG, lines(3))
    assert path.read_bytes() == b"not ours\n" + b"".join(line for _, line in lines(1, 2, 3))


def test_others_cannot_read_it(path):
    """It has the names and messages of jobs; a group may, for the sake of who collects them."""
    with opened(path) as sink:
        sink.write(LOG, lines(1))
    assert path.stat().st_mode & 0o137 == 0


def test_nothing_is_written_twice(path):
    """Whoever was killed before the lines were done passes them again."""
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2, 3))
        sink.write(LOG, lines(2, 3, 4))
    with opened(path) as sink:
        sink.write(LOG, lines(3, 4, 5))
    assert numbers(path) == [1, 2, 3, 4, 5]


def test_another_log_begins_anew(path):
    """Its numbers are others, as after the storage was lost."""
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2, 3))
    with opened(path) as sink:
        sink.write("another", lines(1, 2, log="another"))
        sink.write("another", lines(2, 3, log="another"))
    assert numbers(path) == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("cut", range(0, 90, 8))
def test_a_line_that_broke_off_is_continued(path, cut):
    """A kill or a power cut may leave any part of it."""
    whole = lines(1, 2, 3)
    path.write_bytes(whole[0][1] + whole[1][1][:cut])
    with opened(path) as sink:
        sink.write(LOG, whole)
    assert path.read_bytes() == b"".join(line for _, line in whole)


def test_a_line_of_another_that_broke_off_is_ended(path):
    """Otherwise the first of ours would be part of it."""
    path.write_bytes(b'{"what": "is t')
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2))
    assert path.read_bytes().splitlines()[0] == b'{"what": "is t'
    assert len(path.read_bytes().splitlines()) == 3


def test_what_others_append_does_not_hide_what_was_written(path):
    """Somebody may note in it that it was looked at."""
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2))
    with path.open("a") as file:
        file.write("not ours\n")
    with opened(path) as sink:
        sink.write(LOG, lines(2, 3))
    assert [line for line in path.read_text().splitlines() if line == "not ours"] == ["not ours"]
    assert path.read_bytes().count(b'"sequence": 2}') == 1


@pytest.mark.parametrize("is_created", [False, True], ids=["moved", "moved and created"])
def test_a_file_that_was_moved_is_left(path, is_created):
    """As logrotate does, with or without `create`."""
    old = path.with_suffix(".1")
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2))
        path.rename(old)
        if is_created:
            path.touch()
        sink.write(LOG, lines(1, 2, 3))
        assert (numbers(old), numbers(path)) == ([1, 2], [3])


def test_a_file_that_was_copied_and_emptied_is_gone_on_with(path):
    """As logrotate does with `copytruncate`."""
    with opened(path) as sink:
        sink.write(LOG, lines(1, 2))
        os.truncate(path, 0)
        sink.write(LOG, lines(2, 3))
    assert numbers(path) == [3]


def test_a_directory_that_is_gone_is_no_end(path):
    """Once it is there, what was not written is."""
    folder = path.parent / "missing"
    with opened(folder / "events.jsonl") as sink:
        with pytest.raises(FileNotFoundError):
            sink.write(LOG, lines(1))
        folder.mkdir()
        sink.write(LOG, lines(1))
        assert numbers(folder / "events.jsonl") == [1]


@pytest.mark.parametrize("room", range(0, 400, 45))
def test_a_full_disk_costs_no_line(path, room):
    """It takes a part of a line; when there is room again, the rest follows."""
    path.write_bytes(b"")
    with opened(path) as sink:
        with files_of_at_most(room), suppress(OSError):
            sink.write(LOG, lines(1, 2, 3))
        sink.write(LOG, lines(1, 2, 3, 4))
    assert numbers(path) == [1, 2, 3, 4]


def test_a_device_that_is_full_is_an_error():
    """Of any sort."""
    with opened(type(STDOUT)("/dev/full")) as sink, pytest.raises(OSError, match="No space left"):
        sink.write(LOG, lines(1))


@pytest.fixture
def fifo(path):
    """Return a named pipe."""
    os.mkfifo(path)
    return path


def read(descriptor):
    """Return the numbers of the lines that a pipe holds."""
    content = b""
    with suppress(BlockingIOError):
        while part := os.read(descriptor, 65_536):
            content += part
    return [json.loads(line)["sequence"] for line in content.splitlines()]


def test_a_fifo_without_a_reader_is_an_error(fifo):
    """To wait for one would be to wait forever. The first one gets everything."""
    with opened(fifo) as sink:
        with pytest.raises(OSError, match="No such device"):
            sink.write(LOG, lines(1, 2))
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        sink.write(LOG, lines(1, 2))
        assert read(reader) == [1, 2]
        os.close(reader)


def test_a_fifo_whose_reader_stands_still_is_an_error(fifo, monkeypatch):
    """What it has not taken yet, it takes once it goes on."""
    monkeypatch.setattr("exporter.event_log.sink._PATIENCE", 0.01)
    reader, many = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), lines(*range(1, 2000))
    found: list[int] = []
    with opened(fifo) as sink:
        while len(found) < len(many):
            try:
                sink.write(LOG, many)
            except TimeoutError:
                found += read_whole(reader)
            else:
                found += read(reader)
    os.close(reader)
    assert found == [number for number, _ in many]


REST: dict[int, bytes] = {}


def read_whole(descriptor):
    """Return the numbers of the whole lines that a pipe holds; the rest is kept for the next time."""
    content = REST.pop(descriptor, b"")
    with suppress(BlockingIOError):
        content += os.read(descriptor, 1 << 20)
    *whole, REST[descriptor] = content.split(b"\n")
    return [json.loads(line)["sequence"] for line in whole]


def test_a_reader_that_comes_after_another_begins_with_a_line(fifo, monkeypatch):
    """The rest of the line that was cut off is of no use to it."""
    monkeypatch.setattr("exporter.event_log.sink._PATIENCE", 0.01)
    many = [(number, json.dumps({"text": "x" * 9000, "sequence": number}).encode() + b"\n") for number in range(1, 21)]
    with opened(fifo) as sink:
        first = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        with pytest.raises(TimeoutError):
            sink.write(LOG, many)
        os.close(first)
        with pytest.raises(BrokenPipeError):
            sink.write(LOG, many)
        second = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        with suppress(TimeoutError):
            sink.write(LOG, many)
        assert json.loads(os.read(second, 65_536).split(b"\n")[0])["text"] == "x" * 9000
        os.close(second)


PROGRAM = textwrap.dedent("""
    from exporter.event_log.sink import STDOUT, Sink
    Sink(STDOUT).write("log", [(1, b'{"sequence": 1}\\n'), (2, b'{"sequence": 2}\\n')])
""")


def run(program):
    """Run a program of Python."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=PATIENCE, check=False)


def test_stdout_is_written_as_it_is():
    """It may be a socket or a pipe of another user, which nobody can open by its path."""
    assert run(PROGRAM).stdout == b'{"sequence": 1}\n{"sequence": 2}\n'


def test_a_stdout_that_was_closed_is_an_error():
    """Another file may have its number: that of the database, say."""
    assert b"Bad file descriptor" in run(f"import sys; sys.stdout = None\n{PROGRAM}").stderr
