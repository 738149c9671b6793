"""How a listing becomes what is known: one comparison, and the statements that follow from it.

Every statement takes the parameters of `taking_in`: the source, the number of the poll, `now`, `horizon` (the start of
the lookback), `start` (the same, or later where limits.jobs_per_source is reached), the source's `passed`, and its
`since`, less what clocks may differ by, whether its list `has_starts`, and whether new counters count as `shown`; about
what a list lacks also `forgotten`: what ended before (if `by_end`), or was created before, AWS may no longer list.
Times in milliseconds. Table and index names are chosen by hand (`INDEXED BY`, `CROSS JOIN`), because SQLite has no
statistics about them.

The life of a row:

| from | what happens | to |
|---|---|---|
| - | first seen active | active |
| - | first seen ended, in the first listing, or with an end before `since` or up to `passed` | finished, not counted |
| - | first seen ended, in the first listing, its end unknown | finished, in no sum until its details arrive |
| - | first seen ended otherwise | finished, counted |
| active | seen ended | finished, counted; the end is frozen: AWS's, else the update time as it stands |
| active, finished | two complete lists in a row lack it | past if it had finished, else gone |
| finished | a list lacks it once AWS may have forgotten it | finished: it was not deleted |
| finished | its details arrive | reason and times known; counted by reason |
| finished | has succeeded, and its status tells of a deletion, a stop or an expiry | as it was |
| finished | runs again | active; its next end counts if it is a later one |
| finished | ends later, or was created later, by AWS's own times | finished, counted once more |
| finished | leaves the lookback | past if AWS does not tell its end, else gone, with `passed` at its end |
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from exporter.jobs import State
from exporter.store.tables import NUMBER


class _Owner(NamedTuple):
    """Whose sums a row belongs to, as expressions over its columns."""

    source: str
    dims: str
    status: str
    only: str
    """Which rows."""


_SOURCE = _Owner(":source", "dims", "status", "true")
_GROUPS = _Owner("-group_n", "0", "0", "group_n > 0")
"""What a group adds up to stands in the same tables, under its negative number: wherever its jobs are listed."""

_OWNERS = (_SOURCE, _GROUPS)
"""Statements about sums come as pairs: those of the source, and those of the groups that its jobs are in."""

STALE, ACTIVE, ENDED, CHANGED, LATE, SEEN = range(6)
"""What a fresh row is: an unknown status that nobody updates; active; ended (again); in another final status; ended
before the start of the lookback; unchanged, but missing from the list before."""

_UNKNOWN, _FAILED, _DELETING = NUMBER[State.UNKNOWN], NUMBER[State.FAILED], NUMBER[State.DELETING]
_SUCCESS = f"({NUMBER[State.SUCCEEDED]}, {NUMBER[State.PARTIAL]})"
_AFTER_SUCCESS = f"({NUMBER[State.STOPPED]}, {NUMBER[State.EXPIRED]}, {NUMBER[State.DELETING]})"

_ENDED = "CASE WHEN j.reported THEN j.finished ELSE j.ended END"
"""AWS's end of a known job."""

# Whether a status tells nothing of the work that a known job did: what succeeded can be neither stopped nor expire, and
# what is deleted is its record or its output.
_IS_AFTERWARD = f"""(j.finished IS NOT NULL AND j.state IN {_SUCCESS} AND l.state IN {_AFTER_SUCCESS}
    AND l.status <> j.status)"""

_HIGHEST = "SELECT coalesce(max(n), 0) FROM job"

_IS_TAGGED = "(j.tags IS NULL AND l.tags IS NOT NULL)"
"""Whether AWS has told the tags of a known job only now."""

_VAGUE = f"""(:since IS NULL AND j.n IS NULL AND p.n IS NULL AND l.state > {_UNKNOWN}
    AND l.ended IS NULL AND l.updated IS NULL
    AND (coalesce(l.started, l.created) IS NULL OR (l.details IS NOT NULL
        AND coalesce(l.started, l.created) < :start AND coalesce(l.started, l.created) >= :relevant)))"""
"""Whether a job had ended before the first listing, and the list does not tell whether that was within the lookback.
Most of those that were created long before had ended by then; their details tell."""

