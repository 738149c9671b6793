"""What exceeds a limit is dropped in a known order, counted, logged once, and never distorts another number."""

import itertools
import re

import structlog
from aiohttp import web

from exporter.exposition import Format
from exporter.families import JOB_FAMILIES, OPTIONAL
from exporter.jobs import SourceKey
from exporter.poller import Budget
from exporter.settings import Limits
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CUSTOMIZATION,
    INFERENCE,
    NOW,
    REGION,
    configured,
    running,
    simulated,
)
from tests.support.held import remove_scope

HOUR, DAY = 3600.0, 86_400.0
P = "aws_job_exporter_"
ESSENTIAL = ("aws_jobs", "aws_jobs_finished_total", "aws_jobs_failed_total")


def finished_jobs(aws, number, kind=BEDROCK, **fields):
    """Add jobs that finished one minute apart, the last of them an hour ago."""
    return [
        aws.world.add_job(
            kind,
            created=NOW - 2 * HOUR - 60 * n,
            path=[(0, "InProgress"), (HOUR, "Completed")],
            name=f"job-{n}",
            **fields,
        )
        for n in range(number)
    ]


def bedrock(aws, **sections):
    """Return settings that read one kind."""
    return configured(aws.endpoint_url, {"bedrock": {"kinds": [BEDROCK.key]}}, **sections)


def lines(exporter):
    """Return the series about jobs, as they are exposed."""
    found = exporter.exposition.render(Format.TEXT).decode().splitlines()
    others = ("#", "aws_job_exporter_", "aws_job_scope_info", "process_", "python_")
    return [line for line in found if not line.startswith(others)]


def families(exporter):
    """Return which families about jobs are exposed."""
    names = {re.split(r"[{ ]|_count|_sum", line)[0] for line in lines(exporter)}
    return names & {family.name for family in JOB_FAMILIES}


async def test_the_series_that_are_exposed_are_counted(aws, clock):
    """One by one, as Prometheus would."""
    finished_jobs(aws, 3)
    async with running(bedrock(aws), clock) as exporter:
        assert exporter.value(f"{P}series", kind=BEDROCK.key) == len(lines(exporter))
        assert exporter.samples(f"{P}series_dropped") == {}


async def test_families_are_dropped_whole_and_in_the_documented_order(aws, clock):
    """The families that stay are complete: a dropped one is missing altogether, never partial."""
    finished_jobs(aws, 20)
    metrics = {"per_job": True}
    async with running(bedrock(aws, metrics=metrics), clock) as exporter:
        everything, number = families(exporter), len(lines(exporter))
    gone: set[str] = set()
    for most in (number - 1, 60, 1):
        async with running(bedrock(aws, metrics=metrics, limits={"series_per_source": most}), clock) as exporter:
            dropped = exporter.by("family", f"{P}series_dropped", bound="series_per_source")
            left = families(exporter)
            assert dropped.keys() == everything - left
            in_order = [name for name in OPTIONAL if name in everything]
            assert list(dropped) == in_order[: len(dropped)]
            assert sum(dropped.values()) + len(lines(exporter)) == number
            assert left >= {*ESSENTIAL}
            assert gone < dropped.keys()
            gone = set(dropped)
            assert exporter.value("aws_jobs", status="Completed") == 20
    assert left == {*ESSENTIAL}


async def test_every_family_is_either_essential_or_optional():
    """A new family needs its place in the order."""
    assert {*OPTIONAL, *ESSENTIAL} == {family.name for family in JOB_FAMILIES}
    assert len(OPTIONAL) == len(set(OPTIONAL))


async def test_all_sources_share_one_budget(aws, clock):
    """The first source keeps what it has; the next one drops its optional families, but not its counts."""
    finished_jobs(aws, 5)
    finished_jobs(aws, 5, CUSTOMIZATION)
    services = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
    async with running(configured(aws.endpoint_url, services, limits={"series": 80}), clock) as exporter:
        dropped = exporter.by("kind", f"{P}series_dropped", bound="series")
        assert dropped
        assert sum(exporter.by("kind", f"{P}series").values()) == len(lines(exporter)) <= 80
        assert exporter.by("kind", "aws_jobs", status="Completed") == {BEDROCK.key: 5, CUSTOMIZATION.key: 5}
        await exporter.turn(120)
        assert exporter.by("kind", f"{P}series_dropped", bound="series") == dropped


def test_a_source_may_use_what_the_others_leave():
    """Up to the exact series: its own limit, or what is left of the shared one plus the series it already has."""
    budget, (one, two) = Budget(), (SourceKey(ACCOUNT, REGION, "bedrock", kind, "") for kind in ("one", "two"))
    assert budget.share(one) == (Limits().series_per_source, "series_per_source")
    budget.limits = Limits(series=100, series_per_source=70)
    assert budget.share(one) == (70, "series_per_source")
    budget.hold(one, 60)
    assert budget.share(two) == (40, "series")
    assert budget.share(one) == (70, "series_per_source")
    budget.hold(two, 40)
    assert (budget.share(one), budget.share(two)) == ((60, "series"), (40, "series"))
    for _ in range(2):
        budget.hold(one, 0)
        assert budget.share(one) == (60, "series")
        assert budget.share(two) == (70, "series_per_source")


async def test_the_share_of_a_removed_source_is_free(aws, clock):
    """A scope that disappears makes room for those that stay."""
    scopes = [aws.world.add_scope("cleanroomsml", "collaboration") for _ in range(2)]
    for scope in scopes:
        aws.world.add_job(INFERENCE, scope=scope, created=NOW - HOUR, path=[(0, "CREATE_PENDING"), (60, "ACTIVE")])
    services = {"cleanroomsml": {"kinds": [INFERENCE.key]}}
    async with running(configured(aws.endpoint_url, services, limits={"series": 70}), clock) as exporter:
        (tight,) = set(exporter.by("scope", f"{P}series_dropped"))
        remove_scope(next(scope for scope in scopes if scope.id != tight))
        for _ in range(12):
            await exporter.turn(66)
        assert exporter.samples(f"{P}series_dropped") == {}


