"""The exporter-toolkit's own test cases, each by its name; docs/web.md lists the departures and the reasons."""

import asyncio
import re
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from exporter.settings import ConfigurationError
from exporter.web.toolkit import WebConfigFile
from exporter.web.toolkit.schema import TlsServerConfig
from tests.support.greeting import greeting

DOCUMENT = Path(__file__).parents[3] / "docs" / "web.md"
PAIR = "cert_file: server.crt\n  key_file: server.key"
NO_AUTH = f"tls_server_config:\n  {PAIR}\n  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: client.crt\n"
ALL_CIPHERS = """\
  cipher_suites:
  - TLS_AES_128_GCM_SHA256
  - TLS_AES_256_GCM_SHA384
  - TLS_CHACHA20_POLY1305_SHA256
  - TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
  - TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
  - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
  - TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
  - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
  - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
"""
SMALL, LARGE = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"
SOME = (
    "  max_version: TLS12\n"
    "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
)
SOME_NO_ORDER = (
    "  max_version: TLS12\n  prefer_server_cipher_suites: false\n"
    "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n"
)
NO_HTTP2 = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n"
OLD = {"ciphers": "ECDHE-RSA-AES128-SHA"}, "ECDHE-RSA-AES128-SHA"
ONE_CURVE = "  min_version: TLS13\n  curve_preferences: [CurveP521]\n"


def tls(*lines):
    """Return a TLS configuration."""
    return "tls_server_config:\n  " + "\n  ".join(lines) + "\n"


# TestYAMLFiles. The messages are the toolkit's, except for YAML errors, which Go words differently.

FILES = {
    "path to config yml invalid": (None, "no such file"),
    "empty config yml": ("", None),
    "invalid config yml (invalid structure)": ("words that are bare\n", "a mapping"),
    "invalid config yml (invalid key)": (
        tls("cert_filse: server.crt"),
        "tls_server_config.cert_filse: unknown key; did you mean `cert_file`",
    ),
    "invalid config yml (cert path empty)": (
        tls('cert_file: ""', "key_file: server.key"),
        "missing one of cert or cert_file",
    ),
    "invalid config yml (cert empty)": (tls('cert: ""', "key_file: server.key"), "missing one of cert or cert_file"),
    "invalid config yml (key path empty)": (
        tls("cert_file: server.crt", 'key_file: ""'),
        "missing one of key or key_file",
    ),
    "invalid config yml (key empty)": (tls("cert_file: server.crt", 'key: ""'), "missing one of key or key_file"),
    "invalid config yml (cert path and key path empty)": (
        tls('cert_file: ""', 'key_file: ""', "client_auth_type: x"),
        "missing one of cert or cert_file",
    ),
    "invalid config yml (cert path invalid)": (tls("cert_file: somefile", "key_file: server.key"), "no such file"),
    "invalid config yml (key path invalid)": (tls("cert_file: server.crt", "key_file: somefile"), "no such file"),
    "invalid config yml (cert path and key path invalid)": (
        tls("cert_file: somefile", "key_file: somefile"),
        "no such file",
    ),
    "invalid config yml (invalid ClientAuth)": (
        tls(PAIR, "client_ca_file: /dev/null"),
        "client CA's have been configured without a Client Auth Policy",
    ),
    "invalid config yml (invalid ClientCAs filepath)": (
        tls(PAIR, "client_auth_type: RequireAndVerifyClientCert", "client_ca_file: somefile"),
        "no such file",
    ),
    "invalid config yml (invalid user list)": (
        "basic_auth_users: {john: doe}",
        "hashedSecret too short to be a bcrypted password",
    ),
    "invalid config yml (bad cipher)": (
        tls(PAIR, "cipher_suites: [TLS_AES_256_GCM_SHA2048]"),
        "unknown cipher: TLS_AES_256_GCM_SHA2048",
    ),
    "invalid config yml (bad curves)": (tls(PAIR, "curve_preferences: [CurveP257]"), "unknown curve: CurveP257"),
    "invalid config yml (bad TLS version)": (tls(PAIR, "min_version: TLS111"), "unknown TLS version: TLS111"),
    "invalid X-Content-Type-Options headers config": (
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        'invalid value for X-Content-Type-Options. Expected one of: ["nosniff"], but got: "sniff"',
    ),
    "invalid X-Frame-Options headers config": (
        "http_server_config: {headers: {X-Frame-Options: foo}}",
        'invalid value for X-Frame-Options. Expected one of: ["deny" "sameorigin"], but got: "foo"',
    ),
    "HTTP header that can not be overridden": (
        "http_server_config: {headers: {Content-Type: text/html}}",
        'HTTP header "Content-Type" can not be configured',
    ),
}


