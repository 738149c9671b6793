"""The rate of requests: what a bucket lets pass, and how the reader's requests reach a simulated AWS."""

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws import (
    Allowance,
    Clients,
    Credentials,
    Limiters,
    Place,
    PollErrorReason,
    PollRun,
    Reader,
    Scoped,
    catalog_loader,
    poll_error,
)
from exporter.aws.rate import AdaptiveBucket, Limiter
from exporter.catalog.models import Models
from exporter.settings import Account, Aws, Rates, Settings, Shard
from exporter.simulator import AwsError
from exporter.telemetry import Telemetry
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
)
from tests.support.patience import PATIENCE, UNHURRIED, elapse

TRANSLATION = CATALOG["translate"].kinds["text_translation_job"]
PLACE = Place(Account(), REGION)
HERE = Scoped({"account_id": ACCOUNT})


def bucket(clock, rate=2.0, burst=4):
    """Return a full bucket."""
    return AdaptiveBucket(burst, rate, clock.monotonic)


def taken(tokens):
    """Take everything that a bucket has and return how many tokens there were."""
    count = 0
    while not tokens.take():
        count += 1
    return count


async def until_done(tasks, count):
    """Wait until this many tasks are done."""
    async with asyncio.timeout(PATIENCE):
        for task in islice(asyncio.as_completed(tasks), count):
            await task


# The bucket.


async def test_a_full_bucket_allows_the_burst_and_then_the_rate(clock):
    """The wait that it names is the time until the next token."""
    tokens = bucket(clock)
    assert taken(tokens) == 4
    assert tokens.take() == 0.5
    await clock.turn(0.25)
    assert tokens.take() == 0.25
    await clock.turn(0.25)
    assert taken(tokens) == 1
    await clock.turn(1.5)
    assert taken(tokens) == 3


async def test_a_pause_saves_up_no_more_than_the_burst(clock):
    """The length of the pause makes no difference."""
    tokens = bucket(clock)
    taken(tokens)
    await clock.turn(3600)
    assert taken(tokens) == 4


@given(
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 6),
    pauses=st.lists(st.floats(0, 5), max_size=30),
    events=st.lists(st.sampled_from(["", "throttled", "succeeded"]), min_size=30, max_size=30),
)
def test_no_window_exceeds_the_burst_and_the_rate(rate, burst, pauses, events):
    """The order of requests, pauses and responses makes no difference."""
    clock = HandClock(now=0.0)
    tokens = bucket(clock, rate, burst)
    passed: list[float] = []
    for pause, event in zip(pauses, events, strict=False):
        clock.now += pause
        if event:
            getattr(tokens, event)()
        passed += [clock.now] * taken(tokens)
        assert min(rate / 4, 0.1) <= tokens.rate <= rate
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + rate * (passed[last] - start) + 0.001


async def test_throttling_halves_the_rate_and_empties_the_bucket(clock):
    """AWS has no tokens left, whatever the exporter counted."""
    tokens = bucket(clock)
    tokens.throttled()
    assert tokens.rate == 1.0
    assert tokens.take() == 1.0


async def test_consecutive_throttled_responses_are_one_event(clock):
    """Those requests were already under way; seconds later it is a new event."""
    tokens = bucket(clock)
    for _ in range(10):
        tokens.throttled()
    assert tokens.rate == 1.0
    await clock.turn(4.9)
    tokens.throttled()
    assert tokens.rate == 1.0
    await clock.turn(0.2)
    tokens.throttled()
    assert tokens.rate == 0.5


@pytest.mark.parametrize(("rate", "floor"), [(2.0, 0.1), (0.1, 0.025)])
async def test_the_rate_has_a_floor(clock, rate, floor):
    """A service that is not called cannot be seen to recover; the floor of a low rate is a quarter of it."""
    tokens = bucket(clock, rate)
    for _ in range(20):
        tokens.throttled()
        await clock.turn(10)
    assert tokens.rate == floor


async def test_success_raises_the_rate_in_equal_steps_up_to_the_configured_one(clock):
    """25 successes make up for one halving, and no number of them raises the rate above what is set."""
    tokens = bucket(clock)
    tokens.throttled()
    tokens.succeeded()
    assert tokens.rate == pytest.approx(1.04)
    for _ in range(24):
        tokens.succeeded()
    assert tokens.rate == pytest.approx(2.0)
    for _ in range(100):
        tokens.succeeded()
    assert tokens.rate == 2.0


# Those who wait.


