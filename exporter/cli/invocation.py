"""What commands share: options, configuration and tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.catalog import Catalog
from exporter.settings import ENVIRONMENT_PREFIX, Settings, given, load
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


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as text in columns, with control characters escaped: cells may hold names and errors from AWS."""
    lines = [[printable(cell) for cell in line] for line in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
    return "\n".join(padded)
