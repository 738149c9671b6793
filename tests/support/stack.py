"""The exporter and Prometheus as processes, with the configuration that we ship."""

import asyncio
import math
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import yaml

from tests.support.harness import REGION
from tests.support.patience import PATIENCE, SLOWNESS, UNHURRIED, eventually

CONFIG = Path(__file__).parents[2] / "config"

BEAT = min(5, math.ceil(SLOWNESS))
"""Seconds between two polls, scrapes or evaluations: on a slow machine everything takes longer."""


def free_ports(number: int) -> list[int]:
    """Return free ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def exporter_command(
    folder: Path,
    aws: str,
    port: int,
    services: Mapping[str, Any],
    *,
    poll: Mapping[str, Any] = MappingProxyType({}),
    **sections: Any,
) -> list[str]:
    """Return the command of an exporter that polls at every beat, unless `poll` says otherwise.

    `sections` are further ones of the configuration: without `accounts`, it reads the account of its credentials.
    """
    settings: dict[str, Any] = {
        "web": {"listen_address": f"127.0.0.1:{port}"},
        "poll": {**UNHURRIED["poll"], "interval": f"{BEAT}s", "stale_after": f"{3 * BEAT}s", **poll},
        "aws": {
            **UNHURRIED["aws"],
            "endpoint_url": aws,
            "requests_per_second": 100,
            "burst": 100,
            "max_attempts": 1,
        },
        "services": services,
        **sections,
    }
    (folder / "exporter.yml").write_text(yaml.safe_dump(settings))
    return [sys.executable, "-m", "exporter", "--config.file", str(folder / "exporter.yml")]


def prometheus_command(  # noqa: PLR0913 - the last one only where a test compares intervals
    folder: Path,
    program: str,
    port: int,
    rules: str,
    *,
    exporters: list[str],
    alertmanagers: list[str],
    interval: int = BEAT,
) -> list[str]:
    """Return the command of a Prometheus with our configuration.

    It scrapes, itself included, and evaluates all groups of rules at an interval.
    """
    settings = yaml.safe_load((CONFIG / "prometheus" / "prometheus.yml").read_text())
    settings["global"] = {"scrape_interval": f"{interval}s", "evaluation_interval": f"{interval}s"}
    settings["rule_files"] = ["rules.yml"]
    settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = alertmanagers
    (scrape,) = settings["scrape_configs"]
    scrape |= {"scrape_interval": f"{interval}s", "scrape_timeout": f"{interval}s"}
    scrape["static_configs"] = [{"targets": exporters}]
    settings["scrape_configs"] += [{"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
    (folder / "rules.yml").write_text(re.sub(r"interval: \d+m", f"interval: {BEAT}s", rules))
    return [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


@asynccontextmanager
async def process(folder: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program; its output is shown if the test fails."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": REGION}
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=output, env={**os.environ, **keys}, cwd=CONFIG.parent
        )
    try:
        yield running
    finally:
        if running.returncode is None:
            with suppress(ProcessLookupError):
                running.terminate()
        await asyncio.wait_for(running.wait(), PATIENCE)
        sys.stdout.write(log.read_text(errors="replace")[-4000:])


async def ready(url: str) -> None:
    """Wait until a program says that it is ready."""

    async def is_ready() -> bool:
        try:
            async with session.get(url) as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    async with aiohttp.ClientSession() as session:
        await eventually(is_ready)


async def query(url: str, expression: str) -> list[dict[str, Any]]:
    """Return what a Prometheus answers to an expression: a result for each series."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/query", params={"query": expression}) as response,
    ):
        found: list[dict[str, Any]] = (await response.json())["data"]["result"]
    return found
