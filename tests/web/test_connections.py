"""Clients that are slow, numerous, silent or hostile do not affect the others."""

import asyncio
import gc
import socket
import ssl
import weakref
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from exporter.exposition import Exposition
from exporter.web import Guard, Site, WebConfigFile, create_app, limit, listen, serve
from exporter.web.server import listening
from exporter.web.server.connections import ConnectionLimits, Connections
from tests.support.greeting import greeting
from tests.support.patience import PATIENCE, elapse, eventually

SCRAPERS = 200
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
UNHURRIED = ConnectionLimits(first_request=PATIENCE, next_request=PATIENCE, response=PATIENCE)
"""A server that gives up no connection before the test gives up the server."""


@dataclass
class Server:
    """A server on a port, and ways for clients to talk to it."""

    port: int
    connections: Connections

    @asynccontextmanager
    async def connected(self, *, receive_buffer=0):
        """Yield a connection; a small buffer lets a client that does not read block the server's writes."""
        client = socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.setblocking(False)  # noqa: FBT003 - its signature
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=client, limit=2**14 if receive_buffer else 2**16)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def send(self, request, *, count=1):
        """Send bytes over a separate connection and return the status lines of this many responses."""
        async with asyncio.timeout(PATIENCE), self.connected() as (reader, writer):
            writer.write(request)
            return [await status_of_response(reader) for _ in range(count)]

    def dropped(self, reason):
        """Return how many connections were dropped."""
        return self.connections._telemetry.http_connections_dropped.labels(reason)._value.get()

    async def is_healthy(self):
        """Return whether it responds."""
        return await self.send(HEALTHY) == [200]


async def status_of_response(reader):
    """Read one response and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
    await reader.readexactly(length)
    return int(head.split()[1])


async def ended(reader):
    """Wait until the server has closed a connection, and return what arrived before."""
    read = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE):
            while data := await reader.read(2**16):
                read += data
    return read


@asynccontextmanager
async def serving(*, series=10, max_requests=40, limits=UNHURRIED):
    """Yield a server with this many series."""
    registry = CollectorRegistry()
    gauge = Gauge("things", "Things.", ["name"], registry=registry)
    for number in range(series):
        gauge.labels(f"{number:04000}").set(number)
    site = Site(Exposition(registry, lambda: 0.0), lambda: True, "/metrics", max_requests=max_requests)
    app = create_app(site)
    async with serve(app, await listen(["127.0.0.1:0"]), limits=limits) as addresses:
        yield Server(addresses[0][1], kept(app))


def kept(app) -> Connections:
    """Return the connections of a running application."""
    connections = app.middlewares[0].__self__
    assert isinstance(connections, Connections)
    return connections


SHORT = 0.05
"""Seconds after which a test's server loses its patience where a handshake has to be over in time."""

MUCH = 3_000
"""Series of more bytes than the buffers of a connection hold, so that who does not read is noticed."""


@asynccontextmanager
async def held(server, count):
    """Yield while this many clients have requested the metrics and read only the first bytes."""
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        received: asyncio.Queue[bytes] = asyncio.Queue()
        over = asyncio.Event()

        async def read_the_start():
            async with server.connected(receive_buffer=4096) as (reader, writer):
                writer.write(SCRAPE)
                await received.put(await reader.readline())
                await over.wait()
                writer.transport.abort()

        for _ in range(count):
            group.create_task(read_the_start())
        yield [int((await received.get()).split()[1]) for _ in range(count)]
        over.set()


async def test_many_clients_scrape_at_once():
    """Each gets its response, and the server stays healthy meanwhile."""
    async with serving(max_requests=0) as server:
        scrapes = [asyncio.create_task(server.send(SCRAPE)) for _ in range(SCRAPERS)]
        assert await server.is_healthy()
        assert await asyncio.gather(*scrapes) == [[200]] * SCRAPERS


