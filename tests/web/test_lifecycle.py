"""Reloading over HTTP, where it is allowed."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.web import Site, create_app


async def response_to(method, reload, headers=None):
    """Return the status and the text of a response."""
    site = Site(Exposition(CollectorRegistry(), lambda: 0.0), bool, "/metrics", reload=reload)
    async with TestClient(TestServer(create_app(site))) as client:
        response = await client.request(method, "/-/reload", headers=headers)
        return response.status, await response.text()


def reloading(*problems):
    """Return a reload that reports these problems."""

    async def reload():
        return problems

    return reload


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_successful_reload(method):
    """The response is the same as Prometheus's."""
    assert await response_to(method, reloading()) == (200, "")


async def test_a_failed_reload_says_why():
    """Each problem is on a separate line."""
    assert await response_to("POST", reloading("a: wrong", "b: wrong")) == (500, "a: wrong\nb: wrong\n")


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_without_the_flag_a_reload_is_refused(method):
    """The wording is that of Prometheus."""
    assert await response_to(method, None) == (403, "Lifecycle API is not enabled.")


@pytest.mark.parametrize("reload", [None, reloading()], ids=["disabled", "enabled"])
async def test_a_link_cannot_reload(reload):
    """GET changes nothing."""
    assert (await response_to("GET", reload))[0] == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[half"}, 403),
        ({"Origin": "http://exporter.example:10058", "Host": "exporter.example:10058"}, 200),
        ({}, 200),
    ],
    ids=str,
)
async def test_a_page_of_another_site_cannot_reload(headers, status):
    """A user who can reach the exporter may visit any page, and its forms can be sent anywhere."""
    assert (await response_to("POST", reloading(), headers))[0] == status
