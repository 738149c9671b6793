"""What AWS denies is asked less and less often, and at once where something says that it may be permitted now."""

from __future__ import annotations

import shutil
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from exporter.jobs import SourceKey
from exporter.poller.backoff import BackOff, share_permissions
from exporter.telemetry import Denial, SourceStatus
from tests.support.faults import Fault
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    LOOKOUT,
    REGION,
    HandClock,
    configured,
    running,
    simulated,
)
from tests.support.reloading import Configured, reloading

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
OWN = "aws_job_exporter_source"
OTHER = "444455556666"
ELSEWHERE = "eu-west-1"
ONE = {"bedrock": {"kinds": [BEDROCK.key]}}
TWO = {"bedrock": {"kinds": [BEDROCK.key, CUSTOMIZATION.key]}}
LIST, SECOND = ("bedrock", BEDROCK.operation), ("bedrock", CUSTOMIZATION.operation)
EVERYTHING = dict.fromkeys(CATALOG.names)


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return HandClock()


@asynccontextmanager
async def reading(clock, aws, services=None, **sections):
    """Yield an exporter."""
    async with running(configured(aws.endpoint_url, services, **sections), clock) as exporter:
        yield exporter


def deny(aws, *services, **when):
    """Have AWS deny services, all but STS unless they are named; return how to permit them again."""
    rules = [aws.faults.add(Fault.access_denied(), service=name, **when) for name in services or EVERYTHING]

    def permit():
        for rule in rules:
            aws.faults.remove(rule)

    return permit


async def passing(aws, exporter, seconds, requests=None):
    """Let time pass; return how often AWS is asked meanwhile, for one operation or for anything."""

    def count():
        return aws.requests[requests] if requests else sum(aws.requests.values())

    before = count()
    for _ in range(round(seconds / (MINUTE / 2))):
        await exporter.turn(MINUTE / 2)
    return count() - before


@pytest.mark.slow
async def test_an_account_that_is_denied_everything_is_asked_less_than_100_times_an_hour(clock):
    """In the default configuration, and all of it stays visible: down, why, and how often it is asked."""
    async with simulated(clock) as aws:
        deny(aws)
        async with reading(clock, aws) as exporter:
            sources = len(list(exporter.poller.sources))
            first, *later = [await passing(aws, exporter, HOUR) for _ in range(4)]
            assert first < 5 * sources
            assert all(sources <= each < 100 for each in later)
            intervals = exporter.by("kind", f"{OWN}_interval_seconds")
            assert max(intervals.values()) < 1.1 * HOUR
            assert set(exporter.by("reason", f"{OWN}_failure_info")) == {"access_denied"}
            assert list(exporter.by("kind", f"{OWN}_up").values()).count(0) == len(intervals) - 1


@pytest.mark.slow
async def test_those_of_a_region_take_turns_where_they_are_many(clock):
    """Every kind of the catalog, with all that its scopes take to be found: each waits longer than an hour."""
    async with simulated(clock) as aws:
        deny(aws)
        async with reading(clock, aws, EVERYTHING) as exporter:
            assert len(list(exporter.poller.sources)) > 100
            later = [await passing(aws, exporter, HOUR) for _ in range(5)][1:]
            assert all(70 < each < 100 for each in later)
            failures = exporter.by("kind", f"{OWN}_consecutive_failures", aws_service="sagemaker")
            assert max(failures.values()) - min(failures.values()) <= 2


async def test_the_waits_of_a_denied_source_double_up_to_an_hour(clock):
    """Others of its service, which AWS permits, are asked as often as ever."""
    async with simulated(clock) as aws:
        deny(aws, "bedrock", operation=BEDROCK.operation)
        async with reading(clock, aws, TWO) as exporter:
            assert exporter.value(f"{OWN}_interval_seconds", kind=BEDROCK.key) == MINUTE
            assert 5 <= await passing(aws, exporter, HOUR, LIST) <= 7
            await passing(aws, exporter, HOUR)
            before = aws.requests[SECOND]
            assert 5 <= await passing(aws, exporter, 5 * HOUR, LIST) <= 6
            assert aws.requests[SECOND] - before > 200
            assert exporter.value(f"{OWN}_interval_seconds", kind=BEDROCK.key) == HOUR


