"""A site whose sources a test sets."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.settings import Settings
from exporter.web import Site, create_app
from tests.inside import NOW, inside


@dataclass
class Shown:
    """What pages and API show."""

    sources: list[Any] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    client: Any = None

    async def text(self, path, status=200):
        """Return a page, having looked at its status."""
        response = await self.client.get(path)
        assert response.status == status, await response.text()
        return await response.text()

    async def data(self, path):
        """Return what the API answers."""
        response = await self.client.get(path)
        assert response.status == 200, await response.text()
        return (await response.json())["data"]


@pytest.fixture
async def shown():
    """Return what a site shows, and the site's client."""
    shown = Shown()
    looking = inside(lambda: shown.sources)
    looking = type(looking)(looking.inventory, lambda: shown.settings, looking.catalog)
    site = Site(Exposition(CollectorRegistry(), lambda: NOW), lambda: True, "/metrics", looking)
    async with TestClient(TestServer(create_app(site))) as client:
        shown.client = client
        yield shown
