"""What the database no longer needs: sources that are gone for long, and words that nothing uses."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from collections.abc import Set as AbstractSet

import structlog

from exporter.jobs import SourceKey
from exporter.store import tables, transitions
from exporter.store.database import NOTE_SUCCESSES, Database, StorageLostError
from exporter.store.regrouping import ungroup
from exporter.turns import in_turns

log = structlog.get_logger(__name__)


async def maintain(database: Database, polled: Collection[SourceKey], now: float, keep: float) -> None:
    """Write when sources were read, and drop those that are not `polled` after `keep` seconds; once a minute."""
    try:
        async with database.exclusive() as connection:
            await _maintain(database, connection, set(polled), int(now * 1000), int((now - keep) * 1000))
    except StorageLostError:
        pass
    except sqlite3.Error as error:
        # Someone else holds the file for a moment, say. The next time will do.
        log.warning("Storage could not be maintained", err=str(error))


async def _maintain(
    database: Database, connection: sqlite3.Connection, polled: AbstractSet[SourceKey], now: int, until: int
) -> None:
    rows = await in_turns((number, is_gone, SourceKey(*key)) for number, is_gone, *key in connection.execute(_KEYS))
    async with database.transaction():
        # In one statement, in the thread: one for each of ten thousand sources would hold the loop for 30 ms.
        await database.run(NOTE_SUCCESSES, (json.dumps(database.polled),), is_long=True)
        changed = [(number, key in polled) for number, is_gone, key in rows if is_gone == (key in polled)]
        since = [(None if is_back else now, number) for number, is_back in changed]
        connection.executemany("UPDATE source SET gone = ? WHERE n = ?", since)
        for (number,) in connection.execute(_GONE_GROUPED, (now,)).fetchall():
            # Nobody reads it any more. Once it is back, its jobs are assigned anew. Not at once: it may have come back
            # while this waited for the database.
            await ungroup(database, number)
        connection.execute(_LONG_DENIED, (until,))
    database.polled.clear()
    for (number,) in connection.execute(_LONG_GONE, (until,)).fetchall():
        await forget(database, number)
    await database.drop_words(connection)


async def forget(database: Database, source: int) -> None:
    """Remove everything about a source, within `exclusive`."""
    async with database.transaction():
        for statement in transitions.RELEASE_SOURCE:
            database.connection.execute(statement, {"source": source})
        await empty(database, source)
        database.connection.execute("DELETE FROM source WHERE n = ?", (source,))
    # Its number may be used again.
    database.polled.pop(source, None)


async def empty(database: Database, source: int) -> None:
    """Remove what is known of a source's jobs, within a transaction."""
    await ungroup(database, source)
    for table in tables.OF_A_SOURCE:
        await database.run(f"DELETE FROM {table} WHERE source = ?", (source,), is_long=True)


_KEYS = "SELECT n, gone IS NOT NULL, account_id, region, aws_service, kind, scope FROM source"
_GONE_GROUPED = "SELECT n FROM source WHERE gone < ? AND grouping <> ''"
_LONG_GONE = "SELECT n FROM source WHERE gone < ?"
_LONG_DENIED = "DELETE FROM denied WHERE due < ?"
