"""Signals to a real process: it reloads its file, and it shuts down cleanly, whatever hangs."""

import asyncio
import errno
import fcntl
import os
import re
import signal
import socket
import sys
import textwrap
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from exporter.simulator import AwsError
from tests.support.harness import BEDROCK, CUSTOMIZATION, NOW, HandClock, simulated
from tests.support.patience import PATIENCE, UNHURRIED, eventually
from tests.support.processes import ROOT, announced, scrape, started

LISTENING = r'msg="Listening on" address=(\S+)'
ONE = {"bedrock": {"kinds": [BEDROCK.key]}}
COMPLAINTS = ("Traceback", "destroyed", "nclosed", "never retrieved", "never awaited", "level=ERROR")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aws_credentials")]


@pytest.fixture
async def aws():
    """Return a simulated AWS."""
    async with simulated(HandClock()) as simulator:
        yield simulator


@pytest.fixture
def config(aws, tmp_path):
    """Return a function that writes the configuration file, and returns it."""
    file = tmp_path / "exporter.yml"

    def write(services=None, **sections):
        reached = {**UNHURRIED["aws"], "endpoint_url": aws.endpoint_url}
        poll = {**UNHURRIED["poll"], **sections.pop("poll", {})}
        content = {"aws": reached, "poll": poll, "services": services or ONE, **sections}
        file.write_text(yaml.safe_dump(content))
        return file

    return write


@asynccontextmanager
async def serving(file, *flags, grace=None):
    """Yield a process that serves, and its address."""
    async with started("serve", f"--config.file={file}", *flags, grace=grace) as process:
        yield process, await announced(process, process.stderr, LISTENING)


async def logged(process, pattern):
    """Wait for a line of the log."""
    return await announced(process, process.stderr, f"({pattern})")


async def ended(process):
    """Return the exit code, and check that nothing was left unfinished."""
    async with asyncio.timeout(PATIENCE):
        _, err = await process.communicate()
    assert [line for line in err.decode().splitlines() if any(word in line for word in COMPLAINTS)] == []
    return process.returncode


async def value(address, name):
    """Return the value of a metric with one series."""
    ((sample,),) = [
        family.samples for family in (await scrape(f"http://{address}/metrics")).values() if family.name == name
    ]
    return sample.value


async def post(address):
    """Request a reload over HTTP; return the status and the text."""
    async with aiohttp.ClientSession() as session, session.post(f"http://{address}/-/reload") as response:
        return response.status, await response.text()


async def until_exported(address, kind):
    """Wait until a kind has a source that is up."""

    async def is_exported():
        family = (await scrape(f"http://{address}/metrics")).get("aws_job_exporter_source_up")
        return family and any(sample.labels["kind"] == kind and sample.value for sample in family.samples)

    await eventually(is_exported)


async def until_ready(address):
    """Wait until every source has been tried."""

    async def is_ready():
        async with session.get(f"http://{address}/-/ready") as response:
            return response.status == 200

    async with aiohttp.ClientSession() as session:
        await eventually(is_ready)


async def test_a_hangup_reloads(config):
    """What can change at run time does, including the log; what cannot is named."""
    async with serving(config()) as (process, address):
        config({"bedrock": None}, log={"format": "json"}, web={"telemetry_path": "/elsewhere"})
        process.send_signal(signal.SIGHUP)
        assert "keys=web.telemetry_path" in await logged(process, ".*only after a restart.*")
        assert await logged(process, '.*"msg": "Completed loading of configuration".*')
        await until_exported(address, CUSTOMIZATION.key)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_a_hangup_with_an_invalid_file_is_survived(config):
    """The log says what is wrong, and so does the metric."""
    async with serving(config()) as (process, address):
        file = config({"bedrok": None})
        process.send_signal(signal.SIGHUP)
        assert f"{file}: services.bedrok" in await logged(process, ".*Error reloading.*")
        assert await value(address, "aws_job_exporter_config_last_reload_successful") == 0
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_a_request_reloads(config):
    """The flag allows it; flags win over the file as they did at startup."""
    async with serving(config(), "--web.enable-lifecycle", "--poll.lookback=2d") as (process, address):
        config({"bedrock": None}, poll={"lookback": "1d"})
        assert await post(address) == (200, "")
        await until_exported(address, CUSTOMIZATION.key)
        file = config(poll={"intervall": "1m"})
        assert await post(address) == (
            500,
            f"{file}: poll.intervall: unknown key; did you mean `interval` or `idle_interval`?\n",
        )
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.communicate()
    assert process.returncode == 0


