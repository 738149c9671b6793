"""The tables: what lasts is in the file, what one poll needs is temporary."""

from __future__ import annotations

import sqlite3

from exporter.jobs import State

APPLICATION = 0x4157534A
"""Marks a file as ours (`PRAGMA application_id`): the letters AWSJ."""

VERSION = 5
"""Of the tables below (`PRAGMA user_version`)."""

STATES = (
    State.PENDING,
    State.RUNNING,
    State.STOPPING,
    State.UNKNOWN,
    State.SUCCEEDED,
    State.PARTIAL,
    State.FAILED,
    State.STOPPED,
    State.EXPIRED,
    State.DELETING,
)
"""The states by their number in the database: active ones below unknown, final ones above it."""

NUMBER = {state: number for number, state in enumerate(STATES)}

# Times and durations are integer milliseconds, so sums by differences stay exact. Words that many rows share are
# numbers of `word`; number 0 is the empty word, and the empty combination of dimensions.
TABLES = """
CREATE TABLE word (n INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO word VALUES (0, '');

CREATE TABLE source (
    n INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL, region TEXT NOT NULL, aws_service TEXT NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL,
    identity TEXT NOT NULL,     -- what makes it the same list of jobs
    rules TEXT NOT NULL,        -- what the sums and the reasons were made by
    longest_run REAL NOT NULL,  -- of the kind
    since INTEGER,              -- the first listing: what had ended before is counted nowhere
    newest_created INTEGER,     -- never in the future
    passed INTEGER,             -- the latest end ever dropped: an end up to then is not new
    limit_start INTEGER,        -- what ended before was dropped because of limits.jobs_per_source
    last_success INTEGER,
    read_in_full INTEGER,
    scopes TEXT,                -- the inner scopes of the last full read
    found TEXT,                 -- what a source that finds others found last
    gone INTEGER,               -- since when it is no longer polled
    has_starts INTEGER NOT NULL DEFAULT 0, -- whether its list tells when jobs start
    grouping TEXT NOT NULL DEFAULT '', -- what its jobs were assigned to groups by; empty where none is in a group
    UNIQUE (account_id, region, aws_service, kind, scope)
);

CREATE TABLE job (
    n INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    prefix INTEGER NOT NULL, id TEXT NOT NULL, -- the id in two parts: up to its last slash, and the rest
    name TEXT NOT NULL,
    status INTEGER NOT NULL, state INTEGER NOT NULL,
    created INTEGER, started INTEGER,
    finished INTEGER,           -- the end, frozen; NULL while it has not ended
    reported INTEGER NOT NULL,      -- whether AWS reports that end
    dated INTEGER NOT NULL,     -- whether that end is known at all
    reason TEXT,
    asked INTEGER NOT NULL,     -- 1: AWS must be asked for details; 2: and the reason must be counted then; 3: refused
    missed INTEGER NOT NULL,    -- whether the last complete list lacked it
    dims INTEGER NOT NULL,
    message TEXT, code TEXT,
    ended INTEGER,              -- AWS's end, where it is not `finished`
    updated INTEGER, deadline INTEGER,
    ended_before INTEGER,       -- the end of its last run, while it runs again
    total INTEGER, processed INTEGER, succeeded INTEGER, failed INTEGER,
    details TEXT, attempts INTEGER,
    tags INTEGER,               -- NULL where nobody asked for any, or AWS has not told them yet
    used TEXT,                  -- what it used, in thousandths, by the resource; NULL while nobody told
    counted INTEGER NOT NULL DEFAULT 0, -- whether its last end counts: then what it used does, too, once it is told
    group_n INTEGER NOT NULL DEFAULT 0, -- the group, 0 where there is none
    told INTEGER NOT NULL DEFAULT 0     -- whether the event log has it as late: 1 as running, 2 as waiting, 3 as both
);
CREATE UNIQUE INDEX job_id ON job (source, id, prefix);
CREATE INDEX job_finished ON job (source, finished);
CREATE INDEX job_state ON job (state, finished);
CREATE INDEX job_asked ON job (source, attempts, finished DESC) WHERE asked IN (1, 2);
CREATE INDEX job_refused ON job (source) WHERE asked = 3;
CREATE INDEX job_missed ON job (source) WHERE missed > 0;
CREATE INDEX job_group_active ON job (group_n, state, created, started) WHERE finished IS NULL AND group_n > 0;

-- Groups of jobs of all sources. What they add up to is in the same tables as what sources add up to, under their
-- negative numbers.
CREATE TABLE job_group (
    n INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    pattern TEXT NOT NULL,      -- what took the name from that of a job; empty where the configuration says it
    expect TEXT,                -- when successes are due
    since INTEGER,              -- since when that is so
    success INTEGER,            -- the last one
    due INTEGER,                -- the moment by which the next one is
    missed INTEGER              -- the last such moment that the event log has as missed
);

-- Jobs that were seen to end and are no longer held: they do not end again.
CREATE TABLE past (
    n INTEGER PRIMARY KEY,
    source INTEGER NOT NULL, prefix INTEGER NOT NULL, id TEXT NOT NULL,
    finished INTEGER NOT NULL, reported INTEGER NOT NULL,
    missed INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX past_id ON past (source, id, prefix);

-- Sums over the finished jobs of a source; those whose end is not known yet count apart.
CREATE TABLE tally (
    source INTEGER, dims INTEGER, status INTEGER, state INTEGER, reason TEXT, dated INTEGER,
    jobs INTEGER NOT NULL,
    total INTEGER NOT NULL, processed INTEGER NOT NULL, succeeded INTEGER NOT NULL, failed INTEGER NOT NULL,
    PRIMARY KEY (source, dims, status, state, reason, dated)
) WITHOUT ROWID;

-- How often each run time occurs among the finished jobs; in state 0 (pending), the times from creation to start.
CREATE TABLE span (
    source INTEGER, dims INTEGER, state INTEGER, length INTEGER, jobs INTEGER NOT NULL,
    PRIMARY KEY (source, dims, state, length)
) WITHOUT ROWID;

-- The run time at each quantile, in thousandths, and how many jobs ran shorter; that of all, 1000, counts them all.
CREATE TABLE pivot (
    source INTEGER, dims INTEGER, state INTEGER, quantile INTEGER, length INTEGER NOT NULL, shorter INTEGER NOT NULL,
    PRIMARY KEY (source, dims, state, quantile)
) WITHOUT ROWID;

-- The last end of each state and reason, and the last creation: they outlive the lookback.
CREATE TABLE last (
    source INTEGER, dims INTEGER, state INTEGER, reason TEXT, finished INTEGER NOT NULL, duration INTEGER,
    PRIMARY KEY (source, dims, state, reason)
) WITHOUT ROWID;
CREATE TABLE combination (
    source INTEGER, dims INTEGER, newest_created INTEGER, PRIMARY KEY (source, dims)
) WITHOUT ROWID;

-- The counters. A job is counted in the transaction that sees its end, its reason, or its run time. Each is shown as 0
-- until whoever scrapes has seen that: PromQL's increase() would miss the first step.
CREATE TABLE finished_total (
    source INTEGER, dims INTEGER, state INTEGER, jobs INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dims, state)
) WITHOUT ROWID;
CREATE TABLE failed_total (
    source INTEGER, dims INTEGER, reason TEXT, jobs INTEGER NOT NULL, shown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dims, reason)
) WITHOUT ROWID;
-- Run times by the upper bounds of buckets; states as in `span`.
CREATE TABLE duration_total (
    source INTEGER, dims INTEGER, state INTEGER, bound INTEGER, jobs INTEGER NOT NULL, length INTEGER NOT NULL,
    shown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dims, state, bound)
) WITHOUT ROWID;

-- What the jobs used that were counted, in thousandths; `what` is the resource, with its type after a slash.
CREATE TABLE used_total (
    source INTEGER, dims INTEGER, what TEXT, amount REAL NOT NULL, shown INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, dims, what)
) WITHOUT ROWID;

-- Sources that AWS denied in their last poll, and when they are polled again.
CREATE TABLE denied (
    account_id TEXT, region TEXT, aws_service TEXT, kind TEXT, scope TEXT,
    configuration TEXT NOT NULL, -- under which they were polled
    since INTEGER NOT NULL, last INTEGER NOT NULL, due INTEGER NOT NULL,
    failures INTEGER NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL,
    PRIMARY KEY (account_id, region, aws_service, kind, scope)
) WITHOUT ROWID;

-- How many of the jobs that were dropped because of limits.jobs_per_source ended in each hour.
CREATE TABLE dropped (
    source INTEGER, hour INTEGER, jobs INTEGER NOT NULL, PRIMARY KEY (source, hour)
) WITHOUT ROWID;

-- Transitions of jobs that are still to be written to the event log. Their numbers rise without gaps, and none is used
-- again: by it and the name of the log, a line that is in the file already is recognized.
CREATE TABLE event (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL, seen INTEGER NOT NULL,
    account_id TEXT NOT NULL, region TEXT NOT NULL, aws_service TEXT NOT NULL, kind TEXT NOT NULL, scope TEXT NOT NULL,
    id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, state INTEGER NOT NULL,
    created INTEGER, started INTEGER, ended INTEGER, updated INTEGER, finished INTEGER, dated INTEGER,
    reason TEXT, message TEXT, code TEXT, dims TEXT NOT NULL, group_name TEXT
);
-- Ends of jobs that will be such transitions once the details of the job are known.
CREATE TABLE awaited (
    job INTEGER PRIMARY KEY, source INTEGER NOT NULL, event TEXT NOT NULL, seen INTEGER NOT NULL
);
CREATE TABLE event_log (name TEXT NOT NULL);
INSERT INTO event_log VALUES (lower(hex(randomblob(8))));
"""