def configured(written, content):
    """Return the path of a file with this content, or of a missing one."""
    file = written(content or "")
    return file if content is not None else file.with_name("somefile")


@pytest.mark.parametrize(("content", "problem"), FILES.values(), ids=FILES.keys())
async def test_yaml_files(content, problem, written, certificates):
    """A check and a start report the same: one line that names the file, or nothing."""
    file = configured(written, content)
    if problem is None:
        WebConfigFile(file).check()
        async with greeting(file, certificates) as server:
            assert await server.get() == (200, "Hello World!")
        return
    with pytest.raises(ConfigurationError, match=f"(?i){re.escape(problem)}") as raised:
        WebConfigFile(file).check()
    (line,) = raised.value.problems
    assert line.startswith(f"{file}: ")
    assert "\n" not in line
    with pytest.raises(ConfigurationError, match=f"(?i){re.escape(problem)}"):
        await greeting(file, certificates).__aenter__()


# Debian's promtool does not support inline certificates.
COMMON = {name: case for name, case in FILES.items() if not name.endswith(("(cert empty)", "(key empty)"))}


@pytest.mark.parametrize(
    ("content", "problem"), [*COMMON.values(), (NO_AUTH, None)], ids=[*COMMON.keys(), "valid tls config yml"]
)
def test_promtool_agrees(content, problem, written, tool):
    """Promtool runs the toolkit's own check."""
    file = configured(written, content)
    result = subprocess.run(
        [tool("promtool"), "check", "web-config", file], capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) == (problem is None), result.stderr


# TestServerBehaviour.


@pytest.mark.parametrize("tries", [pytest.param(1, id="empty string YAMLConfigPath and default client")])
async def test_without_a_file(tries, certificates):
    """Plain HTTP without a password."""
    async with greeting(None, certificates) as server:
        for _ in range(tries):
            assert await server.get() == (200, "Hello World!")


FAILING_CLIENTS = {
    "empty string YAMLConfigPath and TLS client": (None, "https"),
    "valid tls config yml and default client": (NO_AUTH, "http"),
}


@pytest.mark.parametrize(("content", "scheme"), FAILING_CLIENTS.values(), ids=FAILING_CLIENTS.keys())
async def test_client_of_the_other_scheme(content, scheme, written, certificates):
    """It gets no response: TLS is on or off for all clients."""
    async with greeting(None if content is None else written(content), certificates) as server:
        with pytest.raises(aiohttp.ClientError):
            await server.get(scheme=scheme)


GOOD_TLS = {
    "valid tls config yml and tls client": NO_AUTH,
    "valid tls config yml with all ciphers and tls client": NO_AUTH + ALL_CIPHERS,
}


@pytest.mark.parametrize("content", GOOD_TLS.values(), ids=GOOD_TLS.keys())
async def test_tls(content, written, certificates):
    """A client that trusts the certificate gets a response."""
    async with greeting(written(content), certificates) as server:
        assert await server.get() == (200, "Hello World!")


INLINE = {"valid tls config yml (cert and key inline) and tls client": ("cert", "key"), "only the key inline": ("key",)}


