"""Life for the made-up AWS: scopes, a history of jobs, and new ones for ever, all of it following from a seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import yaml

from exporter.catalog import Catalog, Kind, Scope
from exporter.jobs import State
from exporter.simulator.job_items import sort_of
from exporter.simulator.residents import SimulatedScope
from exporter.simulator.world import Arrival, World

WEEK = 7 * 86400.0


def populate(
    world: World, kinds: Catalog | Iterable[Kind], *, seed: int = 0, now: float, history: float = WEEK
) -> None:
    """Give the world two or three scopes of each sort and jobs that began `history` seconds before `now`.

    Where the catalog passes over some scopes, there is such a one too, an empty one. New jobs arrive whenever the clock
    advances. The same seed and times give the same world, however it is looked at.
    """
    kinds = list(kinds.kinds() if isinstance(kinds, Catalog) else kinds)
    scopes = _Scopes(world, _rng(f"{seed}/scopes"))
    sources: defaultdict[tuple[str, str], list[_List]] = defaultdict(list)
    for kind in kinds:
        for scope in scopes.innermost(kind):
            sources[str(kind), scope.ids[kind.outer_scope] if scope else ""].append((kind, scope))
    if sources:
        world.feed(_Population(world, seed, list(sources.values())).arrivals(now - history))


_List = tuple[Kind, SimulatedScope | None]
"""A kind with the scope that it is listed in."""


class _Scopes:
    """The scopes of a populated world, made when a kind needs them."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._made: dict[tuple[str, str, SimulatedScope | None], list[SimulatedScope]] = {}

    def innermost(self, kind: Kind) -> Sequence[SimulatedScope | None]:
        """Return the scopes that a kind is listed in, [None] for a kind without."""
        level: list[SimulatedScope | None] = [None]
        for name, scope in kind.scopes:
            level = [inner for outer in level for inner in self._within(outer, kind.service, name, scope)]
        return level

    def _within(self, outer: SimulatedScope | None, service: str, name: str, scope: Scope) -> Sequence[SimulatedScope]:
        key = (sort_of(service, scope), name, outer)
        if key not in self._made:
            other, *places = self._rng.sample(DATA["places"], self._rng.randint(3, 4))
            add, word = partial(self._world.add_scope, service, name, within=outer), name.replace("_", "-")
            self._made[key] = [add(name=f"{word}-{place}") for place in places]
            if scope.where:
                add(name=f"{word}-{other}", passed_over=True)
        return self._made[key]


@dataclass(frozen=True)
class _Population:
    """Jobs that arrive in sources drawn by lot: one in every interval, so that something always moves."""

    world: World
    seed: int
    sources: Sequence[Sequence[_List]]
    """Lists by source: kind and outermost scope."""

    def arrivals(self, start: float) -> Iterator[Arrival]:
        """Yield the jobs in the order of their creation, without end."""
        seen: defaultdict[str, int] = defaultdict(int)
        number = 0
        while True:
            rng = _rng(f"{self.seed}/{number}")
            kind, scope = rng.choice(rng.choice(self.sources))
            created = start + (number + rng.random() / 16) * self._interval
            story = self._habits[str(kind)].story(seen[str(kind)], rng)
            token = blake2b(f"{self.seed}/{number}".encode(), digest_size=16).hexdigest()
            name = f"{rng.choice(DATA['names'])}-{token[:6]}"
            add = partial(self.world.add_job, kind, scope=scope, created=created, name=name, token=token, **story)
            yield created, add
            seen[str(kind)] += 1
            number += 1

    @cached_property
    def _interval(self) -> float:
        """Seconds between jobs: always less than a minute, and at least sixty a week for each source."""
        return min(55.0, WEEK / (60 * len(self.sources)))

    @cached_property
    def _habits(self) -> Mapping[str, _Habits]:
        return {str(kind): _Habits.of(kind, self.world, self.seed) for (kind, _), *_ in self.sources}


