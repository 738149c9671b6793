"""What is longer than usual for an active job, as SQL about a row of `job` at the time `:now`.

The alerts AwsJobRunsTooLong and AwsJobWaitsTooLong say the same in PromQL, about the oldest job of a source: what runs
counts from its start, or from its creation where its list does not tell the start, what waits from its creation. Usual
is what nine out of ten took of the successful jobs, or of all waits, of the same source and dimensions within the
lookback. A job is longer than usual beyond three times that, but never within an hour; where nothing is known, beyond a
day for one that runs and six hours for one that waits.
"""

from __future__ import annotations

from exporter.jobs import State
from exporter.store.tables import NUMBER

QUANTILE = 900
"""In thousandths."""

FACTOR = 3

LEAST, MOST_RUN, MOST_WAIT = 3_600_000, 86_400_000, 21_600_000
"""Limits in milliseconds: the lowest, and those of a run and of a wait of which nothing is known."""

_PENDING, _SUCCEEDED, _UNKNOWN = NUMBER[State.PENDING], NUMBER[State.SUCCEEDED], NUMBER[State.UNKNOWN]

LIMIT = f"""coalesce((
    SELECT max({FACTOR} * length, {LEAST}) FROM pivot
    WHERE pivot.source = job.source AND pivot.dims = job.dims AND quantile = {QUANTILE}
        AND pivot.state = CASE job.state WHEN {_PENDING} THEN 0 ELSE {_SUCCEEDED} END
), CASE job.state WHEN {_PENDING} THEN {MOST_WAIT} ELSE {MOST_RUN} END)"""
"""For how many milliseconds an active job may run, or wait."""

IS_LONGER = f"""job.state < {_UNKNOWN}
    AND CASE job.state WHEN {_PENDING} THEN created ELSE coalesce(started, created) END < :now - {LIMIT}"""
"""Whether an active job has run, or waited, for longer than that."""