async def test_a_request_reloads_nothing_by_default(config):
    """Access to the metrics does not imply control of the exporter."""
    async with serving(config()) as (_, address):
        assert await post(address) == (403, "Lifecycle API is not enabled.")


async def test_the_demo_reloads_too():
    """The demo keeps polling its simulator."""
    async with started("demo", "--web.enable-lifecycle") as demo:
        url = await announced(demo, demo.stdout, r"(http://\S+)/metrics")
        assert await post(url.removeprefix("http://")) == (200, "")
        demo.send_signal(signal.SIGTERM)
        assert await ended(demo) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_hanging_aws_does_not_delay_the_shutdown(aws, config, number):
    """A poll in progress is abandoned."""
    requested, never = asyncio.Event(), asyncio.Event()

    async def hang(call):
        requested.set()
        await never.wait()

    aws.hooks.append(hang)
    async with serving(config()) as (process, _):
        async with asyncio.timeout(PATIENCE):
            await requested.wait()
        process.send_signal(number)
        assert await ended(process) == 0
    never.set()


SILENT_RESOLVER = """
    import socket, sys, time
    from exporter.cli import main
    real = socket.getaddrinfo
    def silent(host, *arguments, **options):
        if host == "bedrock.invalid":
            print("msg=asked", file=sys.stderr, flush=True)
            time.sleep(600)
        return real(host, *arguments, **options)
    socket.getaddrinfo = silent
    sys.exit(main())
"""