async def test_more_scrapes_than_allowed_are_refused(monkeypatch):
    """Earlier ones continue, and leave room when they finish. Health checks have no limit."""
    monkeypatch.setattr(limit, "_PATIENCE", PATIENCE)
    async with serving(series=MUCH, max_requests=2) as server:
        async with held(server, 2) as statuses:
            assert statuses == [200, 200]
            async with server.connected() as (reader, writer):
                writer.write(SCRAPE.replace(b"Host", b"Connection: close\r\nHost"))
                refusal = await ended(reader)
            assert refusal.startswith(b"HTTP/1.1 503 ")
            assert server.connections._telemetry.http_responses.labels("503")._value.get() == 1
            assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in refusal
            assert refusal.endswith(b"\r\n\r\nLimit of concurrent requests reached (2), try again later.\n")
            assert await server.is_healthy()
        await eventually(lambda: not server.connections._all)
        assert await server.send(SCRAPE) == [200]


async def test_a_scrape_that_nobody_reads_gives_way():
    """The one that has kept its place waiting for longest, and that one alone."""
    async with serving(series=MUCH, max_requests=2) as server, held(server, 1):
        (first,) = server.connections._all
        await eventually(partial(is_paused, first))
        elapse(1)
        async with held(server, 1):
            assert await server.send(SCRAPE) == [200]
            assert server.dropped("slow") == 1
            assert first not in server.connections
            assert [each for each in server.connections._all if not server.connections.has_waiting(each)]


async def test_a_reader_that_reads_a_little_now_and_then_gives_way():
    """All the time counts that the response has waited for it."""
    async with (
        serving(series=MUCH, max_requests=1) as server,
        server.connected(receive_buffer=4096) as (reader, writer),
    ):
        writer.write(SCRAPE)
        (connection,) = await only(server)
        for _ in range(4):
            await eventually(partial(is_paused, connection))
            elapse(0.3)
            await until_resumed(connection, reader)
        assert await server.send(SCRAPE) == [200]
        assert server.dropped("slow") == 1


async def test_what_an_earlier_response_waited_counts_no_more(monkeypatch):
    """A client that scrapes over one connection for days adds up to nothing."""
    monkeypatch.setattr(limit, "_PATIENCE", PATIENCE / 2)
    server_of_one = serving(series=MUCH, max_requests=1)
    async with server_of_one as server, server.connected(receive_buffer=4096) as (reader, writer):
        (connection,) = await only(server)
        for seconds in (PATIENCE / 2, 0):
            writer.write(SCRAPE)
            await eventually(partial(is_paused, connection))
            elapse(seconds)
            if seconds:
                assert await status_of_response(reader) == 200
        assert await server.send(SCRAPE) == [503]


async def until_resumed(connection, reader):
    """Read until the server sends more."""
    waited = connection._waited
    while connection._waited == waited:
        assert await reader.read(2**16)


async def test_a_slow_reader_is_cut_off(caplog):
    """It gets less than it requested; nothing is logged as an error."""
    async with serving(series=MUCH) as server, server.connected(receive_buffer=4096) as (reader, writer):
        writer.write(SCRAPE)
        assert await reader.read(1)
        elapse(UNHURRIED.response)
        await eventually(lambda: not server.connections._all)
        assert len(await ended(reader)) < MUCH * 4000
    assert not caplog.records


async def test_a_slow_reader_costs_little_memory():
    """The bytes sent are shared; a connection holds what one step of sending left."""
    async with serving(series=MUCH) as server, held(server, 5):
        waiting = [connection.transport.get_write_buffer_size() for connection in server.connections._all]
        assert len(waiting) == 5
        assert 0 < max(waiting) < 1_000_000


DRIPS = {
    "nothing": b"",
    "half a line": b"GET /metr",
    "half of the headers": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-",
}


@pytest.mark.parametrize("begin", DRIPS.values(), ids=DRIPS.keys())
async def test_a_client_that_sends_no_request_is_cut_off(begin):
    """A slow trickle of bytes does not help."""
    async with serving() as server, server.connected() as (reader, writer):
        writer.write(begin)
        await only(server)
        elapse(UNHURRIED.first_request)
        assert await ended(reader) == b""
        assert server.dropped("slow") == 1


async def test_a_client_that_sends_no_further_request_is_cut_off():
    """A second request has a time limit, too."""
    async with serving() as server, server.connected() as (reader, writer):
        writer.write(HEALTHY)
        assert await status_of_response(reader) == 200
        (connection,) = await only(server)
        await eventually(lambda: connection in server.connections._waiting)
        writer.write(b"GET /metr")
        elapse(UNHURRIED.next_request)
        assert await ended(reader) == b""