@dataclass
class Queue:
    """Requests that wait for a limiter, and the order in which they passed."""

    limiter: Limiter
    passed: list[int]

    async def join(self, number):
        """Wait for one's turn."""
        await self.limiter.wait(PollRun())
        self.passed.append(number)


async def test_waiting_requests_are_sent_in_order(clock):
    """They go one by one, at the rate."""
    queue = Queue(Limiter(bucket(clock, rate=1, burst=1), clock, lambda _: None), [])
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(queue.join(number))
        for count in range(1, 5):
            await clock.until_asleep(lambda: 1)
            assert queue.passed == list(range(count))
            await clock.turn(1)
    assert queue.passed == [0, 1, 2, 3, 4]


async def test_a_canceled_request_takes_no_token(clock):
    """The next one goes when the canceled one would have gone, and all waits are recorded."""
    waits: list[float] = []
    queue = Queue(Limiter(bucket(clock, rate=1, burst=1), clock, waits.append), [])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(queue.join(number)) for number in range(4)]
        await clock.until_asleep(lambda: 1)
        tasks[1].cancel()
        tasks[2].cancel()
        await asyncio.wait(tasks[1:3])
        await clock.until_asleep(lambda: 1)
        await clock.turn(1)
    assert queue.passed == [0, 3]
    assert waits == [0, 0, 1]


# The reader's requests.


@dataclass
class Reading:
    """A reader, its own metrics, and the clock that it waits by."""

    reader: Reader
    telemetry: Telemetry
    clock: HandClock

    def value(self, name, **labels):
        """Return one of the exporter's own metrics."""
        return self.telemetry.registry.get_sample_value(f"aws_job_exporter_{name}", labels)

    def rate(self, service="bedrock", account_id=ACCOUNT):
        """Return the current request rate of a service."""
        return self.value("rate_limit", account_id=account_id, region=REGION, aws_service=service)

    def waited(self, service="bedrock"):
        """Return how long the requests to a service waited."""
        return self.value("rate_limit_wait_seconds_total", aws_service=service) or 0.0

    async def list(self, kind=BEDROCK, place=PLACE, scope=HERE):
        """Read a list of one page; return the reason if it fails."""
        try:
            return [job async for page in self.reader.jobs(PollRun(), place, kind, scope) for job in page]
        except ClientError as error:
            return poll_error(error).reason


@asynccontextmanager
async def reading(aws, clock, **settings):
    """Yield a reader that may send two requests at once, then one a second."""
    telemetry = Telemetry()
    limited = {
        **UNHURRIED["aws"],
        "endpoint_url": aws.endpoint_url,
        "max_attempts": 1,
        "requests_per_second": 1,
        "burst": 2,
        **settings,
    }
    aws_settings = Settings.model_validate({"aws": limited})
    limiters = limiters_of(aws_settings, clock, telemetry)
    limiters.note_own(ACCOUNT)
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    loader = catalog_loader(CATALOG)
    async with Clients(aws_settings, telemetry, limiters, loader, credentials) as clients:
        yield Reading(Reader(clients, Models(loader)), telemetry, clock)


def limiters_of(settings, clock, telemetry=None):
    """Return the limiters of an exporter with these settings."""
    allowance = Allowance(clock)
    allowance.allow(settings.aws.calls_per_hour or math.inf)
    return Limiters(Rates(settings, CATALOG), telemetry or Telemetry(), clock, allowance)


def refuse(service, code="ThrottlingException", status=429):
    """Return a hook of the simulator that refuses requests to a service."""

    async def hook(call):
        if call.service == service:
            raise AwsError(code, "Rate exceeded", status)

    return hook


async def test_many_lists_of_a_service_never_exceed_the_rate(aws, clock):
    """Two at once, then one a second; all the waiting is measured."""
    async with reading(aws, clock) as exporter, asyncio.TaskGroup() as group:
        tasks = [group.create_task(exporter.list()) for _ in range(10)]
        for done in range(2, 10):
            await until_done(tasks, done)
            await clock.until_asleep(lambda: 1)
            assert aws.requests["bedrock", "ListModelInvocationJobs"] == done
            await clock.turn(1)
        assert await asyncio.gather(*tasks) == [[]] * 10
        assert exporter.waited() == sum(range(1, 9))


