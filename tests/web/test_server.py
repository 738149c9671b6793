"""What is served over HTTP: the exposition, the status page, and whether the exporter lives and is ready."""

import gzip
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import __version__
from exporter.exposition import Exposition, Format
from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus
from exporter.web import Site, create_app, from_systemd, listen, serve

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


@dataclass
class Exporter:
    """What the server shows of an exporter, as a test sets it."""

    sources: list[SourceStatus] = field(default_factory=list)
    is_ready: bool = False

    def site(self, telemetry_path="/metrics"):
        """Return what the server is made from; the exporter has one metric."""
        registry = CollectorRegistry()
        Gauge("things", "Things.", registry=registry).set(7)
        return Site(
            exposition=Exposition(registry, lambda: 0.0),
            sources=lambda: self.sources,
            is_ready=lambda: self.is_ready,
            telemetry_path=telemetry_path,
        )


@pytest.fixture
def exporter():
    """Return an exporter that has no sources yet."""
    return Exporter()


@asynccontextmanager
async def browsing(exporter, **options):
    """Yield a client that sees answers as they are sent."""
    async with TestClient(TestServer(create_app(exporter.site(**options))), auto_decompress=False) as client:
        yield client


@pytest.fixture
async def client(exporter):
    """Return a client of an exporter."""
    async with browsing(exporter) as client:
        yield client


@asynccontextmanager
async def serving(exporter, *addresses):
    """Serve an exporter on addresses."""
    async with serve(create_app(exporter.site()), await listen(addresses)) as served:
        yield served


def source(kind, **fields):
    """Return how a source goes that was tried once."""
    return SourceStatus(SourceKey("1", "us-east-1", "bedrock", kind, ""), 60.0, **{"attempts": 1, **fields})


async def test_metrics_in_the_text_format(client):
    """For everyone who asks for nothing else."""
    response = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert response.status == 200
    assert response.headers.getall("Content-Type") == [Format.TEXT.value]
    assert "Content-Encoding" not in response.headers
    assert "things 7.0" in (await response.text()).splitlines()


async def test_metrics_in_openmetrics(client):
    """For who asks for it, as its own parser reads it."""
    response = await client.get("/metrics", headers={"Accept": OPENMETRICS, "Accept-Encoding": "identity"})
    assert response.headers.getall("Content-Type") == [Format.OPENMETRICS.value]
    assert [family.name for family in parse_openmetrics(await response.text())] == ["things"]