async def test_a_client_that_sends_its_request_in_time_may_stay():
    """The time limit of the first request ends with its response."""
    async with serving() as server, server.connected() as (reader, writer):
        (connection,) = await only(server)
        assert not connection._timer.cancelled()
        writer.write(HEALTHY)
        assert await status_of_response(reader) == 200
        await eventually(lambda: connection in server.connections._waiting)
        assert connection._timer.cancelled()


async def only(server):
    """Return the connections of a server as soon as there is one."""
    await eventually(lambda: len(server.connections._all) == 1)
    return server.connections._all


async def test_silent_connections_give_way():
    """A connection beyond the limit replaces the oldest silent one; a client that sends a request is served."""
    async with serving(limits=replace(UNHURRIED, connections=50)) as server, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(server.connected()) for _ in range(50)]
        for oldest, _ in silent[:5]:
            reader, writer = await stack.enter_async_context(server.connected())
            writer.write(HEALTHY)
            assert await status_of_response(reader) == 200
            assert await ended(oldest) == b""
        assert len(server.connections._all) == 50
        assert server.dropped("full") == 5


async def test_connections_with_a_response_in_progress_are_not_dropped():
    """The new connection is refused instead."""
    async with serving(series=MUCH, limits=replace(UNHURRIED, connections=2)) as server, held(server, 2) as statuses:
        assert statuses == [200, 200]
        async with server.connected() as (reader, writer):
            with suppress(ConnectionError):
                writer.write(HEALTHY)
            assert await ended(reader) == b""


