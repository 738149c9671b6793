"""The command line: what each command prints, where it prints it, and its exit code."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.cli import FINITE, main
from exporter.cli.commands import argument_parser
from exporter.cli.environment import forget_aws
from exporter.settings import flags, load
from tests.support.harness import ACCOUNT, BEDROCK, CATALOG, LOOKOUT, NOW, REGION, HandClock, simulated
from tests.support.patience import UNHURRIED_FLAGS
from tests.support.processes import announced, scrape, started, stopped

ROOT = Path(__file__).parents[2]
REFUSING = "http://127.0.0.1:9"
"""An endpoint where no AWS listens."""

COMMANDS = ("serve", "once", "check-config", "classify", "iam-policy", "doctor", "record", "kinds", "demo")
FLAGS = [f"--{'.'.join(path)}".replace("_", "-") for path in flags.paths() if len(path) > 1]
GOOD, WRONG_KEY, WRONG_SERVICE = "poll: {interval: 2m}", "poll: {intervall: 2m}", "services: {bedrok: {}}"


def test_the_commands_that_end_by_themselves_are_all_but_the_servers():
    """A signal during the start ends a server with code 0, and leaves the others to the system."""
    (commands,) = (action.choices for action in argument_parser()._actions if isinstance(action.choices, dict))
    assert commands.keys() == FINITE | {"serve", "demo"}


@pytest.fixture
def run(capsys):
    """Return a function that runs a command and returns its exit code, and the lines of its output and its errors."""

    def call(*arguments):
        try:
            code = main(arguments)
        except SystemExit as usage:
            code = int(usage.code or 0)
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return call


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a configuration file."""

    def write(content, name="exporter.yml"):
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return write


@pytest.fixture
async def aws():
    """Return a simulated AWS with one job."""
    async with simulated(HandClock()) as simulator:
        simulator.world.add_job(BEDROCK, created=NOW - 60, path=[(0, "Submitted")])
        yield simulator


def test_a_good_file_is_valid(run, file):
    """The output says so, and what it leads to."""
    good = file(GOOD)
    code, (line, *_), err = run("check-config", good)
    assert (code, err) == (0, [])
    assert re.fullmatch(rf"{good}: valid: \d+ kinds in 1 region; at least \d+ sources, .*", line)


SHORT = "poll: {lookback: 4d}\nservices: {bedrock: {}, polly: {}, quicksight: {kinds: [asset_bundle_export_job]}}\n"
"""One of these kinds is listed by AWS for three days, another for 14."""


def test_a_kind_that_aws_forgets_within_the_lookback_is_named(run, file):
    """Once, with both times; its numbers are of a shorter time after a restart."""
    short = file(SHORT)
    code, (_, *told), err = run("check-config", short)
    assert (code, err) == (0, [])
    (line,) = told
    assert line.startswith(f"{short}: polly/speech_synthesis_task: AWS lists a job for 3d from its creation")
    assert "poll.lookback (4d)" in line
    assert len(run("check-config", file(SHORT.replace("4d", "3d")))[1]) == 1


