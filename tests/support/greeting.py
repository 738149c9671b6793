"""A server with a greeting, behind a web configuration file, and what its clients need."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exporter.web import Guard, WebConfigFile, listen, serve
from exporter.web.server.connections import ConnectionLimits
from tests.support.patience import PATIENCE


def self_signed(name: str, *sans: str, lasts: dt.timedelta = dt.timedelta(days=1)) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key in PEM; it is valid from an hour ago, for so long from now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectAlternativeName(list(map(general_name, sans))), critical=False)
        # Tell a renewed certificate from the one before: OpenSSL looks for the issuer by its name first.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def general_name(san: str) -> x509.GeneralName:
    """Return a subject alternative name."""
    if san.startswith("spiffe:"):
        return x509.UniformResourceIdentifier(san)
    if "@" in san:
        return x509.RFC822Name(san)
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)


@dataclass
class Served:
    """A greeting server, as a client sees it."""

    port: int
    scheme: str
    certificates: Path

    def client(self, certificate: str = "") -> ssl.SSLContext:
        """Return a TLS context that trusts the server, with a client certificate if one is given."""
        context = ssl.create_default_context(cafile=self.certificates / "server.crt")
        if certificate:
            context.load_cert_chain(self.certificates / f"{certificate}.crt", self.certificates / f"{certificate}.key")
        return context

    async def get(self, *, tls: ssl.SSLContext | None = None, scheme: str = "", **options) -> tuple[int, str]:
        """Return the status and the text of a response, over a new connection."""
        response, text = await self.request(tls=tls, scheme=scheme, **options)
        return response.status, text

    async def request(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        scheme: str = "",
        user: tuple[str, str] | None = None,
        path: str = "/",
    ) -> tuple[aiohttp.ClientResponse, str]:
        """Return a response and its text."""
        url = f"{scheme or self.scheme}://127.0.0.1:{self.port}{path}"
        headers = {"Authorization": aiohttp.encode_basic_auth(*user)} if user else {}
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=tls or self.client(), headers=headers) as response,
        ):
            return response, await response.text()

    async def handshake(self, context: ssl.SSLContext) -> tuple[str, str]:
        """Return the cipher suite and the version that a client and the server agree on, once a response has come."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
            cipher = writer.get_extra_info("cipher")
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            response = await reader.read()
            writer.close()
            await writer.wait_closed()
        assert response.endswith(b"Hello World!")
        return cipher[0], cipher[1]


@asynccontextmanager
async def greeting(
    file: Path | None, certificates: Path, limits: ConnectionLimits | None = None
) -> AsyncIterator[Served]:
    """Yield a greeting server, configured by a web configuration file."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="Hello World!")

    app = web.Application()
    app.add_routes([web.get("/", hello)])
    guard = Guard(WebConfigFile(file)) if file else None
    if guard:
        guard.protect(app)
    tls = guard.tls if guard else None
    async with serve(app, await listen(["127.0.0.1:0"]), tls, limits=limits) as addresses:
        yield Served(addresses[0][1], "https" if tls else "http", certificates)
