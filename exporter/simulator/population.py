"""A population for the simulated AWS: scopes, a week of jobs, and new ones from then on, all derived from a seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import yaml

from exporter.catalog import Catalog, Kind
from exporter.jobs import State
from exporter.simulator.item_builders import scope_type
from exporter.simulator.resources import SimulatedScope
from exporter.simulator.world import Arrival, World

WEEK = 7 * 86400.0


def populate(
    world: World, kinds: Catalog | Iterable[Kind], *, seed: int = 0, now: float, history: float = WEEK
) -> None:
    """Add two or three scopes of each type, and jobs that were created in the `history` seconds before `now`.

    Where the catalog passes over some scopes, one of those is added too, without jobs. Jobs keep arriving while the
    clock advances. The same seed and times give the same world, however often and whenever it is looked at.
    """
    world.tags = partial(_tags, seed)
    kinds = list(kinds.kinds() if isinstance(kinds, Catalog) else kinds)
    scopes = _Scopes(world, _rng(f"{seed}/scopes"))
    sources: defaultdict[tuple[str, str], list[_List]] = defaultdict(list)
    for kind in kinds:
        for scope in scopes.innermost(kind):
            sources[str(kind), scope.ids[kind.outer_scope] if scope else ""].append((kind, scope))
    if sources:
        world.feed(_arrivals(world, seed, list(sources.values()), now - history))


def _tags(seed: int, arn: str) -> Mapping[str, str]:
    """Return the tags of a resource: those of most; a few have none."""
    rng = _rng(f"{seed}/tags/{arn}")
    tags = {"team": rng.choice(DATA["teams"]), "env": rng.choice(("prod", "prod", "staging"))}
    return tags if rng.random() < _TAGGED else {}


_List = tuple[Kind, SimulatedScope | None]
"""A kind with the scope that it is listed in."""


class _Scopes:
    """The scopes of a populated world, added when a kind needs them."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._added: dict[tuple[str, str, SimulatedScope | None], list[SimulatedScope]] = {}

    def innermost(self, kind: Kind) -> Sequence[SimulatedScope | None]:
        """Return the scopes that a kind is listed in, [None] for a kind without."""
        outer: list[SimulatedScope | None] = [None]
        for name, scope in kind.scopes:
            inner: list[SimulatedScope | None] = []
            for parent in outer:
                key = (scope_type(kind.service, scope), name, parent)
                if key not in self._added:
                    other, *places = self._rng.sample(DATA["places"], self._rng.randint(3, 4))
                    add = partial(self._world.add_scope, kind.service, name, within=parent)
                    prefix = name.replace("_", "-")
                    self._added[key] = [add(name=f"{prefix}-{place}") for place in places]
                    if scope.where:
                        add(name=f"{prefix}-{other}", passed_over=True)
                inner += self._added[key]
            outer = inner
        return outer


def _arrivals(world: World, seed: int, sources: Sequence[Sequence[_List]], start: float) -> Iterator[Arrival]:
    """Yield jobs in the order of their creation, without end, each in a source drawn at random."""
    # More than one job a minute, so that there is always something to see, and at least sixty a week for each source.
    interval = min(55.0, WEEK / (60 * len(sources)))
    habits = {str(kind): _Habits(kind, world, _rng(f"{seed}/{kind}")) for (kind, _), *_ in sources}
    seen: defaultdict[str, int] = defaultdict(int)
    for number in count():
        # One generator for each job, so that what is drawn for one does not change the others.
        rng = _rng(f"{seed}/{number}")
        kind, scope = rng.choice(rng.choice(sources))
        created = start + (number + rng.random() / 16) * interval
        story = habits[str(kind)].story(seen[str(kind)], rng)
        token = blake2b(f"{seed}/{number}".encode(), digest_size=16).hexdigest()
        name = f"{rng.choice(DATA['names'])}-{token[:6]}"
        yield created, partial(world.add_job, kind, scope=scope, created=created, name=name, token=token, **story)
        seen[str(kind)] += 1


