"""Groups of jobs, as metric families: what was declared of each, and what its jobs add up to, wherever they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from exporter.families.family import Family, Sample, Type, optional
from exporter.families.job_families import processed, resources
from exporter.jobs import FAILURES, FINAL, State
from exporter.settings import Group, Metrics
from exporter.store import Sums


@dataclass(frozen=True)
class GroupView:
    """What the families are computed from."""

    group: Group | None
    """As it was declared; None for the group of all that are beyond `limits.groups`."""
    sums: Sums
    """What its jobs add up to, as of the last successful poll of each source."""
    sources: Mapping[str, int]
    """Sources that may have jobs of the group, by whether they are `up` or `down`."""
    due: float | None
    """The moment by which the next success is due."""
    settings: Metrics
    is_current: bool = True
    """Whether what its active jobs do now is known: not if a source that has some was not read for long."""


_PREFIX = "aws_job_group_"
INFO = "aws_job_group_info"
"""The family with the labels that the user chose."""


def _jobs(view: GroupView) -> Iterable[Sample]:
    if not view.is_current:
        return []
    # From the start, because a group that was never seen is not fine.
    counts = {(state, ""): 0 for state in State}
    for (_, state, reason), jobs in view.sums.statuses.items():
        counts[state, reason] = counts.get((state, reason), 0) + jobs
    return [((str(state), reason), jobs) for (state, reason), jobs in counts.items()]


def _finished_total(view: GroupView) -> Iterable[Sample]:
    return [((str(state),), view.sums.finished_total[state]) for state in State if state in FINAL]


def _failed_total(view: GroupView) -> Iterable[Sample]:
    # A reason that the user's rules have is none of the built-in ones.
    reasons = dict.fromkeys((*map(str, FAILURES), *view.sums.failed_total))
    return [((reason,), view.sums.failed_total[reason]) for reason in reasons]


def _durations(view: GroupView) -> Iterable[Sample]:
    states = view.settings.duration_states
    durations = view.sums.durations.items()
    return [((str(state),), times) for state, times in durations if not states or state in states]


def _oldest_active(view: GroupView) -> Iterable[Sample]:
    oldest = view.sums.oldest_active.items() if view.is_current else ()
    return [((str(state),), time) for (_, state), time in oldest]


def _last_finished(view: GroupView) -> Iterable[Sample]:
    return [((str(state), reason), finished) for (state, reason), finished in view.sums.last.items()]


def _info(labels: tuple[str, ...]) -> Callable[[GroupView], Iterable[Sample]]:
    """Return what yields the values of labels; a group that lacks one has it empty, which to Prometheus is absent."""
    return lambda view: [(tuple(view.group.labels.get(label, "") if view.group else "" for label in labels), 1)]


def _family(
    name: str, type_: Type, text: str, labels: tuple[str, ...], samples: Callable[[GroupView], Iterable[Sample]]
) -> Family[GroupView]:
    return Family(_PREFIX + name, type_, text, labels, samples)


def _declared(name: str, text: str, value: Callable[[Group], float | None]) -> Family[GroupView]:
    """Return a family with what the configuration says of each group."""
    return _family(name, "gauge", text, (), lambda view: optional(value(view.group) if view.group else None))


GROUP_FAMILIES: tuple[Family[GroupView], ...] = (
    _family(
        "jobs",
        "gauge",
        "Jobs of the group that are active or finished within the lookback, by state and by why they failed.",
        ("state", "reason"),
        _jobs,
    ),
    _family(
        "finished_total",
        "counter",
        "Jobs of the group seen to finish since the exporter started, or with storage.path since it was first started.",
        ("state",),
        _finished_total,
    ),
    _family(
        "failed_total",
        "counter",
        "Jobs of the group seen to fail since the exporter started, or with storage.path since it was first started.",
        ("reason",),
        _failed_total,
    ),
    _family(
        "resource_seconds_total",
        "counter",
        "Seconds for which jobs of the group that were seen to finish used a resource, times how much of it, where AWS "
        "tells.",
        ("resource", "type"),
        lambda view: resources(view.sums.used_total),
    ),
    _family(
        "processed_total",
        "counter",
        "What jobs of the group that were seen to finish have processed, in this unit, where AWS tells.",
        ("unit",),
        lambda view: processed(view.sums.used_total),
    ),
    _family(
        "duration_seconds",
        "summary",
        "Run time of finished jobs of the group, from start (creation, where lists have no starts) to end.",
        ("state",),
        _durations,
    ),
    _family(
        "last_finished_timestamp_seconds",
        "gauge",
        "When the last job of the group finished, by state and by why it failed.",
        ("state", "reason"),
        _last_finished,
    ),
    _family(
        "last_created_timestamp_seconds",
        "gauge",
        "When the newest job of the group was created.",
        (),
        lambda view: optional(view.sums.last_created),
    ),
    _family(
        "oldest_active_timestamp_seconds",
        "gauge",
        "Since when the group's oldest job is in each active state: a running one from its start, others from their "
        "creation.",
        ("state",),
        _oldest_active,
    ),
    _family("info", "gauge", "What the configuration says of the group, such as its owner; always 1.", (), _info(())),
    _declared(
        "expect_every_seconds", "How much time may pass between two successes.", lambda group: group.expect_every
    ),
    _family(
        "due_timestamp_seconds",
        "gauge",
        "The moment by which the group's next success is due: once it is in the past, the group is late.",
        (),
        lambda view: optional(view.due),
    ),
    _declared("max_duration_seconds", "How long a job of the group may run.", lambda group: group.max_duration),
    _declared("max_wait_seconds", "How long a job of the group may wait to start.", lambda group: group.max_wait),
    _family(
        "sources",
        "gauge",
        "Sources that may have jobs of the group: up if the last poll succeeded, else down, and what the group adds up "
        "to is as of their last success.",
        ("state",),
        lambda view: [((state,), sources) for state, sources in view.sources.items()],
    ),
)


@lru_cache
def group_families(settings: Metrics, labels: tuple[str, ...]) -> tuple[Family[GroupView], ...]:
    """Return the families of a configuration whose groups have these labels."""
    info = next(family for family in GROUP_FAMILIES if family.name == INFO)
    families = (
        replace(info, labels=labels, samples=_info(labels)) if each is info else each for each in GROUP_FAMILIES
    )
    return tuple(
        each.with_buckets(settings.duration_buckets) for each in families if settings.families.takes(each.name)
    )
