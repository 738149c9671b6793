"""A new configuration under a running exporter: whatever the change does not concern stays as it was."""

import asyncio
import gc
import threading

import aiohttp
import pytest

from exporter.aws import Clients
from exporter.cli.commands import argument_parser
from exporter.cli.invocation import Invocation
from exporter.poller import Context, JobSource
from exporter.settings import ConfigurationError
from exporter.simulator import AwsError
from tests.support.harness import (
    ACCOUNT,
    BEDROCK,
    CATALOG,
    CUSTOMIZATION,
    INFERENCE,
    NOW,
    REGION,
    simulated,
)
from tests.support.patience import PATIENCE, eventually
from tests.support.reloading import ONE, Configured, reloading
from tests.support.sqs import event

HOUR, DAY = 3_600.0, 86_400.0
OWN = "aws_job_exporter_"


@pytest.fixture
async def aws(clock):
    """Return a simulated AWS with one job that runs for a minute."""
    async with simulated(clock) as simulator:
        simulator.world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress"), (60, "Completed")])
        yield simulator


@pytest.fixture
def config(aws, tmp_path):
    """Return a configuration that reads one kind."""
    config = Configured(tmp_path / "exporter.yml", aws)
    config.write()
    return config


def listed(aws, kind=BEDROCK):
    """Return how often a kind was listed."""
    return aws.requests[kind.service, kind.operation]


def polls(exporter):
    """Return how often a kind was polled."""
    return exporter.value(f"{OWN}poll_duration_seconds_count", kind=BEDROCK.key)


async def test_a_source_that_stays_keeps_its_numbers_counters_and_pace(aws, clock, config):
    """Its numbers, its counters and its pace stay while another source is added."""
    async with reloading(config, clock) as exporter:
        await exporter.turn(70)
        before, requests = exporter.samples("aws_jobs_finished_total", "state", kind=BEDROCK.key), listed(aws)
        assert before["succeeded",] == 1
        config.write({"bedrock": None})
        assert await exporter.reload() == ()
        assert exporter.samples("aws_jobs_finished_total", "state", kind=BEDROCK.key) == before
        assert exporter.value(f"{OWN}source_last_success_timestamp_seconds", kind=BEDROCK.key) == NOW + 70
        assert listed(aws) == requests
        assert exporter.up(kind=CUSTOMIZATION.key) == 1
        await exporter.turn(70)
        assert listed(aws) > requests


async def test_a_removed_source_drops_its_series(aws, clock, config):
    """They disappear at once, and those of the others stay."""
    config.write({"bedrock": None})
    async with reloading(config, clock) as exporter:
        config.write()
        await exporter.reload()
        assert exporter.up(kind=CUSTOMIZATION.key) is None
        assert exporter.samples("aws_jobs", kind=CUSTOMIZATION.key) == {}
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="InProgress") == 1
        requests = listed(aws, CUSTOMIZATION)
        await exporter.turn(700)
        assert listed(aws, CUSTOMIZATION) == requests


async def test_the_exporters_own_counters_continue(aws, clock, config):
    """They describe the process, not the configuration."""
    async with reloading(config, clock) as exporter:
        assert polls(exporter) == 1
        config.write(poll={"interval": "30s"})
        await exporter.reload()
        await exporter.turn(60)
        assert polls(exporter) == 2


async def test_a_reload_needs_no_response_from_aws(aws, clock, config):
    """It takes effect in an outage too, and sources that are down are retried at once: they may work again."""

    async def refuse(call):
        raise AwsError("InternalFailure", "down", 500)

    config.write({"bedrock": None, "cleanroomsml": None})
    membership = aws.world.add_scope("cleanroomsml", "membership", name="ours")
    async with reloading(config, clock) as exporter:
        aws.hooks.append(refuse)
        await exporter.turn(70)
        assert exporter.up(kind=BEDROCK.key) == 0
        aws.hooks.clear()
        config.write({**ONE, "cleanroomsml": {"kinds": ["trained_model_version"]}})
        requests = aws.requests["sts", "GetCallerIdentity"]
        await exporter.reload()
        assert aws.requests["sts", "GetCallerIdentity"] == requests
        assert exporter.up(kind=CUSTOMIZATION.key) is None
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.up(kind="trained_model_version", scope=membership.id) == 1


