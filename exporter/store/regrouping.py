"""Which groups the jobs of a source are in: assigned when they are listed, and anew when the configuration changes.

A group has jobs of many sources. What they add up to moves with the rows, as the sums of a source do, and stands in the
same tables under the group's negative number.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.jobs import Tags
from exporter.store import quantiles
from exporter.store import statements as sql
from exporter.store.database import Database
from exporter.store.record import dimensions
from exporter.turns import in_turns


def _no_group(_name: str, _tags: Tags | None) -> tuple[str, str]:
    return "", ""


@dataclass(frozen=True)
class Grouping:
    """Which group each job of one source belongs to."""

    identity: str = ""
    """What differs where another group may take a job; empty where no job of the source can be in any."""
    group: Callable[[str, Tags | None], tuple[str, str]] = field(default=_no_group, compare=False)
    """Returns the group of a job with this name and these tags, and the pattern that took it from that name; both may
    be empty."""

    def __bool__(self) -> bool:
        return bool(self.identity)

    async def numbers(
        self, database: Database, names: Sequence[str], ids: Sequence[str], tags: Sequence[Tags | None]
    ) -> Sequence[int]:
        """Return the number of the group of each job, by the jobs' names and tags; 0 for none. Within `exclusive`.

        Where AWS tells no name, people know a job by the last part of its id.
        """
        if not self:
            return [0] * len(names)
        # In turns, because each job may be tried against hundreds of groups.
        groups = await in_turns(
            self.group(name or identifier, values) for name, identifier, values in zip(names, ids, tags, strict=True)
        )
        number = await database.group_numbers({name: pattern for name, pattern in groups if name})
        return [number[name] if name else 0 for name, _ in groups]


async def regroup(database: Database, source: int, grouping: Grouping) -> None:
    """Assign the known jobs of a source to groups by another configuration, within `exclusive`.

    The sums move with them. What the groups have counted stays, and so do their last ends.
    """
    connection = database.connection
    changed: dict[int, int] = {}
    last: dict[str, int | str] = {"source": source, "id": "", "prefix": -1}
    while rows := connection.execute(sql.NAMES, last).fetchall():
        numbers, before, names, prefixes, ids, words = zip(*rows, strict=True)
        tags = [None if word is None else dimensions(word) for word in words]
        groups = zip(numbers, before, await grouping.numbers(database, names, ids, tags), strict=True)
        changed |= {number: group for number, was, group in groups if group != was}
        last |= {"id": ids[-1], "prefix": prefixes[-1]}
        await asyncio.sleep(0)
    async with database.transaction():
        if changed:
            await _move(database, source, changed)
        connection.execute(sql.NOTE_GROUPING, (grouping.identity, source))


async def ungroup(database: Database, source: int) -> None:
    """Take the jobs of a source out of all groups, within a transaction."""
    connection = database.connection
    groups = {group for (group,) in connection.execute(sql.GROUPED, (source,))}
    if groups:
        parameters = {"source": source, "has_starts": _has_starts(database, source), "sign": -1}
        for statement in sql.GROUPS_OF_ALL:
            await database.run(statement, parameters, is_long=True)
        await quantiles.shift(database, connection)
        await database.run(sql.UNGROUP, {"source": source}, is_long=True)
        database.touched_groups |= groups
    connection.execute(sql.NOTE_GROUPING, ("", source))


async def _move(database: Database, source: int, changed: Mapping[int, int]) -> None:
    connection = database.connection
    parameters = {"source": source, "has_starts": _has_starts(database, source), "now": math.inf}
    for statement in (sql.EMPTY_REGROUPED, sql.EMPTY_LEAVING):
        connection.execute(statement)
    await database.run(sql.REGROUPED, (json.dumps(changed),), is_long=True)
    await database.run(sql.REGROUPED_LEAVING, is_long=True)
    for sign, statement in ((-1, sql.REGROUP), (1, sql.LAST_EXPLAINED[1])):
        database.touched_groups.update(group for (group,) in connection.execute(sql.LEAVING_GROUPS))
        for each in sql.GROUPS_LEFT:
            await database.run(each, {**parameters, "sign": sign}, is_long=True)
        await database.run(statement, parameters, is_long=True)
    await database.run(sql.COMBINE_LEAVING[1], parameters, is_long=True)
    await quantiles.shift(database, connection)


def _has_starts(database: Database, source: int) -> bool:
    (has_starts,) = database.connection.execute("SELECT has_starts FROM source WHERE n = ?", (source,)).fetchone()
    return bool(has_starts)
