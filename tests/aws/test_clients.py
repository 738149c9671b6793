"""Clients: made once, off the event loop, and kept with their connections."""

import asyncio
import threading
from collections import Counter
from contextlib import asynccontextmanager
from itertools import product

import pytest
from botocore.loaders import JSONFileLoader, Loader

from exporter.aws import Clients, Credentials, Limiters, Place, PollError, PollRun
from exporter.aws.pools import Pools
from exporter.aws.session import Session
from exporter.clock import Clock
from exporter.settings import Account, Rates, Settings
from exporter.telemetry import Telemetry
from tests.support.harness import CATALOG, REGION
from tests.support.issuer import issuing, silent
from tests.support.patience import UNHURRIED, eventually

NOWHERE = "http://127.0.0.1:9"
KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
ROLES = [Account(role_arn=f"arn:aws:iam::{number}:role/reader") for number in ("111122223333", "444455556666")]


class Watched(JSONFileLoader):  # type: ignore[misc] # botocore has no types
    """Notes which files are read, and in which thread."""

    def __init__(self):
        self.read: Counter[str] = Counter()
        self.threads = set()

    def load_file(self, file_path):
        """Read a file."""
        content = super().load_file(file_path)
        if content is not None:
            self.read[file_path] += 1
            self.threads.add(threading.get_ident())
        return content


@asynccontextmanager
async def clients_of(address, loader=None, *, keys=KEYS, aws=None, **sections):
    """Yield the clients of a simulated AWS."""
    settings = Settings.model_validate(
        {"aws": {**UNHURRIED["aws"], "endpoint_url": address, **(aws or {})}, **sections}
    )
    telemetry = Telemetry()
    limiters = Limiters(Rates(settings, CATALOG), telemetry, Clock())
    async with Clients(settings, telemetry, limiters, loader or Loader(), keys) as clients:
        yield clients


async def test_models_are_read_once_for_all_regions_and_never_on_the_event_loop():
    """Some of them take 100 ms (aiobotocore#1023), and 20 MB."""
    files = Watched()
    async with clients_of(NOWHERE, Loader(file_loader=files)) as clients:
        requested = product(("us-east-1", "eu-west-1"), ("bedrock", "cleanroomsml", "sts"))
        await asyncio.gather(*(clients.client(*key) for key in requested))
    assert any("cleanroomsml" in path for path in files.read)
    assert set(files.read.values()) == {1}
    assert threading.get_ident() not in files.threads


async def test_concurrent_callers_share_one_new_client():
    """And one request for the credentials of a role."""
    async with issuing() as sts, clients_of(sts.address) as clients:
        found = await asyncio.gather(*(clients.client(REGION, "bedrock") for _ in range(10)))
        assert len(set(map(id, found))) == 1
        await asyncio.gather(*(clients.account_id(PollRun(), Place(ROLES[0], REGION)) for _ in range(10)))
        assert len(sts.senders("AssumeRole")) == 1


@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
async def test_credentials_are_requested_in_the_region_of_the_environment(monkeypatch, region):
    """By itself botocore ignores AWS_REGION, and would use the one STS in us-east-1."""
    monkeypatch.setenv("AWS_REGION", region)
    session = Session(Settings(), Loader(), Pools(1))
    async with session.create_client("sts", aws_access_key_id="made", aws_secret_access_key="up") as sts:
        assert sts.meta.endpoint_url == f"https://sts.{region}.amazonaws.com"


@pytest.mark.parametrize(("variable", "value"), [("AWS_RETRY_MODE", "legacy"), ("AWS_MAX_ATTEMPTS", "9")])
async def test_the_environment_does_not_change_retries(monkeypatch, variable, value):
    """The settings decide how often a request is tried, and the mode is always `standard`."""
    monkeypatch.setenv(variable, value)
    async with clients_of(NOWHERE) as clients:
        client = await clients.client(REGION, "bedrock")
        assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 3}


async def test_a_poll_with_a_slot_never_waits_for_a_connection():
    """A client has ten connections by default."""
    async with clients_of(NOWHERE, poll={"concurrency": 40}) as clients:
        client = await clients.client(REGION, "bedrock")
        assert client.meta.config.max_pool_connections == 40


async def test_requests_for_credentials_follow_the_settings_too(monkeypatch, tmp_path):
    """By default, botocore waits for a hanging STS five times, a minute each; the endpoint setting applies, too."""
    token = tmp_path / "token"
    token.write_text("a-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", str(ROLES[0].role_arn))
    async with silent() as (address, requests):
        aws = {"read_timeout": "100ms", "max_attempts": 1}
        async with clients_of(address, keys=None, aws=aws) as clients:
            with pytest.raises(PollError, match="Read timeout"):
                await clients.account_id(PollRun(), Place(Account(), REGION))
        await eventually(lambda: requests)
        assert requests == ["POST"]