@pytest.mark.usefixtures("aws_credentials")
def test_the_log_at_the_start_names_it(run, file):
    """Here the start ends at once, because the port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        _, _, err = run(f"--config.file={file(SHORT)}", f"--web.listen-address={address}", "--log.level=info")
    (line,) = [line for line in err if "AWS lists a job for" in line]
    assert "level=INFO" in line
    assert "polly/speech_synthesis_task" in line


def test_the_problems_of_all_files_are_shown(run, file, tmp_path):
    """The valid ones are listed too; one bad file fails the whole check."""
    good, key, service = file(GOOD, "good.yml"), file(WRONG_KEY, "key.yml"), file(WRONG_SERVICE, "service.yml")
    code, out, err = run("check-config", good, key, service, str(tmp_path / "missing.yml"))
    assert code == 2
    assert [line.partition(": valid: ")[0] for line in out if ": valid: " in line] == [good]
    assert [line.split(": ")[:2] for line in err] == [
        ["aws-job-exporter", key],
        ["aws-job-exporter", service],
        ["aws-job-exporter", str(tmp_path / "missing.yml")],
    ]


def test_a_check_needs_a_file(run):
    """A check without files would always pass."""
    assert run("check-config")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--poll.interval=soon", "check-config"),
        ("check-config", "--poll.interval=soon"),
        ("check-config", "--poll.interval", "soon"),
    ],
)
def test_flags_go_before_or_after_the_command(run, file, arguments):
    """A flag can be written either way."""
    code, _, err = run(*arguments, file("log: {level: info}"))
    assert code == 2
    (line,) = err
    assert "--poll.interval" in line
    assert "'soon' is not a duration" in line


@pytest.mark.parametrize("flag", ["--accounts", "--services"])
@pytest.mark.parametrize("value", ["[", "bedrock", '{"bedrock": }'])
def test_a_flag_that_is_not_json_is_reported_in_one_line(run, file, flag, value):
    """The line names the flag; there is no traceback."""
    code, _, err = run("check-config", flag, value, file(GOOD))
    assert code == 2
    (line,) = err
    assert flag in line


@pytest.mark.parametrize("arguments", [("--unknown",), ("unknown",), ("kinds", "--unknown"), ("once", "--output=x")])
def test_an_unknown_argument_is_a_usage_error(run, arguments):
    """A typo never starts an exporter."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, [])
    assert re.search("unknown|'x'", err[-1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--web.enable-lifecycle=true"], True),
        (["--web.enable-lifecycle=false"], False),
        (["--web.enable-lifecycle", "once"], True),
        (["--no-web.enable-lifecycle", "once"], False),
        (["--web.enable-lifecycle=true", "once", "--web.enable-lifecycle=false"], False),
    ],
)
def test_what_is_on_or_off_takes_a_value(arguments, expected):
    """With an equals sign; the next word remains a command."""
    options = argument_parser().parse_args(arguments)
    assert flags.given(options)["web", "enable_lifecycle"] is expected
    assert options.command == ("serving:once" if "once" in arguments else "serving:serve")


@pytest.mark.parametrize("argument", ["--web.enable-lifecycle=maybe", "--no-web.enable-lifecycle=true"])
def test_any_other_value_is_a_usage_error(run, argument):
    """The error has the value and what is allowed."""
    code, out, err = run("once", argument)
    assert (code, out) == (2, [])
    assert repr(argument.partition("=")[2]) in err[-1]
    assert err[-1].endswith("--web.enable-lifecycle=true and --web.enable-lifecycle=false")


def test_a_message_to_classify_may_look_like_a_flag(run):
    """What follows `--` is left as it is."""
    message = "--web.enable-lifecycle=true"
    assert message in argument_parser().parse_args(["classify", "--", message]).messages


def test_a_flag_cannot_be_abbreviated(run):
    """A later flag would change what the short one means."""
    assert run("--poll.inter=5m", "kinds")[0] == 2


def test_the_version(run):
    """For bug reports, and for scripts that read it as they read Prometheus's."""
    code, out, err = run("--version")
    assert (code, err) == (0, [])
    assert out[0] == f"aws-job-exporter, version {__version__}"
    assert [line.partition(":")[0] for line in out[1:]] == ["  python version", "  platform"]


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [(["--version"], {"pydantic", "aiohttp", "yaml"}), (["--help"], {"aiohttp", "aiobotocore", "jinja2"})],
)
def test_a_command_loads_only_what_it_needs(arguments, unneeded):
    """Scripts and orchestrators ask often, and what serves takes a second to load."""
    code = "import sys; from exporter.cli import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert unneeded.isdisjoint(asked.stdout.splitlines()[-1].split())


def test_a_web_configuration_file_is_checked_too(run, file):
    """This covers the file named in the configuration and the one named by the flag."""
    web = file("rate_limit: {burst: many}", "web.yml")
    named, good = file(f"web: {{config: {{file: {web}}}}}", "named.yml"), file(GOOD, "good.yml")
    for arguments in ((named,), (good, f"--web.config.file={web}")):
        code, out, err = run("check-config", *arguments)
        assert (code, out) == (2, [])
        (line,) = err
        assert line.startswith(f"aws-job-exporter: {web}: rate_limit.burst: must be a valid integer")
    file("rate_limit: {burst: 1}", "web.yml")
    assert run("check-config", named)[0] == 0


@pytest.mark.usefixtures("aws_credentials")
def test_an_invalid_web_configuration_file_starts_nothing(run, tmp_path):
    """The error is one line of wrong usage."""
    code, out, err = run(f"--web.config.file={tmp_path}/missing.yml", "--log.level=error")
    assert (code, out) == (2, [])
    assert err == [f"aws-job-exporter: {tmp_path}/missing.yml: No such file or directory"]


