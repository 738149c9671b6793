"""What the chart makes for the operators of others: it is as their definitions of it say."""

from pathlib import Path

import pytest
import yaml

from tests.support.cluster import CRDS

pytestmark = pytest.mark.slow

CHART = Path(__file__).parents[2] / "helm"
EXAMPLES = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in CHART.glob("ci/*")}


def strict(schema):
    """Return a schema that allows no unknown keys: Kubernetes would drop them without a word."""
    found = {**schema}
    if "properties" in schema:
        found["properties"] = {key: strict(inner) for key, inner in schema["properties"].items()}
        found.setdefault("additionalProperties", schema.get("x-kubernetes-preserve-unknown-fields", False))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found[key] = strict(schema[key])
    return found


@pytest.fixture(scope="module")
def validators():
    """Return a validator for each version of each kind."""
    from jsonschema import Draft7Validator  # noqa: PLC0415 - takes three seconds, which each worker would spend

    definitions = [each for file in CRDS.glob("*") for each in yaml.load_all(file.read_text(), yaml.CSafeLoader)]
    if not definitions:
        pytest.skip("there are no definitions in build/kubernetes/crds, where `make crds` puts them")
    return {
        (f"{each['spec']['group']}/{version['name']}", each["spec"]["names"]["kind"]): Draft7Validator(
            strict(version["schema"]["openAPIV3Schema"] | {"required": ["apiVersion", "kind", "spec"]})
        )
        for each in definitions
        for version in each["spec"]["versions"]
    }


@pytest.mark.parametrize("values", EXAMPLES.values(), ids=EXAMPLES)
def test_its_definition_has_every_key(render, validators, values):
    """Every key, with a value that is allowed there."""
    manifests = [each for each in render(values) if (each["apiVersion"], each["kind"]) in validators]
    for manifest in manifests:
        own = {key: value for key, value in manifest.items() if key != "metadata"}  # which is Kubernetes'
        problems = validators[manifest["apiVersion"], manifest["kind"]].iter_errors(own)
        assert [f"{problem.json_path}: {problem.message}" for problem in problems] == []


def test_all_of_these_are_rendered(render, validators):
    """No definition is fetched in vain, and none is missing."""
    rendered = {each["kind"] for values in EXAMPLES.values() for each in render(values) if "." in each["apiVersion"]}
    own = {"Ingress", "NetworkPolicy"}
    assert rendered - own == {"HTTPRoute", "GrafanaDashboard", "PodMonitor", "PrometheusRule"} | {
        "ServiceMonitor",
        "VerticalPodAutoscaler",
    }
    assert rendered - own <= {kind for _, kind in validators}
