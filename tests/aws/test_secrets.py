"""No log, page, metric or error shows a secret, whatever AWS and the libraries say."""

import asyncio
import io
import json

import pytest
from aiohttp import ClientSession

from exporter import app
from exporter.cli import main
from exporter.simulator import AwsError
from exporter.telemetry import configure_logging
from exporter.text.redaction import REDACTED, redacted
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, REGION, HandClock, configured, simulated
from tests.support.patience import PATIENCE, UNHURRIED_FLAGS

pytestmark = pytest.mark.usefixtures("restored_logging")

KEY, SECRET, SESSION = (
    "AKIAMADEUPMADEUP0001",
    "made/up+secret+key+of+forty+letters+0001",
    "FwoGZXIvYXdzEMADEUP/session+token==",
)
EXTERNAL = "the-external-id-that-nobody-guesses"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYWRlLXVwIn0.c2lnbmF0dXJlLW1hZGUtdXA"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-job-exporter"
REPEATING = (
    f"The Canonical String should have been 'POST\n/\n\nx-amz-security-token:{SESSION}\n' Credential={KEY}/2026/x "
    f"Signature=0123456789abcdef&X-Amz-Security-Token={SESSION} key {KEY} token {TOKEN} "
    f"Value '{EXTERNAL}' at 'externalId' "
    f'<SecretAccessKey>{SECRET}</SecretAccessKey> {{"aws_secret_access_key": "{SECRET}"}}'
)
"""What AWS says at its worst."""
FORBIDDEN = (KEY, SECRET, SESSION, EXTERNAL, TOKEN, "0123456789abcdef", "ASIAMADEUP", "secret-of-", "session-of-")


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    """Put session keys and a region in the environment."""
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SESSION)


@pytest.fixture
async def aws():
    """Return an AWS that repeats secrets in every refusal: of each list, and of another account's role."""
    async with simulated(HandClock()) as simulator:

        async def repeat(call):
            if call.operation.startswith("List") or call.arguments.get("RoleArn", ROLE) != ROLE:
                raise AwsError("AccessDeniedException", REPEATING, 403)

        simulator.hooks.append(repeat)
        yield simulator


def clean(text):
    """Return a text, or fail if it contains a secret."""
    found = [secret for secret in FORBIDDEN if secret in text]
    assert not found, f"{found} in {text}"
    return text


ACCOUNTS = [
    {},
    {"role_arn": ROLE, "external_id": EXTERNAL},
    {"role_arn": "arn:aws:iam::444455556666:role/other", "external_id": EXTERNAL},
]


@pytest.mark.parametrize("form", ["logfmt", "json"])
async def test_a_poll_reveals_no_secret_even_at_the_debug_level(aws, form):
    """Neither its log nor what it serves shows one."""
    stream = io.StringIO()
    configure_logging("debug", form, stream)
    services = {"bedrock": {"kinds": [BEDROCK.key]}}
    web = {"listen_address": ["127.0.0.1:0"]}
    settings = configured(aws.endpoint_url, services, accounts=ACCOUNTS, web=web)
    async with app.running(settings, CATALOG, REGION) as exporter, asyncio.timeout(PATIENCE):
        await exporter.poller.progress.complete.wait()
        (host, port), *_ = exporter.addresses
        async with ClientSession(f"http://{host}:{port}") as browser:
            metrics, page = [await (await browser.get(path)).text() for path in ("/metrics", "/")]
    log = clean(stream.getvalue())
    assert "GetCallerIdentity returned 200" in log
    assert "source down" in log
    assert REDACTED in log
    assert REDACTED in clean(page)
    assert "source_failure_info{" in clean(metrics)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["doctor"], ["once", "--output", "table"], ["once"]], ids=" ".join)
async def test_no_command_reveals_a_secret(aws, capsys, command):
    """Its log on stderr shows none either."""
    services, accounts = json.dumps({"bedrock": {"kinds": [BEDROCK.key]}}), json.dumps(ACCOUNTS[1:])
    flags = [
        *UNHURRIED_FLAGS,
        f"--aws.endpoint-url={aws.endpoint_url}",
        f"--services={services}",
        f"--accounts={accounts}",
    ]
    flags += ["--aws.max-attempts=1", "--log.level=debug"]
    code = await asyncio.to_thread(main, [*command, *flags])
    printed = capsys.readouterr()
    assert code == 1
    assert "AccessDenied" in clean(printed.out) + clean(printed.err)


WRONG = {
    "external id": (
        ["--accounts", json.dumps([{"role_arn": ROLE, "external_id": f"{EXTERNAL} "}])],
        "external_id: must be 2",
    ),
    "external id of a wrong type": (
        ["--accounts", json.dumps([{"role_arn": ROLE, "external_id": [EXTERNAL]}])],
        "must be text",
    ),
    "password in an address": (
        [f"--aws.endpoint-url=https://reader:{SECRET.replace('/', '')}@host"],
        "must not contain a user",
    ),
    "password in no address": (
        [f"--aws.endpoint-url=ftp://reader:{SECRET.replace('/', '')}@host"],
        "is not a URL",
    ),
}


@pytest.mark.parametrize(("flags", "says"), WRONG.values(), ids=WRONG.keys())
def test_an_invalid_configuration_reveals_no_secret(capsys, flags, says):
    """It names the key, and hides the value."""
    assert main(["once", *flags]) == 2
    printed = clean(capsys.readouterr().err)
    assert says in printed
    assert SECRET.replace("/", "") not in printed


def test_settings_hide_external_ids():
    """A traceback that prints them shows no external id."""
    clean(repr(configured("http://localhost", accounts=ACCOUNTS)))


PLAIN = [
    "The security token included in the request is expired",
    "no credentials: KeyError: 'AccessKeyId'",
    "arn:aws:sts::111122223333:assumed-role/reader/aws-job-exporter is not authorized to perform: bedrock:ListJobs",
    "Signature expired: 20260921T000000Z is now earlier than 20260921T001500Z",
    'Could not connect to the endpoint URL: "https://bedrock.us-east-1.amazonaws.com/jobs?maxResults=1000"',
    "Credentials were refreshed, but the refreshed credentials are still expired.",
]


@pytest.mark.parametrize("text", PLAIN)
def test_text_without_secrets_stays(text):
    """An error without any content helps nobody."""
    assert redacted(text) == text


def test_the_rest_of_a_message_stays():
    """The cause can still be read."""
    assert redacted(f"key {KEY} in {REGION}: denied") == f"key {REDACTED} in {REGION}: denied"
    assert redacted("https://me:pw@host/path") == f"https://{REDACTED}@host/path"
    assert redacted("Authorization: Bearer abc.def") == f"Authorization: Bearer {REDACTED}"
    assert redacted('{"SessionToken": "abc", "a": 1}') == f'{{"SessionToken": "{REDACTED}", "a": 1}}'