@pytest.mark.parametrize("accept", ["*/*", OPENMETRICS])
async def test_metrics_are_compressed_for_who_takes_it(client, accept):
    """Prometheus always does."""
    response = await client.get("/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert b"things 7.0" in gzip.decompress(await response.read())


async def test_an_answer_that_is_over_is_with_the_kernel(client):
    """What a transport still held would be lost if the process ended now."""
    await client.get("/metrics")
    (connection,) = client.server.handler.connections
    assert connection.transport.get_write_buffer_limits() == (0, 0)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_caches_are_told_what_the_answer_depends_on(client, encoding):
    """A cache between must not give one client another's format."""
    response = await client.get("/metrics", headers={"Accept-Encoding": encoding})
    assert {word.strip() for word in response.headers["Vary"].split(",")} == {"Accept", "Accept-Encoding"}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", ["*/*", OPENMETRICS])
async def test_the_head_of_metrics_is_the_head_of_the_answer(client, accept, encoding):
    """Probes ask for it."""
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    head, answer = await client.head("/metrics", headers=headers), await client.get("/metrics", headers=headers)
    assert (head.status, await head.read()) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Encoding", "Vary"):
        assert head.headers.get(name) == answer.headers.get(name)


async def test_an_accept_header_in_several_lines_is_one_list(client):
    """RFC 9110, 5.2."""
    headers = [("Accept", "text/plain;q=0.1"), ("Accept", OPENMETRICS), ("Accept-Encoding", "identity")]
    response = await client.get("/metrics", headers=headers)
    assert response.headers["Content-Type"] == Format.OPENMETRICS.value


async def test_the_status_page_shows_every_source(client, exporter):
    """With its jobs, and why it is down."""
    failed = {"consecutive_failures": 1, "reason": "access_denied", "error": "User: made-up is not authorized"}
    exporter.sources = [source("fine", jobs=4711), source("broken", **failed), source("new", attempts=0)]
    response = await client.get("/")
    page = await response.text()
    assert response.content_type == "text/html"
    assert __version__ in page
    assert 'href="/metrics"' in page
    for text in ("fine", "4711", "broken", "access_denied", "User: made-up is not authorized", "not tried yet"):
        assert text in page


async def test_sources_that_are_down_come_first(client, exporter):
    """They are what somebody looks for."""
    exporter.sources = [source("a-up"), source("z-down", consecutive_failures=1), source("b-up")]
    page = await (await client.get("/")).text()
    assert page.index("z-down") < page.index("a-up") < page.index("b-up")


SCRIPT = '<script>alert("x")</script>'


@pytest.mark.parametrize("name", ["account_id", "region", "aws_service", "kind", "scope"])
async def test_hostile_names_are_escaped(client, exporter, name):
    """Every part of a source comes from AWS or from a configuration."""
    key = SourceKey("1", "r", "s", "k", "")._replace(**{name: SCRIPT})
    exporter.sources = [SourceStatus(key, 60.0)]
    page = await (await client.get("/")).text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


async def test_hostile_errors_are_escaped(client, exporter):
    """An error's words are AWS's, or a proxy's."""
    exporter.sources = [source("k", consecutive_failures=1, reason="network", error=SCRIPT)]
    page = await (await client.get("/")).text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


async def test_a_hostile_telemetry_path_is_escaped(exporter):
    """Even where it is the own configuration's."""
    async with browsing(exporter, telemetry_path='/"><script>') as client:
        assert "<script" not in await (await client.get("/")).text()


async def test_the_status_page_may_run_no_script(client):
    """Should something get through the escaping, the browser stops it."""
    headers = (await client.get("/")).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("is_ready", [False, True])
async def test_it_is_healthy_as_long_as_it_answers(client, exporter, is_ready):
    """A restart would not make AWS answer."""
    exporter.is_ready = is_ready
    exporter.sources = [source("k", consecutive_failures=9)]
    assert (await client.get("/-/healthy")).status == 200


async def test_it_is_ready_once_every_source_was_tried(client, exporter):
    """And not before: the numbers of a half-read account are wrong."""
    assert (await client.get("/-/ready")).status == 503
    exporter.is_ready = True
    assert (await client.get("/-/ready")).status == 200


@pytest.mark.parametrize("path", ["/favicon.ico", "/metrics/", "/-/", "/metrics/../etc/passwd", "/-/quit"])
async def test_other_paths_are_not_found(client, path):
    """There is nothing else."""
    assert (await client.get(path)).status == 404


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_nothing_can_be_posted(client, path):
    """The server only shows."""
    assert (await client.post(path)).status == 405


async def test_the_telemetry_path_can_be_chosen(exporter):
    """Then the usual one is not there, and the status page leads to it."""
    async with browsing(exporter, telemetry_path="/prometheus") as client:
        assert (await client.get("/prometheus")).content_type == "text/plain"
        assert (await client.get("/metrics")).status == 404
        assert 'href="/prometheus"' in await (await client.get("/")).text()


async def test_metrics_may_stand_at_the_root(exporter):
    """They take the place of the status page."""
    async with browsing(exporter, telemetry_path="/") as client:
        response = await client.get("/", headers={"Accept-Encoding": "identity"})
        assert "things 7.0" in await response.text()
        assert (await client.get("/-/healthy")).status == 200


def has_ipv6():
    """Whether this machine has an IPv6 loopback."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
async def test_several_addresses_are_served(exporter):
    """Of both families of the Internet protocol, each with its port."""
    async with serving(exporter, "127.0.0.1:0", "[::1]:0") as addresses, client_session() as session:
        assert [host for host, _ in addresses] == ["127.0.0.1", "::1"]
        for host, port in addresses:
            url = f"http://[{host}]:{port}/-/healthy" if ":" in host else f"http://{host}:{port}/-/healthy"
            async with session.get(url) as response:
                assert response.status == 200


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
async def test_an_address_without_a_host_is_every_address(exporter):
    """Of both families, on one port even where the system chooses it."""
    async with serving(exporter, ":0") as [(host, port)], client_session() as session:
        assert host == "::"
        for name in ("127.0.0.1", "[::1]"):
            async with session.get(f"http://{name}:{port}/-/healthy") as response:
                assert response.status == 200


async def test_a_name_is_every_address_of_it(exporter):
    """The loopback's, for instance."""
    async with serving(exporter, "localhost:0") as addresses:
        assert {host for host, _ in addresses} <= {"127.0.0.1", "::1"}


async def test_sockets_of_systemd_are_for_the_process_that_is_named(monkeypatch):
    """Not for its children, which inherit the variables."""
    monkeypatch.setenv("LISTEN_FDS", "1")
    for process in ("1", "", "words"):
        monkeypatch.setenv("LISTEN_PID", process)
        with pytest.raises(OSError, match="no socket activation file descriptors found"):
            from_systemd()


async def test_when_serving_ends_the_port_is_free(exporter):
    """Another exporter can have it."""
    async with serving(exporter, "127.0.0.1:0") as [(host, port)]:
        pass
    async with serving(exporter, f"{host}:{port}") as addresses:
        assert addresses == [(host, port)]


async def test_an_address_in_use_is_an_error_and_the_others_are_let_go(exporter):
    """Half a server is none."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        used, unused = (f"127.0.0.1:{listener.getsockname()[1]}" for listener in (taken, free))
        free.close()
        with pytest.raises(OSError, match="in use"):
            async with serving(exporter, unused, used):
                pytest.fail("listened on an address in use")
    async with serving(exporter, unused) as addresses:
        assert len(addresses) == 1


def client_session():
    """Return a client of no server in particular."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
