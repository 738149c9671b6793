"""What stands at the end of the chain: an Alertmanager with our routes, and a webhook that it calls."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.support.patience import PATIENCE
from tests.support.stack import BEAT, CONFIG


@dataclass
class Receiver:
    """The webhook that Alertmanager calls: records each alert that it receives, with the time."""

    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def listen(self, request: web.Request) -> web.Response:
        """Record a message."""
        message = await request.json()
        async with self._changed:
            self.received += [(time.time(), {"receiver": message["receiver"], **alert}) for alert in message["alerts"]]
            self._changed.notify_all()
        return web.Response()

    def alerts(self, name: str, status: str, since: float) -> list[dict[str, Any]]:
        """Return the messages about an alert since a time."""
        return [
            alert
            for at, alert in self.received
            if at >= since and (alert["labels"]["alertname"], alert["status"]) == (name, status)
        ]

    async def wait_for(self, name: str, status: str, since: float) -> dict[str, Any]:
        """Wait for an alert and print how long it took after its cause."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: self.alerts(name, status, since))
        sys.stdout.write(f"{name} {status}: {time.time() - since:.1f} s after its cause\n")
        return self.alerts(name, status, since)[0]


def alertmanager_command(folder: Path, program: str, port: int, receiver: int) -> list[str]:
    """Return the command of an Alertmanager with our routes and inhibitions, and a receiver that listens locally."""
    settings = yaml.safe_load((CONFIG / "alertmanager" / "alertmanager.yml").read_text())
    del settings["global"]["slack_api_url_file"]
    settings["templates"] = [str(CONFIG / "alertmanager" / "templates" / "*.tmpl")]
    for route in (settings["route"], *settings["route"]["routes"]):
        route |= {"group_wait": f"{BEAT}s", "group_interval": f"{BEAT}s"}
    settings["receivers"] = [
        {"name": found["name"], "webhook_configs": [{"url": f"http://127.0.0.1:{receiver}/", "send_resolved": True}]}
        for found in settings["receivers"]
    ]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(settings))
    return [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


@asynccontextmanager
async def served(receiver: Receiver, port: int) -> AsyncIterator[None]:
    """Listen for Alertmanager."""
    app = web.Application()
    app.router.add_post("/", receiver.listen)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