# The comparison: from the inside out, each listed row with what is known of its job; what it is; what follows.
FRESH = f"""
INSERT INTO fresh
    (r, n, past, what, finish, reported, dated, ended, updated, ended_before, is_counted, is_owed, asked, reason)
SELECT r, coalesce(n, r - :after + ({_HIGHEST})), past, what, finish, reported, dated, ended, updated, ended_before,
    is_counted,
    is_owed AND state = {_FAILED},
    CASE WHEN what = {ACTIVE} THEN asked
         WHEN details IS NULL OR what = {LATE} THEN 0
         WHEN lacks_only_usage AND NOT (is_counted OR asked IN (1, 2)) THEN 0
         WHEN state = {_FAILED} AND reason IS NULL AND message IS NULL THEN 1 + is_owed
         ELSE 1 END,
    reason
FROM (
    SELECT *,
        CASE what WHEN {ACTIVE} THEN NULL WHEN {CHANGED} THEN old_finish
            WHEN {STALE} THEN coalesce(old_finish, old_ended_before) ELSE new_finish END AS finish,
        CASE what WHEN {ENDED} THEN coalesce(new_ended <= :now, 0) WHEN {LATE} THEN coalesce(new_ended <= :now, 0)
            WHEN {CHANGED} THEN old_reported WHEN {STALE} THEN coalesce(old_reported, 0) ELSE 0 END AS reported,
        CASE what WHEN {CHANGED} THEN old_dated ELSE NOT is_vague END AS dated,
        CASE what WHEN {CHANGED} THEN CASE WHEN old_reported THEN NULL ELSE coalesce(new_ended, old_ended) END
            WHEN {ENDED} THEN CASE WHEN new_ended <= :now THEN NULL ELSE new_ended END
            ELSE new_ended END AS ended,
        CASE what WHEN {ACTIVE} THEN new_updated WHEN {CHANGED} THEN old_updated
            WHEN {ENDED} THEN CASE WHEN new_ended IS NULL THEN new_updated END END AS updated,
        CASE what WHEN {ACTIVE} THEN coalesce(old_finish, old_ended_before, past_finish)
            WHEN {CHANGED} THEN old_ended_before END AS ended_before,
        CASE what WHEN {CHANGED} THEN old_asked = 2 ELSE is_counted OR old_asked = 2 END AS is_owed,
        CASE what WHEN {CHANGED} THEN old_reason WHEN {ACTIVE} THEN waits END AS reason,
        old_asked AS asked
    FROM (
        SELECT *,
            CASE
                WHEN state < {_UNKNOWN} THEN {ACTIVE}
                WHEN state = {_UNKNOWN} THEN
                    CASE WHEN coalesce(new_updated, created, :now) >= :horizon THEN {ACTIVE} ELSE {STALE} END
                WHEN old_finish IS NOT NULL AND NOT is_again THEN
                    CASE WHEN is_status_new THEN {CHANGED} ELSE {SEEN} END
                WHEN new_finish >= :start THEN {ENDED}
                ELSE {LATE}
            END AS what,
            CASE
                WHEN state <= {_UNKNOWN} THEN 0
                WHEN is_again THEN 1
                WHEN old_finish IS NOT NULL THEN 0
                WHEN n IS NOT NULL THEN old_ended_before IS NULL OR new_finish > old_ended_before
                WHEN past IS NOT NULL THEN 0
                ELSE coalesce(new_finish >= :since AND new_finish > :passed, 0)
            END AS is_counted
        FROM (
            SELECT l.r, l.state, l.created, l.started, l.ended AS new_ended, l.updated AS new_updated, l.details,
                l.message, l.lacks_only_usage, l.waits, {_VAGUE} AS is_vague,
                j.n, p.n AS past, p.finished AS past_finish,
                j.finished AS old_finish, j.reported AS old_reported, j.dated AS old_dated, j.ended AS old_ended,
                j.updated AS old_updated, j.ended_before AS old_ended_before, coalesce(j.asked, 0) AS old_asked,
                j.reason AS old_reason,
                (l.status <> j.status OR l.state <> j.state OR {_IS_TAGGED}) AND NOT {_IS_AFTERWARD} AS is_status_new,
                l.state > {_UNKNOWN} AND CASE
                    WHEN j.finished IS NOT NULL
                        THEN coalesce(l.state <> {_DELETING} AND l.ended <= :now AND l.ended > {_ENDED}, 0)
                        OR coalesce(l.created <= :now AND l.created > j.created, 0)
                    WHEN j.n IS NULL THEN coalesce(p.reported AND l.ended <= :now AND l.ended > p.finished, 0)
                    ELSE 0 END AS is_again,
                CASE
                    WHEN j.n IS NULL AND p.n IS NOT NULL AND NOT coalesce(l.ended <= :now, 0)
                        THEN min(p.finished, coalesce(l.updated, l.started, l.created, p.finished), :now)
                    WHEN {_VAGUE} THEN CASE WHEN l.details IS NULL THEN :start - 1 ELSE :now END
                    ELSE min(coalesce(l.ended, l.updated,
                        CASE WHEN j.n IS NULL THEN coalesce(l.started, l.created) END, :now), :now)
                END AS new_finish
            FROM listed AS l NOT INDEXED
            LEFT JOIN job AS j INDEXED BY job_id ON j.source = :source AND j.id = l.id AND j.prefix = l.prefix
            LEFT JOIN past AS p INDEXED BY past_id
                ON j.n IS NULL AND p.source = :source AND p.id = l.id AND p.prefix = l.prefix
            WHERE l.poll = :poll AND l.r > :after AND l.r <= :until AND (
                j.n IS NULL
                OR j.missed
                OR ((l.status <> j.status OR l.state <> j.state OR {_IS_TAGGED}) AND NOT {_IS_AFTERWARD})
                OR (j.finished IS NOT NULL AND (l.ended > {_ENDED} OR l.created > j.created))
                OR (j.finished IS NULL AND
                    (l.name, l.created, l.started, l.ended, l.updated, l.deadline, l.dims,
                     l.total, l.processed, l.succeeded, l.failed, l.message, l.waits) IS NOT
                    (j.name, j.created, j.started, j.ended, j.updated, j.deadline, j.dims,
                     j.total, j.processed, j.succeeded, j.failed, j.message, j.reason))
            )
            LIMIT -1 -- or SQLite would compute each of these again wherever it is used above
        )
    )
)
WHERE CASE what
    WHEN {STALE} THEN n IS NOT NULL
    WHEN {LATE} THEN n IS NOT NULL OR is_counted OR (past IS NULL AND NOT reported)
    ELSE 1 END
"""