async def test_combinations_of_dimensions_are_bounded(aws, clock):
    """A product of two labels may be large though neither is: the excess becomes `other`, and nothing is lost."""
    for number, kind in itertools.product(range(6), ("ON_DEMAND", "PROVISIONED")):
        fields = {"model_id": f"model-{number}", "invocation_type": kind}
        aws.world.add_job(BEDROCK, created=NOW - HOUR, path=[(0, "InProgress")], dimensions=fields)
    services = {"bedrock": {"kinds": [BEDROCK.key], "dimensions": ["model_id", "invocation_type"]}}
    settings = configured(aws.endpoint_url, services, limits={"series_per_source": 200})
    async with running(settings, clock) as exporter:
        counts = exporter.samples("aws_jobs", "model_id", "invocation_type", status="InProgress")
        assert sum(counts.values()) == 12
        assert counts["other", "other"] > 1
        assert exporter.value(f"{P}series", kind=BEDROCK.key) == len(lines(exporter)) <= 200


async def test_active_jobs_with_series_of_their_own_are_bounded(aws, clock):
    """The oldest ones stay, so that a job that was shown once does not come and go."""
    for n in range(8):
        aws.world.add_job(BEDROCK, created=NOW - HOUR - n, path=[(0, "InProgress")], name=f"job-{n}")
    async with running(bedrock(aws, metrics={"per_job": True, "per_job_active": 3}), clock) as exporter:
        assert exporter.by("job_name", "aws_job_info").keys() == {"job-5", "job-6", "job-7"}
        assert exporter.by("bound", f"{P}series_dropped", family="aws_job_info") == {"per_job_active": 5}
        assert exporter.value("aws_jobs", status="InProgress") == 8


async def test_only_the_newest_of_too_many_finished_jobs_count(aws, clock):
    """The rest is reported as dropped; active jobs and counters are unaffected."""
    finished_jobs(aws, 30)
    aws.world.add_job(BEDROCK, created=NOW - HOUR, path=[(0, "InProgress"), (HOUR + 90, "Completed")])
    settings = bedrock(aws, limits={"jobs_per_source": 10}, poll={"resync": "5m"})
    async with running(settings, clock) as exporter:
        assert exporter.value("aws_jobs", status="Completed") == 10
        assert exporter.value(f"{P}jobs_dropped", kind=BEDROCK.key) == 20
        assert exporter.value("aws_job_last_finished_timestamp_seconds", state="succeeded") == NOW - HOUR
        for _ in range(12):
            await exporter.turn(66)
        assert exporter.value("aws_jobs", status="Completed") == 10
        assert exporter.value(f"{P}jobs_dropped", kind=BEDROCK.key) == 21
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
        await exporter.turn(8 * DAY)
        assert exporter.samples(f"{P}jobs_dropped") == {}
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1


async def test_no_more_sources_than_the_limit_allows(aws, clock):
    """The others are counted, and take places as they become free."""
    scopes = [aws.world.add_scope("cleanroomsml", "collaboration") for _ in range(5)]
    services = {"cleanroomsml": {"kinds": [INFERENCE.key]}}
    async with running(configured(aws.endpoint_url, services, limits={"sources": 5}), clock) as exporter:
        polled = exporter.by("scope", f"{P}source_up", kind=INFERENCE.key)
        assert len(polled) == 3
        assert exporter.value(f"{P}sources_dropped", kind="collaboration") == 2
        remove_scope(next(scope for scope in scopes if scope.id in polled))
        for _ in range(11):
            await exporter.turn(66)
        assert len(exporter.by("scope", f"{P}source_up", kind=INFERENCE.key)) == 3
        assert exporter.value(f"{P}sources_dropped", kind="collaboration") == 1


async def test_a_list_that_never_ends_fails_the_poll(aws, clock):
    """Each page has a new token."""
    pages = itertools.count()

    async def endless(call):
        if call.operation == "ListModelInvocationJobs":
            return web.json_response({"invocationJobSummaries": [], "nextToken": f"token-{next(pages)}"})
        return None

    aws.hooks.append(endless)
    async with running(bedrock(aws, limits={"pages": 7}), clock) as exporter:
        assert exporter.why(kind=BEDROCK.key) == "bad_response"
        assert next(pages) == 7
        (status,) = (source.status for source in exporter.poller.sources if source.status.key.kind == BEDROCK.key)
        assert "limits.pages" in status.error


async def test_a_list_with_as_many_pages_as_allowed_is_complete(clock):
    """Only the first page beyond the limit fails the poll."""
    async with simulated(clock, page_size=5) as aws:
        finished_jobs(aws, 20)
        async with running(bedrock(aws, limits={"pages": 4}), clock) as exporter:
            assert exporter.value("aws_jobs", status="Completed") == 20


async def test_a_limit_is_logged_once_when_it_is_reached_and_once_when_it_ends(aws, clock):
    """It is not logged at every poll."""
    finished_jobs(aws, 3)
    with structlog.testing.capture_logs() as log:
        async with running(bedrock(aws, limits={"jobs_per_source": 2}), clock) as exporter:
            for _ in range(3):
                await exporter.turn(66)
            await exporter.turn(8 * DAY)
    logged = [(line["event"], line["dropped"], line.get("number")) for line in log if "dropped" in line]
    assert logged == [("over a limit", "jobs", 1), ("within the limits again", "jobs", None)]
