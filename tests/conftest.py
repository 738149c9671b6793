"""The base of every test: no AWS but a simulated one, no network but the loopback."""

import gc
import logging
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import botocore.loaders
import pytest
import structlog
from botocore.loaders import Loader
from hypothesis import HealthCheck, settings

from exporter.aws import catalog_loader
from exporter.catalog import Catalog
from tests.support.harness import CATALOG, HandClock, simulated
from tests.support.simulated_aws import SimulatedAws

# A slow example says something about the machine, not about the code under test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LOADER = catalog_loader(CATALOG)

SLOW = re.compile(r"^pytestmark = \[?pytest\.mark\.slow", re.MULTILINE)

ISOLATED = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread in which no test is wanted: importing what they need takes each worker many seconds."""
    if collection_path.suffix != ".py" or config.option.markexpr not in {"slow", "not slow"}:
        return None
    text = collection_path.read_text()
    is_wanted = "mark.slow" in text if config.option.markexpr == "slow" else not SLOW.search(text)
    return None if is_wanted else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with groups of tests, then slow ones: no worker is left alone with one of those at the end."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("xdist_group", "slow")])


def pytest_collection_finish() -> None:
    """Look for garbage less often: each worker holds hundreds of megabytes of models, a second or more to look through.

    Tests about leaks look themselves.
    """
    gc.freeze()
    gc.set_threshold(10_000, 10, 200)


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's AWS, exporter and proxy settings."""
    for name in os.environ:
        if name.startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    for name, value in ISOLATED.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give botocore made-up credentials and a region."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def resolver() -> dict[str, str | None]:
    """Return made-up host names with their addresses; None for one that no resolver knows."""
    return {}


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restore the logging of the process after the test."""
    loggers = [logging.getLogger(name) for name in (None, "aiobotocore", "asyncio", "botocore", "aiohttp.access")]
    handlers, levels = loggers[0].handlers[:], [(logger, logger.level) for logger in loggers]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch, resolver: dict[str, str | None]) -> Iterator[None]:
    """Block connections that would leave this machine, and fail the test that tried, even if its code coped."""
    refused: list[str] = []

    def refuse(host: str) -> None:
        refused.append(host)
        raise ConnectionRefusedError(f"a test may speak to the loopback only, not to {host}")

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(self: socket.socket, address: Any) -> Any:
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_loopback(address[0]):
                refuse(address[0])
            return connect(self, address)

        return wrapper

    def lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in resolver and (host := resolver[host]) is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host and not _is_loopback(host) and not _address(host):
            refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    getaddrinfo = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for method in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, method, guarded(getattr(socket.socket, method)))
    yield
    assert not refused, f"spoke to more than the loopback: {', '.join(refused)}"


@pytest.fixture(autouse=True)
def shared_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load botocore's models once for all exporters with the built-in catalog: they take half of a short test."""

    def shared(catalog: Catalog) -> Loader:
        return LOADER if catalog is CATALOG else catalog_loader(catalog)

    monkeypatch.setattr("exporter.app.assembly.catalog_loader", shared)


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that the test turns."""
    return HandClock()


@pytest.fixture
async def aws(clock: HandClock) -> AsyncIterator[SimulatedAws]:
    """Yield an empty simulated AWS on that clock."""
    async with simulated(clock) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def one_loader() -> Iterator[None]:
    """Share one loader's cache among all simulators: a service model takes longer to load than an example to run."""
    shared = botocore.loaders.Loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders, "Loader", lambda *_, **__: shared)
        yield


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """Find a program that a check runs, by any of its names; without it the check is skipped, and in CI it fails."""

    def find(*names: str) -> str:
        if path := next(filter(None, map(shutil.which, names)), None):
            return path
        reason = f"{names[0]} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return find


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
