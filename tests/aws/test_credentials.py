"""Credentials are found wherever AWS's SDKs find them, and are renewed and replaced while the exporter runs."""

import asyncio
import io
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from botocore.exceptions import NoCredentialsError

from exporter import app
from exporter.cli import main
from exporter.simulator import AwsError
from exporter.telemetry import configure_logging
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION, HandClock, configured, simulated
from tests.support.issuer import issuing, silent
from tests.support.patience import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("restored_logging")]

ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-job-exporter"
OTHER = "arn:aws:iam::444455556666:role/monitoring/aws-job-exporter"
SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}}
SOON = timedelta(minutes=5)
"""Less than botocore keeps credentials for: it renews them before each use."""


@pytest.fixture
def appear(monkeypatch):
    """Return a function that puts credentials in the environment."""

    def put():
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")

    return put


@pytest.fixture
def shared_file(monkeypatch, tmp_path):
    """Return a function that writes keys to the file of profiles."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(key, profile="default"):
        file.write_text(f"[{profile}]\naws_access_key_id = {key}\naws_secret_access_key = made-up\n")

    return write


@pytest.fixture
def token_file(tmp_path):
    """Return a file with a token."""
    file = tmp_path / "token"
    file.write_text("a-token")
    return file


@pytest.fixture
def irsa(monkeypatch, token_file):
    """Set up what EKS gives a pod whose service account has a role; return its token file."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token_file))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    return token_file


@asynccontextmanager
async def parts_of(address, *accounts, clock=None, **sections):
    """Yield the parts of an exporter that reads these accounts, or the default one."""
    settings = configured(address, SERVICES, accounts=accounts or [{}], **sections)
    async with app.assembled(settings, CATALOG, REGION, clock=clock or HandClock()) as parts:
        yield parts


async def polled(parts, times=1):
    """Poll all accounts, and return the status of the first."""
    for _ in range(times):
        for root in parts.roots:
            await parts.poller.poll(root)
    return parts.roots[0].status


# The default chain.


@pytest.mark.parametrize("account", [{}, {"role_arn": ROLE}], ids=["default chain", "role"])
async def test_an_exporter_that_starts_before_its_credentials_recovers(appear, account):
    """No client or role session that was made without credentials is kept."""
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url, account) as parts:
        status = await polled(parts)
        assert (status.reason, status.error) == ("expired_credentials", str(NoCredentialsError()))
        appear()
        assert (await polled(parts)).is_up


async def test_keys_are_read_from_their_file_once_it_exists(shared_file):
    """Whatever writes the file may be slower than the exporter."""
    async with issuing() as aws, parts_of(aws.address) as parts:
        assert (await polled(parts)).reason == "expired_credentials"
        shared_file("AKIAMADEUP00000007")
        assert (await polled(parts)).is_up
        assert aws.keys() == ["7"]


async def test_keys_come_from_the_profile(shared_file, monkeypatch):
    """AWS_PROFILE names the profile."""
    monkeypatch.setenv("AWS_PROFILE", "monitoring")
    shared_file("AKIAMADEUP00000008", "monitoring")
    async with issuing() as aws, parts_of(aws.address) as parts:
        assert (await polled(parts)).is_up
        assert aws.keys() == ["8"]


def test_a_missing_profile_is_a_configuration_error(monkeypatch, capsys):
    """One line names it."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_REGION", REGION)
    assert main(["once"]) == 2
    assert capsys.readouterr().err == ("aws-job-exporter: AWS_PROFILE: AWS's configuration has no profile 'nobody'\n")


async def test_replaced_keys_are_read_again_once_aws_rejects_the_old_ones(shared_file):
    """By itself botocore would keep the old keys until the process ends."""
    expired = set()

    async def refuse(call):
        if call.access_key in expired:
            raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)

    shared_file("AKIAMADEUP00000001")
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url) as parts:
        aws.hooks.append(refuse)
        assert (await polled(parts)).is_up
        shared_file("AKIAMADEUP00000002")
        expired.add("AKIAMADEUP00000001")
        assert (await polled(parts)).reason == "expired_credentials"
        assert (await polled(parts)).is_up


@pytest.mark.parametrize("account", [{}, {"role_arn": ROLE}], ids=["default chain", "role"])
async def test_missing_instance_metadata_causes_no_long_wait(monkeypatch, account):
    """Without metadata the last provider of the chain never responds; it is tried twice, for a second each.

    A connection without a response is what a container sees whose instance has a hop limit of 1.
    """
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    async with silent() as (metadata, requests), issuing() as aws:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{metadata}/")
        async with parts_of(aws.address, account) as parts:
            status = await polled(parts)
            assert status.reason == "expired_credentials"
            assert "a hop limit of 2" in status.error
        assert requests == ["PUT", "GET"]


async def test_a_machine_without_instance_metadata_is_told_nothing_of_hops(monkeypatch):
    """There it is not the cause."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/")
    async with issuing() as aws, parts_of(aws.address) as parts:
        assert (await polled(parts)).error == str(NoCredentialsError())


