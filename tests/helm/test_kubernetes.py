"""The chart through a real Kubernetes API: what Helm installs, upgrades and removes, and the pods that are admitted."""

import asyncio
import copy
import functools
import itertools
import re
import shutil
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from exporter import __version__
from tests.support.cluster import BUILT, CRDS, PROGRAMS, cluster
from tests.support.patience import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kubernetes"), pytest.mark.asyncio(loop_scope="module")]

CHART = Path(__file__).parents[2] / "helm"
EXAMPLES = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in CHART.glob("ci/*")}
RESTRICTED_SHARDS = {**EXAMPLES["shards"], "hostNetwork": False}
LATER = "99.0.0"
WORKLOADS = {"Deployment", "StatefulSet"}
NUMBERS = itertools.count()

example = pytest.mark.parametrize("name", [*EXAMPLES, "restricted-shards"])


def values_of(name):
    """Return the values of an example."""
    return EXAMPLES.get(name, RESTRICTED_SHARDS)


@pytest.fixture(scope="module")
def programs():
    """Find the programs of a cluster: built here or installed; without them the tests are skipped."""
    found = {name: shutil.which(name, path=BUILT) or shutil.which(name) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing or not CRDS.is_dir():
        wanted = ", ".join(missing) or "the definitions of custom resources"
        pytest.skip(f"{wanted}: neither on the path nor in build/kubernetes, where `make kubernetes` puts them")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kubernetes(programs, tmp_path_factory):
    """Yield a cluster with what the values in `ci` take for granted."""
    async with cluster(tmp_path_factory.mktemp("cluster"), programs) as found:
        await found.create_namespace("monitoring", "restricted")
        await found.create_namespace("exporters", "restricted")
        handler = {"metadata": {"name": "gvisor"}, "handler": "runsc"}
        assert (await found.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", handler))[0] == 201
        yield found


@pytest.fixture(scope="module")
def later(chart, tmp_path_factory):
    """Return the chart as a later version."""
    folder = shutil.copytree(chart, tmp_path_factory.mktemp("later") / "chart")
    file = folder / "Chart.yaml"
    file.write_text(file.read_text().replace(__version__, LATER))
    return folder


@pytest_asyncio.fixture(loop_scope="module")
async def namespace(kubernetes, request):
    """Return a new namespace, whose pods must be restricted unless the values want the node's network."""
    name = f"jobs-{next(NUMBERS)}"
    values = values_of(request.node.callspec.params["name"]) if "name" in request.fixturenames else {}
    await kubernetes.create_namespace(name, "privileged" if values.get("hostNetwork") else "restricted")
    return name


@pytest.fixture
def release(helm, kubernetes, namespace, tmp_path):
    """Return a function that runs a command of Helm's in the test's namespace."""

    async def run(command, *arguments, values=None):
        if values is not None:
            file = tmp_path / "values.yaml"
            file.write_text(yaml.safe_dump(values))
            arguments = (*arguments, "--values", file)
        options = ("--kubeconfig", kubernetes.kubeconfig, "--namespace", namespace)
        done = await asyncio.to_thread(helm, command, *arguments, *options)
        # What the API warns of: a pod that the standard forbids, a field that nobody knows.
        assert not re.search(r"warnings\.go|Warning: ", done.stderr), done.stderr

    return run


async def workload(kubernetes, release):
    """Return the Deployment or the StatefulSet of a release, wherever it is."""
    found = []
    for kind in ("deployments", "statefulsets"):
        selector = f"app.kubernetes.io/instance={release}"
        found += (await kubernetes.get(f"/apis/apps/v1/{kind}", labelSelector=selector))["items"]
    (one,) = found
    return one


async def rolled_out(kubernetes, release, version):
    """Wait until the pods of a release are those of a version, and ready."""

    async def is_done():
        await kubernetes.run_pods()
        each = await workload(kubernetes, release)
        status, replicas = each["status"], each["spec"]["replicas"]
        kept = each["spec"].get("updateStrategy", {}).get("rollingUpdate", {}).get("partition", 0)
        return (
            each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == version
            and status.get("observedGeneration") == each["metadata"]["generation"]
            and status.get("replicas") == status.get("readyReplicas") == replicas
            and (status.get("updatedReplicas", 0) >= replicas - kept)
        )

    await eventually(is_done)


@example
async def test_every_manifest_is_accepted(kubernetes, render, namespace, name):
    """Each key is one that the API knows, and no pod would break the namespace's standard."""
    resources = await kubernetes.resources()
    for manifest in copy.deepcopy(render(values_of(name))):
        place = namespace if manifest["metadata"].get("namespace") in {None, "jobs"} else "monitoring"
        manifest["metadata"]["namespace"] = place
        path = resources[manifest["apiVersion"], manifest["kind"]] % place
        status, answer, warnings = await kubernetes.request(
            "POST", path, manifest, dryRun="All", fieldValidation="Strict"
        )
        assert (status, warnings) == (201, []), answer


async def test_a_pod_that_is_not_restricted_is_refused(kubernetes, render, namespace):
    """The standard is enforced here: otherwise the tests before would tell nothing."""
    specification = {**render({}).pod, "serviceAccountName": "default", "hostNetwork": True}
    pod = {"metadata": {"name": "pod"}, "spec": specification}
    status, answer, _ = await kubernetes.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")
    assert status == 403
    assert "violates PodSecurity" in answer["message"]


@example
async def test_a_release_is_installed_upgraded_rolled_back_and_removed(kubernetes, release, chart, later, name):
    """Pods of each version in turn; nothing is left but a claim that is to be kept, which the next release takes."""
    values = values_of(name)
    await release("install", name, chart, values=values)
    await rolled_out(kubernetes, name, __version__)
    await release("upgrade", name, later, values=values)
    await rolled_out(kubernetes, name, LATER)
    await release("rollback", name, "1")
    await rolled_out(kubernetes, name, __version__)
    is_kept = "helm.sh/resource-policy" in values.get("persistence", {}).get("annotations", {})
    claims = [each for each in await kubernetes.held(name) if is_kept and each[0] == "PersistentVolumeClaim"]
    assert len(claims) == is_kept
    await release("uninstall", name)
    await eventually(lambda: is_left(kubernetes, name, claims))
    await release("install", name, chart, values=values)
    await rolled_out(kubernetes, name, __version__)
    await release("uninstall", name)


async def is_left(kubernetes, release, expected):
    """Whether exactly this is left of a release."""
    return await kubernetes.held(release) == expected


async def test_two_releases_share_a_namespace(kubernetes, release, chart):
    """Neither is in the way of the other, and one stays when the other goes."""
    values = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    for name in ("one", "two"):
        await release("install", name, chart, values=values)
        await rolled_out(kubernetes, name, __version__)
    before = await kubernetes.held("two")
    await release("uninstall", "one")
    await eventually(lambda: is_left(kubernetes, "one", []))
    assert await kubernetes.held("two") == before


@pytest.mark.parametrize("persistence", [{}, {"enabled": True}], ids=["memory", "volumes"])
async def test_an_exporter_becomes_shards_and_one_again(kubernetes, release, chart, persistence):
    """Each shard is a pod of one StatefulSet, with a claim of its own; the other workload goes, and its claims."""
    for shards, kind in ((1, "Deployment"), (3, "StatefulSet"), (1, "Deployment")):
        values = {"shards": shards, "persistence": persistence}
        await release("upgrade", "grown", chart, "--install", values=values)
        claims = shards if persistence else 0
        await eventually(functools.partial(is_all, kubernetes, kind, shards, claims))
        await rolled_out(kubernetes, "grown", __version__)
    await release("uninstall", "grown")
    await eventually(lambda: is_left(kubernetes, "grown", []))


async def is_all(kubernetes, kind, pods, claims):
    """Whether the release has one workload, of this kind, and so many pods and claims."""
    held = [each for each, _ in await kubernetes.held("grown")]
    workloads = [each for each in held if each in WORKLOADS]
    return (workloads, held.count("Pod"), held.count("PersistentVolumeClaim")) == ([kind], pods, claims)