async def test_a_filter_on_scopes_applies_at_once(aws, clock, config):
    """Nothing needs to be discovered again."""
    ours = aws.world.add_scope("cleanroomsml", "membership", name="ours")
    theirs = aws.world.add_scope("cleanroomsml", "membership", name="theirs")
    config.write({"cleanroomsml": {"kinds": ["trained_model_version"]}})
    async with reloading(config, clock) as exporter:
        discovered = aws.requests["cleanrooms", "ListMemberships"]
        for pattern, found in (("ours", {ours.id}), ("*", {ours.id, theirs.id})):
            config.write({"cleanroomsml": {"kinds": ["trained_model_version"], "memberships": {"include": [pattern]}}})
            await exporter.reload()
            assert set(exporter.by("scope", f"{OWN}source_up", kind="trained_model_version")) == found
        assert aws.requests["cleanrooms", "ListMemberships"] == discovered


async def test_a_shorter_interval_applies_at_once(aws, clock, config):
    """A source that was waiting for an hour does not wait that hour out."""
    config.write({"bedrock": {**ONE["bedrock"], "interval": "1h"}})
    async with reloading(config, clock) as exporter:
        config.write()
        await exporter.reload()
        requests = listed(aws)
        await exporter.turn(61)
        assert listed(aws) == requests + 1


async def test_new_dimensions_start_over_without_a_gap(aws, clock, config):
    """The old numbers stay until the new ones are available."""
    async with reloading(config, clock) as exporter:
        requested, over = asyncio.Event(), asyncio.Event()

        async def hold(call):
            if call.operation == BEDROCK.operation:
                requested.set()
                await over.wait()

        aws.hooks.append(hold)
        config.write({"bedrock": {**ONE["bedrock"], "dimensions": ["model_id"]}})
        await exporter.reload_only()
        async with asyncio.timeout(PATIENCE):
            await requested.wait()
        assert exporter.value("aws_jobs", kind=BEDROCK.key, status="InProgress") == 1
        assert exporter.up(kind=BEDROCK.key) == 1
        over.set()
        await exporter.settle()
        ((model,),) = [key for key, value in exporter.samples("aws_jobs", "model_id", state="running").items() if value]
        assert model


@pytest.mark.parametrize(
    "change",
    [
        {"poll": {"lookback": "1d"}},
        {"metrics": {"duration_buckets": ["10m", "1h"]}},
        {"reasons": [{"name": "ours", "reason": "dependency", "text": "licence"}]},
    ],
    ids=["lookback", "buckets", "reasons"],
)
async def test_the_settings_behind_the_sums_can_change(aws, clock, config, change):
    """The jobs are summed again at once, and the counters go on."""
    path = [(0, "InProgress"), (300, "Failed")]
    aws.world.add_job(BEDROCK, created=NOW, path=path, message="no licence left")
    async with reloading(config, clock) as exporter:
        await exporter.turn(400)
        counters = [exporter.samples(name, *labels) for name, *labels in COUNTERS]
        assert sum(counters[0].values()) == 2
        config.write(**change)
        await exporter.reload()
        assert [exporter.samples(name, *labels) for name, *labels in COUNTERS] == counters
        assert exporter.value("aws_jobs", status="Failed") == 1
        buckets = exporter.by("le", "aws_job_duration_seconds_bucket", state="failed")
        # Under which bounds it was counted before, nobody knows.
        assert buckets == ({"600.0": 0, "3600.0": 0, "+Inf": 1} if "metrics" in change else {})
        assert exporter.value("aws_job_duration_seconds_count", state="failed") == 1
        reasons = {reason for reason, value in exporter.reasons().items() if value}
        assert (reasons == {"dependency"}) == ("reasons" in change)


COUNTERS = [("aws_jobs_finished_total", "state"), ("aws_jobs_failed_total", "reason")]


async def test_a_longer_lookback_finds_old_jobs_again_without_recounting_them(aws, clock, config):
    """Jobs that had left the lookback were counted when they finished."""
    config.write(poll={"lookback": "1h", "resync": "30d"})
    async with reloading(config, clock) as exporter:
        await exporter.turn(70)
        await exporter.turn(2 * HOUR)
        assert exporter.value("aws_jobs", status="Completed") == 0
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1
        config.write(poll={"lookback": "1d", "resync": "30d"})
        await exporter.reload()
        assert exporter.value("aws_jobs", status="Completed") == 1
        assert exporter.value("aws_jobs_finished_total", state="succeeded") == 1


def sessions():
    """Return the HTTP sessions that are open."""
    return {thing for thing in gc.get_objects() if type(thing) is aiohttp.ClientSession and not thing.closed}


