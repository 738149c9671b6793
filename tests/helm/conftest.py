"""What the tests of the chart share: Helm, and the manifests that it renders from values."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm"

DASHBOARD = (
    r'{"title": "{{ .Values }} {{kind}} ü", "exporter_url": "label_replace(up, \"url\", \"http://$1\", ...)"}' + "\n"
)
"""A dashboard with text that Helm must not touch."""

NOTES = """{{- define "notes" }}%s{{ end -}}
apiVersion: v1
kind: Notes
metadata: {name: notes}
text: {{ include "notes" . | toJson }}
"""
"""A manifest with the notes, which `helm template` leaves out."""


@pytest.fixture(scope="session")
def helm(tool):
    """Return a function that runs Helm, the environment's own if it has one."""
    own = Path(sys.executable).with_name("helm")
    program = str(own) if own.exists() else tool("helm")

    def run(*arguments, check=True, cwd=None):
        command = [program, *map(str, arguments)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def chart(tmp_path_factory):
    """Return a copy of the chart with one more dashboard."""
    folder = shutil.copytree(CHART, tmp_path_factory.mktemp("chart") / "chart")
    (folder / "files" / "dashboards" / "made_up.json").write_text(DASHBOARD)
    return folder


@pytest.fixture(scope="session")
def chart_with_notes(chart, tmp_path_factory):
    """Return a copy of the chart that also renders its notes."""
    folder = shutil.copytree(chart, tmp_path_factory.mktemp("notes") / "chart")
    (folder / "templates" / "notes.yaml").write_text(NOTES % (folder / "templates" / "NOTES.txt").read_text())
    return folder


@pytest.fixture(scope="session")
def template(helm, chart, tmp_path_factory):
    """Return a function that runs `helm template` with values, and caches the result."""
    folder = tmp_path_factory.mktemp("values")
    known = {}

    def run(values=None, chart=chart):
        key = json.dumps([values, str(chart)], sort_keys=True)
        if key not in known:
            file = folder / "values.yaml"
            file.write_text(yaml.safe_dump(values or {}))
            known[key] = helm("template", "r", chart, "--namespace", "jobs", "--values", file, check=False)
        return known[key]

    return run


@pytest.fixture(scope="session")
def render(template):
    """Return a function that returns the manifests rendered from values."""

    def run(*arguments):
        done = template(*arguments)
        assert done.returncode == 0, done.stderr
        return Manifests(manifest for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader) if manifest)

    return run


@pytest.fixture(scope="session")
def refusal(template):
    """Return a function that returns Helm's error for values that it refuses."""

    def run(values):
        done = template(values)
        assert done.returncode != 0
        return done.stderr

    return run


class Manifests(list[Any]):
    """Manifests, with ways to select among them."""

    def of(self, *kinds):
        """Return the manifests of these kinds."""
        return [manifest for manifest in self if manifest["kind"] in kinds]

    def one(self, kind, name="r-aws-job-exporter"):
        """Return the manifest of a kind and a name."""
        (found,) = (manifest for manifest in self.of(kind) if manifest["metadata"]["name"] == name)
        return found

    @property
    def workload(self):
        """Return the Deployment or the StatefulSet."""
        (found,) = self.of("Deployment", "StatefulSet")
        return found

    @property
    def pod(self):
        """Return the specification of the exporter's pod."""
        return self.workload["spec"]["template"]["spec"]

    @property
    def container(self):
        """Return the exporter's own container."""
        return next(container for container in self.pod["containers"] if container["name"] == "exporter")
