"""Clients that connect and say nothing, by the thousand: the memory that they take is used again."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.greeting import self_signed
from tests.support.patience import PATIENCE, eventually
from tests.support.processes import announced, started, stopped

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc"),
]

CLIENTS = 1000
"""About twice as many as may be connected, so that half of them are dropped for the others."""

FEW = 50
"""Descriptors of an exporter without clients, at most; its connections to AWS come and go."""

GROWTH = 1.2
"""How much memory may grow once it was enough for as many."""

BEDROCK_ONLY = '{"bedrock": {"kinds": ["model_invocation_job"]}}'


def memory(process):
    """Return the resident memory of a process in kB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def descriptors(process):
    """Return how many files and connections a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


async def come_and_go(process, port, greeting):
    """Connect clients that send at most a greeting, and close them."""
    writers = []
    for _ in range(CLIENTS):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(greeting)
        writers.append(writer)
    for writer in writers:
        writer.transport.abort()
    await eventually(lambda: descriptors(process) < FEW)


@pytest.mark.usefixtures("aws_credentials")
@pytest.mark.parametrize("greeting", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["nothing", "no TLS"])
async def test_idle_connections_take_no_more_memory_the_third_time(greeting, aws, tmp_path):
    """It is free as soon as a connection is over."""
    certificate, key = self_signed("localhost", "127.0.0.1")
    (tmp_path / "server.crt").write_bytes(certificate)
    (tmp_path / "server.key").write_bytes(key)
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    flags = (f"--aws.endpoint-url={aws.endpoint_url}", f"--services={BEDROCK_ONLY}", f"--web.config.file={file}")
    async with asyncio.timeout(PATIENCE), started(*flags) as process:
        port = await announced(process, process.stderr, r'msg="Listening on" address=\S+:(\d+)')
        sizes = []
        for _ in range(5):
            await come_and_go(process, int(port), greeting)
            sizes.append(memory(process))
        assert max(sizes[2:]) <= GROWTH * sizes[1], sizes
        code, err = await stopped(process, signal.SIGTERM)
    assert (code, "Traceback" in err) == (0, False)
