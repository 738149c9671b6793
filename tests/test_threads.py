"""Calls that block hold up only calls of their own sort."""

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from exporter.threads import Threads, begin
from tests.support.greeting import greeting, self_signed
from tests.support.patience import PATIENCE
from tests.support.processes import ROOT

USERS = "basic_auth_users: {nobody: $2b$04$wYpeZwOCiYkrMsv2Md3ztuV6WBtHdFk1BmnMJSUu3QGH8IsEMSLGC}"


async def test_a_name_server_that_is_silent_holds_up_no_request(tmp_path):
    """It fills the event loop's own threads; the web configuration, a certificate and a password need others."""
    certificate, key = self_signed("localhost", "127.0.0.1")
    (tmp_path / "server.crt").write_bytes(certificate)
    (tmp_path / "server.key").write_bytes(key)
    file = tmp_path / "web.yml"
    file.write_text(f"tls_server_config: {{cert_file: server.crt, key_file: server.key}}\n{USERS}\n")
    silence = threading.Event()
    async with greeting(file, tmp_path) as server:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        lookup = loop.run_in_executor(None, silence.wait)
        try:
            async with asyncio.timeout(PATIENCE):
                # The client looks up no name: an address is enough.
                assert (await server.get(user=("nobody", "wrong")))[0] == 401
        finally:
            silence.set()
            await lookup


async def test_one_pool_does_not_wait_for_another():
    """Nor does a call in a pool wait while one of its threads is free."""
    silence = threading.Event()
    busy, free = Threads("busy", 2), Threads("free", 1)
    hanging = asyncio.create_task(busy.run(silence.wait))
    async with asyncio.timeout(PATIENCE):
        assert await free.run(int, "7") == 7
        assert await busy.run(int, "8") == 8
    silence.set()
    await hanging


async def test_a_call_sees_the_context_of_its_caller():
    """Such as what the log says about the poll under way."""
    number = ContextVar[int]("number")
    number.set(7)
    assert await Threads("context").run(number.get) == 7


FEW = """
import sys, threading
# More address space than is left after a few of them, so that the system refuses the next one.
threading.stack_size(1 << int(sys.argv.pop(1)))
from exporter.cli import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "once", "doctor"])
@pytest.mark.parametrize("bits", [47, 45], ids=["none", "few"])
@pytest.mark.usefixtures("aws_credentials")
def test_too_few_threads_are_said_at_once(command, bits):
    """Later they would be a bug of the exporter, to whoever reads the log."""
    flags = ("--aws.endpoint-url=http://127.0.0.1:9", "--web.listen-address=127.0.0.1:0", "--log.level=error")
    done = subprocess.run(
        (sys.executable, "-c", FEW, str(bits), command, *flags), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("aws-job-exporter: cannot start a thread: the limit on processes of the user (ulimit -u)")


def alive(prefix):
    """Return the threads of a pool."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(prefix)}


async def test_the_threads_that_are_needed_are_there_from_the_start():
    """Whatever else the user's processes start later, none is lacking: those that look up names, too."""
    pool, before = Threads("pool", 3), alive("names")
    begin()
    pool.begin()
    names, started = alive("names") - before, alive("pool")
    assert (len(names), len(started)) == (4, 3)
    silence = threading.Event()
    try:
        calls = [asyncio.create_task(pool.run(silence.wait)) for _ in range(3)]
        lookup = asyncio.create_task(asyncio.to_thread(silence.wait))
        await asyncio.sleep(0)
        assert (alive("pool"), alive("names") - before) == (started, names)
    finally:
        silence.set()
    await asyncio.gather(lookup, *calls)
