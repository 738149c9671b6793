"""What AWS denied when the exporter was stopped, kept for the next start."""

from __future__ import annotations

from typing import Any, NamedTuple

from exporter.jobs import SourceKey
from exporter.store.database import Database, StorageLostError


class Denied(NamedTuple):
    """A source that AWS denies; times in seconds since 1970-01-01 UTC."""

    since: float
    last: float
    due: float
    """When it is polled again."""
    failures: int
    reason: str
    error: str


class Denials:
    """The sources that AWS denies, under one configuration: another one may be the repair."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: set[SourceKey] = set()

    async def read(self, configuration: str) -> dict[SourceKey, Denied]:
        """Return what was denied under a configuration."""
        try:
            rows = await self._rows()
        except StorageLostError:
            # From now on everything is in memory, in which the same can be found.
            rows = await self._rows()
        self._kept = {SourceKey(*row[:5]) for row in rows}
        return {
            SourceKey(*row[:5]): Denied(*(time / 1000 for time in row[6:9]), *row[9:])
            for row in rows
            if row[5] == configuration
        }

    async def keep(self, configuration: str, key: SourceKey, denied: Denied | None) -> None:
        """Keep that a source is denied, or with None that it is not; writes only what is new."""
        if denied is None and key not in self._kept:
            return
        try:
            await self._keep(configuration, key, denied)
        except StorageLostError:
            # From now on everything is in memory, where the row may be missing.
            await self._keep(configuration, key, denied)

    async def _rows(self) -> list[Any]:
        async with self._database.exclusive() as connection:
            return connection.execute("SELECT * FROM denied").fetchall()

    async def _keep(self, configuration: str, key: SourceKey, denied: Denied | None) -> None:
        async with self._database.exclusive() as connection, self._database.transaction():
            if denied is None:
                connection.execute(_DROP, key)
                self._kept.discard(key)
            else:
                times = [round(time * 1000) for time in denied[:3]]
                connection.execute(_PUT, (*key, configuration, *times, *denied[3:]))
                self._kept.add(key)


_PUT = "INSERT OR REPLACE INTO denied VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM denied WHERE account_id = ? AND region = ? AND aws_service = ? AND kind = ? AND scope = ?"
