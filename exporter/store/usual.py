"""What is longer than usual for an active job, as SQL about a row of `job` at the time `:now`.

The alerts AwsJobRunsTooLong and AwsJobWaitsTooLong say the same in PromQL, about the oldest job of a source: what runs
counts from its start, or from its creation where its list does not tell the start, what waits from its creation. Usual
is what the successful jobs took, or what all jobs waited, of the same source and dimensions within the lookback. A job
is longer than usual beyond three times what nine out of ten took and one and a half times what 99 of 100 did, but never
within an hour; where nothing is known, beyond a day for one that runs and six hours for one that waits.
"""

from __future__ import annotations

from exporter.jobs import State
from exporter.store.tables import NUMBER

FACTORS = {900: 3, 990: 1.5}
"""How many times a quantile (in thousandths) is usual: the second, as one long job among many short ones is."""

LEAST, MOST_RUN, MOST_WAIT = 3_600_000, 86_400_000, 21_600_000
"""Limits in milliseconds: the lowest, and those of a run and of a wait of which nothing is known."""

_PENDING, _SUCCEEDED, _UNKNOWN = NUMBER[State.PENDING], NUMBER[State.SUCCEEDED], NUMBER[State.UNKNOWN]

_FACTOR = " ".join(f"WHEN {quantile} THEN {factor}" for quantile, factor in FACTORS.items())

LIMIT = f"""coalesce((
    SELECT max(max(length * CASE quantile {_FACTOR} END), {LEAST}) FROM pivot
    WHERE pivot.source = job.source AND pivot.dims = job.dims AND quantile IN {(*FACTORS,)}
        AND pivot.state = CASE job.state WHEN {_PENDING} THEN 0 ELSE {_SUCCEEDED} END
), CASE job.state WHEN {_PENDING} THEN {MOST_WAIT} ELSE {MOST_RUN} END)"""
"""For how many milliseconds an active job may run, or wait."""

IS_LONGER = f"""job.state < {_UNKNOWN}
    AND CASE job.state WHEN {_PENDING} THEN created ELSE coalesce(started, created) END < :now - {LIMIT}"""
"""Whether an active job has run, or waited, for longer than that."""
