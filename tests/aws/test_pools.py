"""Pools to AWS: shared, replaced in time, and verified by the operator's bundle, which is read once."""

import asyncio
import gzip
import os
import ssl
import threading
import zlib
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web
from botocore.exceptions import ClientError, SSLError
from botocore.loaders import Loader
from freezegun import freeze_time

from exporter.aws import Clients, Credentials, Limiters, Place, PollRun
from exporter.aws.poll_error import BadResponseError
from exporter.aws.pools import MOST, Pools
from exporter.aws.session import Session
from exporter.clock import Clock
from exporter.settings import Account, Rates, Settings
from exporter.telemetry import Telemetry
from tests.support.greeting import self_signed
from tests.support.harness import ACCOUNT, CATALOG
from tests.support.issuer import issuing
from tests.support.patience import UNHURRIED, eventually

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1")


class Server:
    """A certificate for 127.0.0.1 in a bundle, as of a proxy that a company puts before AWS."""

    def __init__(self, folder: Path) -> None:
        self.bundle = folder / "bundle.pem"
        self._key = folder / "key.pem"
        self._renewed = 0
        self.renew()

    def renew(self) -> None:
        """Write a new certificate, a second later than the one before."""
        certificate, key = self_signed("proxy", "127.0.0.1")
        self.bundle.write_bytes(certificate)
        self._key.write_bytes(key)
        self._renewed += 1
        os.utime(self.bundle, (self._renewed, self._renewed))

    def context(self) -> ssl.SSLContext:
        """Return what a server needs to present the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bundle, self._key)
        return context


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server whose certificate AWS's clients are told to trust."""
    server = Server(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(server.bundle))
    return server


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[ssl.SSLContext]:
    """Return the TLS contexts that read a bundle, as they are made."""
    made: list[ssl.SSLContext] = []

    together = threading.Barrier(2)

    class Noted(ssl.SSLContext):
        def load_verify_locations(self, *arguments, **options):
            made.append(self)
            # Time for another thread to get here, too, if it may.
            with suppress(threading.BrokenBarrierError):
                together.wait(0.3)
            return super().load_verify_locations(*arguments, **options)

    monkeypatch.setattr("botocore.httpsession.SSLContext", Noted)
    return made


async def identities(address: str) -> list[str]:
    """Return what a new exporter's clients for each region learn from STS."""
    settings = Settings.model_validate({"aws": {**UNHURRIED["aws"], "endpoint_url": address, "max_attempts": 1}})
    telemetry = Telemetry()
    limiters = Limiters(Rates(settings, CATALOG), telemetry, Clock())
    keys = Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    async with Clients(settings, telemetry, limiters, Loader(), keys) as clients:
        places = [Place(Account(), region) for region in REGIONS]
        # All to their end, as in an exporter: whatever is under way when the event loop ends stays open.
        asked = (clients.account_id(PollRun(), place) for place in places)
        found = await asyncio.gather(*asked, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException):
            raise each
    return [str(each) for each in found]


@pytest.mark.slow
async def test_a_bundle_is_read_once_for_all_clients(server, made):
    """Each of 5,600 clients, of 200 accounts, would need 13 ms and 0.7 MB for it."""
    async with issuing(server.context()) as sts:
        assert len(await identities(sts.address)) == len(REGIONS)
    assert len(made) == 1


@pytest.mark.slow
async def test_a_renewed_bundle_applies_after_a_reload(server, made):
    """A reload makes new clients, and they trust what the file says now."""
    async with issuing(server.context()) as sts:
        await identities(sts.address)
    server.renew()
    async with issuing(server.context()) as sts:
        assert len(await identities(sts.address)) == len(REGIONS)
    assert len(made) == 2


async def test_an_untrusted_server_gets_no_request(server, tmp_path, monkeypatch):
    """Neither a certificate that is not in the bundle nor one for another host gets a signed request."""
    strange = tmp_path / "strange"
    strange.mkdir()
    async with issuing(Server(strange).context()) as sts:
        with pytest.raises(SSLError):
            await identities(sts.address)
        assert sts.requests == []
    async with issuing(server.context()) as sts:
        with pytest.raises(SSLError):
            await identities(sts.address.replace("127.0.0.1", "localhost"))
        assert sts.requests == []


@asynccontextmanager
async def asking(address):
    """Yield a function that asks an STS with a new exporter's connections."""
    settings = Settings.model_validate({"aws": {**UNHURRIED["aws"], "endpoint_url": address, "max_attempts": 1}})
    telemetry = Telemetry()
    limiters = Limiters(Rates(settings, CATALOG), telemetry, Clock())
    async with Clients(
        settings, telemetry, limiters, Loader(), Credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
    ) as clients:
        yield partial(clients.account_id, PollRun(), Place(Account(), REGIONS[0]))


async def test_a_connection_is_used_again_for_a_minute_at_most():
    """A new one costs three round trips, and an old one never sees that a name has another address."""
    with freeze_time("2026-09-21", real_asyncio=True) as clock:
        async with issuing() as sts, asking(sts.address) as ask:
            for interval in (0, 25, 25):
                clock.tick(interval)
                await ask()
            assert len(sts.connections) == 1
            clock.tick(25)
            await ask()
            assert len(sts.connections) == 2