async def test_a_permission_that_arrives_late_is_noticed_soon(clock):
    """A role that has just been made is denied everything for a moment."""
    async with simulated(clock) as aws:
        permit = deny(aws)
        async with reading(clock, aws, ONE) as exporter:
            await passing(aws, exporter, 2 * MINUTE)
            permit()
            await passing(aws, exporter, 2 * MINUTE)
            assert exporter.up(kind=BEDROCK.key) == 1
            assert exporter.value(f"{OWN}_interval_seconds", kind=BEDROCK.key) == MINUTE


NOT_ENABLED = ("UnrecognizedClientException", "The security token included in the request is invalid.", 403)


@pytest.mark.parametrize(
    ("error", "region"),
    [
        (("AccessDeniedException", "User is not authorized to perform this operation", 403), REGION),
        (("SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service", 400), REGION),
        (("OptInRequired", "You are not subscribed to this service.", 400), REGION),
        (("RegionDisabledException", "STS is not activated in this region", 400), REGION),
        (("SomethingOfItsOwn", "Forbidden", 403), REGION),
        (NOT_ENABLED, "me-south-1"),
    ],
    ids=["access denied", "not subscribed", "no opt-in", "region disabled", "forbidden", "region not enabled"],
)
async def test_whatever_only_people_can_change_is_a_denial(clock, error, region):
    """To ask again in a minute would change nothing, and costs an event in CloudTrail."""
    async with simulated(clock) as aws:
        aws.faults.add(Fault.error(*error), service="bedrock")
        async with reading(clock, aws, ONE, accounts=[{"regions": [region]}]) as exporter:
            await passing(aws, exporter, HOUR)
            assert await passing(aws, exporter, 3 * HOUR, LIST) <= 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault.throttled(),
        Fault.server_error(),
        Fault.not_found(),
        Fault.expired_token(),
        Fault.html(),
        Fault.error("ValidationException", "No", 400),
        Fault.error(*NOT_ENABLED),
    ],
    ids=["throttled", "server error", "not found", "expired token", "bad response", "invalid", "unknown key"],
)
async def test_anything_else_is_asked_for_again_within_the_interval(clock, fault):
    """It may end by itself at any moment."""
    async with simulated(clock) as aws:
        aws.faults.add(fault, service="bedrock")
        async with reading(clock, aws, ONE) as exporter:
            await passing(aws, exporter, HOUR)
            assert await passing(aws, exporter, HOUR, LIST) >= 58


async def test_another_failure_ends_the_long_wait(clock):
    """The denial may be over by then; if it is not, it starts again."""
    async with simulated(clock) as aws:
        deny(aws, "bedrock")
        async with reading(clock, aws, ONE) as exporter:
            await passing(aws, exporter, 4 * HOUR)
            outage = aws.faults.add(Fault.server_error(), service="bedrock")
            await passing(aws, exporter, 1.1 * HOUR)
            assert exporter.why(kind=BEDROCK.key) == "server_error"
            assert exporter.value(f"{OWN}_interval_seconds", kind=BEDROCK.key) == MINUTE
            assert await passing(aws, exporter, 10 * MINUTE, LIST) >= 9
            aws.faults.remove(outage)
            assert 3 <= await passing(aws, exporter, 20 * MINUTE, LIST) <= 6


