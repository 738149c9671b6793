"""What a web configuration file may contain beyond the exporter-toolkit's own cases, and how errors are reported."""

import re
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from exporter.settings import ConfigurationError
from exporter.web.toolkit import WebConfigFile

DURATIONS = {"0": 0, "1s": 1, "1m30s": 90, "1.5h": 5400, "500ms": 0.5, "250us": 0.00025, "3000000000": 3, ".5s": 0.5}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items(), ids=DURATIONS.keys())
def test_durations_are_written_as_in_go(text, seconds, written):
    """A number without a unit counts nanoseconds."""
    config = WebConfigFile(written(f"rate_limit: {{interval: {text}, burst: 1}}")).check()
    assert config.rate_limit.interval == pytest.approx(seconds)


PAIR = "cert_file: server.crt, key_file: server.key"
WRONG = {
    "a duration with days": ("rate_limit: {interval: 1d}", "rate_limit.interval: '1d' is not a duration"),
    "a duration in words": ("rate_limit: {interval: soon}", "rate_limit.interval: 'soon' is not a duration"),
    "a burst in words": ("rate_limit: {burst: many}", "rate_limit.burst: must be a valid integer"),
    "a key twice": ("rate_limit: {}\nrate_limit: {}", "web.yml:2: not valid YAML: duplicate key 'rate_limit'"),
    "an unknown section": ("tls_config: {}", "tls_config: unknown key; did you mean `tls_server_config`"),
    "a section that is a list": ("rate_limit: []", "rate_limit: must be a mapping, not []"),
    "users that are a list": ("basic_auth_users: [alice]", "basic_auth_users: must be a mapping"),
    "neither true nor false": (
        "http_server_config: {http2: maybe}",
        "http_server_config.http2: must be a valid boolean",
    ),
    "a header of two lines": (
        'http_server_config: {headers: {Content-Security-Policy: "a\\r\\nb: c"}}',
        "one line without control characters",
    ),
    "versions in disorder": (
        "tls_server_config: {cert_file: server.crt, key_file: server.key, min_version: TLS13, max_version: TLS12}",
        "min_version TLS13 is above max_version TLS12",
    ),
    "no cipher for the version": (
        f"tls_server_config: {{{PAIR}, max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}}",
        "cipher_suites has none for max_version TLS12",
    ),
    "a policy that does not exist": (
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_auth_type: Always}",
        "invalid ClientAuth: Always; one of: NoClientCert, ",
    ),
    "a name that no file has": (
        'tls_server_config: {cert_file: "a\\0b", key_file: server.key}',
        "failed to read cert_file ('a\\x00b' in ",
    ),
    "another's key": (
        "tls_server_config: {cert_file: server.crt, key_file: client.key}",
        "failed to load X509KeyPair: key values mismatch",
    ),
    "a certificate that is none": (
        "tls_server_config: {cert: words, key_file: server.key}",
        "failed to load X509KeyPair: ",
    ),
    "client CAs that are none": (
        f"tls_server_config: {{{PAIR}, client_ca: words, client_auth_type: RequireAndVerifyClientCert}}",
        "failed to load client_ca: ",
    ),
}


@pytest.mark.parametrize(("content", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_reported_in_one_line(content, problem, written):
    """The line names the file, the key and what is allowed."""
    with pytest.raises(ConfigurationError, match=re.escape(problem)) as raised:
        WebConfigFile(written(content)).check()
    (line,) = raised.value.problems
    assert "web.yml" in line
    assert "\n" not in line


def test_an_encrypted_key_is_refused_without_a_prompt(written, certificates):
    """Nobody is there to type a passphrase."""
    key = serialization.load_pem_private_key((certificates / "server.key").read_bytes(), None)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    file = written("tls_server_config: {cert_file: server.crt, key_file: encrypted.key}")
    file.with_name("encrypted.key").write_bytes(secret)
    with pytest.raises(ConfigurationError, match="the key is encrypted"):
        WebConfigFile(file).check()


SECRETS = {
    "a hash that is a list": "basic_auth_users: {alice: [SECRET]}",
    "a hash that is short": "basic_auth_users: {alice: SECRET}",
    "a key that is a list": "tls_server_config: {cert_file: server.crt, key: [SECRET]}",
    "a key that is none": "tls_server_config: {cert_file: server.crt, key: SECRET}",
}


@pytest.mark.parametrize("content", SECRETS.values(), ids=SECRETS.keys())
def test_an_error_reveals_no_secret(content, written):
    """It shows neither a key nor a hash."""
    with pytest.raises(ConfigurationError) as raised:
        WebConfigFile(written(content)).check()
    assert "SECRET" not in str(raised.value)


async def test_a_context_is_rebuilt_only_when_something_changed(written, certificates):
    """Handshakes are expensive already; a certificate renewed in place still applies to the next connection."""
    path = written("tls_server_config: {cert_file: server.crt, key_file: server.key}")
    file = WebConfigFile(path)
    first = await file.context()
    assert await file.context() is first
    for name in ("crt", "key"):
        path.with_name(f"server.{name}").write_bytes((certificates / f"client.{name}").read_bytes())
    assert await file.context() is not first


def test_keys_without_values_and_merged_keys(written, tool):
    """They are read as promtool reads them."""
    path = written("tls_server_config:\nhttp_server_config: &h\n  headers:\nrate_limit:\nbasic_auth_users:\n")
    WebConfigFile(path).check()
    command = [tool("promtool"), "check", "web-config", written("tls_server_config:\nbasic_auth_users:\n")]
    subprocess.run(command, check=True)