async def test_connections_are_replaced_after_a_server_error():
    """A balancer may lead an old one to the server that is ill, and a new one to one that is well."""
    ill = [False]
    async with issuing(broken=lambda: web.Response(status=503) if ill[0] else None) as sts, asking(sts.address) as ask:
        await ask()
        ill[0] = True
        with pytest.raises(ClientError):
            await ask()
        ill[0] = False
        await ask()
        assert len(sts.connections) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status):
    """No header of ours goes to a host that nobody chose, and what that host says is not AWS's answer."""
    async with issuing() as elsewhere:
        headers = {"Location": f"{elsewhere.address}/steal"}
        async with (
            issuing(broken=lambda: web.Response(status=status, headers=headers)) as sts,
            asking(sts.address) as ask,
        ):
            with pytest.raises(BadResponseError, match=f"HTTP {status} leads elsewhere"):
                await ask()
            assert len(sts.requests) == 1
        assert elsewhere.connections == set()


RESULT = (
    f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
).encode()
LONG = b" " * (MOST + 1)
NOTHING = b"\x00\x00\x00\xff\xff"
"""A block of a deflate stream that holds nothing."""

TOO_LONG = {
    "as it is": (LONG, "identity"),
    "gzip": (gzip.compress(LONG, 1), "gzip"),
    "deflate": (zlib.compress(LONG, 1), "deflate"),
    "compressed": (gzip.compress(b"")[:10] + NOTHING * (MOST // 5 + 1), "gzip"),
}


@pytest.mark.parametrize(("body", "encoding"), TOO_LONG.values(), ids=TOO_LONG)
async def test_a_response_without_end_is_refused(body, encoding):
    """However it is encoded, received and decompressed; the next request gets another connection, and works."""
    bad = web.Response(body=body, headers={"Content-Encoding": encoding})
    async with issuing(broken=lambda: bad) as sts, asking(sts.address) as ask:
        with pytest.raises(BadResponseError, match="more than 64 MiB"):
            await ask()
        sts.broken = None
        assert await ask() == ACCOUNT
        assert len(sts.connections) == 2


@pytest.mark.parametrize(
    ("compress", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (bytes, "identity")]
)
async def test_a_compressed_response_counts(compress, encoding):
    """No request asks for it, but a proxy may do it all the same."""
    headers = {"Content-Encoding": encoding, "Content-Type": "text/xml"}
    odd = web.Response(body=compress(RESULT), headers=headers)
    async with issuing(broken=lambda: odd) as sts, asking(sts.address) as ask:
        assert await ask() == ACCOUNT


async def test_what_cannot_be_decompressed_is_no_response():
    """It says so, and is no failure of the network."""
    bad = web.Response(body=RESULT, headers={"Content-Encoding": "gzip"})
    async with issuing(broken=lambda: bad) as sts, asking(sts.address) as ask:
        with pytest.raises(BadResponseError, match="cannot be decompressed"):
            await ask()


async def test_idle_connections_make_room_for_those_to_other_hosts():
    """Thirty services in four regions would otherwise keep more than a poll needs."""
    async with AsyncExitStack() as stack:
        pools = await stack.enter_async_context(Pools(2))
        session = Session(Settings(), Loader(), pools)
        hosts = [await stack.enter_async_context(issuing()) for _ in range(4)]
        options = {"aws_access_key_id": "made", "aws_secret_access_key": "up", "region_name": REGIONS[0]}
        for host in hosts:
            sts = await stack.enter_async_context(session.create_client("sts", endpoint_url=host.address, **options))
            await sts.get_caller_identity()
        await eventually(lambda: [host.is_connected for host in hosts] == [False, False, True, True])


async def test_requests_under_way_keep_their_connections():
    """However old they are, and however many: whoever waits for AWS is not cut off."""
    with freeze_time("2026-09-21", real_asyncio=True) as clock:
        async with issuing(held=asyncio.Event()) as sts, asking(sts.address) as ask:
            first = asyncio.create_task(ask())
            await eventually(lambda: len(sts.connections) == 1)
            clock.tick(70)
            second = asyncio.create_task(ask())
            await eventually(lambda: len(sts.connections) == 2)
            sts.held.set()
            assert await first == await second


async def test_responses_that_arrive_together_are_handled_one_by_one():
    """Whoever else waits, such as a health check, waits for one of them and not for all."""
    async with issuing() as sts, asking(sts.address) as ask:
        sts.held.clear()
        asking_together = [asyncio.create_task(ask()) for _ in range(20)]
        await eventually(lambda: len(sts.requests) == 20)
        seen: list[int] = []
        sts.held.set()
        while len(seen) < 2 or seen[-1] < 20:
            await asyncio.sleep(0)
            seen.append(sum(each.done() for each in asking_together))
        assert max(after - before for before, after in pairwise(seen)) == 1