async def test_a_reload_brings_everything_back_at_once(clock, tmp_path):
    """Whoever repairs a policy does not wait for an hour, nor if AWS takes a moment to notice."""
    async with simulated(clock) as aws:
        permit = deny(aws)
        config = Configured(tmp_path / "config.yml", aws)
        config.write(TWO)
        async with reloading(config, clock) as exporter:
            await passing(aws, exporter, 4 * HOUR)
            await exporter.reload()
            assert exporter.up(kind=BEDROCK.key) == 0
            assert 2 <= await passing(aws, exporter, 4 * MINUTE, LIST) <= 4
            await passing(aws, exporter, 4 * HOUR)
            permit()
            await exporter.reload()
            assert exporter.by("kind", f"{OWN}_up") == {"account": 1, BEDROCK.key: 1, CUSTOMIZATION.key: 1}


async def test_a_success_brings_back_the_same_service_in_all_of_the_account(clock):
    """They were asked at other times, in other regions, and would have waited on; another service does wait on."""
    async with simulated(clock) as aws:
        permit = deny(aws)
        services = {**TWO, "glue": {"kinds": ["data_quality_ruleset_evaluation_run"]}}
        glue = {"aws_service": "glue"}
        aws.regions.append(ELSEWHERE)
        async with reading(clock, aws, services, accounts=[{"regions": [REGION, ELSEWHERE]}]) as exporter:
            await passing(aws, exporter, 8 * HOUR)
            permit()
            while not any(exporter.by("kind", f"{OWN}_up", aws_service="bedrock").values()):
                await exporter.turn(MINUTE / 2)
            down_before = len(exporter.samples(f"{OWN}_failure_info", "region", "kind", **glue))
            assert set(exporter.samples(f"{OWN}_up", "region", "kind", aws_service="bedrock").values()) == {1}
            assert down_before > 0


async def test_what_is_denied_for_good_is_not_woken_again_and_again(clock):
    """Another kind of its service comes and goes; each time it is asked once more, and only then."""
    async with simulated(clock) as aws:
        deny(aws, "bedrock", operation=BEDROCK.operation)
        async with reading(clock, aws, TWO) as exporter:
            await passing(aws, exporter, 4 * HOUR)
            before = aws.requests[LIST]
            for _ in range(6):
                permit = deny(aws, "bedrock", operation=CUSTOMIZATION.operation)
                await passing(aws, exporter, HOUR / 2)
                permit()
                await passing(aws, exporter, HOUR / 2)
            assert 8 <= aws.requests[LIST] - before <= 14
            before = aws.requests[LIST]
            for _ in range(60):
                permit = deny(aws, "bedrock", operation=CUSTOMIZATION.operation)
                await exporter.turn(MINUTE)
                permit()
                await exporter.turn(MINUTE)
            assert aws.requests[LIST] - before <= 3


async def test_half_a_repair_does_not_have_the_other_half_asked_for_each_kind_that_comes_back(clock):
    """Each success brings back the others of its service, but nothing more often than usual."""
    kinds = [kind for kind in CATALOG["sagemaker"].kinds.values() if not kind.scopes[:-1]][:10]
    operations = [kind.operation for kind in kinds]
    async with simulated(clock) as aws:
        permits = [deny(aws, "sagemaker", operation=operation) for operation in operations]
        async with reading(clock, aws, {"sagemaker": {"kinds": [kind.key for kind in kinds]}}) as exporter:
            await passing(aws, exporter, 4 * HOUR)
            for permit in permits[5:]:
                permit()
            while not any(exporter.by("kind", f"{OWN}_up", aws_service="sagemaker").values()):
                before = aws.requests.copy()
                await exporter.turn(MINUTE / 2)
            at_once = [aws.requests["sagemaker", each] - before["sagemaker", each] for each in operations[:5]]
            assert at_once == [1] * 5
            await passing(aws, exporter, 5 * MINUTE)
            again = [aws.requests["sagemaker", each] - before["sagemaker", each] for each in operations[:5]]
            assert max(again) <= 2
            assert sum(exporter.by("kind", f"{OWN}_up", aws_service="sagemaker").values()) == 5


