"""The exporter as a service of Amazon ECS: the files are valid, and the task is as locked down as the chart's pod."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.commands import argument_parser
from exporter.settings import given, load
from tests.config.test_event_files import Template
from tests.support.harness import CATALOG

FOLDER = Path(__file__).parents[2] / "config" / "ecs"
CLOUDFORMATION = FOLDER / "cloudformation" / "service.yaml"
TERRAFORM = FOLDER / "terraform" / "main.tf"


class Resolved(Template):
    """CloudFormation's YAML with everything that is conditional, and with each condition as its first value."""


def chosen(loader, node):
    """Return the first value of an `!If`."""
    return loader.construct_sequence(node, deep=True)[1]


def substituted(loader, node):
    """Return the text of a `!Sub`, its variables as they are."""
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)[0]
    return node.value


Resolved.add_constructor("!If", chosen)
Resolved.add_constructor("!Sub", substituted)
Resolved.add_constructor("!Select", lambda _loader, _node: "ws-1")
Resolved.add_constructor("!Not", lambda _loader, _node: True)

TEMPLATE = yaml.load(CLOUDFORMATION.read_text(), Resolved)
RESOURCES = {name: each["Properties"] for name, each in TEMPLATE["Resources"].items()}
EXPORTER, COLLECTOR = RESOURCES["Task"]["ContainerDefinitions"]


def test_cloudformation_accepts_the_template():
    """By the linter that knows what each resource takes."""
    command = [Path(sys.executable).with_name("cfn-lint"), CLOUDFORMATION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_reads_the_module_and_would_write_it_so(tool):
    """It is valid HCL, in the usual form."""
    subprocess.run([tool("terraform"), "fmt", "-check", "-diff", TERRAFORM.parent], check=True)


def test_the_exporter_takes_what_the_task_gives_it(monkeypatch):
    """Its flags, and the variables with services and accounts as JSON."""
    accounts = '[{"role_arn": "arn:aws:iam::111122223333:role/jobs", "regions": ["us-east-1"]}]'
    values = {"AWS_JOB_EXPORTER_SERVICES": TEMPLATE["Parameters"]["Services"]["Default"]}
    values["AWS_JOB_EXPORTER_ACCOUNTS"] = accounts
    named = [each["Name"] for each in (*EXPORTER["Environment"], *EXPORTER["Secrets"])]
    assert named == [*values]
    for name in named:
        monkeypatch.setenv(name, values[name])
    settings = load(CATALOG, None, given(argument_parser().parse_args(EXPORTER["Command"])))
    assert settings.services.keys() == {"bedrock", "sagemaker"}
    assert settings.named_accounts[0].regions == ("us-east-1",)
    assert settings.web.listen_address == (":10058",)


@pytest.mark.parametrize("container", [EXPORTER, COLLECTOR], ids=["exporter", "collector"])
def test_a_container_can_write_nothing_and_waits_for_no_log(container):
    """Its root is read-only, it has no capabilities, and a slow CloudWatch does not stop it."""
    assert container["Essential"] is True
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["LogConfiguration"]["Options"]["mode"] == "non-blocking"
    assert container["LogConfiguration"]["Options"]["max-buffer-size"] == "4m"


def test_its_health_is_that_of_the_exporter():
    """The command needs only what the image has; the image is that of the release, its user too."""
    program, *words = EXPORTER["HealthCheck"]["Command"][1:]
    assert (program, words[0]) == ("python3", "-c")
    compile(words[1], "health", "exec")
    assert "http://localhost:10058/-/healthy" in words[1]
    assert EXPORTER["User"] == "65532:65532"
    assert TEMPLATE["Parameters"]["Image"]["Default"].endswith(f":v{__version__}")


def test_there_are_never_two_at_once():
    """The old task ends before the new one starts."""
    deployment = RESOURCES["Service"]["DeploymentConfiguration"]
    assert RESOURCES["Service"]["DesiredCount"] == 1
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)


def test_each_role_may_do_only_its_part():
    """The secret is read by what starts the task, metrics are written by the task itself."""
    task, execution = RESOURCES["TaskRole"], RESOURCES["ExecutionRole"]

    def actions(role):
        return {each["Action"] for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]}

    assert actions(task) == {"aps:RemoteWrite"}
    assert actions(execution) == {"secretsmanager:GetSecretValue"}
    assert task["ManagedPolicyArns"] == ["!Ref PolicyArn"]


def test_the_collector_reads_the_exporter_and_writes_to_the_workspace():
    """The target has the same name after every deployment, and the requests are signed."""
    (variable,) = COLLECTOR["Environment"]
    config = yaml.safe_load(variable["Value"])
    (job,) = config["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["localhost:10058"], "labels": {"instance": "${Name}"}}]
    writer = config["exporters"]["prometheusremotewrite"]
    assert writer["endpoint"].endswith("/workspaces/${Id}/api/v1/remote_write")
    assert writer["auth"]["authenticator"] in config["extensions"]
    pipeline = config["service"]["pipelines"]["metrics"]
    assert pipeline == {"receivers": ["prometheus"], "processors": ["batch"], "exporters": ["prometheusremotewrite"]}


def test_terraform_makes_the_same():
    """Names, images, addresses, numbers: what is quoted in the template's task is in the module."""
    module = TERRAFORM.read_text()
    for name in ("Image", "CollectorImage"):
        assert f'"{TEMPLATE["Parameters"][name]["Default"]}"' in module
    for word in (*EXPORTER["Command"], EXPORTER["User"], "AWS_JOB_EXPORTER_SERVICES", "AWS_JOB_EXPORTER_ACCOUNTS"):
        assert f'"{word}"' in module
    assert EXPORTER["HealthCheck"]["Command"][-1].replace('"', '\\"') in module
    assert module.count("readonlyRootFilesystem = true") == module.count('drop = ["ALL"]') == 2
    assert re.search(r'mode +=\s"non-blocking"', module)
    for key, value in {"minimum_healthy_percent": 0, "maximum_percent": 100}.items():
        assert re.search(rf"deployment_{key} += {value}\n", module)
    assert re.search(r"desired_count += 1\n", module)