@dataclass(frozen=True)
class _Habits:
    """How the jobs of one kind usually go."""

    kind: Kind
    place: tuple[str, str]
    median: float
    """Seconds that a job usually runs."""
    failing: float
    """The share of jobs that fail."""

    @classmethod
    def of(cls, kind: Kind, world: World, seed: int) -> _Habits:
        """Draw the habits of a kind."""
        rng = _rng(f"{seed}/{kind}")
        return cls(kind, (world.account, world.region), rng.uniform(600, 5400), rng.uniform(0.05, 0.1))

    def story(self, number: int, rng: Random) -> dict[str, Any]:
        """Return what becomes of the kind's job of a number; the first ones meet every status and refinement once."""
        if number < len(self._firsts):
            way, refined = self._firsts[number]
        else:
            way = self._way(self._usual(rng))
            refined = self._refined(way, rng)
        state = self.kind.state_of[way[-1]] if refined is None else self.kind.refine[refined].to
        return {
            "path": list(self._path(way, rng)),
            "records": self._records(state, rng),
            "refined": refined,
            **(self._failure(rng) if state is State.FAILED else {}),
        }

    def _refined(self, way: list[str], rng: Random) -> int | None:
        """Return the number of a refinement that a way's end may have: now and then one, mostly none."""
        state = self.kind.state_of[way[-1]]
        possible = [number for number, rule in enumerate(self.kind.refine) if rule.from_ is state]
        return rng.choice(possible) if possible and rng.random() < _REFINED else None

    @cached_property
    def _firsts(self) -> list[tuple[list[str], int | None]]:
        """The ways with and without refinements."""
        rules = enumerate(self.kind.refine)
        refined = [(self._way(self.kind.states[rule.from_][0]), number) for number, rule in rules]
        return [*((way, None) for way in self._ways), *refined]

    @cached_property
    def _ways(self) -> list[list[str]]:
        """Ways that together lead through every status; where nothing usually ends by stopping, the last way does."""
        ways = [self._way(ending) for ending in self._endings]
        pending, running, stopping = self._live
        if stopping and not any(stopping[0] in way for way in ways):
            ways.append([*pending, *running, *stopping, self._endings[-1]])
        return ways

    @cached_property
    def _live(self) -> tuple[list[str], list[str], list[str]]:
        """The statuses before the end: pending, running, stopping."""
        states = self.kind.states
        pending, running, stopping = (list(states.get(state, ())) for state in _LIVE)
        return pending, running, stopping

    @cached_property
    def _endings(self) -> list[str]:
        """Every status that a job can stay in."""
        return [status for status, state in self.kind.state_of.items() if state.is_final]

    def _usual(self, rng: Random) -> str:
        weights = {**_WEIGHTS, State.FAILED: self.failing}
        states = [self.kind.state_of[ending] for ending in self._endings]
        shares = [weights[state] / states.count(state) for state in states]
        return rng.choices(self._endings, shares)[0]

    def _path(self, way: list[str], rng: Random) -> Iterator[tuple[float, str]]:
        """Yield the statuses of a way, each with the seconds after the creation."""
        passed = 0.0
        for status in way:
            yield round(passed, 3), status
            passed += self._stay(self.kind.state_of[status], rng)

    def _way(self, ending: str) -> list[str]:
        """Return the statuses in the order in which a job takes them."""
        states, state = self.kind.states, self.kind.state_of[ending]
        pending, running, stopping = self._live
        if state is State.EXPIRED:
            return [*pending, ending]
        if state is State.DELETING:
            deleting = list(states[state])
            return [*pending, *running, *states.get(State.SUCCEEDED, ())[:1], *deleting[: deleting.index(ending) + 1]]
        if state is State.STOPPED or _first_word(ending) in {_first_word(status) for status in stopping}:
            return [*pending, *running, *stopping, ending]
        return [*pending, *running, ending]

    def _stay(self, state: State, rng: Random) -> float:
        """Return the seconds that a job stays in a status."""
        if state is State.RUNNING:
            shared = self.median / max(1, len(self.kind.states.get(State.RUNNING, ())))
            return min(rng.lognormvariate(math.log(shared), 0.8), _LONGEST)
        return rng.uniform(*_STAYS.get(state, (20, 120)))

    def _records(self, state: State, rng: Random) -> dict[str, int]:
        total = rng.randint(100, 50_000)
        lost = {State.SUCCEEDED: 0.0, State.PARTIAL: rng.uniform(0.01, 0.2)}.get(state, rng.random())
        failed = int(total * lost)
        return {"total": total, "processed": total, "succeeded": total - failed, "failed": failed}

    def _failure(self, rng: Random) -> dict[str, str]:
        failure = rng.choice(DATA["failures"])
        account, region = self.place
        bucket, number = rng.choice(DATA["buckets"]), rng.randint(2, 90)
        message = failure["message"].format(account=account, region=region, bucket=bucket, number=number)
        return {"message": message, "code": failure["code"]}


def _rng(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - nothing here is secret, and it must be the same again


def _first_word(status: str) -> str:
    """Return `CANCEL` of `CANCEL_FAILED`."""
    return status.partition("_")[0]


DATA: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text())

_LIVE = (State.PENDING, State.RUNNING, State.STOPPING)

_WEIGHTS = {
    State.SUCCEEDED: 0.84,
    State.PARTIAL: 0.04,
    State.STOPPED: 0.03,
    State.EXPIRED: 0.01,
    State.DELETING: 0.02,
}
"""How often what becomes of a job; how often it fails is a matter of the kind."""

_REFINED = 0.1
"""How often a refinement holds, of those ends that have any."""

_STAYS = {State.PENDING: (20, 240), State.STOPPING: (20, 90), State.SUCCEEDED: (3600, 86400)}
"""Seconds, at least and at most, that a job stays in a status that it leaves."""

_LONGEST = 12 * 3600.0
"""Seconds that the longest job runs."""