FOUND = f"SELECT what, count(*), sum(n <= ({_HIGHEST})) FROM fresh GROUP BY what"

UNEXPLAINED = f"""
SELECT k, word.text, message, code
FROM fresh CROSS JOIN listed USING (r) CROSS JOIN word ON word.n = status
WHERE state = {_FAILED} AND fresh.reason IS NULL AND (asked = 0 OR message IS NOT NULL)
    AND (what IN ({ENDED}, {CHANGED}) OR (what = {LATE} AND is_counted))
    AND k > ?
ORDER BY k LIMIT 250
"""
EXPLAIN = "UPDATE fresh SET reason = ? WHERE k = ?"

_VALUES = """prefix, id, name, status, state, created, started, finished, reported, dated, reason, asked, missed, dims,
    group_n, message, code, ended, updated, deadline, ended_before, total, processed, succeeded, failed, details,
    tags, used, counted"""
_REPLACED = ", ".join(
    f"{name} = excluded.{name}"
    for name in _VALUES.replace("\n", " ").replace(" ", "").split(",")
    if name not in ("prefix", "id", "message", "code")
)
_IS_SAME_FAILURE = "excluded.finished IS NOT NULL AND excluded.reason = job.reason"
"""What the details told of it stays; of a waiting job, what the list tells now."""
PUT = f"""
INSERT INTO job (n, source, {_VALUES})
SELECT f.n, :source, l.prefix, l.id, l.name, l.status, l.state, l.created, l.started, f.finish, f.reported, f.dated,
    f.reason, f.asked, 0, l.dims, l.group_n, l.message, l.code, f.ended, f.updated,
    CASE WHEN f.what = {ACTIVE} THEN l.deadline END,
    f.ended_before, l.total, l.processed, l.succeeded, l.failed, CASE WHEN f.asked > 0 THEN l.details END,
    l.tags,
    CASE f.what WHEN {ENDED} THEN l.used WHEN {CHANGED} THEN coalesce(l.used, (SELECT used FROM job WHERE n = f.n)) END,
    CASE f.what WHEN {CHANGED} THEN (SELECT counted FROM job WHERE n = f.n) ELSE f.is_counted END
FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r
WHERE f.what IN ({ACTIVE}, {ENDED}, {CHANGED})
ON CONFLICT (n) DO UPDATE SET {_REPLACED},
    message = CASE WHEN {_IS_SAME_FAILURE} THEN coalesce(excluded.message, job.message) ELSE excluded.message END,
    code = CASE WHEN {_IS_SAME_FAILURE} THEN coalesce(excluded.code, job.code) ELSE excluded.code END,
    attempts = NULL, told = CASE WHEN job.finished IS NULL THEN told ELSE 0 END
"""
SEE = f"UPDATE job SET missed = 0 WHERE n IN (SELECT n FROM fresh WHERE what = {SEEN}) AND missed"
END_LATE = f"DELETE FROM job WHERE n IN (SELECT n FROM fresh WHERE what IN ({STALE}, {LATE}))"
NOTE_LATE = f"""
INSERT INTO past (source, prefix, id, finished, reported)
SELECT :source, l.prefix, l.id, f.finish, f.reported FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r
WHERE (f.what = {LATE} AND NOT f.reported) OR (f.what = {STALE} AND f.finish IS NOT NULL)
ON CONFLICT (source, id, prefix) DO UPDATE SET finished = excluded.finished, reported = excluded.reported
"""
PASSED_LATE = f"SELECT max(finish) FROM fresh WHERE what = {LATE} AND reported"
COME_BACK = f"""
DELETE FROM past WHERE n IN (
    SELECT past FROM fresh WHERE what IN ({ACTIVE}, {ENDED}) OR (what = {LATE} AND reported))
"""

