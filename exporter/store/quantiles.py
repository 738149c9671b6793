"""Exact quantiles of run times, which move with the jobs that come and go.

Of each quantile the database keeps a pivot: the run time there, and how many jobs ran shorter. What a poll changes
moves the number, and then the pivot walks past as many run times as changed, so that a poll costs what it changes, also
where a million jobs are held. The quantile is that of the nearest rank: the shortest run time that at least such a
share of the jobs did not exceed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from functools import partial
from typing import Any

from exporter.store.database import PAGE, Database
from exporter.store.statements import NO_BOUND

QUANTILES = (500, 900, 990)
"""In thousandths."""

_ALL = 1000
"""The quantile whose pivot is beyond every run time."""

_SHIFT = """
UPDATE pivot SET shorter = shorter + coalesce((
    SELECT sum(jobs) FROM span_change AS c
    WHERE c.source = :source AND c.dims = pivot.dims AND c.state = pivot.state AND c.length < pivot.length), 0)
WHERE source = :source AND (dims, state) IN (SELECT dims, state FROM span_change WHERE source = :source)
"""
_PUT = """
INSERT INTO span (source, dims, state, length, jobs)
SELECT source, dims, state, length, sum(jobs) FROM span_change WHERE source = :source
GROUP BY 2, 3, 4 HAVING sum(jobs) <> 0
ON CONFLICT (source, dims, state, length) DO UPDATE SET jobs = jobs + excluded.jobs
"""
_DROP = """
DELETE FROM span WHERE jobs = 0 AND source = :source
    AND (dims, state, length) IN (SELECT dims, state, length FROM span_change WHERE source = :source)
"""
_CHANGES = "SELECT count(*) FROM span_change"
_CHANGED_SOURCES = "SELECT json_group_array(source) FROM (SELECT DISTINCT source FROM span_change)"
_PAIRS = "SELECT json_group_array(json_array(dims, state)) FROM (SELECT DISTINCT dims, state FROM {table})"
_CHANGED = _PAIRS.format(table="span_change WHERE source = :source")
_EVERY = _PAIRS.format(table="span WHERE source = :source")
_CLEAR = "DELETE FROM span_change WHERE source = :source"
_PIVOTS = "SELECT quantile, length, shorter FROM pivot WHERE source = :source AND dims = :dims AND state = :state"
_OF = "FROM span WHERE source = :source AND dims = :dims AND state = :state"
_JOBS = f"SELECT coalesce(sum(jobs), 0) {_OF}"
_AT = f"""
SELECT min(length) FROM (SELECT length, sum(jobs) OVER (ORDER BY length) AS upto {_OF}) WHERE upto >= :rank
"""
_SHORTER = f"SELECT coalesce(sum(jobs), 0) {_OF} AND length < :length"
_UP = f"SELECT length, jobs {_OF} AND length >= :length ORDER BY length"
_DOWN = f"SELECT length, jobs {_OF} AND length < :length ORDER BY length DESC"
_SET = """
INSERT INTO pivot (source, dims, state, quantile, length, shorter)
VALUES (:source, :dims, :state, :quantile, :length, :shorter)
ON CONFLICT (source, dims, state, quantile) DO UPDATE SET length = excluded.length, shorter = excluded.shorter
"""
_FORGET = "DELETE FROM pivot WHERE source = :source AND dims = :dims AND state = :state"


async def shift(database: Database, connection: sqlite3.Connection) -> None:
    """Apply `span_change` to the run times of a source and its groups, and move the pivots.

    Within a transaction, like the others.
    """
    (changes,) = connection.execute(_CHANGES).fetchone()
    if not changes:
        return
    is_long = changes > PAGE
    for source in json.loads(await _value(database, connection, _CHANGED_SOURCES, {}, is_long=is_long)):
        of = {"source": source}
        pairs = await _value(database, connection, _CHANGED, of, is_long=is_long)
        for statement in (_SHIFT, _PUT, _DROP, _CLEAR):
            await database.run(statement, of, is_long=is_long)
        for dims, state in json.loads(pairs):
            await _settle(database, connection, {**of, "dims": dims, "state": state}, is_long=is_long)


async def gather(database: Database, connection: sqlite3.Connection, source: int) -> None:
    """Apply `span_change` to the run times of a source that has no pivots yet, because more is to come.

    Its groups may have pivots, which move.
    """
    (changes,) = connection.execute(_CHANGES).fetchone()
    for statement in (_PUT, _CLEAR) if changes else ():
        await database.run(statement, {"source": source}, is_long=changes > PAGE)
    await shift(database, connection)


async def settle(database: Database, connection: sqlite3.Connection, source: int, jobs: int) -> None:
    """Make the pivots of a source that has none yet, and about so many jobs."""
    is_long = jobs > PAGE
    for dims, state in json.loads(await _value(database, connection, _EVERY, {"source": source}, is_long=is_long)):
        await _settle(database, connection, {"source": source, "dims": dims, "state": state}, is_long=is_long)


async def _value(
    database: Database, connection: sqlite3.Connection, sql: str, parameters: Mapping[str, int], *, is_long: bool
) -> Any:
    if is_long:
        return await database.value(connection, sql, parameters)
    return connection.execute(sql, parameters).fetchone()[0]


async def _settle(database: Database, connection: sqlite3.Connection, of: Mapping[str, int], *, is_long: bool) -> None:
    """Move the pivots of one combination and state to where their quantiles are; make those that it has not."""
    value = partial(_value, database, connection, is_long=is_long)
    pivots = {quantile: found for quantile, *found in connection.execute(_PIVOTS, of)}
    jobs = pivots[_ALL][1] if _ALL in pivots else await value(_JOBS, of)
    if not jobs:
        connection.execute(_FORGET, of)
        return
    moved = {_ALL: [NO_BOUND, jobs]}
    for quantile in QUANTILES:
        rank = -(-quantile * jobs // _ALL)
        if quantile in pivots and not is_long:
            length, shorter = pivots[quantile]
            moved[quantile] = _walked(connection, of, length, shorter, rank)
        else:
            length = await value(_AT, {**of, "rank": rank})
            moved[quantile] = [length, await value(_SHORTER, {**of, "length": length})]
    for quantile, (length, shorter) in moved.items():
        if pivots.get(quantile) != [length, shorter]:
            connection.execute(_SET, {**of, "quantile": quantile, "length": length, "shorter": shorter})


def _walked(connection: sqlite3.Connection, of: Mapping[str, int], start: int, shorter: int, rank: int) -> list[int]:
    """Return the run time of the job with this rank, from 1, and how many ran shorter, walking there from a pivot."""
    at = start
    if shorter >= rank:
        for length, jobs in connection.execute(_DOWN, {**of, "length": start}):
            at, shorter = length, shorter - jobs
            if shorter < rank:
                break
        return [at, shorter]
    for length, jobs in connection.execute(_UP, {**of, "length": start}):
        at = length
        if shorter + jobs >= rank:
            break
        shorter += jobs
    return [at, shorter]
