"""Every fault at every stage: what fails, how it shows, what stays correct, and that it ends.

There is one exporter for each fault, which strikes at once all the stages that it can strike.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from exporter.aws import pools
from exporter.exposition import Format
from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus
from tests.support.fault_table import (
    ACCOUNT_STAGE,
    CREDENTIALS,
    DETAILS,
    FIRST,
    FURTHER,
    HANGING,
    MATRIX,
    MIDDLE,
    OK,
    OTHER,
    ROLES,
    SCOPES,
    STAGES,
    Row,
    Stage,
    jobs,
    nowhere,
)
from tests.support.faults import LATER, Fault, FaultRule
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CUSTOMIZATION,
    LOOKOUT,
    NOW,
    REGION,
    HandClock,
    Reading,
    Running,
    configured,
    running,
    simulated,
)
from tests.support.patience import PATIENCE, hurried
from tests.support.simulated_aws import SimulatedAws

pytestmark = pytest.mark.slow

INTERVAL, DISCOVERY, STALE = 60.0, 600.0, 300.0
LATEST = 1.1
"""Intervals after which a source has certainly been polled again."""
OWN = "aws_job_exporter_source"
FINAL = {"access_denied", "not_found", "invalid_request"}
"""Responses after which a failed job's reason is not requested again."""
OF_JOBS = (FIRST, MIDDLE, CREDENTIALS)
"""The stages whose source is a list of jobs."""
LEADING = (ACCOUNT_STAGE, SCOPES)
"""The stages whose source discovers other sources."""
TRIED = [row for row in MATRIX if row.fault is not nowhere]
HANGS = 0.05 * PATIENCE
"""Seconds after which a hanging request times out; they pass at once, see `hurried`, and several times per turn."""
LISTED = {ACCOUNT: 5, OTHER: 1, FURTHER: 5}
"""How many jobs a list has in each account: three pages, but one where each request asks for credentials first."""
STATUSES = ("InProgress", "Failed") * 2 + ("InProgress",)


class Trial(NamedTuple):
    """An AWS with faults to switch on, and an exporter that has read it."""

    aws: SimulatedAws
    exporter: Running

    def strike(self, row: Row, stages: Iterable[Stage]) -> dict[str, FaultRule]:
        """Switch a fault on at stages; return the rules by stage name."""
        return {stage.name: self._strike(row, stage) for stage in stages}

    def _strike(self, row: Row, stage: Stage) -> FaultRule:
        return self.aws.faults.add(
            row.fault(stage.members),
            account=stage.account,
            service=stage.service,
            operation=stage.operation,
            scope=stage.scope,
            page={None: None, 1: None, 2: LATER}[stage.page] if row.every_page else stage.page,
        )

    def add_job(self, stage: Stage, status: str = "Submitted") -> None:
        """Add a just-submitted job to a stage's list."""
        path = [(0.0, "Submitted"), (1.0, status)]
        created = self.exporter.clock.now + 1
        account = stage.source["account_id"]
        self.aws.world.add_job(BEDROCK, created=created, path=path, message="Rate exceeded", account=account)

    def add_customization(self) -> None:
        """Add a job that fails for a reason that takes a separate request to find out."""
        path = [(0.0, "InProgress"), (1.0, "Failed")]
        created = self.exporter.clock.now + 1
        self.aws.world.add_job(CUSTOMIZATION, created=created, path=path, message="Rate exceeded")

    async def at(self, seconds: float) -> Reading:
        """Advance the clock to this time since the start; return what /metrics shows after the polls that are due."""
        await self.exporter.turn(NOW + seconds - self.exporter.clock.now)
        return self.exporter.read()

    def hanging(self) -> int:
        """Return how many requests have hung so far."""
        return sum(rule.struck for rule in self._rules())

    def is_stuck(self) -> bool:
        """Whether everything is idle except what a hanging request blocks."""
        in_progress = self.exporter.poller._under_way.keys()
        failing = [source for stage in STAGES for source in matching(self.exporter, stage)]
        # The source reads its list first, and only then requests the details: these may hang, or be on their way.
        (requesting,) = matching(self.exporter, DETAILS)
        details_hang = any(
            0 < rule.struck < rule.times for rule in self._rules() if rule.operation == DETAILS.operation
        )
        return in_progress <= set(failing) and (requesting not in in_progress or details_hang)

    def _rules(self) -> list[FaultRule]:
        return [rule for rule in self.aws.faults.rules if rule.fault is HANGING]

    def sources(self) -> int:
        """Return the number of sources."""
        return len(list(self.exporter.poller.sources))