COUNT_FINISHED = tuple(
    f"""
    INSERT INTO finished_total (source, dims, state, jobs, shown)
    SELECT {owner.source}, {owner.dims}, l.state, count(*), :shown FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r
    WHERE f.is_counted AND {owner.only} GROUP BY 1, 2, 3
    ON CONFLICT (source, dims, state) DO UPDATE SET jobs = jobs + excluded.jobs
    """
    for owner in _OWNERS
)
COUNT_FAILED = tuple(
    f"""
    INSERT INTO failed_total (source, dims, reason, jobs, shown)
    SELECT {owner.source}, {owner.dims}, f.reason, count(*), :shown FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r
    WHERE f.is_owed AND f.reason IS NOT NULL AND {owner.only} GROUP BY 1, 2, 3
    ON CONFLICT (source, dims, reason) DO UPDATE SET jobs = jobs + excluded.jobs
    """
    for owner in _OWNERS
)


def _count_used(rows: str) -> tuple[str, ...]:
    return tuple(
        f"""
        INSERT INTO used_total (source, dims, what, amount, shown)
        SELECT {owner.source}, {owner.dims}, used.key, sum(used.value), :shown FROM {rows} AND {owner.only}
        GROUP BY 1, 2, 3
        ON CONFLICT (source, dims, what) DO UPDATE SET amount = amount + excluded.amount
        """
        for owner in _OWNERS
    )


COUNT_USED = _count_used(
    """fresh AS f CROSS JOIN listed AS l ON l.r = f.r CROSS JOIN json_each(l.used) AS used
    WHERE f.is_counted"""
)
# Of a leaving row, whose details told: once, however often they are asked for.
COUNT_USED_EXPLAINED = _count_used(
    """leaving CROSS JOIN job ON job.n = leaving.n CROSS JOIN json_each(job.used) AS used
    WHERE job.counted"""
)


# A failure whose reason was to be asked for, and that nobody can ask for any more.
def _unexplainable(rows: str) -> tuple[str, ...]:
    return tuple(
        f"""
        INSERT INTO failed_total (source, dims, reason, jobs, shown)
        SELECT {owner.source}, {owner.dims}, 'unspecified', count(*), :shown FROM {rows} AND {owner.only} GROUP BY 1, 2
        ON CONFLICT (source, dims, reason) DO UPDATE SET jobs = jobs + excluded.jobs
        """
        for owner in _OWNERS
    )


COUNT_REPLACED = _unexplainable(
    f"""fresh CROSS JOIN job ON job.n = fresh.n
    WHERE job.asked = 2 AND what IN ({STALE}, {ENDED}, {CHANGED}, {LATE}) AND (is_counted OR NOT is_owed)"""
)
COUNT_LEFT = _unexplainable("leaving CROSS JOIN job ON job.n = leaving.n WHERE job.asked = 2")


def _combine(rows: str) -> tuple[str, ...]:
    return tuple(
        f"""
        INSERT INTO combination (source, dims, newest_created)
        SELECT {owner.source}, {owner.dims}, max(CASE WHEN created <= :now THEN created END)
        FROM {rows} AND {owner.only} GROUP BY 1, 2
        ON CONFLICT (source, dims) DO UPDATE SET newest_created = excluded.newest_created
        WHERE excluded.newest_created > coalesce(newest_created, -1) OR newest_created > :now
        """
        for owner in _OWNERS
    )


COMBINE = _combine(
    f"""fresh AS f CROSS JOIN listed AS l ON l.r = f.r
    WHERE (f.what IN ({ACTIVE}, {ENDED}, {CHANGED}) OR f.is_counted)"""
)
COMBINE_LEAVING = _combine("leaving CROSS JOIN job ON job.n = leaving.n WHERE true")

# Of a row of `job`: AWS's end.
_END = "CASE WHEN reported THEN finished ELSE coalesce(ended, updated) END"


def duration(has_starts: str) -> str:
    """Return how long a row's job ran, where `has_starts` says whether its list tells when jobs start.

    Waiting is not running: what never started, or expired, has no run time. The update time of a job that is being
    deleted does not tell its end.
    """
    return f"""CASE WHEN state NOT IN ({_DELETING}, {NUMBER[State.EXPIRED]}) AND finished IS NOT NULL
        THEN max(0, {_END} - coalesce(started, CASE WHEN NOT {has_starts} THEN created END)) END"""


