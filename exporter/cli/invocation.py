"""What commands share: options, configuration, region, shard and tables."""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.aws import default_region
from exporter.catalog import Catalog
from exporter.settings import ENVIRONMENT_PREFIX, ConfigurationError, Settings, given, load
from exporter.telemetry import configure_logging
from exporter.text.printable import printable


class FailedError(Exception):
    """A command failed while running; the text says why."""


@dataclass(frozen=True)
class Invocation:
    """What a command was called with."""

    options: argparse.Namespace
    catalog: Catalog

    def settings(self, **defaults: Any) -> Settings:
        """Read the configuration and start logging; raises ConfigurationError."""
        settings = self.read(**defaults)
        configure_logging(settings.log.level, settings.log.format)
        return settings

    def read(self, **defaults: Any) -> Settings:
        """Read the configuration from flags, environment and file as they are now; raises ConfigurationError."""
        # By hand, because where the file is must be known before the places of the settings are merged.
        file = getattr(self.options, "config.file", None) or os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG__FILE")
        return load(self.catalog, Path(file) if file else None, given(self.options), defaults)


Command = Callable[[Invocation], Coroutine[Any, Any, int]]


def region(settings: Settings) -> str:
    """Return the region of the environment; raises ConfigurationError if an account needs one and there is none."""
    try:
        found = default_region()
    except ValueError as error:
        raise ConfigurationError([f"AWS's own configuration: {error}"]) from None
    # The regions of the accounts do not help if those, or the accounts, are still to be discovered.
    named = not settings.organization and not settings.all_regions
    if not found and not (named and all(account.regions for account in settings.named_accounts)):
        raise ConfigurationError(
            ["no region: set one in accounts[].regions, AWS_REGION, AWS_DEFAULT_REGION or the AWS profile"]
        )
    return found


def sharded(settings: Settings) -> Settings:
    """Return the settings with the index of this shard; raises ConfigurationError if it is unknown."""
    shard = settings.shard
    if shard.count == 1 or shard.index is not None:
        return settings
    # In a pod, both are the name of the pod, unless it uses the network of its node.
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    ordinal = re.search(r"-(\d{1,4})$", host.partition(".")[0])
    if ordinal is None or int(ordinal[1]) >= shard.count:
        problem = (
            f"shard.index: not set, and the host name {host!r} does not end with the number of one of {shard.count} "
            f"shards (-0 to -{shard.count - 1})"
        )
        raise ConfigurationError([problem])
    return settings.model_copy(update={"shard": shard.model_copy(update={"index": int(ordinal[1])})})


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as text in columns, with control characters escaped: cells may hold names and errors from AWS."""
    lines = [[printable(cell) for cell in line] for line in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded)
