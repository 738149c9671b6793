"""What readers read, and where they are."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.exposed import Page, exposed

BUILT = Path(__file__).parents[2] / "build" / "readers"


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """Return what is exposed by default, and with run times as histograms."""
    return {
        "summaries": asyncio.run(exposed()),
        "histograms": asyncio.run(exposed(duration_buckets=["1m", "1h", "12h"])),
    }


@pytest.fixture(scope="session", params=["summaries", "histograms"])
def page(request: pytest.FixtureRequest, pages: dict[str, Page]) -> Page:
    """Return each of these pages."""
    return pages[request.param]


@pytest.fixture(scope="session")
def reader() -> Callable[[str], str]:
    """Find a program that reads metrics; without it the test is skipped, since few have all of them."""

    def find(name: str) -> str:
        built = BUILT / name
        path = str(built) if built.exists() else shutil.which(name)
        return path or pytest.skip(f"{name} is neither on the path nor in build/readers, where `make readers` puts it")

    return find