async def test_a_poll_in_progress_keeps_the_clients_it_started_with(aws, clock, config):
    """They are closed afterwards, and the next poll uses new ones."""
    async with reloading(config, clock) as exporter:
        first = sessions()
        requested, over = asyncio.Event(), asyncio.Event()

        async def hold(call):
            if call.operation == BEDROCK.operation and not requested.is_set():
                requested.set()
                await over.wait()

        aws.hooks.append(hold)
        await clock.turn(70)
        async with asyncio.timeout(PATIENCE):
            await requested.wait()
        config.write(aws={"read_timeout": "7h"})
        polled = listed(aws)
        await exporter.reload_only()
        assert first <= sessions()
        over.set()
        await exporter.settle()
        await eventually(lambda: not first & sessions())
        assert listed(aws) == polled + 1
        assert not any(exporter.by("reason", f"{OWN}poll_errors_total").values())
        assert exporter.up(kind=BEDROCK.key) == 1


async def test_a_source_removed_during_a_poll_comes_back_as_new(aws, clock, config):
    """Its poll is abandoned, and neither it nor its clients remain."""
    async with reloading(config, clock) as exporter:
        first, requested, never = sessions(), asyncio.Event(), asyncio.Event()

        async def hang(call):
            if call.operation == BEDROCK.operation:
                requested.set()
                await never.wait()

        aws.hooks.append(hang)
        await clock.turn(70)
        async with asyncio.timeout(PATIENCE):
            await requested.wait()
        config.write({"bedrock": {"kinds": [CUSTOMIZATION.key]}}, aws={"read_timeout": "7h"})
        await exporter.reload()
        assert exporter.samples("aws_jobs", kind=BEDROCK.key) == {}
        await eventually(lambda: not first & sessions())
        aws.hooks.clear()
        never.set()
        config.write(aws={"read_timeout": "7h"})
        await exporter.reload()
        assert exporter.up(kind=BEDROCK.key) == 1
        assert exporter.up(kind=CUSTOMIZATION.key) is None


@pytest.mark.slow
async def test_many_reloads_leave_nothing_behind(aws, clock, config):
    """No client or source of the configurations in between remains."""
    held = []
    async with reloading(config, clock) as exporter:
        for seconds in range(5, 10):
            config.write(aws={"read_timeout": f"{seconds}h"})
            await exporter.reload()
            await exporter.turn(70)
            gc.collect()
            held.append(sum(isinstance(thing, Clients | Context | JobSource) for thing in gc.get_objects()))
    assert held[0] == held[-1]


async def test_clients_survive_an_unrelated_reload(aws, clock, config):
    """Opening connections again costs time and requests."""
    async with reloading(config, clock) as exporter:
        before = sessions()
        config.write(poll={"interval": "30s"}, metrics={"per_job": True})
        await exporter.reload()
        await exporter.turn(70)
        assert sessions() == before
        assert exporter.samples("aws_job_info", "status")


async def test_clients_have_a_connection_for_each_current_slot(aws, clock, config):
    """No poll that has a slot waits for a connection, also after a reload."""
    async with reloading(config, clock) as exporter:
        config.write(poll={"concurrency": 40})
        await exporter.reload()
        clients = exporter.poller._context.reader.clients
        client = await clients.client(REGION, BEDROCK.service)
        assert client.meta.config.max_pool_connections == 40


async def test_shutting_down_closes_old_clients_that_are_in_use(aws, clock, config):
    """Both generations are closed."""
    before, never = sessions(), asyncio.Event()

    async def hang(call):
        await never.wait()

    async with reloading(config, clock) as exporter:
        aws.hooks.append(hang)
        await clock.turn(70)
        config.write(aws={"read_timeout": "7h"})
        await exporter.reload_only()
    never.set()
    assert sessions() == before


async def test_an_invalid_file_changes_nothing(aws, clock, config):
    """Each problem is reported on its own line, and the next correct file recovers."""
    async with reloading(config, clock) as exporter:
        assert exporter.value(f"{OWN}config_last_reload_successful") == 1
        assert exporter.value(f"{OWN}config_last_reload_success_timestamp_seconds") == NOW
        config.write({"bedrok": None}, poll={"intervall": "1m"})
        await exporter.turn(70)
        (problem,) = await exporter.reload()
        assert problem.startswith(f"{config.file}: poll.intervall: unknown key")
        assert exporter.value(f"{OWN}config_last_reload_successful") == 0
        assert exporter.value(f"{OWN}config_last_reload_success_timestamp_seconds") == NOW
        await exporter.turn(70)
        assert exporter.up(kind=BEDROCK.key) == 1
        config.write()
        assert await exporter.reload() == ()
        assert exporter.value(f"{OWN}config_last_reload_successful") == 1
        assert exporter.value(f"{OWN}config_last_reload_success_timestamp_seconds") == clock.now