@pytest.fixture(autouse=True)
def _short_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse responses of more than 1 MiB: each poll of each row would read 64; `tests/aws/test_pools.py` does."""
    monkeypatch.setattr(pools, "MOST", 1 << 20)


@asynccontextmanager
async def trial(row: Row, roles: Iterable[str] = tuple(ROLES)) -> AsyncIterator[Trial]:
    """Yield a trial.

    Each account has jobs of two kinds. In the first account, the second kind's job failed, and there is a scheduler.
    """
    clock = HandClock()
    async with simulated(clock, page_size=2) as aws:
        for account in (ACCOUNT, *roles):
            for number, status in enumerate(STATUSES[: LISTED[account]]):
                path, created = [(0.0, "Submitted"), (1.0, status)], NOW - 100 - number
                aws.world.add_job(BEDROCK, created=created, path=path, message="Rate exceeded", account=account)
            path = [(0.0, "InProgress"), (1.0, "Failed" if account == ACCOUNT else "InProgress")]
            aws.world.add_job(CUSTOMIZATION, created=NOW - 100, path=path, message="Rate exceeded", account=account)
        pump = aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-1")
        aws.world.add_job(LOOKOUT, scope=pump, created=NOW - 100, path=[(0, "IN_PROGRESS")])
        # The exporter renews credentials that are about to expire before each request.
        soon = datetime.fromtimestamp(time.time() + 300, UTC).isoformat()
        aws.faults.add(Fault.members(Expiration=soon), operation="AssumeRole", scope=ROLES[OTHER])
        settings = configured(
            aws.endpoint_url,
            {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}, "lookoutequipment": {"kinds": [LOOKOUT.key]}},
            accounts=[{}, *({"role_arn": ROLES[account], "regions": [REGION]} for account in roles)],
            limits={"pages": 20},
            aws={"read_timeout": f"{HANGS:.0f}s"},
        )
        async with running(settings, clock) as exporter:
            tried = Trial(aws, exporter)
            async with hurried(tried.hanging, lambda _: tried.is_stuck(), HANGS):
                yield tried


def matching(exporter: Running, stage: Stage) -> set[SourceKey]:
    """Return the sources that fail if a stage does."""
    labels = {"account_id": OTHER} if stage is CREDENTIALS else stage.source
    return {s.status.key for s in exporter.poller.sources if labels.items() <= s.status.key._asdict().items()}


def status(exporter: Running, labels: Mapping[str, str]) -> SourceStatus:
    """Return everything known about the one source with these labels."""
    (found,) = (s.status for s in exporter.poller.sources if labels.items() <= s.status.key._asdict().items())
    return found


def numbers(page: Reading, stages: Iterable[Stage]) -> dict[tuple[str, ...], float]:
    """Return every number about the jobs of stages' sources that is on /metrics."""
    found: dict[tuple[str, ...], float] = {}
    for stage in stages:
        for name in ("aws_jobs", "aws_jobs_finished_total"):
            for key, value in page.samples(name, "account_id", "kind", "scope", **stage.source).items():
                found[name, *key] = found.get((name, *key), 0) + value
    return found


