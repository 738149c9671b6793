"""Which hosts the pages can be requested from."""

from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.web import Site, create_app
from tests.support.inside import empty_database, inside

OPEN = Site(Exposition(CollectorRegistry(), lambda: 0.0), lambda: True, "/metrics", inside=inside(tuple))
GUARDED = replace(OPEN, allowed_hosts=("Jobs.example.com", "*.internal"))


async def status(site, host, path="/"):
    """Return the status and the text of a response to a request for a host."""
    empty_database()
    async with TestClient(TestServer(create_app(site))) as client:
        response = await client.get(path, headers={"Host": host})
        return response.status, await response.text()


@pytest.mark.parametrize(
    "host",
    [
        *("jobs.example.com", "JOBS.example.com:8443", "jobs.example.com.", "a.internal:10058"),
        *("localhost:10058", "127.0.0.1:10058", "10.0.0.1", "[::1]:10058"),
    ],
)
async def test_the_names_that_are_listed_and_addresses_are_served(host):
    """Whoever points a name of their own at the exporter sends that name."""
    assert (await status(GUARDED, host))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "jobs.example.com.evil.example", "internal", "127.0.0.1.evil.example"]
)
@pytest.mark.parametrize("path", ["/", "/jobs", "/api/v1/jobs", "/config"])
async def test_other_names_are_refused(host, path):
    """The response says which setting it is about, and shows nothing else."""
    code, text = await status(GUARDED, host, path)
    assert code == 421
    assert "web.allowed_hosts" in text or path.startswith("/api/")


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
async def test_prometheus_and_probes_come_by_any_name(path):
    """They have names of their own for it, and are no browsers."""
    assert (await status(GUARDED, "exporter.monitoring.svc:10058", path))[0] == 200


async def test_by_default_every_name_is_served():
    """A name in front of it is for the user to choose."""
    assert (await status(OPEN, "anything.example"))[0] == 200