DURATION = duration(":has_starts")
_WAIT = "max(0, started - created)"
"""How long a row's job waited; counted like a run time in state 0 (pending)."""


def _last(rows: str) -> tuple[str, ...]:
    # Of a job without an end of AWS's, the details will tell when it ended.
    return tuple(
        f"""
        INSERT INTO last (source, dims, state, reason, finished, duration)
        SELECT {owner.source}, {owner.dims}, state,
            CASE WHEN state = {_FAILED} THEN coalesce(reason, '') ELSE '' END, max(finished), {DURATION}
        FROM {rows}
        WHERE dated AND (asked NOT IN (1, 2) OR reported OR updated IS NOT NULL) AND {owner.only}
        GROUP BY 1, 2, 3, 4
        ON CONFLICT (source, dims, state, reason)
        DO UPDATE SET finished = excluded.finished, duration = excluded.duration
        WHERE excluded.finished >= finished OR finished > :now
        """
        for owner in _OWNERS
    )


_ENDED_ROWS = f"(SELECT job.* FROM fresh CROSS JOIN job ON job.n = fresh.n WHERE what IN ({ENDED}, {CHANGED}))"
_MOVED_ROWS = f"""(SELECT job.* FROM fresh CROSS JOIN job ON job.n = fresh.n
    WHERE what IN ({STALE}, {ACTIVE}, {ENDED}, {CHANGED}, {LATE}) AND finished IS NOT NULL)"""
_LEAVING_ROWS = "(SELECT job.* FROM leaving CROSS JOIN job ON job.n = leaving.n WHERE finished IS NOT NULL)"
_ALL_ROWS = "(SELECT * FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NOT NULL)"

LAST = _last(_ENDED_ROWS)
LAST_EXPLAINED = _last(_LEAVING_ROWS)
LAST_OF_ALL = _last(_ALL_ROWS)
# What was the last failure without a reason has one now.
FORGET_UNEXPLAINED = tuple(
    f"""
    DELETE FROM last WHERE state = {_FAILED} AND reason = '' AND {place} AND EXISTS (
        SELECT 1 FROM leaving CROSS JOIN job ON job.n = leaving.n
        WHERE {is_same} AND job.state = {_FAILED} AND job.finished >= last.finished)
    """
    for place, is_same in (
        ("source = :source", "job.dims = last.dims"),
        (
            "source IN (SELECT -group_n FROM leaving CROSS JOIN job ON job.n = leaving.n)",
            "-job.group_n = last.source",
        ),
    )
)


def _sums(rows: str, owner: _Owner = _SOURCE) -> tuple[str, ...]:
    """Return the statements that add `sign` times some rows to the sums of their source, or of their groups.

    Sums follow the rows that move: subtracted as they were, added as they are.
    """
    tally = f"""
        INSERT INTO tally (source, dims, status, state, reason, dated, jobs, total, processed, succeeded, failed)
        SELECT {owner.source}, {owner.dims}, {owner.status}, state,
            CASE WHEN state = {_FAILED} THEN coalesce(reason, '') ELSE '' END, dated,
            :sign * count(*), :sign * coalesce(sum(total), 0), :sign * coalesce(sum(processed), 0),
            :sign * coalesce(sum(succeeded), 0), :sign * coalesce(sum(failed), 0)
        FROM {rows} WHERE {owner.only} GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (source, dims, status, state, reason, dated) DO UPDATE SET jobs = jobs + excluded.jobs,
            total = total + excluded.total, processed = processed + excluded.processed,
            succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed
        """
    spans = [
        f"""
        INSERT INTO span_change (source, dims, state, length, jobs) SELECT source, dims, state, length, :sign FROM (
            SELECT {owner.source} AS source, {owner.dims} AS dims, {state} AS state, {length} AS length
            FROM {rows} WHERE dated AND {owner.only}
            LIMIT -1 -- or SQLite would compute the length twice
        ) WHERE length IS NOT NULL
        """
        for state, length in (("state", DURATION), ("0", _WAIT))
    ]
    return tally, *spans


MOVED = _sums(_MOVED_ROWS)
LEFT_SUMS = _sums(_LEAVING_ROWS)
SUMS_OF_ALL = _sums(_ALL_ROWS)
# Nobody asks how long the jobs of a group had waited.
GROUPS_MOVED, GROUPS_LEFT, GROUPS_OF_ALL = (
    _sums(rows, _GROUPS)[:-1] for rows in (_MOVED_ROWS, _LEAVING_ROWS, _ALL_ROWS)
)
# Which groups have changed.
FRESH_GROUPS = "SELECT DISTINCT group_n FROM fresh CROSS JOIN job ON job.n = fresh.n WHERE group_n > 0"
LEAVING_GROUPS = "SELECT DISTINCT group_n FROM leaving CROSS JOIN job ON job.n = leaving.n WHERE group_n > 0"