def assert_others_on_time(exporter: Running, page: Reading, stages: Iterable[Stage]) -> None:
    """Every other list of jobs has been read since the clock advanced, and is up."""
    failing = {key for stage in stages for key in matching(exporter, stage)}
    lists = {source.status.key for source in exporter.poller.sources if source.status.jobs is not None}
    others = {tuple(key) for key in lists - failing}
    assert len(others) >= 3
    now = exporter.clock.now
    for metric, expected in ((f"{OWN}_up", 1), (f"{OWN}_last_success_timestamp_seconds", now), ("aws_jobs", None)):
        found = page.samples(metric, *SourceKey._fields)
        assert others <= found.keys()
        assert expected is None or {found[key] for key in others} == {expected}


def assert_down(page: Reading, row: Row, stages: Iterable[Stage]) -> None:
    """Each source reports that it is down, why, and no success since the exporter started."""
    for stage in stages:
        assert page.up(**stage.source) == 0, stage.name
        assert page.why(**stage.source) == row.outcome[stage.name], stage.name
        assert page.value(f"{OWN}_last_success_timestamp_seconds", **stage.source) == NOW, stage.name
        assert (page.value(f"{OWN}_consecutive_failures", **stage.source) or 0) > 0, stage.name


def assert_recovered(exporter: Running, page: Reading, stages: Iterable[Stage]) -> None:
    """Each source is up without traces of the failure, and waits as long as any other."""
    for stage in stages:
        assert page.up(**stage.source) == 1, stage.name
        assert page.why(**stage.source) is None, stage.name
        assert page.value(f"{OWN}_consecutive_failures", **stage.source) == 0, stage.name
        found = status(exporter, stage.source)
        assert found.last_success is not None
        waits = (found.next_poll or 0) - found.last_success
        assert 0.9 * found.interval <= waits <= LATEST * found.interval, stage.name


def errors(page: Reading, metric: str, **labels: str) -> dict[str, float]:
    """Return the count of each reason."""
    found: dict[str, float] = {}
    for (reason, *_), count in page.samples(metric, "reason", "aws_service", "kind", **labels).items():
        found[reason] = found.get(reason, 0) + count
    return {reason: count for reason, count in found.items() if count}