async def test_listing_discovery_and_details_share_a_bucket(aws, clock):
    """The quota is the service's."""
    pump = aws.world.add_scope("lookoutequipment", "inference_scheduler")
    aws.world.add_job(CUSTOMIZATION, created=clock.now - 90, path=[(0, "InProgress"), (60, "Failed")], message="why")
    async with reading(aws, clock) as exporter, asyncio.TaskGroup() as group:
        name, scope = LOOKOUT.scopes[0]
        (found,) = await exporter.reader.scopes(PollRun(), PLACE, "lookoutequipment", name, scope, HERE)
        assert found.ids[name] == pump.id
        (job,) = await exporter.list(CUSTOMIZATION)
        await exporter.list(LOOKOUT, scope=found)
        await exporter.list()
        assert exporter.waited() == exporter.waited("lookoutequipment") == 0
        listing = group.create_task(exporter.list(LOOKOUT, scope=found))
        detail = group.create_task(exporter.reader.completed(PollRun(), PLACE, CUSTOMIZATION, job))
        await clock.until_asleep(lambda: 2)
        await clock.turn(1)
        assert (await listing, (await detail).message) == ([], "why")
        assert exporter.waited() == exporter.waited("lookoutequipment") == 1


@pytest.mark.parametrize(
    ("kind", "place"),
    [(TRANSLATION, PLACE), (BEDROCK, PLACE._replace(region="eu-west-1"))],
    ids=["another service", "another region"],
)
async def test_requests_with_another_quota_do_not_wait(aws, clock, kind, place):
    """Another service does not wait, nor does the same one in another region."""
    async with reading(aws, clock, burst=1) as exporter, asyncio.TaskGroup() as group:
        await exporter.list()
        slow = group.create_task(exporter.list())
        await clock.until_asleep(lambda: 1)
        await exporter.list(kind, place)
        assert not slow.done()
        await clock.turn(1)


async def test_roles_of_one_account_share_a_bucket(clock):
    """The quota is the account's."""
    roles = [Account(role_arn=f"arn:aws:iam::{ACCOUNT}:role/{name}") for name in ("one", "two")]
    other = Account(role_arn="arn:aws:iam::444455556666:role/one")
    limiters = limiters_of(Settings(), clock)
    one, two, three = (limiters.of(account, REGION, "bedrock")[0] for account in (*roles, other))
    assert one is two
    assert one is not three


def rate_of(telemetry, account_id=ACCOUNT):
    """Return the rate that is shown for a service of an account, or None if there is none."""
    labels = {"account_id": account_id, "region": REGION, "aws_service": "bedrock"}
    return telemetry.registry.get_sample_value("aws_job_exporter_rate_limit", labels)


async def test_the_limiter_used_before_the_account_is_known_becomes_its_own(clock):
    """Its rate is shown once the account id is known."""
    telemetry = Telemetry()
    limiters = limiters_of(Settings(aws=Aws(requests_per_second=3)), clock, telemetry)
    early = limiters.of(Account(), REGION, "bedrock")
    assert rate_of(telemetry, "") is None
    limiters.note_own(ACCOUNT)
    assert limiters.of(Account(), REGION, "bedrock") == early
    assert limiters.of(Account(role_arn=f"arn:aws:iam::{ACCOUNT}:role/one"), REGION, "bedrock") == early
    assert (rate_of(telemetry), rate_of(telemetry, "")) == (3, None)


async def test_an_account_that_is_already_known_keeps_its_limiter(clock):
    """A role in the account of the default credentials shares its quota, and the shown rate is the one in effect."""
    telemetry = Telemetry()
    limiters = limiters_of(Settings(aws=Aws(requests_per_second=4)), clock, telemetry)
    (known,) = limiters.of(Account(role_arn=f"arn:aws:iam::{ACCOUNT}:role/one"), REGION, "bedrock")
    assert limiters.of(Account(), REGION, "bedrock") != (known,)
    limiters.note_own(ACCOUNT)
    assert limiters.of(Account(), REGION, "bedrock") == (known,)
    known.bucket.throttled()
    assert rate_of(telemetry) == 2


STEP, CLUSTERS = CATALOG["emr"].kinds["step"], CATALOG["emr"].kinds["job_flow"]
CLUSTER = Scoped({"account_id": ACCOUNT, "cluster": "j-1"})
DOCUMENTED = {"requests_per_second": 1, "burst": 10, "quota_share": 0.25}


async def test_an_operation_gets_a_quarter_of_what_aws_documents(aws, clock):
    """Of EMR's 0.5/s and 10 at once for ListSteps, others need most; its other operations do not wait for them."""
    aws.world.add_scope("emr", "cluster", id="j-1")
    async with reading(aws, clock, **DOCUMENTED) as exporter, asyncio.TaskGroup() as group:
        for _ in range(2):
            assert await exporter.list(STEP, scope=CLUSTER) == []
        steps = group.create_task(exporter.list(STEP, scope=CLUSTER))
        await clock.until_asleep(lambda: 1)
        for _ in range(5):
            await exporter.list(CLUSTERS)
        assert exporter.waited("emr") == 0
        await clock.turn(7.9)
        assert not steps.done()
        await clock.turn(0.1)
        assert await steps == []