def _definition(name: str) -> str:
    """Return the statement above that creates a table or an index."""
    return next(statement for statement in TABLES.split(";\n") if f" {name} " in statement) + ";"


UPGRADES = {
    # Sums are made anew where the rules they were made by are not those in effect.
    1: f"""
    DROP TABLE tally; {_definition("TABLE tally")}
    DROP INDEX job_asked; {_definition("INDEX job_asked")} {_definition("INDEX job_refused")}
    UPDATE source SET rules = '';
    """,
    # Until now, every counter was there from the start, at 0.
    2: f"""
    DROP TABLE span; {_definition("TABLE span")} {_definition("TABLE pivot")} {_definition("TABLE duration_total")}
    ALTER TABLE finished_total ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE failed_total ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
    UPDATE finished_total SET shown = 1;
    UPDATE failed_total SET shown = 1;
    {_definition("TABLE denied")}
    UPDATE source SET rules = '';
    """,
    3: f"""
    {_definition("TABLE event")} {_definition("TABLE awaited")} {_definition("TABLE event_log")}
    {_definition("INTO event_log")}
    ALTER TABLE source ADD COLUMN has_starts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE source ADD COLUMN grouping TEXT NOT NULL DEFAULT '';
    ALTER TABLE job ADD COLUMN group_n INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN tags INTEGER;
    {_definition("INDEX job_group_active")} {_definition("TABLE job_group")}
    """,
    4: f"""
    {_definition("TABLE used_total")}
    ALTER TABLE job ADD COLUMN used TEXT;
    ALTER TABLE job ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
    """,
}
"""What makes the tables of each version those of the next one."""