@pytest.mark.parametrize("inline", INLINE.values(), ids=INLINE.keys())
async def test_tls_inline(inline, written, certificates):
    """Certificate and key may be in the file itself."""
    lines = []
    for name, file in (("cert", "server.crt"), ("key", "server.key")):
        if name in inline:
            text = (certificates / file).read_text().strip().replace("\n", "\n    ")
            lines.append(f"{name}: |\n    {text}")
        else:
            lines.append(f"{name}_file: {file}")
    async with greeting(written(tls(*lines)), certificates) as server:
        assert await server.get() == (200, "Hello World!")


def speaking(server, **options):
    """Return a client's TLS context that is limited to these options."""
    context = server.client()
    for name, value in options.items():
        if name == "version":
            context.minimum_version = context.maximum_version = value
        elif name == "ciphers":
            context.set_ciphers(value)
        else:
            context.set_ecdh_curve(value)
    return context


V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
AGREED = {
    "valid tls config yml with some ciphers and tls client": (SOME, {"ciphers": SMALL}, SMALL),
    "valid tls config yml with some ciphers and tls client with multiple client ciphers": (
        SOME,
        {"ciphers": f"{SMALL}:{LARGE}"},
        SMALL,
    ),
    "valid tls config yml with some ciphers, the server chooses": (SOME, {"ciphers": f"{LARGE}:{SMALL}"}, SMALL),
    "valid tls config yml with some ciphers and tls client, client chooses cipher": (
        SOME_NO_ORDER,
        {"ciphers": f"{SMALL}:{LARGE}"},
        SMALL,
    ),
    "valid tls config yml with some curves and tls client": (ONE_CURVE, {"curve": "secp521r1"}, "TLS_"),
    "valid tls config yml with non-http2 ciphers": (NO_HTTP2 + "http_server_config: {http2: false}\n", *OLD),
    "valid tls config yml with non-http2 ciphers but http2 enabled": (NO_HTTP2, *OLD),  # departure: no HTTP/2 here
    "only ciphers of TLS 1.3": ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", {"version": V13}, "TLS_"),
}


@pytest.mark.parametrize(("options", "client", "cipher"), AGREED.values(), ids=AGREED.keys())
async def test_the_preferred_cipher_is_negotiated(options, client, cipher, written, certificates):
    """The cipher suite is the one that server and client prefer."""
    async with greeting(written(NO_AUTH + options), certificates) as server:
        assert (await server.handshake(speaking(server, **client)))[0].startswith(cipher)


NOTHING_COMMON = {
    "valid tls config yml with some ciphers and tls client with no common cipher": (
        SOME,
        {"ciphers": "ECDHE-RSA-AES256-SHA"},
    ),
    "valid tls config yml with some curves and tls client with no common curves": (ONE_CURVE, {"curve": "secp384r1"}),
    "only ciphers of TLS 1.3 and a client of TLS 1.2": (
        "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n",
        {"version": V12},
    ),
    "min_version above the client's": ("  min_version: TLS13\n", {"version": V12}),
    "max_version below the client's": ("  max_version: TLS12\n", {"version": V13}),
}


@pytest.mark.parametrize(("options", "client"), NOTHING_COMMON.values(), ids=NOTHING_COMMON.keys())
async def test_nothing_in_common(options, client, written, certificates):
    """The handshake fails, and the next client is served."""
    async with greeting(written(NO_AUTH + options), certificates) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await server.handshake(speaking(server, **client))
        fitting = {"ciphers": SMALL} if options == SOME else {"curve": "secp521r1"} if options == ONE_CURVE else {}
        await server.handshake(speaking(server, **fitting))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("options", [""], ids=["valid tls config yml with TLS 1.1 client"])
async def test_old_client(options, written, certificates):
    """TLS 1.1 is refused."""
    async with greeting(written(NO_AUTH + options), certificates) as server:
        client = server.client()
        client.set_ciphers("ALL:@SECLEVEL=0")
        client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await server.handshake(client)