@pytest.mark.usefixtures("aws_credentials")
def test_a_missing_socket_of_systemd_is_an_error(run):
    """The error uses the exporter-toolkit's words."""
    code, out, err = run("--web.systemd-socket", f"--aws.endpoint-url={REFUSING}", "--log.level=error")
    assert (code, out) == (1, [])
    assert err == ["aws-job-exporter: cannot listen: no socket activation file descriptors found"]


@pytest.mark.parametrize("given", [["--web.disable-exporter-metrics"], []])
@pytest.mark.usefixtures("aws_credentials")
async def test_metrics_of_the_process_can_be_left_out(run, aws, given):
    """The metrics about sources and AWS stay."""
    _, out, _ = await polled_once(run, aws, ONE, *given)
    assert any(line.startswith(("process_", "python_")) for line in out) is not bool(given)
    assert any(line.startswith("aws_job_exporter_source_up") for line in out)


def test_help_names_every_flag_and_every_command(run, monkeypatch):
    """What the help does not mention does not exist."""
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run("--help")
    listed = {word for line in out if line.startswith("  ") for word in re.findall(r"^ +(\S+)", line)}
    assert (code, err) == (0, [])
    assert {*FLAGS, "--accounts", "--services", "--version"} <= {word.rstrip(",") for word in listed}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    """The help shows the flags, which are accepted there too."""
    code, out, _ = run(command, "--help")
    assert code == 0
    assert any("--config.file" in line for line in out)


def test_the_kinds_as_a_table(run):
    """There is a line for each, below the column headers."""
    code, out, _ = run("kinds")
    assert code == 0
    assert out[0].split()[:2] == ["SERVICE", "KIND"]
    assert [(row["SERVICE"], row["KIND"]) for row in rows(out)] == [(k.service, k.key) for k in CATALOG.kinds()]


@pytest.mark.parametrize(("name", "kinds"), [("bedrock", len(CATALOG["bedrock"].kinds)), (str(BEDROCK), 1)])
def test_the_kinds_can_be_selected_by_name(run, name, kinds):
    """A name is a service, or a service and a kind."""
    code, out, _ = run("kinds", name)
    assert code == 0
    assert len(out) == 1 + kinds