# Web identity: IAM roles for service accounts.


async def test_a_web_identity_is_renewed_with_the_current_token(irsa):
    """Kubernetes replaces the token while the exporter runs."""
    async with issuing(lifetime=SOON) as sts, parts_of(sts.address) as parts:
        assert (await polled(parts)).is_up
        irsa.write_text("tomorrows-token")
        assert (await polled(parts)).is_up
        forms = [form for operation, _, form in sts.requests if operation == "AssumeRoleWithWebIdentity"]
        assert {form["RoleArn"] for form in forms} == {ROLE}
        assert forms[0]["WebIdentityToken"] == "a-token"
        assert forms[-1]["WebIdentityToken"] == "tomorrows-token"
        assert sts.keys()[-1] > sts.keys()[0]


async def test_all_regions_share_the_credentials_of_a_web_identity(irsa):
    """STS gets one request, however many clients need it at the same time."""
    places = {"regions": ["us-east-1", "eu-west-1", "us-west-2"]}
    async with issuing() as sts, parts_of(sts.address, places) as parts:
        await asyncio.gather(*map(parts.poller.poll, parts.roots))
        assert sts.keys() == ["1", "1", "1"]


async def test_a_web_identity_can_start_a_chain_of_roles(irsa):
    """The pod's role assumes the account's role."""
    async with issuing() as sts, parts_of(sts.address, {"role_arn": OTHER, "external_id": "shared"}) as parts:
        assert (await polled(parts, 3)).is_up
        assert sts.keys() == ["2", "2", "2"]
        ((_, sender, form),) = [request for request in sts.requests if request[0] == "AssumeRole"]
        assert sender.endswith("1")
        assert (form["RoleArn"], form["ExternalId"], form["RoleSessionName"]) == (OTHER, "shared", "aws-job-exporter")


async def test_a_token_file_that_is_missing_is_named(irsa):
    """The error is about credentials, not about the network."""
    irsa.unlink()
    async with issuing() as sts, parts_of(sts.address) as parts:
        status = await polled(parts)
        assert status.reason == "expired_credentials"
        assert str(irsa) in status.error
        irsa.write_text("a-token")
        assert (await polled(parts)).is_up


# Containers: EKS Pod Identity and ECS.


@pytest.fixture
def pod(monkeypatch, token_file):
    """Return a function that sets up what EKS Pod Identity gives a pod, and the token file."""

    def give(agent):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{agent.address}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token_file))
        return token_file

    return give


async def test_the_credentials_of_a_pod_are_renewed_with_the_current_token(pod):
    """The agent is requested again before they expire."""
    async with issuing(lifetime=SOON) as agent:
        file = pod(agent)
        async with parts_of(agent.address) as parts:
            assert (await polled(parts)).is_up
            file.write_text("tomorrows-token")
            assert (await polled(parts)).is_up
        senders = agent.senders("container")
        assert (senders[0], senders[-1]) == ("a-token", "tomorrows-token")
        assert agent.keys()[-1] > agent.keys()[0]


BROKEN = {
    "no keys": (lambda: web.json_response({"code": "nothing"}), "no credentials: KeyError: 'AccessKeyId'"),
    "refused": (lambda: web.Response(status=400, text="no association"), "no association"),
}