async def test_a_role_that_cannot_be_assumed_brings_all_of_its_account_back(clock):
    """The account's source backs off like any other, and whichever succeeds first brings back every service."""
    services = {**TWO, "glue": {"kinds": ["data_quality_ruleset_evaluation_run"]}}
    role = f"arn:aws:iam::{OTHER}:role/exporter"
    # Keys that are about to expire are renewed before each request.
    soon = datetime.fromtimestamp(time.time() + 300, UTC).isoformat()
    async with simulated(clock) as aws:
        aws.faults.add(Fault.members(Expiration=soon), operation="AssumeRole")
        account = {"role_arn": role, "regions": [REGION]}
        async with reading(clock, aws, services, accounts=[account]) as exporter:
            assert len(list(exporter.poller.sources)) == 4
            permit = deny(aws, "sts", operation="AssumeRole")
            await passing(aws, exporter, 8 * HOUR)
            assert 3 * 4 <= await passing(aws, exporter, 3 * HOUR) <= 4 * 4
            assert exporter.up(kind="account") == 0
            permit()
            while not any(exporter.by("kind", f"{OWN}_up").values()):
                await exporter.turn(MINUTE / 2)
            await exporter.turn(0)
            assert set(exporter.by("kind", f"{OWN}_up").values()) == {1}
            assert exporter.value(f"{OWN}_interval_seconds", kind="account") == 10 * MINUTE


async def test_a_denied_discovery_is_left_alone_by_a_scope_that_is_gone(clock):
    """The list of a deleted scope fails each minute, which usually has the discovery look at once."""
    discovery = ("lookoutequipment", "ListInferenceSchedulers")
    async with simulated(clock) as aws:
        aws.world.add_scope("lookoutequipment", "inference_scheduler", id="pump-1")
        async with reading(clock, aws, {"lookoutequipment": {"kinds": [LOOKOUT.key]}}) as exporter:
            deny(aws, "lookoutequipment", operation=discovery[1])
            aws.faults.add(Fault.not_found(), service="lookoutequipment", operation=LOOKOUT.operation)
            await passing(aws, exporter, 2 * HOUR)
            assert exporter.why(scope="pump-1") == "not_found"
            assert await passing(aws, exporter, 2 * HOUR, discovery) <= 3


class Restarted:
    """Exporters that one after the other use the same storage."""

    def __init__(self, clock, aws, folder):
        self._clock, self._aws, self._folder = clock, aws, folder

    def run(self, services=None, **sections):
        """Start an exporter on what the last one left."""
        return reading(self._clock, self._aws, services, storage={"path": str(self._folder)}, **sections)


@pytest.mark.slow
async def test_what_is_denied_stays_so_over_a_restart(clock, tmp_path):
    """One source of each service looks whether it was repaired; the others keep their turns, and show why."""
    async with simulated(clock) as aws:
        deny(aws)
        exporters = Restarted(clock, aws, tmp_path)
        async with exporters.run(EVERYTHING) as exporter:
            await passing(aws, exporter, 3 * HOUR)
            shown = exporter.samples(f"{OWN}_failure_info", "kind", "reason")
        before = sum(aws.requests.values())
        clock.now += MINUTE
        async with exporters.run(EVERYTHING) as exporter:
            services = len(set(exporter.by("aws_service", f"{OWN}_up")))
            # With the one or two whose turn it is.
            assert services <= sum(aws.requests.values()) - before <= services + 2
            assert exporter.samples(f"{OWN}_failure_info", "kind", "reason") == shown
            assert 0 not in exporter.by("kind", f"{OWN}_consecutive_failures", aws_service="bedrock").values()
            assert exporter.poller.progress.complete.is_set()
            counts = [await passing(aws, exporter, HOUR) for _ in range(4)]
            # At first fewer: those that looked at the start wait for hours.
            assert all(25 < each < 100 for each in counts), counts