def tasks() -> list[str]:
    """Return the running tasks, without those of the simulated AWS, which has one per connection."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return sorted(name for name in names if not name.startswith("RequestHandler"))


def rows(*stages: Stage, fails: bool) -> pytest.MarkDecorator:
    """Return the rows with the stages at which polls fail, or at which they do not; rows without any are left out."""
    chosen = {
        row.name: (
            row,
            [each for each in stages if (outcome := row.outcome.get(each.name)) and (outcome != OK) is fails],
        )
        for row in TRIED
    }
    chosen = {name: case for name, case in chosen.items() if case[1]}
    return pytest.mark.parametrize(("row", "stages"), chosen.values(), ids=chosen)


@rows(*STAGES, fails=True)
async def test_a_fault_that_fails_requests(row: Row, stages: list[Stage]) -> None:
    """Each source reports why it is down, and recovers within one interval of the fault's end.

    What AWS denies takes as long again as the denial lasted; `tests/poller/test_backoff.py` has more about that.
    Until they are stale, the jobs of the last complete list stay, and a partial list never replaces them. Sources
    found through a failing account or discovery go on. A failure waits for its reason. No other source is affected.
    """
    failing = [stage for stage in stages if stage is not DETAILS]
    lists = [stage for stage in failing if stage in OF_JOBS]
    async with trial(row) as tried:
        aws, exporter = tried
        before, running_before, known = numbers(exporter.read(), lists), tasks(), tried.sources()
        rules = tried.strike(row, stages)
        for stage in lists:
            tried.add_job(stage)
        if SCOPES in stages:
            aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-2")
        if DETAILS in stages:
            tried.add_customization()

        for number in (1, 2):
            page = await tried.at(number * LATEST * INTERVAL)
            assert_down(page, row, lists)
            assert_others_on_time(exporter, page, failing)
            assert numbers(page, lists) == before
            if DETAILS in stages:
                assert_reasons(page, row, attempts=number)
                rules[DETAILS.name].times = 1
        page = await tried.at(STALE - 1)
        assert_others_on_time(exporter, page, failing)
        assert numbers(page, lists) == before
        page = await tried.at(STALE)
        assert_down(page, row, lists)
        assert numbers(page, lists) == {}

        for moment in (LATEST * DISCOVERY, LATEST * DISCOVERY + STALE):
            page = await tried.at(moment)
            assert_down(page, row, failing)
            assert_others_on_time(exporter, page, failing)
        assert tried.sources() == known
        assert tasks() == running_before
        assert all(rule.struck >= 2 for name, rule in rules.items() if name != DETAILS.name)

        for rule in rules.values():
            aws.faults.remove(rule)
        is_denied = {row.outcome[stage.name] for stage in stages} == {"access_denied"}
        await exporter.turn(moment if is_denied else INTERVAL)
        page = exporter.read()
        assert_recovered(exporter, page, failing)
        assert all(jobs(page, stage) == LISTED[stage.source["account_id"]] + 1 for stage in lists)
        new = ["Poller._loop"] if SCOPES in stages else []
        assert not new or page.up(scope="pump-2") == 1
        assert tasks() == sorted([*running_before, *new])
        assert aws.connections <= tried.sources()


def assert_reasons(page: Reading, row: Row, *, attempts: int) -> None:
    """The list counts, and the failure has a reason once AWS gave one; only a permanent refusal is final."""
    source, reason = DETAILS.source, row.outcome[DETAILS.name]
    is_final, is_reported = reason in FINAL, attempts > 1
    assert page.up(**source) == 1
    assert page.value(f"{OWN}_consecutive_failures", **source) == 0
    assert page.value("aws_jobs", status="Failed", **source) == 2
    assert errors(page, "aws_job_exporter_detail_errors_total") == {reason: 1}
    # The same kind cannot be polled in the account without credentials: no other polls fail.
    without_keys = row.outcome.get(CREDENTIALS.name, OK)
    polls = {without_keys: float(attempts)} if without_keys != OK else {}
    assert errors(page, "aws_job_exporter_poll_errors_total", kind=CUSTOMIZATION.key) == polls
    reasons = {"throttled": 1, "unspecified": 1} if is_final else {"throttled": 2} if is_reported else {"throttled": 1}
    assert page.reasons(**source) == reasons
    assert page.value("aws_job_exporter_details_pending", **source) == (None if is_final or is_reported else 1)


@rows(*STAGES, fails=False)
async def test_a_fault_that_fails_no_request(row: Row, stages: list[Stage]) -> None:
    """Nothing is down, and everything that can be known of the jobs is on /metrics."""
    lists = [stage for stage in stages if stage in OF_JOBS]
    async with trial(row) as tried:
        exporter = tried.exporter
        rules = tried.strike(row, stages)
        for stage in OF_JOBS:
            tried.add_job(stage, "Failed")
        tried.add_customization()
        for interval in (INTERVAL, DISCOVERY) if ACCOUNT_STAGE in stages else (INTERVAL,):
            page = await tried.at(LATEST * interval)
            assert all(row.holds(page, stage) for stage in lists if stage is not CREDENTIALS)
            assert_recovered(exporter, page, OF_JOBS)
            assert_others_on_time(exporter, page, ())
            assert errors(page, "aws_job_exporter_poll_errors_total") == {}
            assert errors(page, "aws_job_exporter_detail_errors_total") == {}
            assert page.value("aws_job_exporter_details_pending", **DETAILS.source) is None
        assert_recovered(exporter, page, stages)
        assert all(rule.struck >= 1 for rule in rules.values())
        for stage in OF_JOBS:
            tried.add_job(stage)
        await exporter.turn(LATEST * INTERVAL)
        page = exporter.read()
        assert all(jobs(page, stage) == LISTED[stage.source["account_id"]] + 2 for stage in OF_JOBS)
        # A message of 100 kB, or a thousand values of a label, would be more.
        assert len(exporter.exposition.render(Format.TEXT)) < 150_000


@pytest.mark.parametrize("stage", [ACCOUNT_STAGE, SCOPES, FIRST], ids=lambda stage: stage.name)
async def test_a_host_name_that_does_not_resolve(
    stage: Stage, resolver: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is affected, and the first poll after the name is known finds all jobs."""
    resolver["made-up.invalid"] = None
    async with addressed(stage, "http://made-up.invalid:{port}", monkeypatch) as exporter:
        assert exporter.up(**stage.source) == 0
        assert exporter.why(**stage.source) == "network"
        assert exporter.samples("aws_jobs", "kind", aws_service=stage.service) == {}
        resolver["made-up.invalid"] = "127.0.0.1"
        await exporter.turn(INTERVAL)
        assert exporter.why(**stage.source) is None
        assert exporter.up(**stage.source) == 1


