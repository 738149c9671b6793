"""The exporter starts with what the chart renders: its arguments, variables and files."""

import signal
from pathlib import Path

import pytest
import yaml

from tests.support.greeting import self_signed
from tests.support.processes import announced, started, stopped

pytestmark = pytest.mark.slow

CHART = Path(__file__).parents[2] / "helm"
EXAMPLES = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in CHART.glob("ci/*")}
SOMEBODY_ELSES = {
    "exporter-configuration": {"exporter.yml": "{}", "config.yml": "{}"},
    "exporter-web": {"web.yml": "tls_server_config: {cert_file: tls.crt, key_file: tls.key}"},
    "exporter-tls": {},
}
"""What the values in `ci` take for granted."""


def contents(manifests, name):
    """Return the files of a ConfigMap or Secret."""
    if name in SOMEBODY_ELSES:
        certificate = zip(("tls.crt", "tls.key"), self_signed("exporter", "exporter"), strict=True)
        return SOMEBODY_ELSES[name] | {file: content.decode() for file, content in certificate}
    (found,) = (each for each in manifests.of("ConfigMap", "Secret") if each["metadata"]["name"] == name)
    return found.get("data") or found.get("stringData")


def mounted(manifests, root):
    """Write the files of the exporter's volumes below a folder, where the container would find them."""
    volumes = {volume["name"]: volume for volume in manifests.pod["volumes"]}
    for mount in manifests.container["volumeMounts"]:
        folder = root / mount["mountPath"].removeprefix("/")
        folder.mkdir(parents=True)
        volume = volumes.get(mount["name"], {})
        name = volume.get("configMap", {}).get("name") or volume.get("secret", {}).get("secretName")
        if name and mount["name"] in {"config", "web", "tls"}:
            for file, content in contents(manifests, name).items():
                (folder / file).write_text(content.replace("/etc/aws-job-exporter", f"{root}/etc/aws-job-exporter"))


@pytest.mark.usefixtures("aws_credentials")
@pytest.mark.parametrize("example", EXAMPLES)
async def test_the_exporter_starts_as_rendered(render, tmp_path, monkeypatch, example):
    """With each of the values in `ci` it serves, and ends when it is asked to."""
    manifests = render(EXAMPLES[example])
    mounted(manifests, tmp_path)
    for name, value in {"AWS_REGION": "eu-central-1", "HOSTNAME": "jobs-0"}.items():
        monkeypatch.setenv(name, value)
    for variable in manifests.container.get("env", []):
        if "value" in variable:
            monkeypatch.setenv(variable["name"], variable["value"])
    # What is there instead of AWS refuses every connection.
    arguments = [
        argument.replace("=/", f"={tmp_path}/")
        for argument in ("--aws.endpoint-url=http://127.0.0.1:9", *manifests.container["args"])
        if not argument.startswith("--web.listen-address=")
    ]
    async with started(*arguments) as exporter:
        await announced(exporter, exporter.stderr, r"Listening on.*address\W+(127\.0\.0\.1:\d+)")
        assert (await stopped(exporter, signal.SIGTERM))[0] == 0
