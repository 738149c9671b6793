"""Client certificates as they come and go in operation: late, expired, renewed while the server runs."""

import datetime as dt

import aiohttp
import pytest

from tests.support.greeting import greeting, self_signed

REQUIRED = (
    "tls_server_config: {cert_file: server.crt, key_file: server.key, "
    "client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.crt}\n"
)


@pytest.fixture
def folder(tmp_path, written):
    """Return the folder of the web configuration file, which trusts the first client alone."""
    (tmp_path / "clients.crt").write_bytes((tmp_path / "client.crt").read_bytes())
    return tmp_path


def renew(folder, name, **options):
    """Give a client a new certificate and key."""
    for kind, content in zip(("crt", "key"), self_signed(name, name, **options), strict=True):
        (folder / f"{name}.{kind}").write_bytes(content)


async def is_welcome(server, name):
    """Return whether a client gets a response, over a new connection."""
    try:
        return await server.get(tls=server.client(name)) == (200, "Hello World!")
    except aiohttp.ClientError:
        return False


async def test_an_expired_certificate_is_refused(folder, written):
    """Though it is the one that is trusted; the others go on."""
    renew(folder, "client", lasts=-dt.timedelta(minutes=1))
    (folder / "clients.crt").write_bytes((folder / "client.crt").read_bytes() + (folder / "client2.crt").read_bytes())
    async with greeting(written(REQUIRED), folder) as server:
        assert not await is_welcome(server, "client")
        assert await is_welcome(server, "client2")


async def test_a_renewed_certificate_counts_without_a_restart(folder, written):
    """Both are trusted while clients change over; without the old one in the file, its clients are refused."""
    async with greeting(written(REQUIRED), folder) as server:
        old, trusted = server.client("client"), (folder / "clients.crt").read_bytes()
        renew(folder, "client")
        assert not await is_welcome(server, "client")
        (folder / "clients.crt").write_bytes(trusted + (folder / "client.crt").read_bytes())
        assert await is_welcome(server, "client")
        assert await server.get(tls=old) == (200, "Hello World!")
        (folder / "clients.crt").write_bytes((folder / "client.crt").read_bytes())
        assert await is_welcome(server, "client")
        with pytest.raises(aiohttp.ClientError):
            await server.get(tls=old)


@pytest.mark.parametrize("content", [None, b"", b"half a certif"], ids=["missing", "empty", "half written"])
async def test_nobody_is_let_in_while_the_trusted_certificates_cannot_be_read(content, folder, written):
    """A renewal may write its file slowly; once it is whole, clients are let in again."""
    trusted = (folder / "clients.crt").read_bytes()
    async with greeting(written(REQUIRED), folder) as server:
        (folder / "clients.crt").unlink()
        if content is not None:
            (folder / "clients.crt").write_bytes(content)
        assert not await is_welcome(server, "client")
        assert not await is_welcome(server, "client2")
        (folder / "clients.crt").write_bytes(trusted)
        assert await is_welcome(server, "client")
