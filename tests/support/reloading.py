"""A running exporter whose configuration file a test changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exporter import app
from exporter.aws import Credentials
from exporter.settings import load
from tests.support.harness import BEDROCK, CATALOG, REGION, HandClock, Running
from tests.support.patience import UNHURRIED

ONE = {"bedrock": {"kinds": [BEDROCK.key]}}


class Configured:
    """A configuration file that tests change; `aws` has an `endpoint_url`."""

    def __init__(self, file: Path, aws: Any) -> None:
        self.file = file
        unlimited = {"endpoint_url": aws.endpoint_url, "max_attempts": 1, "requests_per_second": 1e12}
        self._aws = {**UNHURRIED["aws"], **unlimited}

    def write(
        self, services: Mapping[str, Any] | None = None, *, aws: Mapping[str, Any] | None = None, **sections: Any
    ) -> None:
        """Write a whole file."""
        poll = {**UNHURRIED["poll"], **sections.pop("poll", {})}
        # Nobody scrapes here, so that a new counter would stay at 0.
        metrics = {"zero_fill": "all", "exporter_details": True, **sections.pop("metrics", {})}
        content = {"services": services or ONE, "aws": {**self._aws, **(aws or {})}, "poll": poll, "metrics": metrics}
        content |= sections
        self.file.write_text(yaml.safe_dump({"web": {"listen_address": "127.0.0.1:0"}, **content}))

    def read(self) -> app.Configuration:
        """Return what the file says now."""
        settings = load(CATALOG, self.file)
        return app.Configuration(settings, settings.catalog(CATALOG), REGION)


@dataclass
class Reloading(Running):
    """An exporter that polls when the clock is turned and reloads its file on request."""

    exporter: app.Exporter = field(kw_only=True)

    async def reload(self) -> Sequence[str]:
        """Reload, wait until everything that is due has been polled, and return the problems found."""
        problems = await self.reload_only()
        await self.settle()
        return problems

    async def reload_only(self) -> Sequence[str]:
        """Reload, and let tasks that are about to end do so."""
        problems = await self.exporter.reload()
        for _ in range(10):
            await asyncio.sleep(0)
        return problems


@asynccontextmanager
async def reloading(
    config: Configured, clock: HandClock, read: Callable[[], app.Configuration] | None = None
) -> AsyncIterator[Reloading]:
    """Yield an exporter that has finished its first polls."""
    keys = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    read = read or config.read
    async with app.running(*config.read(), credentials=keys, clock=clock, read=read) as exporter:
        exporting = Reloading(exporter.poller, exporter.exposition, clock, exporter.group_report, exporter=exporter)
        await exporting.settle()
        yield exporting
