"""The statements that note the transitions of jobs for the event log, in the transaction that sees them.

They take the parameters of `taking_in`. A job is created or started once it is seen so; what a first listing shows is
what was there before. It ends whenever it counts as having finished, and so there is one line of each state for each
step of `aws_jobs_finished_total`. If AWS must still be asked for details, that line waits in `awaited` until they are
known, or never will be.
"""

from __future__ import annotations

from exporter.jobs import FINAL, State
from exporter.store.statements import ACTIVE, CHANGED, ENDED, LATE, STALE
from exporter.store.tables import NUMBER

COLUMNS = """event, seen, account_id, region, aws_service, kind, scope, id, name, status, state,
    created, started, ended, updated, finished, dated, reason, message, code, dims, group_name"""

_RUNNING, _STOPPING = NUMBER[State.RUNNING], NUMBER[State.STOPPING]
_ENDS = " ".join(f"WHEN {NUMBER[state]} THEN '{state}'" for state in sorted(FINAL))
_END = f"CASE l.state {_ENDS} END"
SOURCE = "s.account_id, s.region, s.aws_service, s.kind, s.scope"
"""The columns of `source` that a transition has."""
# What a job used is in no line.
_WAITS = f"(f.what = {ENDED} AND f.asked IN (1, 2) AND NOT coalesce(l.lacks_only_usage, 0))"

# Nothing tells when a job that was seen for the first time began what it does but AWS's times.
_IS_CREATED = f"""j.n IS NULL AND f.past IS NULL AND (f.what = {ACTIVE} OR f.is_counted)
    AND coalesce(l.created, :now) >= :since"""
_IS_STARTED = f"""(l.state = {_RUNNING} OR (l.started IS NOT NULL AND (f.is_counted OR l.state = {_STOPPING})))
    AND CASE WHEN j.n IS NULL THEN f.past IS NOT NULL OR coalesce(l.started, l.created, :now) >= :since
        WHEN j.finished IS NOT NULL THEN l.state = {_RUNNING} OR l.started IS NOT j.started
        ELSE j.state NOT IN ({_RUNNING}, {_STOPPING}) END"""

NOTE = f"""
INSERT INTO event ({COLUMNS})
SELECT CASE step WHEN 0 THEN 'created' WHEN 1 THEN 'started' ELSE {_END} END, :now, {SOURCE},
    prefix.text || l.id, l.name, status.text, l.state,
    l.created, l.started, l.ended, l.updated, f.finish, f.dated, f.reason, l.message, l.code, dims.text,
    (SELECT name FROM job_group WHERE n = l.group_n)
FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r CROSS JOIN source AS s ON s.n = :source
CROSS JOIN word AS prefix ON prefix.n = l.prefix CROSS JOIN word AS status ON status.n = l.status
CROSS JOIN word AS dims ON dims.n = l.dims
LEFT JOIN job AS j ON j.n = f.n
CROSS JOIN (SELECT 0 AS step UNION ALL SELECT 1 UNION ALL SELECT 2)
WHERE CASE step WHEN 0 THEN {_IS_CREATED} WHEN 1 THEN {_IS_STARTED} ELSE f.is_counted AND NOT {_WAITS} END
ORDER BY f.k, step
"""
AWAIT = f"""
INSERT INTO awaited (job, source, event, seen)
SELECT f.n, :source, {_END}, :now FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r WHERE f.is_counted AND {_WAITS}
"""


def _release(jobs: str) -> tuple[str, str]:
    """Return what has the ends of jobs written that wait for their details, by what is known of them."""
    return (
        f"""
        INSERT INTO event ({COLUMNS})
        SELECT a.event, a.seen, {SOURCE}, prefix.text || j.id, j.name, status.text, j.state, j.created, j.started,
            CASE WHEN j.reported THEN j.finished ELSE j.ended END, j.updated, coalesce(j.finished, j.ended_before),
            j.dated, CASE WHEN a.event = '{State.FAILED}' THEN coalesce(j.reason, 'unspecified') END,
            j.message, j.code, dims.text, (SELECT name FROM job_group WHERE n = j.group_n)
        FROM awaited AS a CROSS JOIN job AS j ON j.n = a.job CROSS JOIN source AS s ON s.n = a.source
        CROSS JOIN word AS prefix ON prefix.n = j.prefix CROSS JOIN word AS status ON status.n = j.status
        CROSS JOIN word AS dims ON dims.n = j.dims
        WHERE a.job IN ({jobs}) ORDER BY a.job
        """,
        f"DELETE FROM awaited WHERE job IN ({jobs})",
    )


# Before the row of the job is replaced: nobody can ask about that end any more.
RELEASE_REPLACED = _release(f"""
    SELECT f.n FROM fresh AS f CROSS JOIN job AS j ON j.n = f.n CROSS JOIN listed AS l ON l.r = f.r
    WHERE f.is_counted OR f.what IN ({STALE}, {LATE}) OR (f.what = {CHANGED} AND l.state <> j.state)""")
# After it: the list itself tells what was to be asked for.
RELEASE_TOLD = _release(f"SELECT n FROM fresh WHERE what IN ({ENDED}, {CHANGED}) AND asked = 0")
RELEASE_LEAVING = _release("SELECT n FROM leaving")
RELEASE_SOURCE = _release("SELECT job FROM awaited WHERE source = :source")

BEFORE = (*RELEASE_REPLACED, NOTE, AWAIT)
"""What is done before the rows of jobs are written."""
