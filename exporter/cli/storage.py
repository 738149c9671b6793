"""The command that checks a storage directory and shows what it holds."""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.cli.invocation import FailedError, Invocation, table
from exporter.settings import ConfigurationError
from exporter.store import Contents, StorageError, contents

_COLUMNS = ("SERVICE", "SOURCES", "ACTIVE JOBS", "FINISHED JOBS", "LAST READ")


async def storage(invocation: Invocation) -> int:
    """Print what a directory holds; raises FailedError where it cannot be trusted."""
    directory = invocation.options.directory or invocation.settings().storage.path
    if directory is None:
        raise ConfigurationError(["storage: name a directory, or set storage.path"])
    try:
        found = contents(directory)
    except StorageError as error:
        raise FailedError(str(error)) from None
    print(_summary(found))
    if found.services:
        rows = [(name, *map(str, counts), _moment(read)) for name, *counts, read in found.services]
        print("", table(_COLUMNS, rows), sep="\n")
    return 0


def _summary(found: Contents) -> str:
    use = "used by a running exporter" if found.is_used else "not in use"
    return f"{found.file}: valid, {found.size:,} bytes, version {found.version}, {use}"


def _moment(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
