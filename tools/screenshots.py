"""Pictures of the demo's pages for the documentation: `python -m tools.screenshots docs/images`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser

from tests.support.browser import chromium

SETTLED = 30.0
"""Seconds after which the demo has requested most reasons."""


class Picture(NamedTuple):
    """One picture: its page, its size and its color scheme."""

    name: str
    path: str
    width: int
    height: int
    is_dark: bool = False


PICTURES = (
    Picture("overview", "/", 1200, 1000),
    Picture("jobs", "/jobs?aws_service=sagemaker&state=failed", 1200, 860, is_dark=True),
    Picture("sources", "/sources?aws_service=cleanroomsml", 1200, 760),
    Picture("jobs-phone", "/jobs?aws_service=bedrock&state=failed", 390, 844),
)


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo and yield its address once every source was polled and most reasons are known."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address", "127.0.0.1:0", "--log.level", "error"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = next(found[0] for line in process.stdout or () if (found := re.search(r"http://[\w.:]+", line)))
            wait_for(f"{address}/-/ready")
            time.sleep(SETTLED)
            yield address
        finally:
            process.terminate()


def wait_for(url: str, seconds: float = 120.0) -> None:
    """Wait until a URL responds with success."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(url)


def take(browser: Browser, address: str, picture: Picture, folder: Path) -> None:
    """Take one picture."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.is_dark else "light",
    )
    page = context.new_page()
    page.goto(f"{address}{picture.path}")
    page.screenshot(path=folder / f"{picture.name}.png")
    context.close()


def main(folder: Path) -> None:
    """Take every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with demo() as address, chromium(shutil.which("chromium") or "chromium") as browser:
        for picture in PICTURES:
            take(browser, address, picture, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