Bounds = tuple[int, ...]
"""Upper bounds of the buckets of durations, in milliseconds."""

NO_BOUND = 2**62
"""That of the last bucket."""

_COUNTED_ROWS = """(SELECT l.dims, l.group_n, l.state, l.created, l.started, f.finish AS finished,
        f.reported, f.ended, f.updated
    FROM fresh AS f CROSS JOIN listed AS l ON l.r = f.r WHERE f.is_counted)"""
_EXPLAINED_ROWS = "(SELECT job.* FROM leaving CROSS JOIN job ON job.n = leaving.n WHERE finished >= :since)"


def _count_durations(rows: str, bounds: Bounds, owner: _Owner = _SOURCE) -> tuple[str, ...]:
    reached = " ".join(f"WHEN length <= {bound} THEN {bound}" for bound in bounds)
    bound = f"CASE {reached} ELSE {NO_BOUND} END" if bounds else str(NO_BOUND)
    return tuple(
        f"""
        INSERT INTO duration_total (source, dims, state, bound, jobs, length, shown)
        SELECT source, dims, state, {bound}, count(*), sum(length), coalesce((
            SELECT max(shown) FROM duration_total AS t
            WHERE t.source = each.source AND t.dims = each.dims AND t.state = each.state), :shown)
        FROM (
            SELECT {owner.source} AS source, {owner.dims} AS dims, {state} AS state, {length} AS length
            FROM {rows} WHERE {owner.only}
            LIMIT -1 -- or SQLite would compute the length again for each bound
        ) AS each WHERE length IS NOT NULL GROUP BY 1, 2, 3, 4
        ON CONFLICT (source, dims, state, bound) DO UPDATE SET jobs = jobs + excluded.jobs,
            length = length + excluded.length
        """
        for state, length in (("state", DURATION), ("0", _WAIT))
    )


# Made once for all sources: together they are several kilobytes.
@cache
def count_durations(bounds: Bounds) -> tuple[str, ...]:
    """Return what counts the run times and waits of the fresh rows that are counted."""
    return _count_durations(_COUNTED_ROWS, bounds)


@cache
def count_explained_durations(bounds: Bounds) -> tuple[str, ...]:
    """Return what counts those of the leaving rows: jobs whose times only their details told."""
    return _count_durations(_EXPLAINED_ROWS, bounds)


@cache
def count_group_durations(bounds: Bounds) -> tuple[str, ...]:
    """Return what counts the run times of the fresh rows that are counted, for their groups."""
    return _count_durations(_COUNTED_ROWS, bounds, _GROUPS)[:-1]


@cache
def count_explained_group_durations(bounds: Bounds) -> tuple[str, ...]:
    """Return what counts those of the leaving rows for their groups."""
    return _count_durations(_EXPLAINED_ROWS, bounds, _GROUPS)[:-1]


IS_TIMED = f"SELECT {DURATION} IS NOT NULL FROM job WHERE n = :n"


# What AWS may no longer list. Of a job whose end AWS does not tell, only the creation is certain.
_FORGOTTEN = "CASE WHEN :by_end AND reported THEN finished ELSE coalesce(created, finished) END < :forgotten"
FORGIVE = f"UPDATE job SET missed = 0 WHERE source = :source AND missed AND finished IS NOT NULL AND {_FORGOTTEN}"
# What a complete list lacks. Where it is complete from a creation time on, no job that ended before is looked at.
_LACKED = """NOT EXISTS (
    SELECT 1 FROM listed AS l INDEXED BY listed_id WHERE l.poll = :poll AND l.id = j.id AND l.prefix = j.prefix)"""
LACK_ACTIVE = f"""
INSERT INTO leaving SELECT n FROM job AS j INDEXED BY job_finished
WHERE source = :source AND finished IS NULL AND missed = :missed
    AND (:complete_from IS NULL OR coalesce(created, :complete_from + 1) > :complete_from) AND {_LACKED}
"""
LACK_FINISHED = f"""
INSERT INTO leaving SELECT n FROM job AS j INDEXED BY job_finished
WHERE source = :source AND finished >= :complete_from AND missed = :missed AND coalesce(created, 0) > :complete_from
    AND NOT {_FORGOTTEN} AND {_LACKED}
"""
LACK_ALL = f"""
INSERT INTO leaving SELECT n FROM job AS j INDEXED BY job_id
WHERE source = :source AND finished IS NOT NULL AND missed = :missed AND NOT {_FORGOTTEN} AND {_LACKED}
"""
MISS = "UPDATE job SET missed = 1 WHERE n IN (SELECT n FROM leaving)"
NOTE_GONE = """
INSERT INTO past (source, prefix, id, finished, reported)
SELECT source, prefix, id, coalesce(finished, ended_before), reported FROM job
WHERE n IN (SELECT n FROM leaving) AND coalesce(finished, ended_before) IS NOT NULL
ON CONFLICT (source, id, prefix) DO UPDATE SET finished = excluded.finished, reported = excluded.reported
"""
LEAVE = "DELETE FROM job WHERE n IN (SELECT n FROM leaving)"
EMPTY_LEAVING = "DELETE FROM leaving"

