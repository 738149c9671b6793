"""What is late, noted for the event log: once for each job that runs or waits too long, and for each missed moment."""

from __future__ import annotations

from exporter.jobs import State
from exporter.store.database import Database
from exporter.store.record import milliseconds
from exporter.store.tables import NUMBER
from exporter.store.transitions import COLUMNS, SOURCE

LATE, MISSED = "late", "missed"

_WHICH = {
    State.RUNNING: {"told": 1, "first": NUMBER[State.RUNNING], "last": NUMBER[State.STOPPING]},
    State.PENDING: {"told": 2, "first": NUMBER[State.PENDING], "last": NUMBER[State.PENDING]},
}
"""Of jobs that run and of those that wait: their part of `job.told`, and their states."""


async def note_late(database: Database, group: int, state: State, most: float, now: float) -> None:
    """Note the jobs of a group that run, or wait, for more than so many seconds.

    A job that was late before its list was first read is as little told as anything else from then.
    """
    parameters = {"group": group, "most": milliseconds(most), "now": milliseconds(now), **_WHICH[state]}
    async with database.exclusive() as connection:
        if not connection.execute(_IS_LATE, parameters).fetchone():
            return
        async with database.transaction():
            await database.run(_LATE, parameters, is_long=True)
            await database.run(_TELL, parameters, is_long=True)


async def note_missed(database: Database, group: int, due: float, now: float) -> None:
    """Note that no success of a group came by the moment by which one was due."""
    parameters = {"group": group, "due": milliseconds(due), "now": milliseconds(now)}
    async with database.exclusive() as connection:
        if not connection.execute(_IS_NEW, parameters).fetchone():
            return
        async with database.transaction():
            connection.execute(_MISSED, parameters)
            connection.execute("UPDATE job_group SET missed = :due WHERE n = :group", parameters)


_UNTOLD = """j.group_n = :group AND j.finished IS NULL AND j.state BETWEEN :first AND :last AND NOT j.told & :told
    AND coalesce(j.started, j.created) < :now - :most"""
_IS_LATE = f"SELECT 1 FROM job AS j WHERE {_UNTOLD} LIMIT 1"
_TELL = f"UPDATE job AS j SET told = told | :told WHERE {_UNTOLD}"
_LATE = f"""
INSERT INTO event ({COLUMNS})
SELECT '{LATE}', :now, {SOURCE}, prefix.text || j.id, j.name, status.text, j.state, j.created, j.started,
    NULL, j.updated, coalesce(j.started, j.created) + :most, 1, NULL, NULL, NULL, dims.text,
    (SELECT name FROM job_group WHERE n = :group)
FROM job AS j CROSS JOIN source AS s ON s.n = j.source
CROSS JOIN word AS prefix ON prefix.n = j.prefix CROSS JOIN word AS status ON status.n = j.status
CROSS JOIN word AS dims ON dims.n = j.dims
WHERE {_UNTOLD} AND coalesce(j.started, j.created) + :most >= s.since ORDER BY coalesce(j.started, j.created)
"""
# Nothing but the group is known, and when a success was due.
_MISSED = f"""
INSERT INTO event ({COLUMNS})
SELECT '{MISSED}', :now, '', '', '', '', '', '', '', '', {NUMBER[State.UNKNOWN]}, NULL, NULL,
    NULL, NULL, :due, 1, NULL, NULL, NULL, '', name
FROM job_group WHERE n = :group
"""
_IS_NEW = "SELECT 1 FROM job_group WHERE n = :group AND missed IS NOT :due AND :due >= since"