async def test_a_restart_brings_back_what_was_repaired_meanwhile(clock, tmp_path):
    """The pod may have another role now, of which the configuration says nothing."""
    async with simulated(clock) as aws:
        permit = deny(aws)
        exporters = Restarted(clock, aws, tmp_path)
        async with exporters.run(TWO) as exporter:
            await passing(aws, exporter, 8 * HOUR)
        permit()
        async with exporters.run(TWO) as exporter:
            await exporter.turn(0)
            assert exporter.up(kind=BEDROCK.key) == exporter.up(kind=CUSTOMIZATION.key) == 1
        before = aws.requests[LIST]
        async with exporters.run(TWO) as exporter:
            assert aws.requests[LIST] == before + 1
            assert exporter.up(kind=BEDROCK.key) == exporter.up(kind=CUSTOMIZATION.key) == 1


async def test_another_configuration_brings_back_what_was_denied(clock, tmp_path):
    """It may be the repair; one that changes nothing about AWS is not."""
    async with simulated(clock) as aws:
        deny(aws)
        exporters = Restarted(clock, aws, tmp_path)
        async with exporters.run(TWO) as exporter:
            await passing(aws, exporter, 4 * HOUR)

        async def asked(**sections):
            before = aws.requests[LIST] + aws.requests[SECOND]
            async with exporters.run(TWO, **sections):
                return aws.requests[LIST] + aws.requests[SECOND] - before

        assert await asked(log={"level": "warn"}) == 1
        assert await asked(accounts=[{"regions": [REGION]}]) == 2


async def test_a_clock_that_was_set_back_changes_nothing_for_long(clock, tmp_path):
    """After a restart, the next poll is no further away than it was meant to be; then the denial counts anew."""
    async with simulated(clock) as aws:
        deny(aws)
        exporters = Restarted(clock, aws, tmp_path)
        async with exporters.run(TWO) as exporter:
            await passing(aws, exporter, 2 * HOUR)
        clock.wrong = -30 * DAY
        before = aws.requests.copy()
        async with exporters.run(TWO) as exporter:
            await passing(aws, exporter, 1.1 * HOUR)
            assert min(aws.requests[each] - before[each] for each in (LIST, SECOND)) >= 1
            await passing(aws, exporter, HOUR)
            assert await passing(aws, exporter, HOUR, LIST) <= 2


async def test_a_reload_before_all_is_found_again_brings_it_back_as_well(clock, tmp_path):
    """The exporter was started while STS was down, so that none of the account's sources is polled yet."""
    async with simulated(clock) as aws:
        deny(aws)
        config = Configured(tmp_path / "config.yml", aws)
        config.write(TWO, storage={"path": str(tmp_path / "storage")})
        async with reloading(config, clock) as exporter:
            await passing(aws, exporter, 4 * HOUR)
        outage = aws.faults.add(Fault.server_error(), service="sts")
        async with reloading(config, clock) as exporter:
            await exporter.reload()
            aws.faults.remove(outage)
            before = aws.requests[LIST], aws.requests[SECOND]
            await exporter.turn(MINUTE)
            assert (aws.requests[LIST], aws.requests[SECOND]) == (before[0] + 1, before[1] + 1)


async def test_a_kill_forgets_nothing_either(clock, tmp_path):
    """An exporter that crashes again and again must not ask for everything each time."""
    async with simulated(clock) as aws:
        deny(aws)
        async with Restarted(clock, aws, tmp_path / "storage").run(TWO) as exporter:
            await passing(aws, exporter, 4 * HOUR)
            shutil.copytree(tmp_path / "storage", tmp_path / "left")
            shown = exporter.samples(f"{OWN}_failure_info", "kind", "reason")
        before = aws.requests[LIST] + aws.requests[SECOND]
        async with Restarted(clock, aws, tmp_path / "left").run(TWO) as exporter:
            assert aws.requests[LIST] + aws.requests[SECOND] == before + 1
            assert exporter.samples(f"{OWN}_failure_info", "kind", "reason") == shown


def listed(kind="a", region=REGION, **fields):
    """Return the status of a list of jobs."""
    return SourceStatus(SourceKey(ACCOUNT, region, "glue", kind, ""), fields.pop("interval", MINUTE), **fields)