async def test_a_silent_name_server_does_not_delay_the_shutdown(config):
    """Python would wait for the thread of the lookup."""
    flags = ("--aws.endpoint-url=http://bedrock.invalid", "--web.listen-address=127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(SILENT_RESOLVER), f"--config.file={config()}", *flags),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await logged(process, "msg=asked")
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    finally:
        if process.returncode is None:
            process.kill()


BLOCKED = """
    import sys, time
    from exporter import app, cli
    from exporter.cli import signals
    signals._GRACE = 0.1
    async def block(_):
        sys.stderr.write("msg=blocked\\n")
        # Python handles a signal between two steps: one that comes just before a long sleep waits for its end.
        while True:
            time.sleep(0.1)
    app.skip_sources = block
    sys.exit(cli.main())
"""


async def test_an_event_loop_that_stands_still_does_not_keep_the_exporter_from_ending(config):
    """What ends the process needs nothing of the event loop."""
    flags = (f"--config.file={config()}", "--web.listen-address=127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(BLOCKED), *flags), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        await logged(process, "msg=blocked")
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    finally:
        if process.returncode is None:
            process.kill()


@pytest.fixture
def unread():
    """Return an end of a pipe of 4 kB, for a process whose log nobody reads."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield writer
    os.close(reader)
    os.close(writer)


async def test_a_log_that_nobody_reads_holds_up_nothing(aws, config, unread):
    """A container's log driver may block: polls, pages, metrics and the end of the process go on."""
    file = config({"bedrock": None})
    asked: Counter[str] = Counter()

    async def refuse(call):
        asked[call.operation] += 1
        if call.service != "sts":
            raise AwsError("AccessDeniedException", "x" * 1_000, 403)

    aws.hooks.append(refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
    flags = (f"--web.listen-address={address}", f"--config.file={file}", "--poll.interval=1s")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *flags), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=unread
    )
    try:

        async def goes_on():
            # Far more is logged by then than the pipe holds.
            return asked["ListModelInvocationJobs"] > 2

        await eventually(goes_on)
        assert await value(address, "aws_job_exporter_log_lines_dropped") == 0
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


@pytest.fixture
def starting(tmp_path):
    """Return a configuration file that keeps a process waiting, and a condition: whether it does."""
    file = tmp_path / "fifo.yml"
    os.mkfifo(file)
    writers = []

    async def is_read():
        # Held open: whoever reads the end of the file finds it empty, and ends by itself.
        try:
            writers.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False
        return True

    yield file, is_read
    for writer in writers:
        os.close(writer)


async def ended_at_start(starting, *command, number=signal.SIGTERM):
    """Return the exit code of a program that gets a signal while it reads the configuration."""
    file, is_read = starting
    process = await asyncio.create_subprocess_exec(
        *(*command, sys.executable, "-m", "exporter", f"--config.file={file}"), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        await eventually(is_read)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()  # noqa: ASYNC240 - no disk
        target = int(children[0]) if children else process.pid
        os.kill(target, signal.SIGHUP)
        os.kill(target, number)
        return await ended(process)
    finally:
        if process.returncode is None:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_the_start_ends_it(starting, number):
    """Nothing has begun, so nothing is lost; one that is to reload changes nothing."""
    assert await ended_at_start(starting, number=number) == 0


async def test_a_signal_during_the_start_ends_the_first_process_of_a_container(starting):
    """The kernel withholds from it what it does not handle."""
    inside = ("unshare", "--pid", "--fork", "--kill-child")
    probe = await asyncio.create_subprocess_exec(*inside, "true", stderr=asyncio.subprocess.DEVNULL)
    if await probe.wait():
        pytest.skip("needs the right to make a namespace of processes")
    assert await ended_at_start(starting, *inside) == 0


@pytest.fixture
def large(aws, config):
    """Return a configuration whose exposition is larger than the kernel's socket buffers."""
    for number in range(3_000):
        aws.world.add_job(BEDROCK, created=NOW - number, path=[(0, "InProgress")], name="j" * 1_000)
    return config(metrics={"per_job": True, "per_job_active": 3_000})


KERNEL = 4 * 1024**2
"""The most bytes that Linux buffers per connection (net.ipv4.tcp_wmem)."""


class SlowReader:
    """A client that has read the head of a response, and reads the rest on demand."""

    def __init__(self, connection, length):
        self._connection = connection
        self._left = length

    async def has_all(self):
        """Read to the end, and return whether the response was complete."""
        loop = asyncio.get_running_loop()
        while read := await loop.sock_recv(self._connection, 100_000):
            self._left -= len(read)
        return self._left == 0


@asynccontextmanager
async def reading_slowly(address):
    """Yield a client in the middle of a scrape that is too large for the kernel's buffers."""
    host, port = address.split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.settimeout(0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(connection, (host, int(port)))
        await loop.sock_sendall(connection, b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
        head, _, body = (await loop.sock_recv(connection, 2048)).partition(b"\r\n\r\n")
        (length,) = map(int, re.findall(rb"Content-Length: (\d+)", head))
        assert length > KERNEL
        yield SlowReader(connection, length - len(body))


async def refused(address):
    """Return once nothing listens any more."""
    host, port = address.split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It was in the backlog when the listener closed.
            continue


async def test_a_slow_reader_gets_the_whole_response(large):
    """It may finish, but no new clients are accepted."""
    async with serving(large, grace=PATIENCE) as (process, address):
        await until_ready(address)
        async with reading_slowly(address) as reader, asyncio.timeout(PATIENCE):
            process.send_signal(signal.SIGTERM)
            await logged(process, ".*Stopping.*")
            await refused(address)
            assert process.returncode is None
            assert await reader.has_all()
        assert await ended(process) == 0


async def test_a_reader_that_stopped_reading_is_cut_off(large):
    """The exporter does not wait as long as the reader would."""
    async with serving(large) as (process, address):
        await until_ready(address)
        async with reading_slowly(address):
            process.send_signal(signal.SIGTERM)
            assert await ended(process) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_stops_the_exporter_at_once(large, number):
    """The rest of the grace period is skipped."""
    async with serving(large, grace=PATIENCE) as (process, address):
        await until_ready(address)
        async with reading_slowly(address):
            process.send_signal(signal.SIGTERM)
            await logged(process, ".*Stopping.*")
            process.send_signal(number)
            assert await ended(process) == -number
