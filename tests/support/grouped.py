"""Groups with each problem, and one that is as it should be, for tests of what shows them."""

from __future__ import annotations

from collections import Counter

from exporter.families import GroupView
from exporter.jobs import State
from exporter.settings import Group, Metrics
from exporter.store import Sums
from tests.support.inside import DAY, HOUR, NOW


def _view(due: float | None, sums: Sums, **sources: int) -> GroupView:
    """Return a group, and what its jobs add up to."""
    group = Group(name="any", labels={"owner": "ml-core"}, max_duration="1h", max_wait="1h")
    return GroupView(group, sums, sources, due, Metrics())


def _active(state: State, since: float) -> Sums:
    """Return what one active job adds up to."""
    return Sums(Counter({("", state, ""): 1}), oldest_active={("", state): since})


def grouped(*, fine: str = "fine") -> dict[str, GroupView]:
    """Return groups by their names, one of which a test may choose."""
    last = {(State.SUCCEEDED, ""): NOW - DAY, (State.FAILED, "timeout"): NOW - 60, (State.FAILED, "other"): NOW - 90}
    succeeded = Sums(Counter({("", State.SUCCEEDED, ""): 2}), last=last)
    return {
        fine: _view(NOW + 60, succeeded, up=2, down=1),
        "late": _view(NOW - 60, Sums()),
        "long": _view(NOW - 60, _active(State.RUNNING, NOW - HOUR - 1)),
        "waits": _view(None, _active(State.PENDING, NOW - HOUR - 1)),
        "runs": _view(None, _active(State.RUNNING, NOW - HOUR)),
        "other": GroupView(None, Sums(), {}, None, Metrics()),
    }