# What leaves the lookback, a slice at a time.
_SLICE = 500
LEFT = f"""
INSERT INTO leaving SELECT n FROM job INDEXED BY job_finished
WHERE source = :source AND finished < :before ORDER BY finished LIMIT {_SLICE}
"""
# What there is of that: jobs that left, active ones in an unknown status that nobody updates, hours of dropped ones.
OLD = f"""
SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_finished WHERE source = :source AND finished < :start),
    EXISTS (SELECT 1 FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NULL
        AND state = {_UNKNOWN} AND coalesce(updated, created) < :horizon),
    EXISTS (SELECT 1 FROM dropped WHERE source = :source AND hour < :horizon / 3600000)
"""
AGED = f"""
INSERT INTO leaving SELECT n FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NULL
    AND state = {_UNKNOWN} AND coalesce(updated, created) < :horizon
"""
LEFT_PAST = """
INSERT INTO past (source, prefix, id, finished, reported)
SELECT source, prefix, id, finished, 0 FROM job WHERE n IN (SELECT n FROM leaving) AND NOT reported
ON CONFLICT (source, id, prefix) DO UPDATE SET finished = excluded.finished, reported = excluded.reported
"""
LEFT_PASSED = "SELECT max(finished) FROM job WHERE n IN (SELECT n FROM leaving)"
DROP = """
INSERT INTO dropped (source, hour, jobs)
SELECT source, finished / 3600000, count(*) FROM job WHERE n IN (SELECT n FROM leaving) GROUP BY 2
ON CONFLICT (source, hour) DO UPDATE SET jobs = jobs + excluded.jobs
"""
FORGET_DROPPED = "DELETE FROM dropped WHERE source = :source AND hour < :horizon / 3600000"

HELD = "SELECT coalesce(sum(jobs), 0) FROM tally WHERE source = :source"
FLOOR = """
SELECT finished + 1 FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NOT NULL
ORDER BY finished LIMIT 1 OFFSET :excess - 1
"""

# What was seen to end and is not held. Once an end that AWS reported left the lookback, `passed` says the same. Of one
# that it did not, the row stays as long as AWS lists the job.
PAST_PASSED = "SELECT max(finished) FROM past WHERE source = :source AND finished < :old AND reported"
PURGE_REPORTED = "DELETE FROM past WHERE source = :source AND finished < :old AND reported"
_UNLISTED_PAST = f"""
    SELECT n FROM past AS j INDEXED BY past_id
    WHERE source = :source AND NOT reported AND finished < :old AND {_LACKED}"""
SEE_PAST = f"UPDATE past SET missed = 0 WHERE source = :source AND missed AND n NOT IN ({_UNLISTED_PAST})"
PURGE_UNREPORTED = f"DELETE FROM past WHERE n IN ({_UNLISTED_PAST}) AND missed"
MISS_PAST = f"UPDATE past SET missed = 1 WHERE n IN ({_UNLISTED_PAST})"
PURGE_BEFORE = "DELETE FROM past WHERE source = :source AND NOT reported AND finished < :oldest"
IS_PAST = "SELECT EXISTS (SELECT 1 FROM past INDEXED BY past_id WHERE source = :source)"

LOST = """
SELECT min(created) FROM job AS j INDEXED BY job_finished WHERE source = :source AND finished IS NULL AND NOT EXISTS (
    SELECT 1 FROM listed AS l INDEXED BY listed_id WHERE l.poll = :poll AND l.id = j.id AND l.prefix = j.prefix)
"""

UNSTAGE = "DELETE FROM listed WHERE r > :after AND r <= :until AND poll = :poll"
_STAGED = "r, poll, prefix, id, name, status, state, created, started, ended, updated, message, dims, group_n"
_FURTHER = "deadline, code, total, processed, succeeded, failed, details, tags, used, lacks_only_usage, waits"
STAGE = f"INSERT OR REPLACE INTO listed ({_STAGED}) VALUES ({', '.join('?' * 14)})"
STAGE_FURTHER = f"INSERT OR REPLACE INTO listed ({_STAGED}, {_FURTHER}) VALUES ({', '.join('?' * 25)})"

