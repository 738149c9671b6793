"""Thirty days with faults for a seventh of the time: nothing grows, and every job is counted exactly once."""

import asyncio
import gc
import itertools
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType

import aiohttp
import pytest
import yaml
from aiohttp import web

from exporter.catalog import Kind
from exporter.jobs import State
from exporter.poller import JobSource
from exporter.settings import Settings
from exporter.simulator import AwsError, RequestContext, SimulatedScope, Simulator, World
from exporter.simulator.world import Arrival
from tests.support.effort import IS_LONG
from tests.support.faults import Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    INFERENCE,
    NOW,
    REGION,
    TRAINED,
    HandClock,
    Running,
    configured,
    running,
    simulated,
)
from tests.support.held import remove_scope
from tests.support.patience import PATIENCE, eventually, hurried
from tests.support.processes import scrape
from tests.support.reloading import Configured, reloading
from tests.support.stack import BEAT, exporter_command, free_ports, process, ready
from tests.support.vitals import probing, vitals

pytestmark = pytest.mark.slow

HOUR, DAY = 3600.0, 86_400.0
STEP = 6.6 * HOUR
"""Every source is due within this time: an interval and its jitter."""
WARM, END = NOW + 10.5 * DAY, NOW + 30.5 * DAY
"""Warm once the first jobs have left the lookback of a week, while no scope is on a visit; then nothing may grow."""
CACHES = 250_000
"""Bytes that twenty days may add to bounded caches. A share of the whole would say little: botocore's models are by far
the largest part."""
GROWTH = 1.05
"""How much memory and held jobs may grow: jobs arrive and last at random, and caches fill."""
RESET = Fault.reset()
HANGS = 0.05 * PATIENCE
"""Seconds after which a hanging request times out; they pass at once, see `hurried`."""
DESCRIPTORS = Path("/proc/self/fd")
SPARE = 8
"""How many more tasks there may be: of connections that are kept alive."""
REASONS = {"Rate exceeded": "throttled", "User is not authorized to perform: s3:GetObject": "access_denied"}
OWN = [vars(module) for name, module in sys.modules.items() if re.match(r"exporter(?!\.simulator)", name)]
"""Where the exporter's modules keep what outlives a call."""
FOREIGN = re.compile(r"exporter\.simulator|tests|_pytest|aiohttp\.web|_?asyncio")
"""Modules whose objects are not measured: the simulated AWS remembers every job that ever existed, and pytest every log
line of the test, within reach as soon as an earlier test has made one of the exporter's loggers."""

STATUSES = {kind.key: {*kind.state_of, "unknown"} for kind in (BEDROCK, CUSTOMIZATION, TRAINED, INFERENCE)}
"""The statuses for which each list has a series, with or without jobs."""


