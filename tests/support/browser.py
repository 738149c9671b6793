"""Debian's Chromium, driven by playwright: it talks to the loopback only and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from exporter.web import listen, serve
from tests.support.patience import PATIENCE

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError as error:
    # It needs libstdc++, which a minimal Debian lacks.
    if os.environ.get("CI") == "true":
        raise
    pytest.skip(f"playwright does not work: {error}", allow_module_level=True)

__all__ = ["Browser", "Page", "chromium", "expect", "served"]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Yield a browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE * 1000)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """Serve an application in another thread and yield its address: the browser's driver occupies this one."""
    started = threading.Event()
    ended: list[Callable[[], Any]] = []
    address: list[str] = []

    async def run() -> None:
        end = asyncio.Event()
        async with serve(app, await listen(["127.0.0.1:0"])) as [(host, port)]:
            address.append(f"http://{host}:{port}")
            loop = asyncio.get_running_loop()
            ended.append(lambda: loop.call_soon_threadsafe(end.set))
            started.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    if not started.wait(PATIENCE):
        raise TimeoutError("the server did not start")
    try:
        yield address[0]
    finally:
        ended[0]()
        thread.join(PATIENCE)