@pytest.mark.parametrize(
    ("lasted", "status", "expected"),
    [
        (0.0, listed(), MINUTE),
        (100.0, listed(), 100.0),
        (2000.0, listed(), 2000.0),
        (DAY, listed(), HOUR),
        (-DAY, listed(), MINUTE),
        (0.0, listed(interval=10 * MINUTE), 10 * MINUTE),
        (0.0, listed(interval=10 * MINUTE, retry_interval=MINUTE), MINUTE),
        (DAY, listed(interval=2 * HOUR), 2 * HOUR),
    ],
)
def test_a_source_waits_for_as_long_as_it_has_been_denied(lasted, status, expected):
    """At least for its interval, where others wait for it, for the shorter one; and no longer than an hour."""
    assert BackOff(1).interval(status, Denial(0.0, lasted), 1, 0.0) == expected


def test_a_poll_of_several_requests_takes_as_many_turns():
    """It may have found inner scopes before it was denied; and one for which no role could be assumed counts, too."""
    back_off, denial = BackOff(1), Denial(0.0, 10 * HOUR)
    turns = [back_off.interval(listed(str(n)), denial, requests, 0.0) for n, requests in enumerate([100, 0, 10, 1])]
    assert turns == [HOUR, 100 * 44.0, 101 * 44.0, 111 * 44.0]
    assert back_off.interval(listed(region=ELSEWHERE), denial, 1, 0.0) == HOUR
    assert back_off.interval(listed("new"), Denial(0.0, 0.0), 1, 0.0) == MINUTE
    assert back_off.interval(listed(), denial, 1, 10 * HOUR) == HOUR


def test_a_denial_lasts_from_its_third_minute_on():
    """Until then it may be one that was not meant, and nobody waits for the turns of others."""
    back_off = BackOff(1)
    back_off.interval(listed(), Denial(0.0, 180.0), 100, 0.0)
    assert back_off.interval(listed(), Denial(0.0, 179.9), 1, 0.0) == 179.9
    assert back_off.interval(listed(), Denial(0.0, 180.0), 1, 0.0) == 100 * 44.0


KEY = SourceKey(ACCOUNT, REGION, "glue", "a", "")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"region": ELSEWHERE, "kind": "b", "scope": "c"}, True),
        ({"aws_service": "bedrock"}, False),
        ({"aws_service": "sts"}, True),
        ({"account_id": OTHER}, False),
        ({"account_id": OTHER, "aws_service": "sts"}, False),
    ],
)
def test_policies_are_about_services_and_end_with_the_account(other, expected):
    """The source of an account stands for all of its services."""
    assert share_permissions(KEY, KEY._replace(**other)) is expected
    assert share_permissions(KEY._replace(**other), KEY) is expected


def test_turns_go_on_after_a_restart():
    """Those that were about to be asked would be in the way of those that come later."""
    back_off, denial = BackOff(1), Denial(0.0, 10 * HOUR)
    for due in (3 * HOUR, HOUR, 2 * HOUR):
        back_off.resume(listed().key, due)
    assert back_off.interval(listed(), denial, 1, 0.0) == 3 * HOUR + 44.0


@pytest.mark.parametrize("shards", [1, 4])
def test_shards_share_the_turns(shards):
    """Together they ask as often as one exporter would."""
    back_off, asked, now = BackOff(shards), 0, 0.0
    statuses = [SourceStatus(SourceKey(ACCOUNT, REGION, "glue", str(n), ""), MINUTE) for n in range(1000 // shards)]
    due = dict.fromkeys(range(len(statuses)), 0.0)
    while now < 100 * HOUR:
        number = min(due, key=due.__getitem__)
        now = max(now, due[number])
        due[number] = now + back_off.interval(statuses[number], Denial(-DAY, now), 1, now)
        asked += 1
    assert (asked - len(statuses)) * shards == pytest.approx(82 * 100, rel=0.05)