def test_what_the_documentation_of_aws_leaves_open_is_said_below_the_kinds(run):
    """Of the kinds that are named, and of no other."""
    assert run("kinds", "s3control")[1][-1].startswith(
        "s3control/job: AWS says of the operation that it lists jobs that"
    )
    assert sum(": AWS says that the list has completed" in line for line in run("kinds", "dynamodb")[1]) == 2
    assert not any("leaves open" in line for line in run("kinds", "bedrock")[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG.names)
def test_the_kinds_as_yaml_are_valid_entries(run, name):
    """What is printed can be copied, changed and used."""
    code, out, _ = run("kinds", name, "--output=yaml")
    assert code == 0
    printed = yaml.safe_load("\n".join(out))
    again = load(CATALOG, defaults={"kinds": printed}).catalog(CATALOG)[name].kinds
    assert printed.keys() == CATALOG[name].kinds.keys()
    # Whoever copies a kind names it, so whatever keeps it from being polled by default is left out.
    named = {"opt_in": False, "closed": CATALOG[name].closed}
    assert again == {key: kind.model_copy(update=named) for key, kind in CATALOG[name].kinds.items()}


@pytest.mark.parametrize(
    ("name", "meant"), [("bedrok", "`bedrock`"), ("bedrock/model_invocation_jobs", "`bedrock/model_invocation_job`")]
)
def test_a_kind_that_does_not_exist_is_an_error(run, name, meant):
    """The error suggests the closest name."""
    code, out, err = run("kinds", "bedrock", name)
    assert (code, out) == (2, [])
    (line,) = err
    assert repr(name) in line
    assert f"did you mean {meant}" in line


@pytest.mark.parametrize("command", ["serve", "once"])
def test_nothing_can_be_requested_without_a_region(run, command):
    """One line says where to set one."""
    code, out, err = run(command, f"--aws.endpoint-url={REFUSING}")
    assert (code, out) == (2, [])
    (line,) = err
    assert "no region" in line
    assert "AWS_REGION" in line


@pytest.mark.parametrize("command", [(), ("serve",), ("once",), ("demo",)])
def test_an_invalid_configuration_starts_nothing(run, file, command):
    """Every command that reads it reports it in the same way."""
    code, out, err = run(*command, f"--config.file={file(WRONG_KEY)}")
    assert (code, out) == (2, [])
    (line,) = err
    assert "poll.intervall: unknown key" in line


def test_the_configuration_file_can_be_named_in_the_environment(run, file, monkeypatch):
    """A container takes no flags; if there is a flag, it still wins."""
    monkeypatch.setenv("AWS_JOB_EXPORTER_CONFIG__FILE", file(WRONG_KEY, "environment.yml"))
    assert "environment.yml: poll.intervall" in run("once")[2][0]
    assert "flag.yml: services.bedrok" in run("once", f"--config.file={file(WRONG_SERVICE, 'flag.yml')}")[2][0]


@pytest.mark.usefixtures("aws_credentials")
def test_a_port_in_use_is_reported_in_one_line(run):
    """The line has the address, and there is no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run(f"--web.listen-address={address}", f"--aws.endpoint-url={REFUSING}", "--log.level=error")
    assert (code, out) == (1, [])
    (line,) = err
    assert address.rpartition(":")[2] in line
    assert "in use" in line


ONE = json.dumps({"bedrock": {"kinds": [BEDROCK.key]}})
NOWHERE = {"kinds": [LOOKOUT.key], "inference_schedulers": ["pump-8"]}
TWO = json.dumps({"bedrock": {"kinds": [BEDROCK.key]}, "lookoutequipment": NOWHERE})
"""A kind that can be read, alone and beside one that cannot."""


def polled_once(run, aws, services, *arguments):
    """Run `once` in a thread, because the simulator needs this thread's event loop."""
    flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", f"--services={services}")
    return asyncio.to_thread(run, "once", *flags, *arguments)


def rows(table):
    """Return the rows of a printed table, each as its cells by column name."""
    columns = [(match[0], match.start()) for match in re.finditer(r"\S+", table[0])]
    ends = [start for _, start in columns[1:]] + [None]
    return [
        {name: line[start:end].strip() for (name, start), end in zip(columns, ends, strict=True)} for line in table[1:]
    ]


@pytest.mark.usefixtures("aws_credentials")
async def test_once_prints_the_exposition(run, aws):
    """The output is what /metrics would serve, and nothing else."""
    code, out, _ = await polled_once(run, aws, ONE)
    samples = [sample for family in text_string_to_metric_families("\n".join(out)) for sample in family.samples]
    found = {(s.labels["kind"], s.labels["status"]): s.value for s in samples if s.name == "aws_jobs"}
    assert code == 0
    assert found[BEDROCK.key, "Submitted"] == 1


@pytest.mark.usefixtures("aws_credentials")
async def test_the_exit_code_of_once_shows_that_a_source_failed(run, aws):
    """Whatever could be read is still printed."""
    code, out, _ = await polled_once(run, aws, TWO)
    assert code == 1
    assert any(line.startswith("aws_jobs{") for line in out)


@pytest.mark.usefixtures("aws_credentials")
async def test_once_prints_a_table(run, aws):
    """There is a line for each source: its state, its jobs, and why it is down."""
    code, out, _ = await polled_once(run, aws, TWO, "--output=table")
    found = {row["KIND"]: row for row in rows(out)}
    assert code == 1
    assert found.keys() == {"account", BEDROCK.key, LOOKOUT.key}
    assert {"ACCOUNT": ACCOUNT, "REGION": REGION, "STATE": "up", "JOBS": "1"}.items() <= found[BEDROCK.key].items()
    assert {"SCOPE": "pump-8", "STATE": "down (not_found)", "JOBS": ""}.items() <= found[LOOKOUT.key].items()
    assert found[LOOKOUT.key]["REASON"]


@pytest.mark.usefixtures("aws_credentials")
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_either_variable_names_the_region(run, aws, monkeypatch, variable):
    """AWS's tools disagree about the variable's name."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv(variable, "eu-west-1")
    code, out, _ = await polled_once(run, aws, ONE, "--output=table")
    assert code == 0
    assert {row["REGION"] for row in rows(out)} == {"eu-west-1"}


@pytest.mark.usefixtures("aws_credentials")
async def test_regions_of_the_configuration_suffice(run, aws, monkeypatch):
    """The environment then needs no region."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    accounts = json.dumps([{"regions": ["us-west-2", "eu-west-1"]}])
    code, out, _ = await polled_once(run, aws, ONE, "--output=table", f"--accounts={accounts}")
    assert code == 0
    assert {row["REGION"] for row in rows(out)} == {"us-west-2", "eu-west-1"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_demo_serves_until_it_is_stopped(number):
    """It announces itself on stdout, needs no configuration, and exits cleanly."""
    async with started("demo") as demo:
        url = await announced(demo, demo.stdout, r"(http://\S+/metrics)")
        assert "aws_job_exporter_build_info" in await scrape(url)
        code, err = await stopped(demo, number)
    assert code == 0
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.usefixtures("aws_credentials")
async def test_the_demo_prints_the_address_of_its_aws(run):
    """Other commands can connect to it."""
    async with started("demo") as demo:
        address = await announced(demo, demo.stdout, r"AWS: +(http://\S+)")
        flags = (*UNHURRIED_FLAGS, f"--services={ONE}", f"--aws.endpoint-url={address}", "--output=table")
        code, out, _ = await asyncio.to_thread(run, "once", *flags)
    assert code == 0
    assert int(next(row["JOBS"] for row in rows(out) if row["KIND"] == BEDROCK.key)) > 0


def test_the_demo_takes_nothing_from_the_environment(monkeypatch):
    """Whoever tries it in a company's shell has all of these, and none leads to the simulator."""
    environment = {
        "AWS_PROFILE": "nobody",
        "AWS_CA_BUNDLE": "/nowhere.pem",
        "AWS_DEFAULTS_MODE": "wrong",
        "AWS_BEARER_TOKEN_BEDROCK": "of-somebody",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    with monkeypatch.context() as patch:
        for name, value in {**environment, "AWS_JOB_EXPORTER_LOG__LEVEL": "debug"}.items():
            patch.setenv(name, value)
        # Only to have everything put back.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.setenv(name, os.environ[name])
        forget_aws()
        left = {name for name in os.environ if name.startswith("AWS_") or name.upper().endswith("_PROXY")}
        assert left == {"AWS_JOB_EXPORTER_LOG__LEVEL", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"}


@pytest.mark.slow
@pytest.mark.usefixtures("aws_credentials")
async def test_serving_needs_no_configuration_file(aws):
    """The environment's credentials and region suffice, and no command means serve."""
    async with started(f"--aws.endpoint-url={aws.endpoint_url}", f"--services={ONE}") as exporter:
        address = await announced(exporter, exporter.stderr, r'msg="Listening on" address=(\S+)')
        assert "aws_job_exporter_build_info" in await scrape(f"http://{address}/metrics")
        code, err = await stopped(exporter, signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in err


HAND_OVER = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.slow
@pytest.mark.usefixtures("aws_credentials")
async def test_a_socket_of_systemd_is_served():
    """The socket is passed as systemd does it: as the third descriptor, with the pid it is meant for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        flags = ("--web.systemd-socket", f"--aws.endpoint-url={REFUSING}", f"--services={ONE}")
        port, descriptor = listener.getsockname()[1], listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HAND_OVER, str(descriptor), "-m", "exporter", *flags),
            cwd=ROOT,
            pass_fds=[descriptor],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert await announced(process, process.stderr, r'msg="Listening on" address=127.0.0.1:(\d+)') == str(port)
            assert "aws_job_exporter_build_info" in await scrape(f"http://127.0.0.1:{port}/metrics")
            assert (await stopped(process, signal.SIGTERM))[0] == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def test_a_new_kind_is_drafted(run):
    """One command prints the first draft of an entry."""
    code, out, _ = run("kinds", "new", "bedrock", "ListModelImportJobs")
    assert code == 0
    assert load(CATALOG, defaults={"kinds": yaml.safe_load("\n".join(out))}).kinds.keys() == {"model_import_job"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["bedrock"], "takes a service and a list operation"),
        (["bedrok", "ListModelImportJobs"], "did you mean `bedrock`"),
        (["bedrock", "ListModelImports"], "did you mean `ListModelImportJobs`"),
    ],
    ids=["too little", "wrong service", "wrong operation"],
)
def test_an_impossible_draft_is_an_error(run, words, line):
    """One line says what is wrong."""
    code, _, err = run("kinds", "new", *words)
    assert code == 2
    assert len(err) == 1
    assert line in err[0]


def test_messages_are_classified(run):
    """Each message comes with the rule that classifies it."""
    code, out, _ = run("classify", "Rate exceeded", "User is not authorized to perform: s3:GetObject", "Xyzzy")
    assert code == 0
    assert [line.split()[0] for line in out] == ["throttled", "access_denied", "other"]
    assert "(no rule)" in out[2]


def test_a_misspelled_setting_is_named(capsys):
    """The error leaves out its value, which would look like a command."""
    with pytest.raises(SystemExit) as left:
        main(["--poll.intervall", "5m"])
    assert left.value.code == 2
    assert "unknown flag --poll.intervall; did you mean `--poll.interval`" in capsys.readouterr().err
