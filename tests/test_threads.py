"""Calls that block hold up only calls of their own sort."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

from exporter.threads import Threads
from tests.support.greeting import greeting, self_signed
from tests.support.patience import PATIENCE

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