@pytest.mark.parametrize(("response", "error"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_bad_response_from_the_agent_is_not_a_bug(pod, response, error):
    """The source reports what the agent said, and recovers."""
    async with issuing() as agent:
        pod(agent)
        async with parts_of(agent.address) as parts:
            agent.broken = response
            status = await polled(parts)
            assert status.reason == "expired_credentials"
            assert error in status.error
            agent.broken = None
            assert (await polled(parts)).is_up


# Roles.


async def test_a_role_is_assumed_again_before_its_credentials_expire(appear):
    """It is not assumed more often than that."""
    appear()
    for lifetime, times in ((SOON, 3), (timedelta(hours=1), 1)):
        async with issuing(lifetime=lifetime) as sts, parts_of(sts.address, {"role_arn": ROLE}) as parts:
            assert (await polled(parts, 3)).is_up
            assert len(set(sts.keys())) == times


async def test_expired_credentials_are_not_a_bug(appear):
    """This happens where the clocks differ by an hour."""
    appear()
    async with issuing(lifetime=-SOON) as sts, parts_of(sts.address, {"role_arn": ROLE}) as parts:
        status = await polled(parts)
        assert status.reason == "expired_credentials"
        assert "still expired" in status.error
        sts.lifetime = timedelta(hours=1)
        assert (await polled(parts)).is_up


async def test_a_refused_role_takes_down_only_its_own_account(appear):
    """The account reports why on every page, and once in the log."""
    appear()
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    external_ids = {}

    async def refuse(call):
        if call.operation == "AssumeRole":
            external_ids[call.arguments["RoleArn"]] = call.arguments["ExternalId"]
            if call.arguments["RoleArn"] == OTHER:
                raise AwsError("AccessDenied", f"not authorized to perform: sts:AssumeRole on resource: {OTHER}", 403)

    accounts = ({"role_arn": ROLE, "external_id": "one"}, {"role_arn": OTHER, "external_id": "two"})
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url, *accounts) as parts:
        aws.hooks.append(refuse)
        await polled(parts, 5)
        good, bad = (root.status for root in parts.roots)
    assert external_ids == {ROLE: "one", OTHER: "two"}
    assert good.is_up
    assert (bad.reason, bad.consecutive_failures) == ("access_denied", 5)
    assert "sts:AssumeRole" in bad.error
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["msg"], line["account_id"], line["reason"]) == ("source down", "444455556666", "access_denied")


async def test_an_sts_that_hangs_for_one_role_does_not_block_the_others(appear):
    """Its time-out does not carry over to the next attempt either."""
    appear()
    hanging, over = asyncio.Event(), asyncio.Event()

    async def hang(call):
        if call.arguments.get("RoleArn") == OTHER:
            hanging.set()
            await over.wait()

    accounts: tuple[dict[str, str], ...] = ({"role_arn": OTHER}, {"role_arn": ROLE}, {})
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url, *accounts) as parts, asyncio.timeout(PATIENCE):
        aws.hooks.append(hang)
        stuck, *others = parts.roots
        waiting = asyncio.create_task(parts.poller.poll(stuck))
        await hanging.wait()
        for root in others:
            assert await parts.poller.poll(root)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        over.set()
        assert await parts.poller.poll(stuck)


async def test_a_role_is_assumed_in_the_region_that_is_read(appear):
    """An outage of STS in one region does not affect the others."""
    appear()
    regions = set()

    async def refuse(call):
        if call.operation == "AssumeRole":
            regions.add(call.region)
            if call.region == "us-east-1":
                raise AwsError("ServiceUnavailable", "down", 503)

    places = {"role_arn": ROLE, "regions": ["us-east-1", "eu-west-1"]}
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url, places) as parts:
        aws.hooks.append(refuse)
        await polled(parts)
        assert [root.status.reason for root in parts.roots] == ["server_error", None]
    assert regions == {"us-east-1", "eu-west-1"}


async def test_the_rate_of_the_default_account_carries_its_id(appear):
    """The bucket exists before anyone knows which account it belongs to."""
    appear()
    async with simulated(HandClock()) as aws, parts_of(aws.endpoint_url) as parts:
        await polled(parts)
        (family,) = (found for found in parts.telemetry.registry.collect() if found.name.endswith("rate_limit"))
        assert [sample.labels["account_id"] for sample in family.samples] == [ACCOUNT]