OF_A_SOURCE = (
    *("job", "past", "tally", "span", "pivot", "last", "combination", "dropped"),
    *("finished_total", "failed_total", "duration_total", "used_total", "awaited"),
)
"""The tables whose rows belong to one source."""

TEMPORARY = """
-- What polls under way have listed, by the number of the poll.
CREATE TEMP TABLE listed (
    r INTEGER PRIMARY KEY, poll INTEGER, prefix INTEGER, id TEXT, name TEXT,
    status INTEGER, state INTEGER, created INTEGER, started INTEGER, ended INTEGER, updated INTEGER,
    message TEXT, dims INTEGER, group_n INTEGER,
    deadline INTEGER, code TEXT, total INTEGER, processed INTEGER, succeeded INTEGER, failed INTEGER, details TEXT,
    tags INTEGER,
    used TEXT, lacks_only_usage INTEGER,
    waits TEXT
);
CREATE UNIQUE INDEX temp.listed_id ON listed (poll, id, prefix);
-- What the comparison found: the rows that are new or changed, and what they become.
CREATE TEMP TABLE fresh (
    k INTEGER PRIMARY KEY, r INTEGER, n INTEGER, past INTEGER,
    what INTEGER, finish INTEGER, reported INTEGER, dated INTEGER, ended INTEGER, updated INTEGER, ended_before INTEGER,
    is_counted INTEGER, is_owed INTEGER, asked INTEGER, reason TEXT
);
CREATE TEMP TABLE leaving (n INTEGER PRIMARY KEY);
-- Jobs that another group takes.
CREATE TEMP TABLE regrouped (n INTEGER PRIMARY KEY, group_n INTEGER);
-- How the numbers of run times change.
CREATE TEMP TABLE span_change (source INTEGER, dims INTEGER, state INTEGER, length INTEGER, jobs INTEGER);
"""

_STATEMENTS = 256
"""Statements that sqlite3 keeps compiled: about twice as many as there are."""


def connected(path: str, page_size: int = 16_384) -> sqlite3.Connection:
    """Return a connection, with its temporary tables. Transactions are started and ended by hand."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)
    # Nobody else writes, so whoever has to wait has found a mistake, and the event loop must not.
    connection.execute("PRAGMA busy_timeout = 0")
    # Before anything is written, because the size of pages is fixed then. In memory, larger ones waste less.
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.executescript(TEMPORARY)
    return connection


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables of an older version those of this one."""
    for before in range(version, VERSION):
        connection.executescript(f"BEGIN; {UPGRADES[before]} PRAGMA user_version = {before + 1}; COMMIT;")


def create(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty database."""
    connection.executescript(
        f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    )
