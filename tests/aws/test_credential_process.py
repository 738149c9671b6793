"""A program that prints credentials, or asks for them, never holds up the exporter, and leaves nothing behind."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from exporter import app
from exporter.telemetry import SourceStatus
from tests.support.harness import BEDROCK, CATALOG, REGION, HandClock, configured
from tests.support.issuer import issuing
from tests.support.patience import PATIENCE, eventually
from tests.support.processes import ROOT, announced, started, stopped

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::111122223333:role/reader"
KEYS = {"Version": 1, "AccessKeyId": "ASIAMADEUP00000003", "SecretAccessKey": "made-up", "SessionToken": "made-up"}


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that writes the profile that is used, and others."""

    def write(*keys: str, others: str = "") -> None:
        (tmp_path / "config").write_text("\n".join(("[profile used]", *keys, others)))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "used")
        monkeypatch.setenv("AWS_REGION", REGION)

    return write


@pytest.fixture
def pids(tmp_path: Path) -> Path:
    """Return the file that a hanging program writes its own id to, and that of its child."""
    return tmp_path / "pids"


def hanging(pids: Path) -> str:
    """Return a program that hangs, as does its child."""
    return f"credential_process = /bin/sh -c 'sleep 1000 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait'"


def are_gone(pids: Path) -> bool:
    """Return whether no process of a hanging program runs any more; one may still be waiting to be reaped by init."""
    return not any(is_running(number) for number in pids.read_text().split())


def is_running(pid: str) -> bool:
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def polled(address: str) -> SourceStatus:
    """Poll the account once and return its status."""
    settings = configured(address, {"bedrock": {"kinds": [BEDROCK.key]}})
    async with app.assembled(settings, CATALOG, REGION, clock=HandClock()) as parts:
        await parts.poller.poll(parts.roots[0])
        return parts.roots[0].status


async def test_what_a_program_prints_is_used(profile: Callable[..., None], tmp_path: Path) -> None:
    """As with AWS's own tools."""
    (tmp_path / "keys").write_text(json.dumps(KEYS))
    profile(f"credential_process = /bin/cat {tmp_path / 'keys'}")
    async with issuing() as aws:
        assert (await polled(aws.address)).is_up
        assert aws.keys() == ["3"]


SAYING = {
    "the last line of its stderr": ("/bin/sh -c 'echo first >&2; echo no ticket >&2; exit 3'", "process: no ticket"),
    "its exit code": ("/bin/sh -c 'exit 3'", "sh ended with code 3"),
    "no JSON": ("/bin/echo hidden", "echo did not print an object of JSON"),
    "a list": ("/bin/echo []", "echo did not print an object of JSON"),
    "too much": ("/bin/cat /dev/zero", "cat printed more than 1,048,576 bytes"),
    "no such program": ("/no/such", "/no/such cannot be started: No such file or directory"),
    "a secret": ("/bin/sh -c 'echo password=hidden >&2; exit 1'", "process: password=[redacted]"),
}


@pytest.mark.parametrize(("program", "error"), SAYING.values(), ids=SAYING)
async def test_a_program_that_fails_is_quoted(program: str, error: str, profile: Callable[..., None]) -> None:
    """Its last words, if it has any, without secrets; never what it printed."""
    profile(f"credential_process = {program}")
    status = await polled("http://127.0.0.1:1")
    assert status.reason == "expired_credentials"
    assert status.error.endswith(error)
    assert "hidden" not in status.error


WHERE = {
    "profile": lambda program: ((program,), ""),
    "source profile": lambda program: ((f"role_arn = {ROLE}", "source_profile = other"), f"[profile other]\n{program}"),
}


