"""A site whose sources a test sets; certificates and hashes for the exporter-toolkit's cases, made for each run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.settings import Settings
from exporter.web import Site, create_app
from tests.support.greeting import self_signed
from tests.support.inside import NOW, empty_database, inside

PASSWORDS = {"alice": "alice123", "carol": "carol123", "dave": "dave123"}


@pytest.fixture(autouse=True)
def database() -> None:
    """Begin each test without jobs."""
    empty_database()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the certificates of a server and of two clients."""
    folder = tmp_path_factory.mktemp("certificates")
    sans = {
        "server": ("localhost", "127.0.0.1"),
        "client": ("client",),
        "client2": ("test3", "2001:db8::1", "someone@example.com", "spiffe://example.com/prometheus"),
    }
    for name, alternatives in sans.items():
        certificate, key = self_signed(name, *alternatives)
        (folder / f"{name}.crt").write_bytes(certificate)
        (folder / f"{name}.key").write_bytes(key)
    return folder


@pytest.fixture(scope="session")
def users() -> dict[str, str]:
    """Return users with the hashes of their passwords."""
    return {user: bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode() for user, word in PASSWORDS.items()}


@pytest.fixture
def written(tmp_path: Path, certificates: Path) -> Callable[[str], Path]:
    """Return a function that writes a web configuration file beside the certificates."""
    for file in certificates.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    def write(content: str) -> Path:
        file = tmp_path / "web.yml"
        file.write_text(content)
        return file

    return write


@dataclass
class Shown:
    """The pages and the API of a site."""

    sources: list[Any] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    groups: dict[str, Any] = field(default_factory=dict)
    client: Any = None

    async def text(self, path, status=200):
        """Return the text of a page after checking its status."""
        response = await self.client.get(path)
        assert response.status == status, await response.text()
        return await response.text()

    async def data(self, path):
        """Return the data of an API response."""
        response = await self.client.get(path)
        assert response.status == 200, await response.text()
        return (await response.json())["data"]


@pytest.fixture
async def shown():
    """Return a site and its client."""
    shown = Shown()
    looking = inside(lambda: shown.sources)
    looking = replace(looking, settings=lambda: shown.settings, groups=lambda: shown.groups)
    site = Site(Exposition(CollectorRegistry(), lambda: NOW), lambda: True, "/metrics", looking)
    async with TestClient(TestServer(create_app(site))) as client:
        shown.client = client
        yield shown
