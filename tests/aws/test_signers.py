"""Each request is signed by the account that it is made for: no answer ever counts for another one."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.aws import Credentials
from exporter.simulator import AwsError
from tests.support.faults import Fault
from tests.support.harness import BEDROCK, KEYS, NOW, REGION, HandClock, Running, configured, running, simulated
from tests.support.simulated_aws import SimulatedAws

ACCOUNTS = [f"{100_000_000_000 + number}" for number in range(200)]
SERVICES = {"bedrock": {"kinds": [BEDROCK.key]}, "timestream-write": {}}
INFO = re.compile(r'aws_job_info\{account_id="(\d+)".*job_name="of-(\d+)"')
PER_JOB = {"per_job": True}


def role(account: str) -> str:
    """Return the role that an account is read by."""
    return f"arn:aws:iam::{account}:role/exporter"


@asynccontextmanager
async def reading(
    accounts: list[str],
    sections: list[dict[str, Any]],
    services: Any = SERVICES,
    prepare: Callable[[SimulatedAws], None] = lambda _: None,
    credentials: Credentials | None = KEYS,
) -> AsyncIterator[tuple[SimulatedAws, Running]]:
    """Yield an AWS in which each account has a job with its name, and an exporter that reads these accounts."""
    clock = HandClock()
    async with simulated(clock) as aws:
        for account in accounts:
            for _ in range(1 + int(account) % 3):
                path, name = [(0.0, "InProgress")], f"of-{account}"
                aws.world.add_job(BEDROCK, created=NOW - 90, path=path, account=account, name=name)
        prepare(aws)
        limits = {"series": 10**6}
        settings = configured(aws.endpoint_url, services, accounts=sections, metrics=PER_JOB, limits=limits)
        async with running(settings, clock, credentials=credentials) as exporter:
            yield aws, exporter


def owners(exporter: Running) -> Counter[tuple[str, str]]:
    """Return how many jobs are shown, by the account that they are shown for and the one that they are of."""
    return Counter((match[1], match[2]) for line in exporter.read().lines if (match := INFO.match(line)))


def own(accounts: list[str]) -> Counter[tuple[str, str]]:
    """Return what is right."""
    return Counter({(account, account): 1 + int(account) % 3 for account in accounts})


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_BEARER_TOKEN_BEDROCK": "bedrock-api-key-of-somebody"},
        {"AWS_AUTH_SCHEME_PREFERENCE": "httpBearerAuth,sigv4", "AWS_BEARER_TOKEN_BEDROCK": "of-somebody"},
        {"AWS_AUTH_SCHEME_PREFERENCE": "sigv4a", "AWS_SIGV4A_SIGNING_REGION_SET": "*"},
        {"AWS_ACCOUNT_ID": "999999999999", "AWS_ACCOUNT_ID_ENDPOINT_MODE": "required"},
        {"AWS_ENABLE_ENDPOINT_DISCOVERY": "true"},
    ],
    ids=lambda environment: ", ".join(environment) or "nothing",
)
async def test_two_hundred_accounts_are_never_confused(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are read at once by the same clients, whatever the environment says about how to sign."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    accounts = ACCOUNTS[:: 10 if environment else 1]
    sections = [{"role_arn": role(account), "regions": [REGION]} for account in accounts]
    async with reading(accounts, sections) as (aws, exporter):
        assert owners(exporter) == own(accounts)
        assert set(exporter.read().by("account_id", "aws_job_exporter_source_up").values()) == {1}
        await exporter.turn(70)
        assert owners(exporter) == own(accounts)
        assert aws.connections <= exporter.poller._context.settings.poll.concurrency


@pytest.mark.slow
async def test_credentials_that_change_meanwhile_are_never_confused() -> None:
    """Some are renewed before each request, some are denied, some have expired, some accounts are unknown to STS."""
    accounts = ACCOUNTS[:50]
    renewed, denied, expired = accounts[:10], accounts[10:20], accounts[20:30]

    def prepare(aws: SimulatedAws) -> None:
        # The exporter renews credentials that are about to expire before each request.
        soon = datetime.fromtimestamp(time.time() + 300, UTC).isoformat()
        for account in renewed:
            aws.faults.add(Fault.members(Expiration=soon), operation="AssumeRole", scope=role(account))

        async def refuse(call: Any) -> None:
            if call.operation == "AssumeRole" and call.arguments["RoleArn"].split(":")[4] in denied:
                raise AwsError("AccessDenied", "not authorized", 403)
            if call.service == "bedrock" and call.account in expired:
                raise AwsError("ExpiredTokenException", "expired", 403)

        aws.hooks.append(refuse)

    sections = [{"role_arn": role(account), "regions": [REGION]} for account in accounts]
    async with reading(accounts, sections, prepare=prepare) as (_, exporter):
        for _ in range(3):
            assert owners(exporter) == own([each for each in accounts if each not in {*denied, *expired}])
            await exporter.turn(70)


async def test_default_credentials_that_become_another_accounts_do_not_count_for_the_old_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The source fails and says why, until the account is looked up again; then it is read under its own id."""
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def write(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = made-up\n")

    rejected: set[str] = set()

    def prepare(aws: SimulatedAws) -> None:
        aws.world.accounts.update(zip(FILED, ACCOUNTS, strict=False))

        async def refuse(call: Any) -> None:
            if call.access_key in rejected:
                raise AwsError("ExpiredTokenException", "expired", 403)

        aws.hooks.append(refuse)

    write(FILED[0])
    first, second = ACCOUNTS[:2]
    services = {"bedrock": {"kinds": [BEDROCK.key]}}
    async with reading([first, second], [{}], services, prepare, credentials=None) as (_, exporter):
        assert owners(exporter) == own([first])
        write(FILED[1])
        rejected.add(FILED[0])
        await exporter.turn(70)
        await exporter.turn(70)
        page = exporter.read()
        assert page.why(account_id=first, kind=BEDROCK.key) == "expired_credentials"
        assert owners(exporter) == own([first])
        await exporter.turn(700)
        await exporter.turn(70)
        assert owners(exporter) == own([second])


FILED = ["AKIAMADEUP0000000001", "AKIAMADEUP0000000002"]
