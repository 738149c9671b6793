"""The chart as a package: it is well formed and complete, and all its values are used, described and checked."""

import copy as copying
import json
import re
import shlex
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from exporter.catalog.models import regions
from helm.document import readme, values

pytestmark = pytest.mark.slow

CHART = Path(__file__).parents[2] / "helm"
CONFIG = CHART.parent / "config"
TEXT = (CHART / "values.yaml").read_text()
DEFAULTS = yaml.safe_load(TEXT)
DOCUMENTED = {key: json.loads(default) for key, default, _ in values(TEXT)}
EXAMPLES = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in CHART.glob("ci/*")}
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
LINKED = {
    f"files/{name}/{file.name}": file.read_bytes()
    for name, folder in {
        "rules": CONFIG / "prometheus" / "rules",
        "dashboards": CONFIG / "grafana" / "dashboards",
    }.items()
    for file in folder.iterdir()
}


def leaves(content, prefix=""):
    """Yield the key of each value that is not itself a map."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def holds(content, key):
    """Whether some values set a key."""
    for step in key.split("."):
        if not isinstance(content, dict) or step not in content:
            return False
        content = content[step]
    return True


def without(content, key):
    """Return values with one key removed."""
    content = copying.deepcopy(content)
    *path, last = key.split(".")
    inner = content
    for step in path:
        inner = inner[step]
    del inner[last]
    return content


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_lint_accepts_the_chart(helm, example):
    """`helm lint --strict` finds nothing in the chart with any of the values in `ci`."""
    assert (
        "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", CHART / f"ci/{example}-values.yaml").stdout
    )


def test_the_version_is_that_of_the_project():
    """Chart and exporter are released together, and images are tagged with a `v`."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_artifact_hub_shows_the_image_of_the_release(render):
    """And the other annotations are lists in YAML, as it reads them; a link of the README works there, too."""
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    ((image,),) = [yaml.safe_load(annotations["artifacthub.io/images"])]
    assert image["image"] == render({}).container["image"]
    for name in ("changes", "links"):
        assert yaml.safe_load(annotations[f"artifacthub.io/{name}"])
    links = re.findall(r"\]\(([^)#][^)]*)\)", (CHART / "README.md").read_text())
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_readme_names_the_supported_versions():
    """The oldest Kubernetes version is that of the manifest, the Helm version that of the lock."""
    kubernetes = re.findall(r'^kubeVersion: ">=(1\.\d+)', (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    helm = re.findall(r"^helm-binary==(3\.\d+)", (CHART.parent / "requirements-dev.txt").read_text(), re.MULTILINE)
    text = (CHART / "README.md").read_text()
    assert re.findall(r"version (\S+) or newer", text) == kubernetes
    assert re.findall(r"tested with Helm ([\d.]+)\.", text) == helm


def test_the_package_is_complete(helm, template, tmp_path):
    """It holds the project's rules and dashboards byte for byte, no development files, and renders the same."""
    helm("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "aws-job-exporter"
    held = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert {name: content for name, content in held.items() if re.match("files/(rules|dashboards)/", name)} == LINKED
    assert LINKED.keys() >= {"files/rules/aws-job-exporter.yml", "files/dashboards/overview.json"}
    templates = {str(file.relative_to(CHART)) for file in CHART.glob("templates/**/*") if file.is_file()}
    own = {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", ".helmignore", "files/get.py"}
    own |= {"LICENSE", "files/defaults.yaml"}
    assert held["LICENSE"] == (CHART.parent / "LICENSE").read_bytes()
    assert held.keys() == {*LINKED, *templates, *own}
    values = EXAMPLES["eks"]
    assert template(values, package).stdout == template(values, CHART).stdout != ""


def test_rules_and_dashboards_are_not_copies():
    """They are links, which Helm follows, so there is no second copy to update."""
    assert {file.name: file.resolve() for file in CHART.glob("files/*") if file.is_symlink()} == {
        "rules": CONFIG / "prometheus" / "rules",
        "dashboards": CONFIG / "grafana" / "dashboards",
        "defaults.yaml": CHART / "values.yaml",
    }


# Values.


def test_every_value_is_described():
    """A value has a comment of its own, or its enclosing map has one."""
    assert [leaf for leaf in leaves(DEFAULTS) if not any(f"{leaf}.".startswith(f"{key}.") for key in DOCUMENTED)] == []
    assert all(re.fullmatch(r".*[.]", text) for _, _, text in values(TEXT))


def test_the_table_in_the_readme_matches_the_values():
    """`make docs` regenerates the table."""
    text = (CHART / "README.md").read_text()
    assert readme(text, values(TEXT)) == text


@pytest.mark.parametrize("key", DOCUMENTED)
def test_every_value_has_an_effect(template, key):
    """One of the files in `ci` sets it, and renders differently without it."""
    examples = [content for content in EXAMPLES.values() if holds(content, key)]
    assert examples
    assert any(template(content).stdout != template(without(content, key)).stdout for content in examples)


def test_templates_use_existing_values():
    """Keys inside a value that users fill in are allowed, too."""
    text = "".join(file.read_text() for file in CHART.glob("templates/**/*") if file.is_file())
    used = {path for path in re.findall(r"(?:\.Values|\$values)((?:\.\w+)+)", text) for path in [path[1:]]}
    free = [key for key, default in DOCUMENTED.items() if default == {}]
    unknown = {path for path in used if not holds(DEFAULTS, path)}
    assert [path for path in unknown if not any(path.startswith(f"{key}.") for key in free)] == []


def test_the_schema_has_the_values_and_no_others():
    """The exception is `enabled`, with which a parent chart leaves this one out."""

    def strict(schema, content, prefix=""):
        for key, value in content.items():
            if isinstance(value, dict) and f"{prefix}{key}" not in DOCUMENTED:
                assert schema["properties"][key]["additionalProperties"] is False, key
                assert schema["properties"][key]["properties"].keys() == value.keys(), key
                strict(schema["properties"][key], value, f"{prefix}{key}.")

    assert SCHEMA["additionalProperties"] is False
    assert SCHEMA["properties"].keys() == DEFAULTS.keys() | {"enabled"}
    strict(SCHEMA, DEFAULTS)


WRONG = [
    ({"replicaCount": 2}, "Additional property replicaCount is not allowed"),
    ({"image": {"tga": "v1"}}, "image: Additional property tga is not allowed"),
    ({"image": {"digest": "latest"}}, "image.digest: Does not match pattern"),
    ({"image": {"pullPolicy": "Sometimes"}}, 'image.pullPolicy must be one of the following: "Always", "IfNotPresent"'),
    ({"shards": 0}, "shards: Must be greater than or equal to 1"),
    ({"shards": "4"}, "shards: Invalid type. Expected: integer, given: string"),
    ({"config": "services: {}"}, "config: Invalid type. Expected: object, given: string"),
    ({"configKind": "File"}, 'configKind must be one of the following: "ConfigMap", "Secret"'),
    ({"containerPort": 80}, "containerPort: Must be greater than or equal to 1024"),
    ({"service": {"port": 70000}}, "service.port: Must be less than or equal to 65535"),
    ({"externalUrl": "jobs.example.com"}, "externalUrl: Does not match pattern"),
    ({"aws": {"region": "Frankfurt"}}, "aws.region: Does not match pattern"),
    ({"serviceMonitor": {"interval": "often"}}, "serviceMonitor.interval: Does not match pattern"),
    ({"serviceMonitor": {"labels": {"release": 1}}}, "serviceMonitor.labels.release: Invalid type. Expected: string"),
    (
        {"prometheusRule": {"alerts": {"AwsJobFailed": {"severity": "x"}}}},
        "Additional property severity is not allowed",
    ),
    ({"web": {"config": {"basic_auth": {}}}}, "web.config: Additional property basic_auth is not allowed"),
    ({"networkPolicy": {"egress": {"https": ["10.0.0.1"]}}}, "networkPolicy.egress.https.0: Does not match pattern"),
    ({"extraArgs": ["log.level=debug"]}, "extraArgs.0: Does not match pattern '^--'"),
    ({"extraEnv": [{"value": "x"}]}, "extraEnv.0: name is required"),
    ({"persistence": {"size": "1 GB"}}, "persistence.size: Does not match pattern"),
    ({"persistence": {"accessModes": ["ReadOnlyMany"]}}, "persistence.accessModes.0 must be one of the following"),
    ({"terminationGracePeriodSeconds": 1}, "terminationGracePeriodSeconds: Must be greater than or equal to 5"),
    # Contradictory values.
    ({"existingConfigMap": "a", "existingSecret": "b"}, "existingConfigMap and existingSecret: set only one of them"),
    (
        {"existingSecret": "b", "config": {"services": {"bedrock": {}}}},
        "config: leave it out, because existingConfigMap",
    ),
    ({"config": {"web": {"listen_address": ":80"}}}, "config.web.listen_address: set containerPort"),
    ({"config": {"web": {"config": {"file": "x"}}}}, "config.web.config: set web.config or web.existingSecret"),
    ({"config": {"shard": {"count": 2}}, "shards": 2}, "config.shard: leave it out, because shards sets it"),
    (
        {"persistence": {"enabled": True}, "config": {"storage": {"path": "/data"}}},
        "config.storage.path: leave it out, because persistence sets it",
    ),
    (
        {"persistence": {"enabled": True, "existingClaim": "a"}, "shards": 2},
        "persistence.existingClaim: leave it out, because each of several shards needs a claim of its own",
    ),
    (
        {"persistence": {"enabled": True}, "strategy": {"type": "RollingUpdate"}},
        "strategy.type: must be Recreate with persistence.enabled",
    ),
    (
        {"web": {"config": {"rate_limit": {"burst": 1}}, "existingSecret": "b"}},
        "web.config and web.existingSecret: set only one",
    ),
    (
        {"web": {"config": {"basic_auth_users": {"a": "b"}}}},
        "web.basicAuth.secretName: name a Secret with the user name and",
    ),
    ({"web": {"tls": {"caKey": "ca.crt"}}}, "web.tls.caKey: set web.tls.secretName"),
    (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "with both, Prometheus counts every job twice",
    ),
    ({"ingress": {"enabled": True}}, "ingress.hosts: name a host"),
    (
        {"podMonitor": {"authorization": {"type": "Bearer"}}, "web": {"basicAuth": {"secretName": "a"}}},
        "podMonitor.authorization: leave it out, because web.basicAuth has a password",
    ),
    (
        {"service": {"labels": {"app.kubernetes.io/component": "x"}}},
        "service.labels: leave out app.kubernetes.io/component, by which the ServiceMonitor finds the service",
    ),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels: leave out app.kubernetes.io/name, by which"),
    ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs: name a gateway"),
    (
        {"prometheusRule": {"enabled": True, "alerts": {"AwsJobFaild": {"enabled": False}}}},
        "prometheusRule.alerts.AwsJobFaild: there is no such alert; there are AwsJobAccountDown, ",
    ),
]


SECTIONS = sorted({key.rpartition(".")[0] for key in DOCUMENTED if "." in key})
REMOVABLE = {
    **{key: key for key in ("livenessProbe", "readinessProbe", "startupProbe", "securityContext", "resources")},
    "podSecurityContext": "fsGroup",
}
"""What null removes, and a word by which it is seen."""


def nulls(keys):
    """Return values in which these keys are null."""
    values: dict[str, Any] = {}
    for key in keys:
        *path, last = key.split(".")
        inner = values
        for step in path:
            inner = inner.setdefault(step, {})
        inner[last] = None
    return values


NESTED = {key for key in SECTIONS if "." in key}


# One run of Helm for each would take half a minute; none of these is inside another one of the same set.
@pytest.mark.parametrize(
    "keys",
    [DOCUMENTED.keys() - REMOVABLE.keys(), {*SECTIONS} - NESTED, NESTED],
    ids=["values", "sections", "nested sections"],
)
def test_null_stands_for_the_default(template, keys):
    """A section in which everything is commented out is null, and changes nothing."""
    assert template(nulls(keys)).stdout == template({}).stdout != ""


@pytest.mark.parametrize("key", REMOVABLE)
def test_null_removes_what_need_not_be_there(template, key):
    """It is how Helm removes a default that is a section."""
    word = f"{REMOVABLE[key]}:"
    assert template(nulls([key])).stdout.count(word) < template({}).stdout.count(word)


def test_every_region_of_every_partition_can_be_read():
    """The names of regions are of more than one form."""
    pattern = SCHEMA["properties"]["aws"]["properties"]["region"]["pattern"]
    assert [region for region in regions() if not re.match(pattern, region)] == []
    assert "eusc-de-east-1" in regions()


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_invalid_values_are_refused(refusal, wrong, message):
    """The error has the key and what is allowed."""
    assert message in refusal(wrong)


def test_a_chart_of_charts_can_include_it(helm, render, tmp_path):
    """It works under an alias, under a condition, and with global values."""
    umbrella = tmp_path / "umbrella"
    (umbrella / "charts").mkdir(parents=True)
    helm("package", CHART, "--destination", umbrella / "charts")
    dependency = {"name": "aws-job-exporter", "alias": "jobs", "version": __version__, "condition": "jobs.enabled"}
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [dependency]}
    (umbrella / "Chart.yaml").write_text(yaml.safe_dump(chart))
    globals_ = {"imageRegistry": "mirror.example.com", "anything": {"else": 1}}
    manifests = render({"jobs": {"enabled": True}, "global": globals_}, umbrella)
    assert manifests.container["image"] == f"mirror.example.com/aws-job-exporter/aws-job-exporter:v{__version__}"
    assert manifests.workload["metadata"]["name"] == "r-jobs"
    assert render({"jobs": {"enabled": False}}, umbrella) == []


# What the documents show.


def test_the_examples_of_the_readme_are_valid(render):
    """Each block of values renders."""
    examples = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        assert render(yaml.safe_load(example)).workload


@pytest.mark.parametrize("document", [CHART / "README.md", CHART.parent / "README.md"], ids=["chart", "project"])
def test_the_documented_installation_works(helm, document, tmp_path):
    """This chart stands in for the published one; users supply the values."""
    (tmp_path / "values.yaml").write_text("{}")
    (line,) = re.findall(r"^helm install (.*)$", document.read_text().replace("\\\n", ""), re.MULTILINE)
    words = shlex.split(line)
    assert words[-2:] == ["aws-job-exporter", "oci://ghcr.io/aws-job-exporter/charts/aws-job-exporter"]
    rendered = helm("template", *words[:-1], CHART, cwd=tmp_path).stdout
    (deployment,) = (each for each in yaml.safe_load_all(rendered) if each["kind"] == "Deployment")
    assert (deployment["metadata"]["name"], deployment["metadata"]["namespace"]) == ("aws-job-exporter", "monitoring")
