"""AWS's own configuration is checked at the start like the configuration file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from exporter.aws import problems
from exporter.aws.variables import ANY_VALUE, RULES
from exporter.cli import main

pytestmark = pytest.mark.usefixtures("aws_credentials", "restored_logging")

SEPARATE = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE"}
"""Variables that are not a value, but say where values are."""

FREE_KEYS = {"api_versions", "auth_scheme_preference", "csm_client_id", "csm_host", "data_path", "parameter_validation"}
FREE_KEYS |= {"sdk_ua_app_id", "sigv4a_signing_region_set"}


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that writes AWS's configuration file."""

    def write(content: str) -> None:
        (tmp_path / "config").write_text(content)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    return write


def test_every_variable_that_botocore_reads_is_known() -> None:
    """One that a newer botocore adds needs a rule, or the knowledge that no value breaks it."""
    rows = BOTOCORE_DEFAUT_SESSION_VARIABLES.values()
    variables = {name for _, names, *_ in rows for name in ([names] if isinstance(names, str) else names or [])}
    assert variables <= {rule.name for rule in RULES} | ANY_VALUE | SEPARATE
    assert {key for key, *_ in rows if key} <= {rule.key for rule in RULES} | FREE_KEYS


URL = "is not a URL, such as https://vpce-1a2b3c.bedrock.us-east-1.vpce.amazonaws.com"
WRONG = {
    "AWS_REGION": ('"us-east-1"', """AWS has no region '"us-east-1"'; did you mean `us-east-1`"""),
    "AWS_DEFAULT_REGION": ("us-esat-1", "AWS has no region 'us-esat-1'; did you mean `us-west-1`"),
    "AWS_ENDPOINT_URL": ("localhost:4566", f"'localhost:4566' {URL}"),
    "AWS_ENDPOINT_URL_STS": ("http://x:99999999", f"'http://x:99999999' {URL}"),
    "AWS_DEFAULTS_MODE": ("foo", "must be legacy, auto, standard, in-region, cross-region or mobile, not 'foo'"),
    "AWS_STS_REGIONAL_ENDPOINTS": ("foo", "must be legacy or regional, not 'foo'"),
    "AWS_RETRY_MODE": ("foo", "must be legacy, standard or adaptive, not 'foo'"),
    "AWS_MAX_ATTEMPTS": ("0", "must be a whole number from 1 to 100, not '0'"),
    "AWS_METADATA_SERVICE_TIMEOUT": ("1s", "must be a whole number from 1 to 3,600, not '1s'"),
    "AWS_USE_FIPS_ENDPOINT": ("yes", "must be true or false, not 'yes'"),
    "AWS_USE_DUALSTACK_ENDPOINT": ("1", "must be true or false, not '1'"),
    "AWS_CA_BUNDLE": ("/no/such.pem", "a file of certificates in PEM: '/no/such.pem': No such file or directory"),
    "REQUESTS_CA_BUNDLE": (os.devnull, f"must be a file of certificates in PEM: '{os.devnull}': holds no certificate"),
    "AWS_CONFIG_FILE": ("/", "'/' is not a file that can be read"),
    "AWS_PROFILE": ("nobody", "AWS's configuration has no profile 'nobody'"),
    "AWS_ROLE_ARN": ("reader", "'reader' is not the ARN of a role"),
    "HTTPS_PROXY": ("socks5://a:1", "'socks5://a:1' is not the URL of a proxy, such as http://proxy.example.com:3128"),
}


@pytest.mark.parametrize(("name", "value", "text"), [(name, *wrong) for name, wrong in WRONG.items()], ids=WRONG)
def test_a_variable_that_cannot_work_is_named(
    name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its value, and with what is allowed."""
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert problem.startswith(f"{name}: ")
    assert text in problem


SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "hidden\n",
    "AWS_SESSION_TOKEN": "hidden\r",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hidden\nx",
    "AWS_ENDPOINT_URL": "https://me:hidden@localhost",
    "HTTPS_PROXY": "me:hidden@localhost:99999999",
}


@pytest.mark.parametrize(("name", "value"), SECRETS.items(), ids=SECRETS)
def test_a_secret_that_cannot_work_is_named_and_not_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line end comes with many a key that was pasted or read from a file."""
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert problem.startswith(f"{name}: ")
    assert "hidden" not in problem


def test_a_file_of_keys_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own variable, not by that of the other file."""
    (tmp_path / "credentials").write_text("[default\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (problem,) = problems()
    assert problem.startswith("AWS_SHARED_CREDENTIALS_FILE: Unable to parse")


def test_half_a_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the half that is missing."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert problems() == ["AWS_SECRET_ACCESS_KEY: is missing; AWS_ACCESS_KEY_ID alone is no key"]


KEYS = {
    "[default]\nretry_mode = foo": "the AWS profile default: retry_mode: must be legacy, standard or",
    "[default]\nca_bundle = ./no.pem": "ca_bundle: must be a file of certificates in PEM: './no.pem'",
    "[default]\nservices = mine": "services: there is no 'mine'",
    "[default]\nservices = a\n[services a]\nsts =\n  endpoint_url = x:1": "services: sts: endpoint_url: 'x:1' is not",
    "[default]\nsource_profile = nobody": "source_profile: there is no 'nobody'",
    "[default\n": "AWS_CONFIG_FILE: Unable to parse config file",
}


@pytest.mark.parametrize(("content", "text"), KEYS.items(), ids=KEYS)
def test_a_key_of_the_profile_that_cannot_work_is_named(
    content: str, text: str, profile: Callable[[str], None]
) -> None:
    """With the profile that it is in."""
    profile(content)
    (problem,) = problems()
    assert text in problem


def test_a_variable_replaces_the_key_of_the_profile(
    profile: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So what is wrong in the file does not matter; nor does another profile."""
    profile("[default]\nretry_mode = foo\n[profile other]\nuse_fips_endpoint = maybe\n")
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    assert problems() == []


GOOD = {
    "AWS_REGION": "",
    "AWS_ENDPOINT_URL": "",
    "AWS_ENDPOINT_URL_BEDROCK": "http://localhost:4566/",
    "AWS_USE_FIPS_ENDPOINT": "True",
    "AWS_DEFAULTS_MODE": "in-region",
    "AWS_CONFIG_FILE": "/no/such",
    "AWS_SHARED_CREDENTIALS_FILE": "/not/there/yet",
    "HTTPS_PROXY": "me:hidden@proxy.example.com:3128",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic bWU6aGlkZGVu",
}


def test_what_works_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes sets variables to nothing where a value is missing."""
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    assert problems() == []


@pytest.mark.parametrize("command", ["serve", "once", "doctor", "check-config"])
def test_every_command_that_polls_checks_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So does the one that checks: exit code 2, one line, and not a source that is down as `internal`."""
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "foo")
    file = tmp_path / "exporter.yml"
    file.write_text("{}")
    assert main([command, str(file)] if command == "check-config" else [command, f"--config.file={file}"]) == 2
    printed = capsys.readouterr()
    assert printed.err == (
        "aws-job-exporter: AWS_DEFAULTS_MODE: must be legacy, auto, standard, in-region, cross-region or mobile, "
        "not 'foo'\n"
    )