REFUSED = {
    "valid tls config yml with all curves and tls client": (
        tls(PAIR, "curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]"),
        "curve_preferences: Python's ssl takes one curve",
    ),
    "valid tls config yml and tls client with RequireAnyClientCert (present certificate)": (
        tls(PAIR, "client_auth_type: RequireAnyClientCert"),
        "client_auth_type RequireAnyClientCert accepts certificates without verifying them",
    ),
    "valid tls config yml (cert from file, key inline) and tls client with RequireAnyClientCert": (
        tls(PAIR, "client_auth_type: RequireClientCert"),
        "client_auth_type RequireClientCert accepts certificates without verifying them",
    ),
    "RequestClientCert": (
        tls(PAIR, "client_auth_type: RequestClientCert"),
        "client_auth_type RequestClientCert accepts certificates without verifying them",
    ),
    "TLS 1.0": (tls(PAIR, "min_version: TLS10"), "TLS10 is obsolete"),
    "TLS 1.1": (tls(PAIR, "max_version: TLS11"), "TLS11 is obsolete"),
    "names without a policy": (tls(PAIR, "client_allowed_sans: [one]"), "client_allowed_sans needs client_auth_type"),
}


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED.keys())
async def test_departures_are_refused(content, problem, written):
    """A setting that Python's ssl cannot honor is an error at start, never silently ignored."""
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        WebConfigFile(written(content)).check()


REQUIRED = "client_auth_type: RequireAndVerifyClientCert"
CLIENTS = {
    "valid tls config yml and tls client with RequireAndVerifyClientCert (present certificate)": (
        (REQUIRED, "client_ca_file: client.crt"),
        "client",
        True,
    ),
    "RequireAndVerifyClientCert without a certificate": ((REQUIRED, "client_ca_file: client.crt"), "", False),
    "RequireAndVerifyClientCert with another certificate": (
        (REQUIRED, "client_ca_file: client.crt"),
        "client2",
        False,
    ),
    "RequireAndVerifyClientCert with the system's roots": ((REQUIRED,), "client", False),
    "VerifyClientCertIfGiven with another certificate": (
        ("client_auth_type: VerifyClientCertIfGiven", "client_ca_file: client.crt"),
        "client2",
        False,
    ),
    "valid tls config yml and tls client with VerifyPeerCertificate (present good SAN DNS entry)": (
        (REQUIRED, "client_ca_file: client2.crt", "client_allowed_sans: [one, test3, two]"),
        "client2",
        True,
    ),
    "an IP address in another spelling": (
        (REQUIRED, "client_ca_file: client2.crt", "client_allowed_sans: ['2001:db8::1']"),
        "client2",
        True,
    ),
    "an e-mail address": (
        (REQUIRED, "client_ca_file: client2.crt", "client_allowed_sans: [someone@example.com]"),
        "client2",
        True,
    ),
    "a URI": (
        (REQUIRED, "client_ca_file: client2.crt", "client_allowed_sans: ['spiffe://example.com/prometheus']"),
        "client2",
        True,
    ),
    "valid tls config yml and tls client with VerifyPeerCertificate (present invalid SAN DNS entries)": (
        (REQUIRED, "client_ca_file: client2.crt", "client_allowed_sans: [bad]"),
        "client2",
        False,
    ),
    "allowed SANs and no certificate": (
        (
            "client_auth_type: VerifyClientCertIfGiven",
            "client_ca_file: client2.crt",
            "client_allowed_sans: [test3]",
        ),
        "",
        False,
    ),
}


@pytest.mark.parametrize(("lines", "certificate", "welcome"), CLIENTS.values(), ids=CLIENTS.keys())
async def test_client_certificates(lines, certificate, welcome, written, certificates):
    """A client without a required certificate gets no response."""
    async with greeting(written(tls(PAIR, *lines)), certificates) as server:
        if welcome:
            assert await server.get(tls=server.client(certificate)) == (200, "Hello World!")
        else:
            with pytest.raises(aiohttp.ClientError):
                await server.get(tls=server.client(certificate))


