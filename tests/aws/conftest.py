"""An independent implementation of AWS: moto behind real HTTP."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib import request

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.support.harness import REGION


@pytest.fixture(scope="module")
def moto_server() -> Iterator[str]:
    """Return the address of a moto server whose Batch jobs need no Docker."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    _post(f"{address}/moto-api/config", {"batch": {"use_docker": False}})
    yield address
    server.stop()


@pytest.fixture
def moto(moto_server: str) -> Iterator[str]:
    """Return the address of an empty moto server."""
    yield moto_server
    # moto keeps its state per process: reset it so that the next test starts empty.
    _post(f"{moto_server}/moto-api/reset")


@pytest.fixture
def client(moto: str, aws_credentials: None) -> Callable[[str], Any]:
    """Return a function that makes boto3's own clients of the moto server."""

    def made(service: Any, region: str = REGION) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=moto)

    return made


def _post(url: str, content: Any = None) -> None:
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    request.urlopen(request.Request(url, body, headers, method="POST")).close()