class Faults:
    """What goes wrong: every request to one service for some hours, at other times one request in fifty."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._hours: dict[tuple[str, int], str] = {}
        self._hangs = 4
        self.over = asyncio.Event()
        self.met: Counter[str] = Counter()

    async def __call__(self, call: RequestContext) -> web.StreamResponse | None:
        """Make a request fail."""
        if not NOW + HOUR < call.now < END:
            return None
        fault = self._fault(call.service, int(call.now // (6 * HOUR)))
        self.met[fault] += 1
        match fault:
            case "throttled":
                raise AwsError("ThrottlingException", "Rate exceeded", 429)
            case "broken":
                raise AwsError("InternalServerException", "not now", 500)
            case "denied" if not call.operation.startswith("Get"):
                # Never deny details: after a permanent denial the exporter stops asking, and the reason would be lost.
                raise AwsError("AccessDeniedException", "no", 403)
            case "reset":
                return await RESET.strike(call)
            case "html":
                return web.Response(text="<html>Service unavailable</html>", content_type="text/html")
            case "hanging":
                await self.over.wait()
        return None

    def _fault(self, service: str, hours: int) -> str:
        if (service, hours) not in self._hours:
            names = ["throttled", "broken", "denied", "reset", "html", *(["hanging"] if self._hangs else [])]
            self._hours[service, hours] = self._rng.choice(names) if self._rng.random() < 1 / 7 else ""
        fault = self._hours[service, hours]
        if fault == "hanging":
            self._hangs -= 1
            self._hours[service, hours] = ""
        return fault or ("broken" if self._rng.random() < 0.02 else "")


class Life:
    """The jobs of one list: a new one every two hours, which runs for minutes or for most of a day."""

    def __init__(self, world: World, kind: Kind, rng: random.Random, scope: SimulatedScope | None = None) -> None:
        self._world, self._kind, self._rng, self._scope = world, kind, rng, scope
        words = {state: kind.states[state][0] for state in kind.states}
        self._starts = [words[state] for state in (State.PENDING, State.RUNNING) if state in words]
        self._ends = [words[state] for state in (State.SUCCEEDED, State.FAILED, State.STOPPED)]
        self.finished: list[tuple[float, State, str]] = []
        """When each job finishes, its state and why it fails."""

    def arrivals(self, start: float) -> Iterator[Arrival]:
        """Yield every new job with its time."""
        for number in itertools.count():
            created = start + number * 2 * HOUR + self._rng.uniform(1, HOUR)
            yield created, lambda created=created: self._add(created)  # type: ignore[misc] # a default binds it

    def expected(self, until: float) -> tuple[Counter[str], Counter[str]]:
        """Return what finished since the exporter started, by state, and what failed, by reason."""
        seen = [(state, reason) for ended, state, reason in self.finished if NOW < ended <= until]
        return Counter(str(state) for state, _ in seen), Counter(reason for _, reason in seen if reason)

    def _add(self, created: float) -> None:
        lasts = self._rng.choice((300.0, 2 * HOUR, 17 * HOUR)) * self._rng.uniform(0.8, 1.2)
        end = self._rng.choice(self._ends)
        state = self._kind.state_of[end]
        message = self._rng.choice(list(REASONS)) if state is State.FAILED else ""
        steps = [*self._starts, *(["ON_ITS_WAY"] if self._rng.random() < 0.05 else [])]
        path = [(number * lasts / 4, step) for number, step in enumerate(steps)]
        self._world.add_job(self._kind, scope=self._scope, created=created, path=[*path, (lasts, end)], message=message)
        self.finished.append((created + lasts, state, REASONS.get(message, "")))


def visitors(world: World, rng: random.Random) -> Iterator[Arrival]:
    """Yield collaborations that appear every other day, each with its own jobs, and are deleted after a day."""
    for day in range(1, 30, 2):
        come: list[SimulatedScope] = []

        def enter(come: list[SimulatedScope] = come, day: int = day) -> None:
            come.append(world.add_scope("cleanroomsml", "collaboration", name=f"visitor-{day}"))
            life = Life(world, INFERENCE, rng, come[0])
            for moment, add in itertools.takewhile(
                lambda arrival: arrival[0] < NOW + (day + 1) * DAY, life.arrivals(NOW + day * DAY)
            ):
                world.feed(iter([(moment, add)]))

        yield NOW + day * DAY, enter
        yield NOW + (day + 1) * DAY, lambda come=come: remove_scope(come[0])  # type: ignore[misc] # as above


def settled(world: World) -> dict[tuple[str, str], Life]:
    """Return the jobs of each permanent list, by its kind and scope."""
    rng = random.Random(1)
    membership = world.add_scope("cleanroomsml", "membership")
    model = world.add_scope("cleanroomsml", "trained_model", within=membership)
    collaboration = world.add_scope("cleanroomsml", "collaboration")
    places = ((BEDROCK, None, ""), (CUSTOMIZATION, None, ""))
    scoped = ((TRAINED, model, membership.id), (INFERENCE, collaboration, collaboration.id))
    lives = {(kind.key, outer): Life(world, kind, rng, scope) for kind, scope, outer in (*places, *scoped)}
    for life in lives.values():
        world.feed(life.arrivals(NOW - 9 * DAY))
    world.feed(visitors(world, rng))
    return lives


def held(*roots: object) -> int:
    """Return the bytes of all objects that can be reached from these; unlike tracemalloc, it slows nothing down."""
    seen: set[int] = set()
    total, reached = 0, [*roots]
    while reached:
        each = reached.pop()
        own = not isinstance(each, ModuleType | FunctionType | type) and not FOREIGN.match(type(each).__module__)
        if own and id(each) not in seen:
            seen.add(id(each))
            total += sys.getsizeof(each)
            reached += gc.get_referents(each)
    return total


def size(exporter: Running) -> dict[str, float]:
    """Return the sizes of everything that could grow."""
    series = len(exporter.samples("aws_jobs", "kind", "scope", "status"))  # First, because a scrape fills caches.
    gc.collect()
    ledgers = [source.ledger for source in exporter.poller.sources if isinstance(source, JobSource)]
    return {
        "memory": held(vars(exporter.poller), vars(exporter.exposition), *OWN),
        "tasks": len(asyncio.all_tasks()),
        "jobs": sum(map(len, ledgers)),
        "sources": exporter.poller.known,
        "series": series,
        "descriptors": len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0,
    }


async def pass_until(exporter: Running, moment: float) -> None:
    """Advance the time, poll by poll."""
    while exporter.clock.now < moment:
        await exporter.turn(STEP)


async def recovered(exporter: Running) -> None:
    """Poll without faults until every source is up and every reason is known."""
    for _ in range(10):
        await exporter.turn(STEP)
        up = exporter.samples("aws_job_exporter_source_up", "kind", "scope")
        pending = exporter.samples("aws_job_exporter_details_pending", "kind", "scope")
        if set(up.values()) == {1} and not pending:
            return
    pytest.fail(f"not up again: {up} {pending}")


async def test_a_month_of_faults_ends_with_flat_memory_and_exact_counters() -> None:
    """Throttling, errors, resets, malformed pages, hangs, unknown statuses, and scopes that come and go."""
    clock = HandClock()
    async with simulated(clock) as aws:
        lives = settled(aws.world)
        faults = Faults(random.Random(2))
        aws.hooks.append(faults)
        settings = configured(
            aws.endpoint_url,
            {
                "bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]},
                "cleanroomsml": {"kinds": [TRAINED.key, INFERENCE.key]},
            },
            poll={"interval": "6h", "discovery_interval": "6h"},
            aws={"read_timeout": f"{HANGS:.0f}s"},
        )
        try:
            async with (
                running(settings, clock) as exporter,
                hurried(lambda: faults.met["hanging"], lambda calls: len(exporter.poller._under_way) <= calls, HANGS),
            ):
                await pass_until(exporter, WARM)
                warm = size(exporter)
                await pass_until(exporter, END)
                faults.over.set()
                await recovered(exporter)
                for (kind, scope), life in lives.items():
                    compare(exporter, kind, scope, life)
                assert {"throttled", "broken", "denied", "reset", "html", "hanging"} <= faults.met.keys()
                end = size(exporter)
        finally:
            faults.over.set()
        assert end["memory"] <= warm["memory"] + CACHES, (warm, end)
        assert end["jobs"] <= GROWTH * warm["jobs"], (warm, end)
        # The expected number, not the warm one: a source may have been down when that was taken.
        assert end["series"] == sum(len(STATUSES[kind]) for kind, _ in lives), (warm, end)
        assert end["tasks"] <= warm["tasks"] + SPARE, (warm, end)
        # A connection for each source that polls at the same time, at both ends; after an error there are none.
        assert end["descriptors"] <= warm["descriptors"] + 2 * end["sources"], (warm, end)


RELOADS = 12
ROUNDS = 6
"""Each reload, and each round, has other accounts than the one before."""
CONNECTIONS = Settings().poll.concurrency
FLAT = 0.2
"""How much more than the second round, when every cache is warm, a later one may hold: a share of what a round adds."""


def accounts(number: int) -> dict[str, str]:
    """Return the accounts of a round with their names."""
    return {f"{number * 10 + each:012}": f"team-{number}-{each}" for each in range(5)}


def add_jobs(world: World, number: int) -> None:
    """Add an active and a failed job to each account of a round."""
    for account in accounts(number):
        for path in ([(0.0, "InProgress")], [(0.0, "InProgress"), (1.0, "Failed")]):
            world.add_job(BEDROCK, created=NOW - HOUR, path=path, account=account, message="Rate exceeded")


def assert_flat(before: dict[str, float], sizes: list[dict[str, float]]) -> None:
    """No round holds more than the second, given what there was before the first."""
    second, *later = sizes[1:]
    # Connections to the hosts at both ends come and go by themselves.
    spare = {"tasks": SPARE, "descriptors": SPARE}
    most = {name: second[name] + FLAT * (second[name] - before[name]) + spare.get(name, 0) for name in second}
    for each in later:
        assert {name: value for name, value in each.items() if value > most[name]} == {}, (before, sizes)


async def test_accounts_that_come_and_go_leave_nothing_behind() -> None:
    """An organization changes all its accounts, again and again."""
    clock, sizes = HandClock(), []
    async with simulated(clock) as aws:
        aws.members[ACCOUNT] = "management"
        organization = {"organization": {"role_name": "exporter", "regions": ["us-east-1", "eu-west-1"]}}
        settings = configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, accounts=organization)
        async with running(settings, clock) as exporter:
            before = size(exporter)
            for number in range(1, ROUNDS + 1):
                aws.members.clear()
                aws.members.update({ACCOUNT: "management", **accounts(number)})
                add_jobs(aws.world, number)
                # What one discovery lacks goes with the next.
                for _ in range(3):
                    await exporter.turn(660)
                read = exporter.by("account_id", "aws_jobs", status="Failed", region="us-east-1")
                assert read.keys() == {ACCOUNT, *accounts(number)}
                sizes.append(size(exporter))
    assert_flat(before, sizes)


async def test_reloads_that_change_the_accounts_leave_nothing_behind(tmp_path: Path) -> None:
    """Each reload names others, and every third one reaches AWS in another way, with new clients."""
    clock, sizes = HandClock(), []
    async with simulated(clock) as aws:
        config = Configured(tmp_path / "exporter.yml", aws)
        config.write()
        async with reloading(config, clock) as exporter:
            before = size(exporter)
            for number in range(1, ROUNDS + 1):
                add_jobs(aws.world, number)
                roles = [{"role_arn": f"arn:aws:iam::{account}:role/exporter"} for account in accounts(number)]
                config.write(accounts=roles, aws={"connect_timeout": f"{PATIENCE + number // 3:.0f}s"})
                assert await exporter.reload() == ()
                await exporter.turn(70)
                assert exporter.by("account_id", "aws_jobs", status="Failed").keys() == accounts(number).keys()
                sizes.append(size(exporter))
    assert_flat(before, sizes)


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the memory of a process is in /proc")
async def test_reloads_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    """Each makes new clients, and those before are gone, however seldom the collector of the process runs."""
    (port,) = free_ports(1)
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws:
        command = exporter_command(tmp_path, aws.endpoint_url, port, {"bedrock": {}, "sagemaker": {}})
        file, sizes = tmp_path / "exporter.yml", []
        async with process(tmp_path, *command) as exporter:
            await ready(f"http://127.0.0.1:{port}/-/ready")
            for number in range(1, RELOADS + 1):
                account = next(iter(accounts(number)))
                roles = [{"role_arn": f"arn:aws:iam::{account}:role/exporter"}]
                file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "accounts": roles}))
                exporter.send_signal(signal.SIGHUP)
                await eventually(partial(has, f"http://127.0.0.1:{port}/metrics", account))
                sizes.append(vitals(exporter.pid).memory)
    assert sizes[-1] <= 1.2 * sizes[2], sizes


async def has(url: str, account: str) -> bool:
    """Return whether an exporter has read all lists of an account, and of no other."""
    up = (await scrape(url)).get("aws_job_exporter_source_up")
    lists = [sample for sample in up.samples if sample.labels["aws_service"] != "sts"] if up else []
    return {sample.labels["account_id"] for sample in lists} == {account} and all(sample.value for sample in lists)


SCOPES = 2_000 if IS_LONG else 200
"""Half of them are others in each round."""
ROUNDS_OF_SCOPES = 10


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the memory of a process is in /proc")
async def test_scopes_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    """Each has a list of jobs of its own, whose series and memory go with it."""
    (port,) = free_ports(1)
    address, longest = f"http://127.0.0.1:{port}", []
    services = {"cleanroomsml": {"kinds": [INFERENCE.key]}}
    async with Simulator(World(CATALOG, account=ACCOUNT, region=REGION)) as aws:
        scopes = [add_scope(aws.world) for _ in range(SCOPES)]
        command = exporter_command(
            tmp_path, aws.endpoint_url, port, services, poll={"interval": "1m", "discovery_interval": "1s"}
        )
        async with process(tmp_path, *command) as exporter:
            await ready(f"{address}/-/ready")
            async with probing(port) as probe:
                await eventually(partial(shows, address, scopes))
                sizes = [vitals(exporter.pid)]
                for _ in range(ROUNDS_OF_SCOPES):
                    for gone in scopes[: SCOPES // 2]:
                        remove_scope(gone)
                    scopes = [*scopes[SCOPES // 2 :], *(add_scope(aws.world) for _ in range(SCOPES // 2))]
                    await eventually(partial(shows, address, scopes))
                    sizes.append(vitals(exporter.pid))
                    longest.append(await probe.longest())
    sys.stdout.write(f"{SCOPES} scopes: {sizes}; health took {longest} s at most\n")
    assert max(each.memory for each in sizes[3:]) <= (1 + FLAT) * sizes[2].memory, sizes
    # How many connections are kept for a minute depends on how fast the rounds are; so many scopes would need more.
    assert max(each.descriptors for each in sizes[3:]) <= sizes[2].descriptors + CONNECTIONS + SPARE, sizes
    assert max(each.threads for each in sizes[3:]) == sizes[2].threads, sizes


def add_scope(world: World) -> SimulatedScope:
    """Add a collaboration with two jobs, one of which failed."""
    scope = world.add_scope("cleanroomsml", "collaboration")
    for path in ([(0.0, "CREATE_IN_PROGRESS")], [(0.0, "CREATE_IN_PROGRESS"), (1.0, "CREATE_FAILED")]):
        world.add_job(INFERENCE, scope=scope, created=time.time() - HOUR, path=path, message="Rate exceeded")
    return scope


async def shows(url: str, scopes: list[SimulatedScope]) -> bool:
    """Return, once a beat, whether an exporter has series of these scopes, each with its jobs, and of no other."""
    await asyncio.sleep(BEAT)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        page = await response.text()
    # Prometheus's own parser would take seconds, in which the simulated AWS stands still.
    jobs = sum(map(float, re.findall(r"^aws_jobs\{.*\} (\S+)$", page, re.MULTILINE)))
    return set(re.findall(r'scope="([^"]+)"', page)) == {scope.id for scope in scopes} and jobs == 2 * SCOPES


def compare(exporter: Running, kind: str, scope: str, life: Life) -> None:
    """Assert that the counters of a list match what happened."""
    finished, failed = life.expected(exporter.clock.now)
    counted = exporter.by("state", "aws_jobs_finished_total", kind=kind, scope=scope)
    assert {state: count for state, count in counted.items() if count} == finished, kind
    reasons = exporter.by("reason", "aws_jobs_failed_total", kind=kind, scope=scope)
    assert {reason: count for reason, count in reasons.items() if count} == failed, kind