class _Habits:
    """How the jobs of one kind usually go."""

    def __init__(self, kind: Kind, world: World, rng: Random) -> None:
        self._kind = kind
        self._world = world
        self._median = rng.uniform(600, 5400)
        """Seconds that a job usually runs."""
        self._failing = rng.uniform(0.05, 0.1)
        """The share of jobs that fail."""
        self._pending, self._running, self._stopping = (
            list(kind.states.get(state, ())) for state in (State.PENDING, State.RUNNING, State.STOPPING)
        )
        self._final = [status for status, state in kind.state_of.items() if state.is_final]
        self._firsts = self._first_jobs()

    def story(self, number: int, rng: Random) -> dict[str, Any]:
        """Return what becomes of the kind's job with this number: arguments of `World.add_job`."""
        kind = self._kind
        lost: float | None = None
        if number < len(self._firsts):
            statuses, refined, lost = self._firsts[number]
        else:
            weights = {**_WEIGHTS, State.FAILED: self._failing}
            states = [kind.state_of[status] for status in self._final]
            # Statuses with one meaning share its weight.
            shares = [weights[state] / states.count(state) for state in states]
            statuses, refined = self._statuses(rng.choices(self._final, shares)[0]), None
            passed_through = {kind.state_of[status] for status in statuses}
            possible = [n for n, rule in enumerate(kind.refine) if rule.from_ in passed_through]
            if possible and rng.random() < _REFINED:
                refined = rng.choice(possible)
        path, passed = [], 0.0
        for status in statuses:
            path.append((round(passed, 3), status))
            passed += self._stay(kind.state_of[status], rng)
        state = kind.state_of[statuses[-1]]
        total = rng.randint(100, 50_000)
        if lost is None:
            lost = {State.SUCCEEDED: 0.0, State.PARTIAL: rng.uniform(0.01, 0.2)}.get(state, rng.random())
        failed = int(total * lost)
        records = {"total": total, "processed": total, "succeeded": total - failed, "failed": failed}
        failure = self._failure(rng) if state is State.FAILED and refined is None else {}
        # Where the status tells, it does so of every job.
        telling = [n for n, rule in enumerate(kind.waits) if rule.when != kind.status]
        waits = rng.choice(telling) if telling and rng.random() < _WAITING else None
        return {"path": path, "records": records, "refined": refined, "waits": waits, **failure}

    def _first_jobs(self) -> list[tuple[list[str], int | None, float | None]]:
        """Return the statuses, the refinement and the share of failed records of the first jobs.

        Together they show every status and whatever it can mean.
        """
        ways = [self._statuses(final) for final in self._final]
        # Where nothing usually ends by stopping, the last status does.
        if self._stopping and not any(self._stopping[0] in way for way in ways):
            ways.append([*self._pending, *self._running, *self._stopping, self._final[-1]])
        refined = [(self._statuses(self._ending(rule.from_)), n, None) for n, rule in enumerate(self._kind.refine)]
        # AWS calls a job completed whatever became of its records.
        shares = (0.1, 1.0) if "failed" in self._kind.records else ()
        lossy = [(self._statuses(self._ending(State.SUCCEEDED)), None, share) for share in shares]
        return [*((way, None, None) for way in ways), *refined, *lossy]

    def _ending(self, state: State) -> str:
        """Return the final status of a job that is in a state at the end, or on its way."""
        return self._kind.states[state if state.is_final else State.SUCCEEDED][0]

    def _statuses(self, final: str) -> list[str]:
        """Return the statuses of a job that ends with `final`, in their order."""
        states, state = self._kind.states, self._kind.state_of[final]
        started = [*self._pending, *self._running]
        if state is State.EXPIRED:
            return [*self._pending, final]
        if state is State.DELETING:
            deleting = list(states[state])
            return [*started, *states.get(State.SUCCEEDED, ())[:1], *deleting[: deleting.index(final) + 1]]
        # CANCEL_FAILED follows CANCEL_PENDING, whatever it means.
        first_words = {status.partition("_")[0] for status in self._stopping}
        if state is State.STOPPED or final.partition("_")[0] in first_words:
            return [*started, *self._stopping, final]
        return [*started, final]

    def _stay(self, state: State, rng: Random) -> float:
        """Return the seconds that a job stays in a status."""
        if state is State.RUNNING:
            shared = self._median / max(1, len(self._running))
            return min(rng.lognormvariate(math.log(shared), 0.8), _LONGEST)
        return rng.uniform(*_STAYS.get(state, (20, 120)))

    def _failure(self, rng: Random) -> dict[str, str]:
        failure, bucket, number = rng.choice(DATA["failures"]), rng.choice(DATA["buckets"]), rng.randint(2, 90)
        account, region = self._world.account, self._world.region
        message = failure["message"].format(account=account, region=region, bucket=bucket, number=number)
        return {"message": message, "code": failure["code"]}


def _rng(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - nothing here is secret, and a seed has to give the same world again


DATA: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text())

_WEIGHTS = {
    State.SUCCEEDED: 0.84,
    State.PARTIAL: 0.04,
    State.STOPPED: 0.03,
    State.EXPIRED: 0.01,
    State.DELETING: 0.02,
}
"""How often jobs end in a state; how often they fail depends on the kind."""

_TAGGED = 0.9
"""The share of resources that have tags."""

_WAITING = 0.3
"""How often AWS says why a job waits, where it may."""

_REFINED = 0.1
"""How often a refinement applies, among the jobs to which one can."""

_STAYS = {State.PENDING: (20, 240), State.STOPPING: (20, 90), State.SUCCEEDED: (3600, 86400)}
"""The shortest and the longest time, in seconds, until a job leaves a status."""

_LONGEST = 12 * 3600.0
"""How long the longest job runs, in seconds."""
