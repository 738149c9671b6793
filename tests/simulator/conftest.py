"""Real AWS clients for the simulator, and a world with some jobs of every kind."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config

from exporter.catalog import Kind
from exporter.simulator import SimulatedJob, SimulatedScope, Simulator, World
from tests.support.harness import CATALOG

NOW = 1_800_000_000.0


class Clock:
    """A clock that only tests advance."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """Return a session that shares the simulator's models, so that each is read once for all tests."""
    session = boto3.Session()
    session._session.register_component("data_loader", World(CATALOG).models._loader)
    return session


@pytest.fixture
def connect(session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """Yield a function that makes clients, which are closed after the test."""
    clients = []

    def client(simulator: Simulator, service: str, *, key: str = "AKIAIOSFODNN7EXAMPLE", **options: Any) -> Any:
        made = session.client(
            service,
            region_name=options.get("region", "us-east-1"),
            aws_access_key_id=key,
            aws_secret_access_key="made-up",
            endpoint_url=simulator.endpoint_url,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, inject_host_prefix=False),
        )
        # s3control puts the account's id in front of the host, regardless of the configuration.
        made.meta.events.register("before-sign", partial(_readdress, simulator.endpoint_url))
        clients.append(made)
        return made

    yield client
    for made in clients:
        made.close()


def _readdress(endpoint_url: str, request: Any, **_: Any) -> None:
    """Send a request to the simulator."""
    request.url = "/".join([endpoint_url, *request.url.split("/")[3:]])


@pytest.fixture
def call() -> Callable[..., Any]:
    """Return a function that calls an operation by its AWS name, in a thread."""

    async def call(client: Any, operation: str, **arguments: Any) -> Any:
        methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        return await asyncio.to_thread(getattr(client, methods[operation]), **arguments)

    return call


@pytest.fixture
def read(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that reads all pages of a list, with botocore's paginator where there is one."""
    models = World(CATALOG).models

    async def read(client: Any, operation: str, **arguments: Any) -> list[Any]:
        methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        if client.can_paginate(methods[operation]):
            pages = client.get_paginator(methods[operation]).paginate(**arguments)
            return await asyncio.to_thread(list, pages)
        paging = models.paging(client.meta.service_model.service_name, operation)
        found = [await call(client, operation, **arguments)]
        while token := found[-1].get(paging.output_token):
            found.append(await call(client, operation, **arguments, **{paging.input_token: token}))
        return found

    return read


@pytest.fixture
def settle() -> Callable[..., Any]:
    """Return a function that adds jobs of a kind to two scopes of each type and returns the innermost scopes."""

    def settle(world: World, kind: Kind, jobs: int = 5) -> list[SimulatedScope | None]:
        level: list[SimulatedScope | None] = [None]
        for name, _ in kind.scopes:
            level = [
                world.add_scope(kind.service, name, name=f"{name}-{n}", within=outer) for outer in level for n in "ab"
            ]
        for scope in level:
            for number in range(jobs):
                add_job(world, kind, scope, number)
        return level

    return settle


def add_job(world: World, kind: Kind, scope: SimulatedScope | None, number: int) -> SimulatedJob:
    """Add a job that goes through every status of its kind, a minute each, and is `number` hours old."""
    path = [(60.0 * step, status) for step, status in enumerate(kind.state_of)]
    return world.add_job(
        kind,
        scope=scope,
        created=NOW - 3600 * number - 0.123,
        path=path[: number + 1],
        message=f'<reason> & "{number}" \u2603',
        # Some services write codes as numbers.
        code=f"10{number}",
        records={"total": 100, "processed": 90, "succeeded": 80, "failed": 10},
    )
