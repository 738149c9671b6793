"""Errors on the way to AWS name their cause: each is made to happen, over real connections."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from exporter import app
from exporter.aws import poll_error
from exporter.simulator import AwsError
from exporter.telemetry import SourceStatus
from tests.support.faults import Fault
from tests.support.greeting import self_signed
from tests.support.harness import BEDROCK, CATALOG, KEYS, REGION, HandClock, configured, simulated

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Yield the port of a server on the loopback."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def tried(url: str, region: str = REGION) -> SourceStatus:
    """Poll the account, and its list of jobs if it can be read; return the status of the last source."""
    settings = configured(url, {"bedrock": {"kinds": [BEDROCK.key]}}, accounts=[{"regions": [region]}])
    async with app.assembled(settings, CATALOG, REGION, credentials=KEYS, clock=HandClock()) as parts:
        (source,) = parts.roots
        while await parts.poller.poll(source):
            children = tuple(source.children())
            if not children:
                break
            (source,) = children
        return source.status


async def abort(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break off a connection."""
    writer.transport.abort()


async def want_password(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond as a proxy that wants a password."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_a_refused_connection_is_named() -> None:
    """With the host and the port that refused it."""
    async with serving(abort) as port:
        pass
    status = await tried(f"http://127.0.0.1:{port}")
    assert status.reason == "network"
    assert status.error.endswith(f": connection refused by 127.0.0.1:{port}")


async def test_an_unknown_host_is_named(resolver: dict[str, str | None]) -> None:
    """It is another cause than a refused connection, and has another cure."""
    resolver["made-up.invalid"] = None
    status = await tried("http://made-up.invalid")
    assert status.reason == "network"
    assert status.error.endswith(": unknown host made-up.invalid")


async def test_a_tls_handshake_that_is_broken_off_is_named() -> None:
    """As by a firewall that looks into TLS, or a server that speaks older versions only."""
    async with serving(abort) as port:
        status = await tried(f"https://localhost:{port}")
    assert status.reason == "network"
    assert status.error.endswith(f": the TLS handshake was broken off by localhost:{port}")


async def test_an_untrusted_certificate_is_named(tmp_path: Path) -> None:
    """OpenSSL's words are kept."""
    for name, content in zip(("certificate", "key"), self_signed("proxy", "127.0.0.1"), strict=True):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    async with serving(abort, context) as port:
        status = await tried(f"https://127.0.0.1:{port}")
    assert status.reason == "network"
    assert "self-signed certificate" in status.error


@pytest.mark.parametrize(("variable", "scheme"), [("HTTPS_PROXY", "https"), ("http_proxy", "http")])
async def test_a_proxy_that_wants_a_password_is_named(
    variable: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its variable, and without the password that it got."""
    async with serving(want_password) as port:
        monkeypatch.setenv(variable, f"http://me:hidden@127.0.0.1:{port}")
        status = await tried(f"{scheme}://made-up.invalid")
    assert status.reason == "network"
    assert f"the proxy 127.0.0.1:{port} of {variable} wants a user and a password (HTTP 407)" in status.error
    assert "hidden" not in status.error


async def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise somebody would look for what is wrong with AWS's endpoint."""
    async with serving(abort) as port:
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{port}")
    status = await tried("https://made-up.invalid")
    assert status.error.endswith(f": connection refused by 127.0.0.1:{port}, the proxy of HTTPS_PROXY")


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
async def test_a_ca_bundle_that_is_gone_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its path and the variable, also where it was there at the start."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    status = await tried("https://127.0.0.1:1")
    assert status.reason == "network"
    assert status.error.endswith(f": the CA bundle {bundle} (AWS_CA_BUNDLE) cannot be used")


@contextmanager
def demanding(version: ssl.TLSVersion, folder: Path) -> Iterator[int]:
    """Yield the port of a server that asks for a client certificate in this version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(folder / "certificate", folder / "key")
    context.load_verify_locations(folder / "certificate")
    context.verify_mode = ssl.CERT_REQUIRED
    # Not asyncio's, which drops a connection before it has sent why.
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        thread.submit(refuse_one, listener, context)
        yield listener.getsockname()[1]


def refuse_one(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse a client without a certificate, and let it read why."""
    connection, _ = listener.accept()
    with connection:
        with suppress(ssl.SSLError), context.wrap_socket(connection.dup(), server_side=True):
            pass
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (ssl.TLSVersion.TLSv1_2, ", which may ask for a client certificate"),
        (ssl.TLSVersion.TLSv1_3, ": the server asks for a client certificate, and the exporter has none"),
    ],
)
async def test_a_server_that_asks_for_a_client_certificate_is_named(
    version: ssl.TLSVersion, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a proxy that looks into TLS may; TLS 1.2 does not tell it from other refusals."""
    for name, content in zip(("certificate", "key"), self_signed("proxy", "127.0.0.1"), strict=True):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate"))
    with demanding(version, tmp_path) as port:
        status = await tried(f"https://127.0.0.1:{port}")
    assert status.reason == "network"
    assert status.error.endswith(words)


async def test_what_nginx_says_without_a_client_certificate_is_shown() -> None:
    """It accepts the connection, and refuses each request."""
    page = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body></body></html>"
    async with simulated(HandClock()) as aws:
        aws.faults.add(Fault.body(page, "text/html", 400))
        status = await tried(aws.endpoint_url)
    assert "400 No required SSL certificate was sent" in status.error


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Drop a connection that was used for a request."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()


async def test_a_connection_that_is_reset_is_named() -> None:
    """It was open before, so that neither the host nor a firewall at its port is to blame."""
    async with serving(reset) as port:
        status = await tried(f"http://127.0.0.1:{port}")
    assert status.error.endswith(": the connection was reset")


async def refused(code: str, message: str, region: str = REGION) -> str:
    """Return what is said of a list that AWS refuses in a region."""

    async def refuse(call: Any) -> None:
        if call.operation == BEDROCK.operation:
            raise AwsError(code, message, 403)

    async with simulated(HandClock()) as aws:
        aws.hooks.append(refuse)
        return (await tried(aws.endpoint_url, region)).error


UNKNOWN_KEY = "The security token included in the request is invalid."


async def test_a_key_that_is_unknown_in_an_optional_region_may_be_right() -> None:
    """AWS has the same words for a region that is not enabled, so both are named."""
    assert "where ap-east-1 is not enabled" in await refused("UnrecognizedClientException", UNKNOWN_KEY, "ap-east-1")


async def test_a_key_that_is_unknown_in_any_other_region_is_wrong() -> None:
    """No account can disable these, so nobody is sent to look."""
    assert (await refused("UnrecognizedClientException", UNKNOWN_KEY, "eu-west-1")).endswith(UNKNOWN_KEY)


AWS_TIME = "20261127T132000Z"
SKEWED = [
    (f"Signature expired: 20261127T130000Z is now earlier than 20261127T131500Z ({AWS_TIME} - 5 min.)", "20m behind"),
    (f"Signature not yet current: 20261127T142000Z is still later than x ({AWS_TIME} + 5 min.)", "1h ahead of"),
]


@pytest.mark.parametrize(("message", "skew"), SKEWED)
async def test_a_wrong_clock_is_named_by_how_much(message: str, skew: str) -> None:
    """AWS's words have both times, and nobody wants to subtract them."""
    assert f"the clock of this machine is {skew} that of AWS" in await refused("InvalidSignatureException", message)


@pytest.mark.parametrize(("hours", "skew"), [(3, "3h behind that of AWS"), (-2, "2h ahead of that of AWS")])
def test_a_wrong_clock_shows_in_the_date_of_the_response(hours: int, skew: str) -> None:
    """Where AWS's words have no time."""
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours))
    response = {"Error": {"Code": "RequestTimeTooSkewed"}, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}
    assert skew in str(poll_error(ClientError(response, "ListThings")))


async def test_clocks_that_agree_are_not_said_to_differ() -> None:
    """The request may have been held up, or the clock may have been set right since."""
    assert "or the request was long on its way" in await refused("RequestTimeTooSkewed", "too large")
