"""What is served over HTTP: the exposition, the health check and the readiness check."""

import gzip
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from structlog.testing import capture_logs

from exporter.exposition import Exposition, Format
from exporter.telemetry import SourceStatus
from exporter.web import Site, create_app, from_systemd, listen, serve
from tests.support.inside import Polled, inside, status
from tests.support.patience import PATIENCE

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


@dataclass
class Exporter:
    """The parts of an exporter that the server shows, as a test sets them."""

    sources: list[SourceStatus] = field(default_factory=list)
    is_ready: bool = False
    has_pages: bool = True

    def site(self, telemetry_path="/metrics"):
        """Return what the server is made from; the exporter has one metric."""
        registry = CollectorRegistry()
        Gauge("things", "Things.", registry=registry).set(7)
        return Site(
            exposition=Exposition(registry, lambda: 0.0),
            is_ready=lambda: self.is_ready,
            telemetry_path=telemetry_path,
            inside=inside(lambda: map(Polled, self.sources)) if self.has_pages else None,
        )


@pytest.fixture
def exporter():
    """Return an exporter that has no sources yet."""
    return Exporter()


@asynccontextmanager
async def browsing(exporter, **options):
    """Yield a client that sees responses exactly as they are sent."""
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


async def test_metrics_in_the_text_format(client):
    """It is the default."""
    response = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
    assert response.status == 200
    assert response.headers.getall("Content-Type") == [Format.TEXT.value]
    assert "Content-Encoding" not in response.headers
    assert "things 7.0" in (await response.text()).splitlines()


async def test_metrics_in_openmetrics(client):
    """A client that requests it can read it with the format's own parser."""
    response = await client.get("/metrics", headers={"Accept": OPENMETRICS, "Accept-Encoding": "identity"})
    assert response.headers.getall("Content-Type") == [Format.OPENMETRICS.value]
    assert [family.name for family in parse_openmetrics(await response.text())] == ["things"]


@pytest.mark.parametrize("accept", ["*/*", OPENMETRICS])
async def test_metrics_are_compressed_for_clients_that_accept_it(client, accept):
    """Prometheus always accepts it."""
    response = await client.get("/metrics", headers={"Accept": accept, "Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert b"things 7.0" in gzip.decompress(await response.read())


async def test_a_finished_response_has_reached_the_kernel(client):
    """Data still in a transport would be lost if the process ended now."""
    await client.get("/metrics")
    (connection,) = client.server.handler.connections
    assert connection.transport.get_write_buffer_limits() == (0, 0)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_caches_learn_what_the_response_depends_on(client, encoding):
    """A cache must not give one client the format of another."""
    response = await client.get("/metrics", headers={"Accept-Encoding": encoding})
    assert {word.strip() for word in response.headers["Vary"].split(",")} == {"Accept", "Accept-Encoding"}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", ["*/*", OPENMETRICS])
async def test_a_head_request_gets_the_headers_of_the_response(client, accept, encoding):
    """Probes send HEAD requests."""
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    head, response = await client.head("/metrics", headers=headers), await client.get("/metrics", headers=headers)
    assert (head.status, await head.read()) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Content-Encoding", "Vary"):
        assert head.headers.get(name) == response.headers.get(name)


async def test_an_accept_header_in_several_lines_is_one_list(client):
    """RFC 9110, section 5.2, requires it."""
    headers = [("Accept", "text/plain;q=0.1"), ("Accept", OPENMETRICS), ("Accept-Encoding", "identity")]
    response = await client.get("/metrics", headers=headers)
    assert response.headers["Content-Type"] == Format.OPENMETRICS.value


@pytest.mark.parametrize("is_ready", [False, True])
async def test_it_is_healthy_as_long_as_it_responds(client, exporter, is_ready):
    """A restart would not make AWS respond."""
    exporter.is_ready = is_ready
    exporter.sources = [status(consecutive_failures=9)]
    assert (await client.get("/-/healthy")).status == 200


async def test_it_is_ready_once_every_source_was_polled(client, exporter):
    """Not before that: the numbers of a partly read account are wrong."""
    assert (await client.get("/-/ready")).status == 503
    exporter.is_ready = True
    assert (await client.get("/-/ready")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/favicon.ico",
        "/static/none.css",
        "/static/",
        "/static/../site.py",
        "/api/v1/",
        "/metrics/",
        "/-/",
        "/metrics/../etc/passwd",
        "/-/quit",
    ],
)
async def test_other_paths_are_not_found(client, path):
    """No other path exists."""
    assert (await client.get(path)).status == 404


@pytest.mark.parametrize("path", ["/", "/jobs", "/api/v1/jobs", "/metrics", "/-/healthy", "/-/ready"])
async def test_nothing_can_be_posted(client, path):
    """The server is read-only."""
    assert (await client.post(path)).status == 405


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/jobs/", 404, "not_found"),
        ("POST", "/api/v1/jobs", 405, "bad_data"),
        ("OPTIONS", "/api/v1/jobs", 405, "bad_data"),
    ],
)
async def test_the_api_refuses_requests_in_json(client, method, path, status, kind):
    """A client that expects JSON gets JSON."""
    response = await client.request(method, path)
    body = await response.json()
    assert (response.status, body["status"], body["errorType"]) == (status, "error", kind)
    assert path in body["error"]
    assert ("Allow" in response.headers) is (status == 405)


async def test_a_missing_page_links_to_an_existing_one(client):
    """A person may have mistyped a link."""
    response = await client.get("/job%3Cscript%3E", headers={"Accept": "text/html,*/*;q=0.8"})
    page = await response.text()
    assert (response.status, response.content_type) == (404, "text/html")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert 'href="./jobs"' in page
    assert "<script>" not in page


@pytest.mark.parametrize(
    ("accept", "content_type", "path"),
    [("text/html", "text/html", "/jobs"), ("*/*", "application/json", "/api/v1/jobs"), ("*/*", "text/plain", "/jobs")],
)
async def test_an_internal_error_reveals_no_details(exporter, accept, content_type, path):
    """The log has the traceback, the response does not, and the next one succeeds."""

    def broken():
        raise RuntimeError("a secret of the inside")

    site = replace(exporter.site(), inside=inside(broken))
    with capture_logs() as logged:
        async with TestClient(TestServer(create_app(site))) as client:
            response = await client.get(path, headers={"Accept": accept})
            text = await response.text()
            assert (response.status, response.content_type) == (500, content_type)
            assert "secret" not in text
            assert "Traceback" not in text
            assert (await client.get("/-/healthy")).status == 200
    assert [(line["path"], line["exc_info"]) for line in logged] == [(path, True)]


@pytest.mark.parametrize("path", ["/", "/jobs?state=faild", "/nothing", "/metrics", "/api/v1/status", "/-/healthy"])
async def test_no_response_reveals_a_version(client, path):
    """Versions of Python and aiohttp are never sent; only the exporter's is on the page."""
    response = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert "Server" not in response.headers
    assert "aiohttp" not in await response.text()


async def test_the_telemetry_path_can_be_chosen(exporter):
    """The default path then does not exist, and the pages link to the new one."""
    async with browsing(exporter, telemetry_path="/prometheus") as client:
        assert (await client.get("/prometheus")).content_type == "text/plain"
        assert (await client.get("/metrics")).status == 404
        assert 'href="./prometheus"' in await (await client.get("/")).text()


async def test_metrics_may_be_at_the_root(exporter):
    """They replace the first page."""
    async with browsing(exporter, telemetry_path="/") as client:
        response = await client.get("/", headers={"Accept-Encoding": "identity"})
        assert "things 7.0" in await response.text()
        assert (await client.get("/-/healthy")).status == 200


async def test_metrics_may_replace_any_page(exporter):
    """The configuration takes precedence."""
    async with browsing(exporter, telemetry_path="/jobs") as client:
        response = await client.get("/jobs", headers={"Accept-Encoding": "identity"})
        assert "things 7.0" in await response.text()
        assert (await client.get("/sources")).content_type == "text/html"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/jobs", "/sources", "/kinds", "/config", "/static/style.css"),
        *("/api/v1/jobs", "/api/v1/sources", "/api/v1/status", "/api/v1/openapi.yaml"),
    ],
)
async def test_without_pages_there_are_metrics_and_health_and_nothing_else(exporter, path):
    """Names and messages of jobs can be sensitive."""
    async with browsing(exporter) as client:
        assert (await client.get(path)).status == 200
    exporter.has_pages = False
    async with browsing(exporter) as client:
        assert (await client.get(path)).status == 404
        assert (await client.get("/metrics")).status == 200
        assert (await client.get("/-/healthy")).status == 200
        assert (await client.get("/-/ready")).status == 503


