"""What each command does. A command returns the process's exit code."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import yaml
from pydantic_settings import CliSettingsSource

from exporter import __version__, app
from exporter.aws import Credentials, default_region
from exporter.catalog import Catalog, Kind
from exporter.catalog.spelling import did_you_mean
from exporter.exposition import Format
from exporter.settings import ENVIRONMENT_PREFIX, Aws, ConfigurationError, Settings, load
from exporter.simulator import Simulator, World, populate
from exporter.telemetry import SourceStatus, configure_logging

log = structlog.get_logger("exporter")


class FailedError(Exception):
    """A command failed while running, for the reason that its text gives."""


@dataclass(frozen=True)
class Invocation:
    """What a command was called with."""

    options: argparse.Namespace
    flags: CliSettingsSource[Any]
    catalog: Catalog

    def settings(self, **defaults: Any) -> Settings:
        """Read the configuration and begin to log; raises ConfigurationError."""
        file = getattr(self.options, "config.file", None) or os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG__FILE")
        settings = load(self.catalog, Path(file) if file else None, self.flags, defaults)
        configure_logging(settings.log.level, settings.log.format)
        return settings


Command = Callable[[Invocation], Coroutine[Any, Any, int]]


async def serve(invocation: Invocation) -> int:
    """Poll and serve until SIGTERM or SIGINT."""
    settings = invocation.settings()
    await _serve(settings, invocation.catalog, _region(settings))
    return 0


def _region(settings: Settings) -> str:
    region = default_region()
    if not region and not all(account.regions for account in settings.accounts):
        raise ConfigurationError(
            ["no region: name one in accounts[].regions, AWS_REGION, AWS_DEFAULT_REGION or the AWS profile"]
        )
    return region


async def _serve(
    settings: Settings,
    catalog: Catalog,
    region: str,
    credentials: Credentials | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    log.info("Starting aws-job-exporter", version=__version__)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        async with app.running(settings, catalog, region, credentials=credentials) as exporter:
            for host, port in exporter.addresses:
                log.info("Listening on", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            announce(f"http://localhost:{exporter.addresses[0][1]}")
            await stopped.wait()
            log.info("Stopping")
    except OSError as error:
        raise FailedError(f"cannot listen: {error.strerror or error}") from None


async def once(invocation: Invocation) -> int:
    """Poll everything once, print it, and tell by the exit code whether every source was read."""
    settings = invocation.settings()
    region = _region(settings)
    async with app.assembled(settings, invocation.catalog, region) as parts:
        await parts.poller.once(parts.roots)
        statuses = [source.status for source in parts.poller.sources]
        if invocation.options.output == "table":
            print(_table(_SOURCE_COLUMNS, map(_source_row, sorted(statuses, key=lambda status: status.key))))
        else:
            print(parts.exposition.render(Format.TEXT).decode(), end="")
    return 0 if all(status.is_up for status in statuses) else 1


async def check_config(invocation: Invocation) -> int:
    """Check configuration files as `serve` would read them."""
    problems: list[str] = []
    for file in invocation.options.files:
        try:
            load(invocation.catalog, file, invocation.flags)
        except ConfigurationError as error:
            problems += error.problems
        else:
            print(f"{file}: valid")
    if problems:
        raise ConfigurationError(problems)
    return 0


async def kinds(invocation: Invocation) -> int:
    """Print the catalog, or the part of it that is named."""
    names = invocation.options.names
    chosen = [kind for kind in invocation.catalog.kinds() if not names or {kind.service, str(kind)} & set(names)]
    for name in names:
        if not any(name in (kind.service, str(kind)) for kind in chosen):
            known = {*invocation.catalog.names, *map(str, invocation.catalog.kinds())}
            raise ConfigurationError([f"kinds: the catalog has no {name!r}{did_you_mean(name, known)}"])
    if invocation.options.output == "yaml":
        print("\n".join(map(_entry, chosen)), end="")
    else:
        print(_table(_KIND_COLUMNS, map(_kind_row, chosen)))
    return 0


async def demo(invocation: Invocation) -> int:
    """Serve against the embedded simulator until SIGTERM or SIGINT."""
    catalog = invocation.catalog
    settings = invocation.settings(
        services=dict.fromkeys(catalog.names),
        poll={"interval": "10s", "discovery_interval": "1m"},
        accounts=[{"regions": ["us-east-1"]}],
    )
    world = World(catalog)
    populate(world, seed=invocation.options.seed)
    async with Simulator(world) as simulator:
        aws = Aws.model_validate({**settings.aws.model_dump(), "endpoint_url": simulator.endpoint_url})
        await _serve(
            settings.model_copy(update={"aws": aws}),
            catalog,
            "us-east-1",
            Credentials("AKIADEMO", "demo"),
            lambda address: print(_DEMO.format(address=address), flush=True),
        )
    return 0


_DEMO = """
The demo runs against a simulated AWS with a week of jobs behind it.

  Metrics:  {address}/metrics
  Sources:  {address}/

Let a Prometheus scrape it and ask, for instance, how many jobs are where:

  sum by (aws_service, kind, state) (aws_jobs)

Stop it with Ctrl-C.
"""

_SOURCE_COLUMNS = ("ACCOUNT", "REGION", "SERVICE", "KIND", "SCOPE", "STATE", "JOBS", "REASON")


def _source_row(status: SourceStatus) -> Sequence[str]:
    state = "up" if status.is_up else f"down ({status.reason})"
    return (*status.key, state, str(status.jobs), status.error)


_KIND_COLUMNS = ("SERVICE", "KIND", "TITLE", "SCOPE", "REASON FROM", "FILTERS")


def _kind_row(kind: Kind) -> Sequence[str]:
    reason = kind.details.operation if kind.details else "list" if kind.reason else ""
    filters = ", ".join(name for name, path in kind.filters.model_dump().items() if path)
    return kind.service, kind.key, kind.title, " / ".join(name for name, _ in kind.scopes), reason, filters


def _entry(kind: Kind) -> str:
    """Return a kind in the catalog's own language."""
    entry = kind.model_dump(mode="json", exclude={"service", "key", "scopes"}, exclude_defaults=True)
    entry["id"] = entry["id"][0] if len(kind.id) == 1 else entry["id"]
    return yaml.safe_dump({kind.key: entry}, sort_keys=False, width=100)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as text in columns."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded)