async def test_all_operations_of_a_service_share_its_rate_even_so(aws, clock):
    """What an operation may have of its quota is on top of nothing."""
    async with reading(aws, clock, **DOCUMENTED) as exporter, asyncio.TaskGroup() as group:
        for _ in range(10):
            await exporter.list()
        late = group.create_task(exporter.list())
        await clock.until_asleep(lambda: 1)
        assert exporter.waited() == 0
        await clock.turn(1)
        await late
        assert exporter.waited() == 1


async def test_throttling_slows_down_the_operation_and_its_service(aws, clock):
    """Which of the two quotas was used up, AWS does not say. The rate that is shown is the service's."""
    aws.world.add_scope("emr", "cluster", id="j-1")
    aws.hooks.append(refuse("emr", status=400))
    async with reading(aws, clock, **DOCUMENTED) as exporter:
        assert await exporter.list(STEP, scope=CLUSTER) is PollErrorReason.THROTTLED
        own, shared = exporter.reader.clients.limiters.of(Account(), REGION, "emr", "ListSteps")
        assert (own.bucket.rate, shared.bucket.rate) == (0.0625, 0.5)
        assert exporter.rate("emr") == 0.5


@pytest.mark.parametrize(("shards", "at_once"), [(1, 6), (3, 2), (4, 1), (10, 1)])
async def test_shards_share_rate_and_burst_and_each_may_send_a_request(clock, shards, at_once):
    """A share of the burst is at least one request: with none, a shard would wait forever."""
    settings = Settings(aws=Aws(requests_per_second=2, burst=6), shard=Shard(count=shards, index=0))
    (limiter,) = limiters_of(settings, clock).of(Account(), REGION, "bedrock")
    assert taken(limiter.bucket) == at_once
    assert limiter.bucket.rate == 2 / shards


async def test_throttling_lowers_the_rate_and_success_restores_it(aws, clock):
    """AWS reports when it is too much; every other service goes on as before."""
    aws.hooks.append(refuse("bedrock"))
    async with reading(aws, clock, burst=1) as exporter:
        assert await exporter.list() is PollErrorReason.THROTTLED
        await exporter.list(TRANSLATION)
        assert (exporter.rate(), exporter.rate("translate")) == (0.5, 1)
        aws.hooks.clear()
        await clock.turn(60)
        for successes in range(1, 26):
            assert await exporter.list() == []
            assert exporter.rate() == pytest.approx(0.5 + 0.02 * successes)
            await clock.turn(2)
        await exporter.list()
        assert exporter.rate() == 1


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_other_errors_change_nothing(aws, clock, status):
    """They say nothing about the rate."""
    async with reading(aws, clock) as exporter:
        for code in ("ThrottlingException", "SomethingElse"):
            aws.hooks[:] = [refuse("bedrock", code, status)]
            await exporter.list()
            assert exporter.rate() == 0.5
            await clock.turn(60)


async def test_a_retry_waits_for_its_token(aws, clock, monkeypatch):
    """Every attempt takes a token, and the throttled attempts of one call are one event."""

    async def at_once(_endpoint, _seconds):
        """Skip botocore's own pause."""

    monkeypatch.setattr("aiobotocore.endpoint.AioEndpoint._sleep", at_once)
    aws.hooks.append(refuse("bedrock"))
    async with reading(aws, clock, max_attempts=3) as exporter, asyncio.TaskGroup() as group:
        listing = group.create_task(exporter.list())
        for sent in (1, 2):
            await clock.until_asleep(lambda: 1)
            assert aws.requests["bedrock", "ListModelInvocationJobs"] == sent
            await clock.turn(2)
        assert await listing is PollErrorReason.THROTTLED
        assert aws.requests["bedrock", "ListModelInvocationJobs"] == 3
        assert exporter.rate() == 0.5
        assert exporter.waited() == 4