@pytest.mark.parametrize("tries", [1], ids=["valid headers config"])
async def test_headers(tries, written, certificates):
    """TestHTTPHeaders: each response has them, including that to a wrong path."""
    headers = {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Frame-Options": "deny",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1",
    }
    lines = "".join(f"    {name}: {value}\n" for name, value in headers.items())
    async with greeting(written(f"http_server_config:\n  headers:\n{lines}"), certificates) as server:
        for path in ("/", "/nothing") * tries:
            response, _text = await server.request(path=path)
            assert headers.items() <= dict(response.headers).items()


LIMITS = {
    "valid rate limiter (no rate limiter set up) that doesn't block": ("0", 0, 200, "Hello World!"),
    "valid rate limiter with an interval of one second": ("1s", 0, 429, "Too Many Requests\n"),
    "a rate limiter with room": ("1h", 11, 200, "Hello World!"),
    "a rate limiter without room": ("1h", 10, 429, "Too Many Requests\n"),
}


@pytest.mark.parametrize(("interval", "burst", "status", "text"), LIMITS.values(), ids=LIMITS.keys())
async def test_rate_limit(interval, burst, status, text, written, certificates):
    """The eleventh request shows whether the limit applies."""
    content = f"rate_limit: {{interval: {interval}, burst: {burst}}}"
    async with greeting(written(content), certificates) as server:
        for _ in range(10):
            await server.get()
        assert await server.get() == (status, text)


# TestConfigReloading.


async def test_config_reloading(written, certificates):
    """A client without a certificate is refused until the file allows it, without a restart."""
    blocking = tls(PAIR, REQUIRED)
    async with greeting(written(blocking), certificates) as server:
        with pytest.raises(aiohttp.ClientError):
            await server.get()
        written(NO_AUTH)
        assert await server.get() == (200, "Hello World!")
        written("tls_server_config: {cert_file: somefile}")
        with pytest.raises(aiohttp.ClientError):
            await server.get()
        written(NO_AUTH)
        assert await server.get() == (200, "Hello World!")


# The document.


def test_departures_are_documented():
    """docs/web.md lists the toolkit's cases whose outcome differs here."""
    document = DOCUMENT.read_text()
    listed = {line.split(" | ")[0].removeprefix("| ") for line in document.partition("| case |")[2].splitlines()[2:6]}
    ours = {"only ciphers of TLS 1.3", "RequestClientCert", "TLS 1.0", "TLS 1.1", "names without a policy"}
    assert listed == {*REFUSED, "valid tls config yml with non-http2 ciphers but http2 enabled"} - ours


EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
async def test_the_examples_of_the_document_are_valid(example, written, certificates):
    """The files that they name exist in the test."""
    file = written(example)
    file.with_name("clients.crt").write_bytes((certificates / "client.crt").read_bytes())
    WebConfigFile(file).check()


# TestUsers.

USERS = {
    "without basic auth": ("", None, 401),
    "with correct basic auth": ("", ("dave", "dave123"), 200),
    "without basic auth and TLS": (NO_AUTH, None, 401),
    "with correct basic auth and TLS": (NO_AUTH, ("dave", "dave123"), 200),
    "with another correct basic auth and TLS": (NO_AUTH, ("carol", "carol123"), 200),
    "with bad password and TLS": (NO_AUTH, ("dave", "bad"), 401),
    "with bad username and TLS": (NO_AUTH, ("nonexistent", "nonexistent"), 401),
}


def listed(users):
    """Return users in the form of the file."""
    return "basic_auth_users:\n" + "".join(f"  {user}: {hashed}\n" for user, hashed in users.items())


