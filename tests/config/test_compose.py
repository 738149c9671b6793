"""The demo with Prometheus, Alertmanager and Grafana by one command: its files are valid and fit together."""

import asyncio
import re
import subprocess
import sys
from asyncio import StreamReader
from pathlib import Path
from typing import cast

import aiohttp
import pytest
import yaml

from exporter.cli.commands import argument_parser
from tests.support.patience import PATIENCE, eventually
from tests.support.stack import free_ports

CONFIG = Path(__file__).parents[2] / "config"
FILE = CONFIG / "compose.yaml"
SERVICES = yaml.safe_load(FILE.read_text())["services"]
ALERTMANAGER = CONFIG / "compose" / "alertmanager.yml"
PRINTER = CONFIG / "compose" / "print_alerts.py"


def sources(service):
    """Return what a service mounts: where it is in the container, and which file or folder it is here."""
    mounts = (mount.split(":") for mount in SERVICES[service].get("volumes", []))
    return {target: FILE.parent / source for source, target, _ in mounts}


def test_it_follows_the_compose_specification():
    """By the specification's own schema."""
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_is_mounted_exists_and_stays_as_it_is():
    """A missing source would become an empty directory; nothing here is written by a container."""
    for service, content in SERVICES.items():
        assert all(path.exists() for path in sources(service).values())
        assert all(mount.endswith(":ro") for mount in content.get("volumes", []))
    assert (FILE.parent / SERVICES["exporter"]["build"] / "Dockerfile").exists()


def test_every_address_in_the_files_is_one_of_theirs():
    """All share one network, in which each listens on its usual port."""
    assert {each.get("network_mode", "service:exporter") for each in SERVICES.values()} == {"service:exporter"}
    known = {"10058", "9090", "9093", "9095", "3000"}
    files = [*CONFIG.glob("prometheus/prometheus.yml"), *CONFIG.glob("grafana/provisioning/*/*.yml"), ALERTMANAGER]
    named = {port for file in files for port in re.findall(r"localhost:(\d+)", file.read_text())}
    assert {"10058", "9090", "9093", "9095"} <= named <= known
    assert SERVICES["webhook"]["entrypoint"][-1] == "9095"
    published = {mapping.rpartition(":")[2] for mapping in SERVICES["exporter"]["ports"]}
    assert published == known - {"9095"}
    assert all(mapping.startswith("127.0.0.1:") for mapping in SERVICES["exporter"]["ports"])


def test_the_configuration_is_where_each_looks_for_it():
    """Prometheus and Grafana at their defaults, the dashboards where the provisioning says."""
    assert (sources("prometheus")["/etc/prometheus"] / "prometheus.yml").exists()
    assert sources("grafana")["/etc/grafana/provisioning"] == CONFIG / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((CONFIG / "grafana/provisioning/dashboards/aws-job-exporter.yml").read_text())[
        "providers"
    ]
    dashboards = sources("grafana")[provider["options"]["path"]]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (dashboards / home.name).exists()
    assert any(f"--config.file={target}" in SERVICES["alertmanager"]["command"] for target in sources("alertmanager"))


def test_the_exporter_takes_its_command():
    """It is the demo; its readiness is asked at the default port."""
    assert argument_parser().parse_args(SERVICES["exporter"]["command"]).command == "demo:demo"
    assert "http://localhost:10058/-/ready" in SERVICES["exporter"]["healthcheck"]["test"][-1]


@pytest.mark.slow
async def test_an_alert_is_printed(tool, tmp_path):
    """By the real Alertmanager with the file, and the webhook that it notifies; what a name holds stays text."""
    port, webhook = free_ports(2)
    text = ALERTMANAGER.read_text().replace("localhost:9095", f"localhost:{webhook}").replace("5s", "1ms")
    (tmp_path / "alertmanager.yml").write_text(text)
    program = tool("alertmanager", "prometheus-alertmanager")
    arguments = [*SERVICES["alertmanager"]["command"][2:], f"--web.listen-address=127.0.0.1:{port}"]
    arguments += [f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data"]
    printer = await asyncio.create_subprocess_exec(
        sys.executable, "-u", PRINTER, str(webhook), stdout=asyncio.subprocess.PIPE
    )
    alertmanager = await asyncio.create_subprocess_exec(program, *arguments, stderr=asyncio.subprocess.DEVNULL)
    try:
        await eventually(lambda: posted(port))
        async with asyncio.timeout(PATIENCE):
            line = (await cast("StreamReader", printer.stdout).readline()).decode()
    finally:
        for process in (alertmanager, printer):
            process.kill()
            await process.communicate()
    assert line == "firing AwsJobFailed bedrock model_invocation_job s\\x1b[1m a \\x1b[31mred job\n"


async def posted(port):
    """Whether Alertmanager took an alert."""
    labels = {
        "alertname": "AwsJobFailed",
        "aws_service": "bedrock",
        "kind": "model_invocation_job",
        "scope": "s\x1b[1m",
    }
    alert = {"labels": labels, "annotations": {"summary": "a \x1b[31mred job"}}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=[alert]) as response,
        ):
            return response.status == 200
    except aiohttp.ClientError:
        return False
