"""What a source that finds others found last, kept for the next start."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any, NamedTuple

from exporter.jobs import SourceKey
from exporter.store.database import Database, StorageLostError


class Kept(NamedTuple):
    """What a source found, and when, in seconds since 1970-01-01 UTC."""

    value: Any
    time: float


class Finding:
    """The row of a source that finds others. What it found is any value that JSON can hold."""

    def __init__(self, database: Database, key: SourceKey, identity: str) -> None:
        """Use the row of `key`; what was found under another `identity` does not apply."""
        self._database = database
        self._key = key
        # Hashed, because it may hold what an account is reached by.
        self._identity = blake2b(identity.encode(), digest_size=16).hexdigest()
        self._kept = ""

    async def read(self) -> Kept | None:
        """Return what was found last, None if nothing was."""
        async with self._database.exclusive() as connection:
            row = connection.execute(
                f"SELECT found, last_success FROM source WHERE {_KEY} AND identity = ?",
                (*self._key, self._identity),
            ).fetchone()
        if row is None or row[0] is None or row[1] is None:
            return None
        self._kept = row[0]
        return Kept(json.loads(row[0]), row[1] / 1000)

    async def keep(self, value: Any, now: float) -> None:
        """Keep what was found at a time; writes only what is new."""
        try:
            await self._keep(json.dumps(value), round(now * 1000))
        except StorageLostError:
            # From now on everything is in memory, where the row may be missing.
            self._kept = ""
            await self._keep(json.dumps(value), round(now * 1000))

    async def _keep(self, text: str, time: int) -> None:
        async with self._database.exclusive() as connection:
            if text != self._kept:
                async with self._database.transaction():
                    connection.execute(_PUT, (*self._key, self._identity, text, time))
                self._kept = text
            for (number,) in connection.execute(f"SELECT n FROM source WHERE {_KEY}", self._key):
                self._database.polled[number] = time


_KEY = "account_id = ? AND region = ? AND aws_service = ? AND kind = ? AND scope = ?"
_PUT = """
INSERT INTO source (account_id, region, aws_service, kind, scope, identity, rules, longest_run, found, last_success)
VALUES (?, ?, ?, ?, ?, ?, '', 0, ?, ?)
ON CONFLICT (account_id, region, aws_service, kind, scope) DO UPDATE SET
    identity = excluded.identity, found = excluded.found, last_success = excluded.last_success, gone = NULL
"""