@pytest.mark.parametrize(("content", "user", "status"), USERS.values(), ids=USERS.keys())
async def test_users(content, user, status, written, certificates, users):
    """Only a listed user with the right password gets in."""
    async with greeting(written(content + listed(users)), certificates) as server:
        for _ in ("cold", "cached"):
            response, text = await server.request(user=user)
            assert (response.status, text) == (status, "Hello World!" if status == 200 else "Unauthorized\n")
            assert response.headers.get("WWW-Authenticate") == (None if status == 200 else "Basic")


async def test_every_path_requires_the_password(written, certificates, users):
    """Without it a client does not learn which paths exist; the headers are sent all the same."""
    content = listed(users) + "http_server_config: {headers: {X-Frame-Options: deny}}"
    async with greeting(written(content), certificates) as server:
        for path in ("/", "/nothing", "/-/healthy"):
            response, _text = await server.request(path=path)
            assert (response.status, response.headers["X-Frame-Options"]) == (401, "deny")


async def test_users_are_read_for_each_request(written, certificates, users):
    """A removed user is locked out at once; while the file cannot be read, nobody gets in."""
    async with greeting(written(listed(users)), certificates) as server:
        assert (await server.get(user=("dave", "dave123")))[0] == 200
        written(listed({"alice": users["alice"]}))
        assert (await server.get(user=("dave", "dave123")))[0] == 401
        written("basic_auth_users: [")
        assert await server.get(user=("alice", "alice123")) == (500, "Internal Server Error\n")
        written(listed({"dave": "no hash"}))
        assert (await server.get(user=("dave", "no hash")))[0] == 401


# TestTLSConfigIsEnabled.

ENABLED = {
    "empty": ({}, False),
    "only min_version and prefer_server_cipher_suites": (
        {"min_version": "TLS12", "prefer_server_cipher_suites": True},
        False,
    ),
    "cert_file and key_file": ({"cert_file": "a", "key_file": "b"}, True),
    "inline": ({"cert": "a", "key": "b"}, True),
    "only client CA file": ({"client_ca_file": "a"}, True),
    "only client auth type": ({"client_auth_type": "NoClientCert"}, True),
}


@pytest.mark.parametrize(("content", "enabled"), ENABLED.values(), ids=ENABLED.keys())
def test_tls_config_is_enabled(content, enabled):
    """TLS is on only for settings that need a certificate."""
    assert TlsServerConfig.model_validate(content).is_enabled is enabled


# handler_test.go.


@pytest.mark.slow
async def test_basic_auth_cache(written, certificates, users):
    """TestBasicAuthCache: right and wrong passwords, cold and then concurrent, never get each other's result."""
    async with greeting(written(listed(users)), certificates) as server:
        right, wrong = ("alice", "alice123"), ("alice", "alice1234")
        assert (await server.get(user=right))[0] == 200
        assert (await server.get(user=wrong))[0] == 401
        results = await asyncio.gather(*(server.get(user=user) for user in (right, wrong) * 150))
        assert [status for status, _ in results] == [200, 401] * 150


async def test_basic_auth_with_fakepassword(written, certificates, users):
    """TestBasicAuthWithFakepassword: the hash for unknown users admits nobody, cold and cached."""
    async with greeting(written(listed(users)), certificates) as server:
        for _ in ("cold", "cached"):
            assert (await server.get(user=("fakeuser", "fakepassword")))[0] == 401


async def test_by_pass_basic_auth_vuln(written, certificates, users):
    """TestByPassBasicAuthVuln (CVE-2022-46146): two requests whose parts join to the same text differ."""
    fake = "$2b$10$./pElVKfV5mrhW8uUOmcKey9gVq/oU2vPmU8MAKjBGRR0YaIliYEq"
    async with greeting(written(listed(users)), certificates) as server:
        assert (await server.get(user=(f"alice{users['alice']}", "fakepassword")))[0] == 401
        assert (await server.get(user=("alice", f"{fake}fakepassword")))[0] == 401
