"""What the jobs of groups add up to, read from the database, and what is expected of them."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from exporter.store import sums
from exporter.store.database import Database
from exporter.store.record import milliseconds, seconds
from exporter.store.sums import Newborn, Sums
from exporter.store.tables import STATES


class GroupSums(NamedTuple):
    """What the jobs of a group add up to."""

    sums: Sums
    newborn: Collection[Newborn]
    """The counters that are 0 in the sums because nobody has seen them yet."""
    active_in: frozenset[int]
    """The sources that have its active jobs, by their numbers."""


async def group_sums(database: Database, numbers: Collection[int]) -> Mapping[int, GroupSums]:
    """Return what groups add up to, by their numbers."""
    async with database.exclusive() as connection:
        rows = json.loads(await database.value(connection, _ACTIVE, (json.dumps([*numbers]),)))
    active: defaultdict[int, list[list[Any]]] = defaultdict(list)
    for group, *row in rows:
        active[group].append(row)
    found: dict[int, GroupSums] = {}
    for number in numbers:
        async with database.exclusive() as connection:
            known, newborn = sums.read(connection, -number)
        counted = known.get((), Sums())
        for _, state, jobs, created, started in active[number]:
            sums.add_active(counted, STATES[state], jobs, created, started)
        found[number] = GroupSums(counted, newborn, frozenset(source for source, *_ in active[number]))
        await asyncio.sleep(0)
    return found


async def show_group(database: Database, group: int, newborn: Collection[Newborn]) -> None:
    """Have newborn counters of a group be what they are from now on."""
    async with database.exclusive() as connection, database.transaction():
        sums.show(connection, -group, newborn)
    database.touched_groups.add(group)


class Expectation(NamedTuple):
    """When a group's next success is due, and what that was found by; times in seconds since 1970-01-01 UTC."""

    expect: str
    """What is expected, as the configuration says it."""
    since: float
    """Since when that is expected."""
    success: float | None = None
    """The last success."""
    due: float | None = None


async def read_expectation(database: Database, group: int) -> Expectation | None:
    """Return what was last expected of a group; None where nothing was."""
    async with database.exclusive() as connection:
        row = connection.execute(_EXPECTATION, (group,)).fetchone()
    if row is None or row[0] is None:
        return None
    expect, since, success, due = row
    return Expectation(expect, since / 1000, seconds(success), seconds(due))


async def keep_expectation(database: Database, group: int, expectation: Expectation) -> None:
    """Keep what is expected of a group for the next start."""
    expect, *times = expectation
    async with database.exclusive() as connection, database.transaction():
        connection.execute(_EXPECT, (expect, *map(milliseconds, times), group))


_ACTIVE = """
SELECT json_group_array(json_array(group_n, source, state, jobs, created, started)) FROM (
    SELECT group_n, source, state, count(*) AS jobs, min(created) AS created, min(coalesce(started, created)) AS started
    FROM job INDEXED BY job_group_active
    WHERE group_n IN (SELECT value FROM json_each(?)) AND group_n > 0 AND finished IS NULL GROUP BY 1, 2, 3
)
"""
_EXPECTATION = "SELECT expect, since, success, due FROM job_group WHERE n = ?"
_EXPECT = "UPDATE job_group SET expect = ?, since = ?, success = ?, due = ? WHERE n = ?"
