"""Pages and the API keep nobody waiting, and take little memory: few at once, in turns, piece by piece."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from exporter.exposition import Exposition
from exporter.jobs import State
from exporter.web import Site, create_app, health, listen, refusals, serve
from exporter.web.views.renderer import PIECE, Renderer
from tests.support.inside import NOW, TRAINING, Polled, inside, job, listed, status
from tests.support.patience import PATIENCE, elapse, eventually

LONG = "'é" * 2000
"""A message of as many characters as are kept of one."""

MANY = 600
"""Jobs or sources with such messages: more than one page takes."""


@asynccontextmanager
async def browsing(app):
    """Yield a client of an application, which opens as many connections as it likes."""
    async with serve(app, await listen(["127.0.0.1:0"])) as [(_, port)]:
        connector = aiohttp.TCPConnector(limit=0, socket_factory=_small)
        patience = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector, timeout=patience) as session:
            yield session


def _small(address):
    """Return the socket of a client whose system takes little of what it does not read."""
    family, kind, protocol, _, _ = address
    connection = socket.socket(family, kind, protocol)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return connection


def site(*sources):
    """Return the application of an exporter with these sources."""
    return create_app(Site(Exposition(CollectorRegistry(), lambda: NOW), bool, "/metrics", inside(lambda: sources)))


def rendering(texts):
    """Return an application with one page, made of these texts, and a health check."""
    renderer = Renderer()

    async def make(_request):
        return await renderer.response(texts, "text/html", {})

    app = web.Application(middlewares=[refusals.explained("/metrics")])
    app.add_routes([renderer.get("/page", make), *health.routes(bool)])
    return app


async def test_a_page_in_the_making_keeps_nobody_waiting():
    """A health check gets its response meanwhile, however long the page takes."""
    is_answered = False

    def texts():
        for _ in range(10_000_000):
            if is_answered:
                yield "made"
                return
            yield ""

    async with browsing(rendering(texts())) as client:
        page = asyncio.create_task(client.get("/page"))
        async with client.get("/-/healthy") as response:
            assert response.status == 200
        is_answered = True
        assert await (await page).text() == "made"


@asynccontextmanager
async def unread(client, path, count):
    """Yield as many responses, of which only the headers are read."""
    responses = await asyncio.gather(*(client.get(path) for _ in range(count)))
    try:
        yield responses
    finally:
        for response in responses:
            response.close()


PATHS = ["/jobs?limit=1000", "/api/v1/jobs?limit=1000"]


@pytest.mark.parametrize("path", PATHS)
async def test_what_a_client_does_not_read_is_not_made(path):
    """Each holds what one step of sending left, of a page of megabytes."""
    app = site(listed([job(str(number), State.FAILED, message=LONG) for number in range(MANY)]))
    async with browsing(app) as client, unread(client, path, 5) as responses:
        assert [response.status for response in responses] == [200] * 5
        connections = app.middlewares[0].__self__._all
        assert max(connection.transport.get_write_buffer_size() for connection in connections) < 1_000_000
        whole = await responses[0].read()
        assert len(whole) > 3_000_000
        assert whole.endswith(b"}}" if "api" in path else b"</html>")


@asynccontextmanager
async def reading_nothing(client, app, path, count):
    """Yield while as many responses wait for their clients, which read only the headers."""
    async with unread(client, path, count) as responses:
        assert [response.status for response in responses] == [200] * count
        connections = app.middlewares[0].__self__
        await eventually(lambda: len(waiting(connections)) == count)
        yield connections


def waiting(connections):
    """Return the connections whose responses wait for their clients."""
    return [each for each in connections._all if each.is_open and each._inner.writing_paused]


@pytest.mark.parametrize("path", PATHS)
async def test_pages_that_nobody_reads_keep_nobody_from_theirs(path):
    """As many as there are places: the one that has waited longest gives way, and the others may still be read."""
    app = site(listed([job(str(number), State.FAILED, message=LONG) for number in range(MANY)]))
    async with browsing(app) as client, reading_nothing(client, app, path, 20) as connections:
        elapse(1)
        for _ in range(3):
            async with client.get(path) as response:
                assert (response.status, len(await response.read()) > 3_000_000) == (200, True)
        assert len(waiting(connections)) == 19


async def test_pages_that_nobody_reads_are_no_more_than_the_places():
    """However many come: what they hold in memory has a bound."""
    app = site(listed([job(str(number), State.FAILED, message=LONG) for number in range(MANY)]))
    async with browsing(app) as client, reading_nothing(client, app, "/jobs?limit=1000", 20) as connections:
        elapse(1)
        async with unread(client, "/jobs?limit=1000", 20) as others:
            assert [response.status for response in others] == [200] * 20
            under_way = [each for each in connections._all if not connections.has_waiting(each)]
            assert len(under_way) == 20


@pytest.mark.parametrize(
    ("path", "accept", "shown"),
    [
        ("/jobs", "text/html", "<h1>"),
        ("/jobs", "*/*", "Limit of concurrent requests reached (20), try again later."),
        ("/api/v1/jobs", "*/*", '"errorType": "unavailable"'),
    ],
)
async def test_more_pages_at_once_than_allowed_are_refused(path, accept, shown):
    """Health checks and scrapes are not, and there is room again when those under way are over.

    None gives way, however long it takes to make them.
    """
    looking = inside(list)
    app = create_app(Site(Exposition(CollectorRegistry(), lambda: NOW), bool, "/metrics", looking))
    async with browsing(app) as client, asyncio.timeout(PATIENCE):
        async with looking.inventory._database.exclusive():
            pages = [asyncio.create_task(client.get(path, headers={"Accept": accept})) for _ in range(21)]
            [refused], admitted = await asyncio.wait(pages, return_when=asyncio.FIRST_COMPLETED)
            elapse(10)
            async with client.get(path) as response:
                assert response.status == 503
            async with refused.result() as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "1")
                assert shown in await response.text()
            for other in ("/-/healthy", "/metrics", "/static/style.css"):
                async with client.get(other) as response:
                    assert response.status == 200
        assert [response.status for response in await asyncio.gather(*admitted)] == [200] * 20
        async with client.get(path) as response:
            assert response.status == 200


@pytest.mark.parametrize(("name", "path"), [("jobs", "/api/v1/jobs"), ("sources", "/api/v1/sources")])
async def test_texts_too_long_for_one_page_go_on_the_next(name, path):
    """Page by page, each comes exactly once."""
    broken = [status(TRAINING, region=f"r-{n}", error=LONG, consecutive_failures=1) for n in range(MANY)]
    jobs = [job(str(n), State.FAILED, message=LONG) for n in range(MANY)]
    pages, cursor = [], ""
    async with browsing(site(listed(jobs), *map(Polled, broken))) as client:
        while cursor is not None:
            async with client.get(f"{path}?limit=1000{cursor and f'&cursor={cursor}'}") as response:
                data = (await response.json())["data"]
            pages.append(data[name])
            cursor = data["next"]
    assert len(pages) > 1
    every = [json.dumps(row) for page in pages for row in page]
    assert len(every) == len(set(every)) == data["total"]
    assert max(sum(len(row.get("message") or row.get("error")) for row in page) for page in pages) <= 1_000_000


async def test_an_error_before_the_first_piece_is_an_error_of_its_own():
    """The client learns it from the status."""

    def texts():
        yield "begun"
        raise ZeroDivisionError

    with capture_logs() as logged:
        async with browsing(rendering(texts())) as client, client.get("/page") as response:
            assert response.status == 500
    assert [line["event"] for line in logged] == ["Cannot respond to a request"]


async def test_an_error_after_the_first_piece_breaks_the_connection():
    """So that a part does not pass for the whole."""

    def texts():
        yield "x" * PIECE
        raise ZeroDivisionError

    async with browsing(rendering(texts())) as client, client.get("/page") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


@pytest.mark.parametrize("path", ["/", "/jobs", "/api/v1/jobs"])
async def test_a_short_page_says_how_long_it_is(path):
    """Also in response to HEAD."""
    async with browsing(site(listed([job("a")]))) as client:
        async with client.get(path, headers={"Accept-Encoding": "identity"}) as response:
            length = len(await response.read())
            assert int(response.headers["Content-Length"]) == length
        async with client.head(path) as response:
            assert (response.status, int(response.headers["Content-Length"])) == (200, length)