async def test_connections_with_tls_have_the_same_limits(written, certificates):
    """The first response ends the first time limit and starts the second."""
    file = written("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    async with greeting(file, certificates, replace(UNHURRIED, next_request=SHORT)) as server:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=server.client())
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await status_of_response(reader) == 200
        assert await ended(reader) == b""
        writer.transport.abort()


async def test_half_open_handshakes_block_nobody(written, certificates):
    """TLS clients may send nothing, or garbage."""
    file = written("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    async with greeting(file, certificates, ConnectionLimits(first_request=SHORT)) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        for _, writer in silent[::2]:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
        for reader, writer in silent:
            await ended(reader)
            writer.close()
    async with greeting(file, certificates, UNHURRIED) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
        assert await server.get() == (200, "Hello World!")
        for _, writer in silent:
            writer.close()


async def test_silent_handshakes_give_way(written, certificates):
    """A TLS client that sends nothing takes no place that another one needs, and does not delay the shutdown."""
    file = written("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    async with asyncio.timeout(PATIENCE):
        async with greeting(file, certificates, ConnectionLimits(connections=2)) as server:
            silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            assert await server.get() == (200, "Hello World!")
            assert await ended(silent[0][0]) == b""
        for reader, writer in silent:
            assert await ended(reader) == b""
            writer.close()


def handlers():
    """Return how many of aiohttp's protocols there are, in use or not."""
    return sum(isinstance(each, RequestHandler) for each in gc.get_objects())


def is_paused(connection):
    """Return whether a connection waits for its client to read."""
    return connection._inner.writing_paused


async def test_a_reader_that_is_dropped_leaves_nothing_in_memory():
    """What was under way and what it sent ahead are free at once."""
    gc.disable()
    try:
        before = handlers()
        async with serving(series=MUCH) as server:
            async with server.connected(receive_buffer=4096) as (reader, writer):
                writer.write(SCRAPE * 20)
                assert await reader.read(1)
                (connection,) = server.connections._all
                await eventually(partial(is_paused, connection))
                del connection
                assert handlers() == before + 1
                writer.transport.abort()
            await eventually(lambda: handlers() == before)
    finally:
        gc.enable()


SAID = {"nothing": b"", "no TLS": b"GET / HTTP/1.1\r\n\r\n", "half a record": b"\x16\x03\x01"}


@pytest.mark.parametrize("begin", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("leaves", [True, False], ids=["left", "dropped"])
async def test_a_failed_handshake_leaves_nothing_in_memory(begin, leaves, written):
    """It has 250 kB, and a thousand can fail before Python looks for garbage."""
    guard = Guard(WebConfigFile(written("tls_server_config: {cert_file: server.crt, key_file: server.key}")))
    app = web.Application()
    gc.disable()
    try:
        async with serve(app, await listen(["127.0.0.1:0"]), guard.tls, limits=UNHURRIED) as [(_, port)]:
            server = Server(port, kept(app))
            async with server.connected() as (reader, writer):
                (connection,) = await only(server)
                is_kept = weakref.ref(connection)
                del connection
                writer.write(begin)
                if not leaves:
                    elapse(UNHURRIED.first_request)
                    await ended(reader)
            await eventually(lambda: not is_kept())
    finally:
        gc.enable()


@pytest.mark.slow
async def test_a_request_along_with_the_end_of_the_handshake_gets_a_response(written, certificates):
    """The client's last handshake message and its request may arrive in one packet."""
    file = written("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    async with greeting(file, certificates) as server, asyncio.timeout(PATIENCE):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                assert incoming.write(await reader.read(2**16)), "the server hung up"
        tls.write(get("/", extra=b"Connection: close\r\n"))
        writer.write(outgoing.read())
        incoming.write(await reader.read())
        assert tls.read(2**16).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


def get(path, version="1.1", extra=b""):
    """Return a request."""
    return f"GET {path} HTTP/{version}\r\nHost: localhost\r\n".encode() + extra + b"\r\n"


def posted(body, extra, length=b"Content-Length: 5\r\n"):
    """Return a request with a body."""
    return b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n" + length + extra + b"\r\n" + body


ODD = {
    "a header of 64 kB": (get("/metrics", extra=b"X: " + b"x" * 65_536 + b"\r\n"), {400}),
    "headers of 64 kB in all": (get("/metrics", extra=b"X: y\r\n" * 11_000), {400}),
    "eight headers of 8 kB": (get("/metrics", extra=(b"Accept: " + b"," * 8000 + b"\r\n") * 8), {431}),
    "three headers of 8 kB": (get("/metrics", extra=(b"Accept: " + b"," * 8000 + b"\r\n") * 3), {200}),
    "a body that is no gzip": (posted(b"abcde", b"Content-Encoding: gzip\r\n"), {405}),
    "a body that is no deflate": (posted(b"abcde", b"Content-Encoding: deflate\r\n"), {405}),
    "a body that is no brotli": (posted(b"abcde", b"Content-Encoding: br\r\n"), {405}),
    "a body of chunks that is no gzip": (
        posted(b"5\r\nabcde\r\n0\r\n\r\n", b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", length=b""),
        {405},
    ),
    "a body of chunks, one of which is none": (
        posted(b"5\r\nabcde\r\nrubbish\r\n", b"Transfer-Encoding: chunked\r\n", length=b""),
        {400, 405},
    ),
    "a path of 64 kB": (get("/" + "x" * 65_536), {400, 414}),
    "a body of 10 MB": (get("/metrics", extra=b"Content-Length: 10000000\r\n") + b"x" * 10_000_000, {200}),
    "a posted body of 10 MB": (
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10_000_000,
        {405},
    ),
    "a chunk that is no chunk": (get("/metrics", extra=b"Transfer-Encoding: chunked\r\n") + b"zzz\r\n", {200, 400}),
    "two lengths": (get("/metrics", extra=b"Content-Length: 1\r\nContent-Length: 2\r\n"), {400}),
    "a length and chunks": (get("/metrics", extra=b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), {400}),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a line that is none": (b"rubbish\r\n\r\n", {400}),
    "a method that is none": (b"FROB /metrics HTTP/1.1\r\nHost: x\r\n\r\n", {400, 405}),
    "HTTP 9.9": (get("/metrics", "9.9"), {400, 505}),
    "HTTP 1.0": (b"GET /metrics HTTP/1.0\r\n\r\n", {200}),
    "an absolute URI": (get("http://localhost/metrics"), {200}),
    "an absolute URI of another host": (get("http://example.com/metrics"), {200}),
    "two slashes": (get("//metrics"), {404}),
    "two slashes and a host": (get("//localhost/metrics"), {404}),
    "no slash": (get("metrics"), {400, 404}),
    "dots": (get("/../../etc/passwd"), {404}),
    "a NUL": (get("/metrics%00"), {404}),
    "bytes that are no UTF-8": (get("/%ff%fe"), {404}),
    "a header that is no UTF-8": (get("/metrics", extra=b"Accept: \xff\xfe\r\n"), {200, 400}),
    "an upgrade": (get("/metrics", extra=b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), {200}),
    "CONNECT": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", {400, 404, 405}),
}


@pytest.mark.parametrize(("request_bytes", "statuses"), ODD.values(), ids=ODD.keys())
async def test_odd_requests_do_not_stop_the_server(request_bytes, statuses, caplog):
    """The response says what is wrong; the server continues, and nothing is logged as an error."""
    async with serving() as server:
        (status,) = await server.send(request_bytes)
        assert status in statuses
        assert await server.is_healthy()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_request_with_too_much_in_its_headers_ends_its_connection():
    """What the client sent behind it is not read, and an exporter without pages refuses it the same way."""
    big = get("/metrics", extra=(b"X: " + b"x" * 8000 + b"\r\n") * 8)
    async with serving() as server, server.connected() as (reader, writer):
        writer.write(big + HEALTHY)
        response = await ended(reader)
    assert response.startswith(b"HTTP/1.1 431 ")
    assert response.count(b"HTTP/1.1") == 1


async def test_pipelined_requests_get_their_responses_in_order():
    """Pipelining: one response for each request, in the same order."""
    async with serving() as server:
        odd = get("/nothing")
        assert await server.send((HEALTHY + odd) * 100, count=200) == [200, 404] * 100


@pytest.mark.slow
async def test_a_flood_without_reading_is_cut_off():
    """Unread responses do not pile up: aiohttp stops reading, and then the time limit passes."""
    async with serving(series=MUCH) as server:
        async with server.connected(receive_buffer=4096) as (reader, writer):
            writer.write(SCRAPE * 100_000)
            assert await reader.read(1)
            (connection,) = server.connections._all
            assert len(connection._inner._messages) < 100
            elapse(UNHURRIED.response)
            await eventually(lambda: not server.connections._all)
        assert await server.is_healthy()


async def test_requests_sent_ahead_do_not_pile_up():
    """A client that reads nothing cannot have megabytes of further requests kept for it."""
    big = get("/metrics", extra=b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(120)))
    async with serving(series=MUCH) as server, server.connected(receive_buffer=4096) as (reader, writer):
        writer.write(SCRAPE)
        assert await reader.read(1)
        (connection,) = server.connections._all
        writer.write(big * 30)
        await eventually(lambda: connection._inner._close)
        assert len(connection._inner._messages) <= 1
        writer.write(big * 30)
        assert len(await ended(reader)) > MUCH * 4000
        assert await server.is_healthy()


async def test_an_error_in_one_connection_does_not_affect_the_server():
    """It is logged, and the next connection works."""

    async def context():
        raise ZeroDivisionError

    with capture_logs() as logged:
        async with serve(web.Application(), await listen(["127.0.0.1:0"]), context) as [(_, port)]:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await ended(reader) == b""
                writer.close()
    assert [line["event"] for line in logged] == ["Cannot open a connection"] * 2


async def test_a_response_in_progress_is_finished_when_the_server_shuts_down(monkeypatch):
    """A restart does not cut off a scrape."""
    monkeypatch.setattr(listening, "_GRACE", PATIENCE)
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request):
        entered.set()
        await go_on.wait()
        return web.Response(text="whole")

    app = web.Application()
    app.add_routes([web.get("/", slow)])
    async with asyncio.timeout(PATIENCE):
        async with serve(app, await listen(["127.0.0.1:0"])) as [(_, port)]:
            client = asyncio.create_task(Server(port, kept(app)).send(get("/")))
            await entered.wait()
            shutting_down = asyncio.create_task(once_connections_are_refused(port, go_on.set))
        await shutting_down
        assert await client == [200]


async def once_connections_are_refused(port, do):
    """Do something once a server has started to shut down."""

    async def is_closed():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return True
        writer.close()
        return False

    await eventually(is_closed)
    do()


async def test_many_connections_are_accepted_at_once():
    """A client does not wait for as many steps of the event loop as there are clients before it."""
    steps = 0

    def count():
        nonlocal steps
        if len(server.connections._all) < SCRAPERS:
            steps += 1
            asyncio.get_running_loop().call_soon(count)

    async with serving() as server:
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(SCRAPERS)]
        count()
        await eventually(lambda: len(server.connections._all) == SCRAPERS)
        for client in clients:
            client.close()
    assert steps < SCRAPERS / 2
