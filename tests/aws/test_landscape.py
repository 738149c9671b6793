"""Which services a region has."""

import socket

import pytest

from exporter.aws import Endpoints, landscape
from tests.support.harness import HandClock


@pytest.mark.parametrize(
    ("service", "region", "expected"),
    [
        ("lookoutequipment", "us-east-1", True),
        ("lookoutequipment", "eu-central-1", False),
        ("lookoutequipment", "cn-north-1", False),
        ("batch", "cn-north-1", True),
        # botocore's data does not mention it.
        ("cleanroomsml", "eu-central-1", True),
    ],
)
async def test_botocore_knows_most_services(service, region, expected):
    """A service that it does not know is assumed to exist."""
    assert await Endpoints(HandClock(), ask=False).has(service, region) is expected


@pytest.mark.parametrize(
    ("service", "host"),
    [
        ("cleanroomsml", "cleanrooms-ml.eu-west-3.amazonaws.com"),
        ("mwaa-serverless", "airflow-serverless.eu-west-3.api.aws"),
        # Depends on more than the region.
        ("neptune-graph", ""),
    ],
)
def test_the_host_of_an_endpoint(service, host):
    """Botocore's endpoint rules determine it."""
    assert landscape._host(service, "eu-west-3") == host


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no such name"), False),
        (socket.gaierror(socket.EAI_AGAIN, "the name server does not answer"), True),
        (OSError("no network"), True),
    ],
)
async def test_only_a_definite_no_from_the_name_server_removes_a_service(monkeypatch, error, expected):
    """A failing resolver removes no service. It is queried once an hour, however many accounts need to know."""
    looked_up = []

    def lookup(host, *_, **__):
        looked_up.append(host)
        raise error

    # There is no network in a test.
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    clock = HandClock()
    endpoints = Endpoints(clock, ask=True)
    for seconds, times in ((0, 1), (3599, 1), (1, 2)):
        clock.now += seconds
        assert await endpoints.has("cleanroomsml", "eu-west-3") is expected
        assert looked_up == ["cleanrooms-ml.eu-west-3.amazonaws.com"] * times


@pytest.mark.parametrize(("service", "region"), [("neptune-graph", "eu-west-3"), ("cleanroomsml", "eu-west-3")])
async def test_a_host_that_cannot_be_determined_is_assumed_to_exist(service, region):
    """Its name depends on more than the region, or must not be looked up."""
    endpoints = Endpoints(HandClock(), ask=service != "cleanroomsml")
    assert await endpoints.has(service, region)


async def test_no_name_is_resolved_behind_a_proxy(monkeypatch):
    """The proxy resolves them, so the exporter looks none up."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    assert await Endpoints(HandClock(), ask=True).has("cleanroomsml", "eu-west-3")


async def test_a_host_that_exists():
    """The loopback always exists."""
    assert await landscape._resolves("localhost")
