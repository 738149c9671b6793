"""When the next success of a group is due: some time after the last one, or by a schedule."""

from __future__ import annotations

from exporter.settings import Group, format_duration
from exporter.store import Expectation


def expected(group: Group, now: float, success: float | None, before: Expectation | None) -> Expectation | None:
    """Return what is expected of a group whose last success was at a time; None if nothing is.

    `before` is what was expected when this was last asked. Times in seconds since 1970-01-01 UTC.
    """
    text = group.expect or (format_duration(group.expect_every) if group.expect_every else "")
    if not text:
        return None
    is_same = before is not None and before.expect == text
    since = before.since if before is not None and is_same else now
    if group.expect_every:
        return Expectation(text, since, success, (since if success is None else success) + group.expect_every)
    due = before.due if before is not None and is_same else None
    if due is None or before is None or success != before.success:
        due = _due(group, since, success, due)
    return Expectation(text, since, success, due)


def _due(group: Group, since: float, success: float | None, outstanding: float | None) -> float | None:
    schedule = group.schedule
    if schedule is None:
        return None
    if success is None:
        return outstanding or schedule.after(since)
    if outstanding is None:
        # Nothing tells whether it came late: it counts for the first moment from then on.
        return schedule.after(schedule.after(success - 1))
    if success > outstanding:
        # Late for the moment before it, or in time for the one that follows: the nearer of both.
        late, early = success - schedule.before(success), schedule.after(success) - success
        return schedule.after(success if late < early else success + early)
    # A second success before the moment that the first one counts for changes nothing.
    return schedule.after(outstanding) if success > schedule.before(outstanding) else outstanding