async def test_a_bug_in_a_reload_stops_nothing(aws, clock, config):
    """The bug is not mistaken for a successful reload."""

    def read():
        raise RuntimeError("a bug")

    async with reloading(config, clock, read) as exporter:
        assert await exporter.reload() == ("internal error: see the log",)
        assert exporter.value(f"{OWN}config_last_reload_successful") == 0
        await exporter.turn(70)
        assert exporter.up(kind=BEDROCK.key) == 1


async def test_the_file_behind_a_symlink_is_read(aws, clock, config, tmp_path):
    """Kubernetes swaps it that way: the directory's link changes its target, the file's path stays."""

    def version(name, services):
        (tmp_path / name).mkdir()
        config.file = tmp_path / name / "exporter.yml"
        config.write(services)

    version("..2026_1", ONE)
    version("..2026_2", {"bedrock": None})
    (tmp_path / "..data").symlink_to("..2026_1")
    config.file = tmp_path / "mounted.yml"
    config.file.symlink_to("..data/exporter.yml")
    async with reloading(config, clock) as exporter:
        (tmp_path / "..data_tmp").symlink_to("..2026_2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        assert await exporter.reload() == ()
        assert exporter.up(kind=CUSTOMIZATION.key) == 1


async def test_two_simultaneous_reloads_run_one_after_the_other(aws, clock, config):
    """The second one reads the file only when the first one is done."""
    started: list[None] = []
    go_on = threading.Event()

    def read():
        started.append(None)
        assert go_on.wait(PATIENCE)
        return config.read()

    async with reloading(config, clock, read) as exporter, asyncio.timeout(PATIENCE):
        both = asyncio.gather(exporter.exporter.reload(), exporter.exporter.reload())
        await eventually(lambda: started)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(started) == 1
        go_on.set()
        assert [*map(list, await both)] == [[], []]
    assert len(started) == 2


def test_flags_and_variables_keep_their_precedence(tmp_path, monkeypatch):
    """A later change to the file does not override them."""
    file = tmp_path / "exporter.yml"
    monkeypatch.setenv("AWS_JOB_EXPORTER_POLL__LOOKBACK", "2d")
    options = argument_parser().parse_args(["--poll.interval=30s", f"--config.file={file}"])
    file.write_text("poll: {interval: 5m, lookback: 9d, resync: 2h}")
    read = Invocation(options, CATALOG).read
    assert read().poll.resync == 2 * HOUR
    file.write_text("poll: {interval: 6m, lookback: 8d, resync: 3h}")
    poll = read().poll
    assert (poll.interval, poll.lookback, poll.resync) == (30, 2 * DAY, 3 * HOUR)
    file.unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        read()


async def test_accounts_come_and_go(aws, clock, config):
    """Their sources come and go with them; the account that stays is not requested again."""
    async with reloading(config, clock) as exporter:
        config.write(accounts=[{"regions": [REGION]}, {"regions": ["eu-west-1"]}])
        await exporter.reload()
        assert set(exporter.by("region", f"{OWN}source_up", kind=BEDROCK.key)) == {REGION, "eu-west-1"}
        assert polls(exporter) == 2
        config.write(accounts=[{"regions": ["eu-west-1"]}])
        await exporter.reload()
        assert set(exporter.by("region", f"{OWN}source_up")) == {"eu-west-1"}


@pytest.mark.slow
@pytest.mark.parametrize("most", [8, 5, 3])
async def test_a_reload_respects_the_limit_on_sources(aws, clock, config, most):
    """Polled sources stay as far as the new limit allows; the rest wait, and are counted."""
    for _ in range(6):
        aws.world.add_scope("cleanroomsml", "collaboration")
    services = {"cleanroomsml": {"kinds": [INFERENCE.key]}, **ONE}
    config.write(services, limits={"sources": 5})
    async with reloading(config, clock) as exporter:
        before = set(exporter.by("scope", f"{OWN}source_up", kind=INFERENCE.key))
        config.write(services, limits={"sources": most})
        for _ in range(2):
            await exporter.reload()
            assert len(list(exporter.poller.sources)) == most
            after = set(exporter.by("scope", f"{OWN}source_up", kind=INFERENCE.key))
            assert before <= after or after <= before
            dropped = sum(exporter.by("kind", f"{OWN}sources_dropped").values())
            # The account, its discovery, batch inference, and a source for each of six collaborations.
            assert dropped == 9 - most


async def test_an_organization_survives_a_reload(aws, config, clock):
    """Its last discovery is filtered again at once, without any request, and no counter starts over."""
    aws.members.update({ACCOUNT: "management", "000000000001": "prod-a", "000000000002": "prod-b"})
    organization = {"role_name": "jobs", "regions": [REGION]}
    config.write(accounts={"organization": organization})
    async with reloading(config, clock) as exporter:
        await exporter.turn(120)
        assert exporter.value("aws_jobs_finished_total", account_id=ACCOUNT, state="succeeded") == 1
        requests = aws.requests["organizations", "ListAccounts"]
        config.write(accounts={"organization": {**organization, "exclude": ["prod-b"]}})
        assert await exporter.reload() == ()
        read = exporter.by("account_id", f"{OWN}source_up", kind=BEDROCK.key)
        assert read.keys() == {ACCOUNT, "000000000001"}
        assert exporter.value("aws_jobs_finished_total", account_id=ACCOUNT, state="succeeded") == 1
        # Another path to AWS may see another list, so it is requested again.
        assert aws.requests["organizations", "ListAccounts"] == requests + 1


@pytest.mark.slow
async def test_a_list_of_accounts_can_become_an_organization_and_back(aws, config, clock):
    """Neither change needs a restart."""
    aws.members.update({ACCOUNT: "management", "000000000001": "prod-a"})
    async with reloading(config, clock) as exporter:
        config.write(accounts={"organization": {"role_name": "jobs", "regions": [REGION]}})
        assert await exporter.reload() == ()
        await exporter.settle()
        assert exporter.by("account_id", f"{OWN}source_up", kind=BEDROCK.key).keys() == {ACCOUNT, "000000000001"}
        config.write()
        assert await exporter.reload() == ()
        assert exporter.by("account_id", f"{OWN}source_up", kind=BEDROCK.key).keys() == {ACCOUNT}
        assert exporter.samples(f"{OWN}source_up", aws_service="organizations") == {}


async def test_shards_need_a_restart(aws, config, clock):
    """All shards have to restart together: until then each keeps the sources it had."""
    async with reloading(config, clock) as exporter:
        config.write(shard={"count": 2, "index": 1})
        assert await exporter.reload() == ()
        assert exporter.value(f"{OWN}shards") == 1
        assert exporter.up(kind=BEDROCK.key) == 1


async def test_a_limit_on_requests_applies_at_once(aws, config, clock):
    """Intervals grow with the next polls, and the page of sources says why; without it they are as before."""
    config.write()
    async with reloading(config, clock) as exporter:
        for limit, is_needed in ((None, False), (60, True), (1000, False), (None, False)):
            config.write(aws={"calls_per_hour": limit})
            await exporter.reload()
            for _ in range(2):
                await exporter.turn(HOUR)
            interval = exporter.value(f"{OWN}source_interval_seconds", kind=BEDROCK.key)
            assert (interval or 0) > 70 if is_needed else interval == 60
            assert ((exporter.value(f"{OWN}interval_stretch") or 0) > 1) == is_needed
            host, port = exporter.exporter.addresses[0]
            async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/sources") as response:
                page = await response.text()
            assert (f"At most {limit:,} requests to AWS in any hour" in page) if limit else "in any hour" not in page
            assert ("times as long as usual" in page) == is_needed


async def test_a_services_own_rate_applies_at_once(aws, config, clock):
    """It takes the place of the rate that all services have, as soon as a reload says so."""
    config.write()
    async with reloading(config, clock) as exporter:
        for rate in (2, 3):
            config.write({"bedrock": {"kinds": [BEDROCK.key], "requests_per_second": rate}})
            await exporter.reload()
            await exporter.turn(HOUR)
            assert exporter.value("aws_job_exporter_rate_limit", aws_service="bedrock") == rate


async def test_a_queue_of_events_comes_and_goes(aws, clock, config):
    """The pages show it as any other source, and what it had noted is no reason to start over."""
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/hints"
    aws.queues.create(url)
    aws.queues.send(url, event("aws.bedrock", "Batch Inference Job State Change", clock.now))
    async with reloading(config, clock) as exporter, aiohttp.ClientSession() as session:
        before = listed(aws)
        config.write(events={"sqs_queue_url": url})
        assert await exporter.reload() == ()
        await exporter.settle()
        assert exporter.up(kind="queue", scope="hints") == 1
        assert (listed(aws), aws.queues.left(url)) == (before + 1, 0)
        host, port = exporter.exporter.addresses[0]
        async with session.get(f"http://{host}:{port}/api/v1/sources") as response:
            shown = {source["kind"]: source["health"] for source in (await response.json())["data"]["sources"]}
        assert shown["queue"] == "up"
        config.write()
        assert await exporter.reload() == ()
        assert exporter.up(kind="queue") is None
        await exporter.turn(5)
        assert listed(aws) == before + 2