SUMMARY = """
SELECT min(created), count(*) - count(created), count(*),
    (SELECT coalesce(sum(jobs), 0) FROM tally WHERE source = :source),
    (SELECT count(*) FROM job INDEXED BY job_asked
        WHERE source = :source AND asked IN (1, 2) AND finished IS NOT NULL),
    (SELECT count(*) FROM job INDEXED BY job_refused WHERE source = :source AND asked = 3),
    (SELECT coalesce(sum(jobs), 0) FROM dropped WHERE source = :source),
    (SELECT count(*) FROM job INDEXED BY job_missed WHERE source = :source AND missed > 0)
FROM job INDEXED BY job_finished WHERE source = :source AND finished IS NULL
"""
EXPLAINED = f"""
SELECT job.n, word.text, message, code, reason FROM job INDEXED BY job_finished JOIN word ON word.n = status
WHERE source = ? AND finished IS NOT NULL AND state = {_FAILED} AND reason IS NOT NULL
"""
OLDEST = "SELECT min(finished) FROM job INDEXED BY job_finished WHERE source = ? AND finished IS NOT NULL"
FORGET_LAST = "DELETE FROM last WHERE source = :source AND finished >= :horizon"
COUNT_EXPLAINED = """
INSERT INTO failed_total (source, dims, reason, jobs, shown) VALUES (:source, :dims, :reason, 1, :shown)
ON CONFLICT (source, dims, reason) DO UPDATE SET jobs = jobs + 1
"""

NEW_SOURCE = """
INSERT INTO source (account_id, region, aws_service, kind, scope, identity, rules, longest_run, since, has_starts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
HAS_JOBS = "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_finished WHERE source = ?)"
CONTINUE = "UPDATE source SET gone = NULL, longest_run = ? WHERE n = ?"
NOTE_RULES = "UPDATE source SET rules = ?, has_starts = ?, limit_start = NULL, read_in_full = NULL WHERE n = ?"

# What is known of the tags of one job, and whether it has ended and is no longer held.
TAGS = """
SELECT word.text FROM job INDEXED BY job_id CROSS JOIN word ON word.n = tags
WHERE source = ? AND prefix = (SELECT n FROM word WHERE text = ?) AND id = ?
"""
IS_GONE = """
SELECT EXISTS (SELECT 1 FROM past INDEXED BY past_id
    WHERE source = ? AND prefix = (SELECT n FROM word WHERE text = ?) AND id = ?)
"""

# The groups of jobs that are known already.
NAMES = """
SELECT n, group_n, name, prefix, id, (SELECT text FROM word WHERE n = tags) FROM job INDEXED BY job_id
WHERE source = :source AND (id, prefix) > (:id, :prefix) ORDER BY id, prefix LIMIT 250
"""
REGROUPED = "INSERT INTO regrouped SELECT CAST(key AS INTEGER), value FROM json_each(?)"
REGROUPED_LEAVING = "INSERT INTO leaving SELECT n FROM regrouped"
REGROUP = """
UPDATE job SET group_n = (SELECT r.group_n FROM regrouped AS r WHERE r.n = job.n) WHERE n IN (SELECT n FROM regrouped)
"""
EMPTY_REGROUPED = "DELETE FROM regrouped"
GROUPED = "SELECT DISTINCT group_n FROM job INDEXED BY job_finished WHERE source = :source AND group_n > 0"
UNGROUP = "UPDATE job SET group_n = 0 WHERE source = :source AND group_n > 0"
NOTE_GROUPING = "UPDATE source SET grouping = ? WHERE n = ?"

# The details of one finished job.
ASKED = """
SELECT n, asked, dims, group_n, state, finished, reported, dated, used IS NOT NULL FROM job INDEXED BY job_id
WHERE source = ? AND prefix = (SELECT n FROM word WHERE text = ?) AND id = ? AND asked > 0 AND finished IS NOT NULL
"""
NOTE_DETAILS = """
UPDATE job SET reason = :reason, message = :message, code = :code, created = :created, started = :started,
    finished = :finished, ended = :ended, dated = :dated, updated = :updated,
    asked = :asked, details = CASE WHEN :asked THEN details END, used = coalesce(used, :used),
    attempts = CASE WHEN :asked THEN coalesce(attempts, 0) + 1 END
WHERE n = :n
"""
NOTE_ATTEMPT = """
UPDATE job SET attempts = coalesce(attempts, 0) + 1
WHERE source = ? AND prefix = (SELECT n FROM word WHERE text = ?) AND id = ?
"""
COMBINE_EXPLAINED = """
INSERT INTO combination (source, dims, newest_created) VALUES (?, ?, ?)
ON CONFLICT (source, dims) DO UPDATE SET newest_created = excluded.newest_created
WHERE excluded.newest_created > coalesce(newest_created, -1)
"""
ASK_AGAIN = "UPDATE job SET asked = 1 WHERE source = ? AND asked = 3"