@pytest.mark.parametrize("stage", [SCOPES, FIRST], ids=lambda stage: stage.name)
async def test_a_service_without_an_endpoint_in_the_region(
    stage: Stage, resolver: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its URL follows botocore's rules whether the endpoint exists or not; it is requested once per interval."""
    resolver[f"{stage.service}.{REGION}.amazonaws.com"] = None
    async with addressed(stage, "", monkeypatch) as exporter:
        for failures in (1, 2, 3):
            assert exporter.up(**stage.source) == 0
            assert exporter.why(**stage.source) == "network"
            failed = exporter.value("aws_job_exporter_source_consecutive_failures", **stage.source)
            assert failed == failures
            await exporter.turn(INTERVAL)


@asynccontextmanager
async def addressed(stage: Stage, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """Yield an exporter that reads one service at a custom endpoint, empty for AWS's own."""
    clock = HandClock()
    async with simulated(clock) as aws:
        aws.world.add_job(BEDROCK, created=NOW - 100, path=[(0, "InProgress")])
        aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-1")
        for service in ("sts", "bedrock", "lookoutequipment"):
            own = url.format(port=aws.endpoint_url.rpartition(":")[2]) if service == stage.service else aws.endpoint_url
            if own:
                monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service.upper()}", own)
        services = {"bedrock": {"kinds": [BEDROCK.key]}, "lookoutequipment": {"kinds": [LOOKOUT.key]}}
        async with running(configured(aws.endpoint_url, services, aws={"endpoint_url": None}), clock) as exporter:
            yield exporter
            others = {"bedrock", "lookoutequipment"} - {stage.service}
            assert stage is ACCOUNT_STAGE or {exporter.up(aws_service=other) for other in others} == {1}


LASTING = (
    "throttled, status 429",
    "error 503, HTML",
    "connection closed within the response",
    "response cut in half",
    "connection reset",
)


@pytest.mark.parametrize("row", [row for row in MATRIX if row.name in LASTING], ids=lambda row: row.name)
async def test_a_lasting_fault_leaves_nothing_behind(row: Row) -> None:
    """Many failed polls leave no more tasks, connections and objects behind than a few do."""
    async with trial(row, roles=()) as tried:
        aws, exporter = tried
        tried.strike(row, [FIRST])
        held = []
        for polls in (20, 40):
            for _ in range(polls):
                await exporter.turn(INTERVAL)
            gc.collect()
            held.append(len(gc.get_objects()))
            assert aws.connections <= tried.sources()
            assert tasks().count("Poller._loop") == tried.sources()
        assert held[1] - held[0] < 40 * CACHED


CACHED = 10
"""Objects that a poll may add to bounded caches, such as recent addresses; a leak adds more."""