def has_ipv6():
    """Return whether this machine has an IPv6 loopback."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
async def test_several_addresses_are_served(exporter):
    """They may be IPv4 or IPv6, each with its port."""
    async with serving(exporter, "127.0.0.1:0", "[::1]:0") as addresses, client_session() as session:
        assert [host for host, _ in addresses] == ["127.0.0.1", "::1"]
        for host, port in addresses:
            url = f"http://[{host}]:{port}/-/healthy" if ":" in host else f"http://{host}:{port}/-/healthy"
            async with session.get(url) as response:
                assert response.status == 200


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
async def test_an_address_without_a_host_stands_for_every_address(exporter):
    """Both IPv4 and IPv6, on the same port even where the system chooses it."""
    async with serving(exporter, ":0") as [(host, port)], client_session() as session:
        assert host == "::"
        for name in ("127.0.0.1", "[::1]"):
            async with session.get(f"http://{name}:{port}/-/healthy") as response:
                assert response.status == 200


async def test_a_name_stands_for_all_of_its_addresses(exporter):
    """For example, every loopback address that localhost has."""
    async with serving(exporter, "localhost:0") as addresses:
        assert {host for host, _ in addresses} <= {"127.0.0.1", "::1"}


async def test_sockets_of_systemd_are_only_for_the_named_process(monkeypatch):
    """Its children inherit the variables, but must not use the sockets."""
    monkeypatch.setenv("LISTEN_FDS", "1")
    for process in ("1", "", "words"):
        monkeypatch.setenv("LISTEN_PID", process)
        with pytest.raises(OSError, match="no socket activation file descriptors found"):
            from_systemd()


async def test_the_port_is_free_after_the_shutdown(exporter):
    """Another exporter can use it."""
    async with serving(exporter, "127.0.0.1:0") as [(host, port)]:
        pass
    async with serving(exporter, f"{host}:{port}") as addresses:
        assert addresses == [(host, port)]


async def test_an_address_in_use_is_an_error_and_the_others_are_dropped(exporter):
    """A server on half of its addresses would be worse than an error."""
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        used, unused = (f"127.0.0.1:{listener.getsockname()[1]}" for listener in (taken, free))
        free.close()
        with pytest.raises(OSError, match="in use"):
            async with serving(exporter, unused, used):
                pytest.fail("listened on an address in use")
    async with serving(exporter, unused) as addresses:
        assert len(addresses) == 1


def client_session():
    """Return a client that is not bound to a server."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