@pytest.mark.parametrize("where", WHERE)
async def test_a_program_that_hangs_is_ended_with_its_children(
    where: str, profile: Callable[..., None], pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the poll itself still has time, so that the error names the program."""
    monkeypatch.setattr("exporter.aws.session._PROGRAM_SECONDS", 2)
    keys, others = WHERE[where](hanging(pids))
    profile(*keys, others=others)
    status = await polled("http://127.0.0.1:1")
    assert status.reason == "expired_credentials"
    assert status.error.endswith("sh did not end within 2s")
    await eventually(lambda: are_gone(pids))


async def test_a_program_ends_with_the_poll_that_is_canceled(profile: Callable[..., None], pids: Path) -> None:
    """As by a reload that removes its account."""
    profile(hanging(pids))
    polling = asyncio.create_task(polled("http://127.0.0.1:1"))
    await eventually(pids.exists)
    polling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await polling
    await eventually(lambda: are_gone(pids))


async def test_the_exporter_serves_and_stops_while_a_program_hangs(profile: Callable[..., None], pids: Path) -> None:
    """It exits with code 0 and leaves no process."""
    profile(hanging(pids))
    async with started("--aws.endpoint-url=http://127.0.0.1:1") as exporter:
        address = await announced(exporter, exporter.stderr, r"Listening on\" address=(\S+)")
        await eventually(pids.exists)
        async with aiohttp.ClientSession() as session, session.get(f"http://{address}/-/healthy") as response:
            assert response.status == 200
        code, err = await stopped(exporter, signal.SIGTERM)
    assert (code, "Traceback" in err) == (0, False)
    await eventually(lambda: are_gone(pids))


STANDING_STILL = """
import asyncio, sys, time
from pathlib import Path
from exporter import app, cli
from exporter.aws import credential_process
from exporter.cli import signals
pids, signals._GRACE = Path(sys.argv.pop(1)), float(sys.argv.pop(1))
async def stand_still(_):
    while not (credential_process._running and pids.exists()):
        await asyncio.sleep(0.01)
    sys.stderr.write("standing still\\n")
    while True:
        time.sleep(0.1)
app.skip_sources = stand_still
sys.exit(cli.main())
"""
"""An exporter whose event loop stands still once a program runs. Arguments: the file with its ids, and the grace."""

CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")
"""Has what follows be the first process of a namespace, from which the kernel withholds signals."""

ENDINGS = {
    "a second signal": ((), PATIENCE, (signal.SIGTERM, signal.SIGINT), {-signal.SIGTERM, -signal.SIGINT}),
    "the deadline": ((), 0.1, (signal.SIGTERM,), {0}),
    "a second signal in a container": (
        *(CONTAINER, PATIENCE, (signal.SIGTERM, signal.SIGINT)),
        {128 + signal.SIGTERM, 128 + signal.SIGINT},
    ),
}


@pytest.mark.parametrize(("inside", "grace", "numbers", "codes"), ENDINGS.values(), ids=ENDINGS)
async def test_an_exporter_that_ends_at_once_leaves_no_program_behind(
    inside: tuple[str, ...],
    grace: float,
    numbers: tuple[int, ...],
    codes: set[int],
    profile: Callable[..., None],
    pids: Path,
) -> None:
    """Whoever ends it: nobody is left to cancel the poll."""
    probe = await asyncio.create_subprocess_exec(*inside, "true", stderr=asyncio.subprocess.DEVNULL)
    if await probe.wait():
        pytest.skip("needs the right to make a namespace of processes")
    profile(hanging(pids))
    exporter = await asyncio.create_subprocess_exec(
        *(*inside, sys.executable, "-c", STANDING_STILL, str(pids), str(grace)),
        *("--aws.endpoint-url=http://127.0.0.1:1", "--web.listen-address=127.0.0.1:0"),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await announced(exporter, exporter.stderr, "(standing still)")
        for number in numbers:
            os.kill(child(exporter.pid) if inside else exporter.pid, number)
        async with asyncio.timeout(PATIENCE / 2):
            assert await exporter.wait() in codes
    finally:
        if exporter.returncode is None:
            exporter.kill()
    if not inside:
        await eventually(lambda: are_gone(pids))


def child(pid: int) -> int:
    """Return the child of a process that has one."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


ASKING = {
    "a program": ("credential_process = /bin/sh -c 'read line </dev/tty'",),
    "MFA": (
        *(f"role_arn = {ROLE}", "source_profile = used", "mfa_serial = arn:aws:iam::111122223333:mfa/me"),
        *("aws_access_key_id = AKIAMADEUP", "aws_secret_access_key = made-up"),
    ),
}
ANSWERS = {"a program": "sh", "MFA": "the AWS profile used has an mfa_serial: nobody can type a code of MFA"}


@pytest.mark.parametrize("who", ASKING)
def test_nobody_is_asked_at_the_terminal(who: str, profile: Callable[..., None]) -> None:
    """Even if there is one: nothing is written to it, and nothing is read from it."""
    profile(*ASKING[who])
    terminal, inside = pty.openpty()
    command = ("once", "--output=table", "--aws.endpoint-url=http://127.0.0.1:1")
    # A session whose terminal this is, as in a container that was started with one.
    run = ("setsid", "--ctty", "--wait", sys.executable, "-m", "exporter", *command)
    done = subprocess.run(run, stdin=inside, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False)
    os.set_blocking(terminal, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal, 1)
    assert done.returncode == 1
    assert re.search(rf"down \(expired_credentials\) .*{ANSWERS[who]}", done.stdout)


async def test_a_key_with_white_space_names_where_it_is_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that sends requests would call it an attack."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\naws_session_token = hid den\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    status = await polled("http://127.0.0.1:1")
    assert status.reason == "expired_credentials"
    assert status.error == f"the session token of {file} has white space or a line end in it"