async def test_waiting_sources_leave_slots_for_other_services(aws, clock):
    """A service with many more sources than there are slots takes only a few of them."""
    others_came = asyncio.Event()

    async def hold(call):
        if call.service == "translate":
            others_came.set()
        elif call.service == "lookoutequipment":
            await others_came.wait()

    aws.hooks.append(hold)
    schedulers = [f"pump-{number}" for number in range(60)]
    services = {"lookoutequipment": {"inference_schedulers": schedulers}, "translate": {"kinds": [TRANSLATION.key]}}
    settings = configured(aws.endpoint_url, services, poll={"concurrency": 5})
    async with running(settings, clock) as exporter:
        assert exporter.up(kind=TRANSLATION.key) == 1
    assert aws.requests["lookoutequipment", "ListInferenceExecutions"] == 60


async def test_waiting_for_the_rate_does_not_count_toward_the_timeout():
    """A source that needs many requests becomes slow, not down."""
    clock = HandClock()
    bucket = AdaptiveBucket(capacity=1, rate=0.001, monotonic=clock.monotonic)
    limiter = Limiter(bucket, clock, lambda _: None)
    poll = PollRun()
    await limiter.wait(poll)

    async def turn():
        await clock.until_asleep(lambda: 1)
        await clock.turn(1000)

    async with asyncio.TaskGroup() as group:
        group.create_task(turn())
        async with poll.limit(0):
            await limiter.wait(poll)
    with pytest.raises(TimeoutError):
        async with poll.limit(0):
            await asyncio.Event().wait()


async def test_a_time_limit_continues_where_it_was_paused():
    """It resumes with the time it had left, however long the pause took."""
    poll = PollRun()
    async with poll.limit(PATIENCE):
        with poll.paused():
            elapse(2 * PATIENCE)
        await asyncio.sleep(0)

    async def hang():
        async with poll.limit(PATIENCE):
            with poll.paused():
                elapse(2 * PATIENCE)
            elapse(1.5 * PATIENCE)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await hang()


async def test_without_a_time_limit_nothing_is_paused():
    """This holds without a limit and within another pause, which ends with the outer one."""
    poll = PollRun()
    with poll.paused():
        await asyncio.sleep(0)
    async with poll.limit(PATIENCE):
        with poll.paused():
            with poll.paused():
                pass
            elapse(2 * PATIENCE)
            await asyncio.sleep(0)


# The limit of the whole process.


def bucket_of(allowance):
    """Return the bucket behind a limit."""
    assert allowance._limiter
    return allowance._limiter.bucket


@given(
    per_hour=st.integers(10, 2000),
    pauses=st.lists(st.floats(0, 1200), max_size=60),
    resized=st.integers(0, 60),
)
def test_no_hour_exceeds_the_limit(per_hour, pauses, resized):
    """Whenever requests come; nor when a reload sets the same limit again."""
    clock = HandClock(now=0.0)
    allowance = Allowance(clock)
    allowance.allow(per_hour)
    passed: list[float] = []
    for number, pause in enumerate(pauses):
        clock.now += pause
        if number == resized:
            allowance.allow(per_hour)
        passed += [clock.now] * taken(bucket_of(allowance))
    for start in passed:
        assert sum(start <= each <= start + 3600 for each in passed) <= per_hour


async def test_every_request_of_the_process_counts(aws, clock):
    """Whichever service, region or account it is for, assuming its role included; others wait for the next one."""
    role = Account(role_arn="arn:aws:iam::444455556666:role/one")
    async with reading(aws, clock, calls_per_hour=37, burst=10) as exporter, asyncio.TaskGroup() as group:
        # Of 37 requests one may be sent at once; one more comes in every hundred seconds.
        await exporter.list()
        for request in (
            exporter.list(TRANSLATION),
            exporter.list(place=PLACE._replace(region="eu-west-1")),
            exporter.reader.clients.account_id(PollRun(), Place(role, REGION)),
        ):
            before = sum(aws.requests.values())
            task = group.create_task(request)
            await clock.until_asleep(lambda: 1)
            assert sum(aws.requests.values()) == before
            while not task.done():
                # Only while it waits: time that passes while a request is under way would let the next one go at once.
                if clock._sleepers:
                    await clock.turn(100)
                await asyncio.sleep(0.01)
        assert aws.requests["sts", "AssumeRole"] == 1


async def test_another_limit_holds_from_then_on(clock):
    """A reload may raise, lower and lift it, and saves up nothing on the way."""
    allowance = Allowance(clock)
    allowance.allow(200)
    bucket = bucket_of(allowance)
    assert taken(bucket) == 10
    allowance.allow(400)
    assert bucket.take() == pytest.approx(3600 / 380)
    await clock.turn(3600)
    allowance.allow(100)
    assert taken(bucket) == 5
    assert bucket.take() == pytest.approx(3600 / 95)
    allowance.allow(math.inf)
    await allowance.wait(PollRun())
