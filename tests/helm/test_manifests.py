"""What the chart installs: Kubernetes and the exporter accept it, and it is as secure as documented."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import cli
from exporter.cli.commands import argument_parser
from exporter.settings import given, load
from tests.support.harness import CATALOG

pytestmark = pytest.mark.slow

CHART = Path(__file__).parents[2] / "helm"
RULES = yaml.safe_load((CHART.parent / "config" / "prometheus" / "rules" / "aws-job-exporter.yml").read_text())
EXAMPLES = {file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in CHART.glob("ci/*")}
NAME = "r-aws-job-exporter"

# Kinds outside of Kubernetes itself: the Prometheus operator's, Grafana's and so on.
WITHOUT_SCHEMA = {
    "GrafanaDashboard",
    "HTTPRoute",
    "PodMonitor",
    "PrometheusRule",
    "ServiceMonitor",
    "VerticalPodAutoscaler",
}

example = pytest.mark.parametrize("values", EXAMPLES.values(), ids=EXAMPLES)


def pods(manifests):
    """Return the metadata and the specification of each pod."""
    workload = manifests.workload["spec"]["template"]
    return [workload, *manifests.of("Pod")]


REFERENCES = {
    "configMap": ("ConfigMap", "name"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "secret": ("Secret", "secretName"),
}
"""What a volume can be: the kind that it refers to, and the key of the name."""


def templates(manifests):
    """Return the claim templates of the workload."""
    return manifests.workload["spec"].get("volumeClaimTemplates", [])


def matches(selector, labels):
    """Whether a selector matches these labels."""
    return selector.items() <= labels.items()


# What Kubernetes accepts.


@pytest.mark.parametrize("version", ["1.27", "1.30", "1.33", "1.37"])
@example
def test_kubernetes_accepts_every_manifest(render, values, version):
    """The test starts with the oldest version that the chart allows; unknown keys are errors."""
    import kubernetes_validate  # noqa: PLC0415 - takes three seconds, which each worker would spend

    manifests = render(values)
    for manifest in manifests:
        if manifest["kind"] not in WITHOUT_SCHEMA:
            kubernetes_validate.validate(manifest, version, strict=True)
    assert manifests.workload


def test_the_oldest_supported_kubernetes_is_tested():
    """`kubeVersion` names it."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == ">=1.27.0-0"


def test_every_kind_is_rendered(render):
    """The files in `ci` render every kind in the chart."""
    kinds = {manifest["kind"] for values in EXAMPLES.values() for manifest in render(values)}
    known = {"ConfigMap", "Deployment", "Ingress", "NetworkPolicy", "Pod", "PodDisruptionBudget"}
    others = {"PersistentVolumeClaim", "Secret", "Service", "ServiceAccount", "StatefulSet"}
    assert kinds == {*known, *others, *WITHOUT_SCHEMA}


@example
def test_every_resource_has_a_unique_name_and_the_usual_labels(render, values):
    """They have the user's labels, too; manifests that the user adds as a whole are left alone."""
    manifests = render(values)
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in manifests]
    assert len(keys) == len(set(keys))
    for manifest in manifests:
        metadata = manifest["metadata"]
        if metadata["name"] in {"r-map", "r-text"}:
            continue
        assert metadata["namespace"] in {values.get("namespaceOverride", "jobs"), "monitoring"}
        assert (
            metadata["labels"].items() >= {"app.kubernetes.io/instance": "r", **values.get("commonLabels", {})}.items()
        )
        assert metadata["labels"]["helm.sh/chart"].startswith("aws-job-exporter-")


def test_a_long_name_leaves_room_for_what_kubernetes_adds(render):
    """A StatefulSet's name plus a hash of ten characters must fit in a label of 63 characters."""
    manifests = render({"fullnameOverride": "x" * 80, "shards": 2})
    assert len(manifests.workload["metadata"]["name"]) + len("-") + 10 <= 63


@example
def test_selectors_match_the_exporter_and_nothing_else(render, values):
    """The test's pod must not become an endpoint of the service, and a monitor matches only one service."""
    manifests = render(values)
    exporter = manifests.workload["spec"]["template"]["metadata"]["labels"]
    others = [pod["metadata"]["labels"] for pod in manifests.of("Pod")]
    selectors = [manifests.workload["spec"]["selector"]["matchLabels"]]
    selectors += [service["spec"]["selector"] for service in manifests.of("Service")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in manifests.of("PodDisruptionBudget", "PodMonitor")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in manifests.of("NetworkPolicy")]
    assert all(matches(selector, exporter) for selector in selectors)
    assert not any(matches(selector, labels) for selector in selectors for labels in others)
    for monitor in manifests.of("ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [each for each in manifests.of("Service") if matches(selector, each["metadata"]["labels"])]
        assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]
        assert monitor["spec"]["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    for monitor in manifests.of("PodMonitor"):
        assert monitor["spec"]["jobLabel"] in exporter


@example
def test_everything_mounted_or_referenced_exists(render, values):
    """These are volumes, the service account, ports, and the chart's own ConfigMaps and Secrets."""
    manifests = render(values)
    for pod in pods(manifests):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounted = [mount["name"] for each in pod["spec"]["containers"] for mount in each.get("volumeMounts", [])]
        claimed = templates(manifests) if pod is manifests.workload["spec"]["template"] else []
        assert sorted(mounted) == sorted([*volumes, *(claim["metadata"]["name"] for claim in claimed)])
        for volume in volumes.values():
            (key,) = volume.keys() - {"name"}
            if key == "emptyDir":
                continue
            kind, name = REFERENCES[key]
            if volume[key][name].startswith(manifests.workload["metadata"]["name"]):
                assert manifests.one(kind, volume[key][name])
    if account := manifests.of("ServiceAccount"):
        assert manifests.pod["serviceAccountName"] == account[0]["metadata"]["name"]
    assert {port["name"] for port in manifests.container["ports"]} == {"metrics"}
    assert {port["targetPort"] for each in manifests.of("Service") for port in each["spec"]["ports"]} == {"metrics"}


# What the exporter accepts.


WITH_CONFIGURATION = {
    name: values for name, values in EXAMPLES.items() if not {"existingConfigMap", "existingSecret"} & {*values}
}


@pytest.mark.parametrize("values", WITH_CONFIGURATION.values(), ids=WITH_CONFIGURATION)
def test_the_exporter_accepts_its_configuration(render, values, tmp_path, capsys):
    """`check-config` finds the rendered file valid, and it matches the values."""
    manifests = render(values)
    (volume,) = (volume for volume in manifests.pod["volumes"] if volume["name"] == "config")
    if "secret" in volume:
        text = manifests.one("Secret", volume["secret"]["secretName"])["stringData"]["exporter.yml"]
    else:
        text = manifests.one("ConfigMap", volume["configMap"]["name"])["data"]["exporter.yml"]
    file = tmp_path / "exporter.yml"
    file.write_text(text)
    assert cli.main(["check-config", str(file)]) == 0, capsys.readouterr().err
    assert yaml.safe_load(text) == values.get("config", {})


def test_the_network_of_the_node_can_be_used(render):
    """Names of the cluster are still found, and a shard still knows the name of its pod."""
    pod = render({"hostNetwork": True}).pod
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert "dnsPolicy" not in render().pod
    assert render({"hostNetwork": True, "dnsPolicy": "Default"}).pod["dnsPolicy"] == "Default"
    (_, name) = render({"hostNetwork": True, "shards": 2}).container["env"]
    assert name == {"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}


def test_two_releases_are_two_jobs(render):
    """Alerts compare the targets of a job: those of another release are none of its shards."""
    for kind in ("ServiceMonitor", "PodMonitor"):
        values = {kind[0].lower() + kind[1:]: {"enabled": True}}
        assert render(values).one(kind)["spec"]["jobLabel"] == "app.kubernetes.io/instance"


def test_a_custom_configuration_is_mounted(render):
    """The chart creates no other configuration, and no change restarts the pod."""
    volumes = {"certificates": ("configMap", "name"), "shards": ("secret", "secretName")}
    for name, (kind, key) in volumes.items():
        manifests = render(EXAMPLES[name])
        assert {"name": "config", kind: {key: "exporter-configuration"}} in manifests.pod["volumes"]
        assert NAME not in [each["metadata"]["name"] for each in manifests.of("ConfigMap", "Secret")]
        assert "checksum/config" not in manifests.workload["spec"]["template"]["metadata"]["annotations"]


def test_numbers_are_rendered_unchanged(render):
    """Account ids and large limits do not turn into 1.1e+11, wherever they appear."""
    config = {"accounts": [{"id": 111122223333}], "limits": {"dimension_values": 1000000}, "aws": {"burst": 2.5}}
    values = {"config": config, "serviceMonitor": {"enabled": True, "sampleLimit": 2000000}}
    manifests = render({**values, "extraArgs": {"poll.concurrency": 3000000}})
    assert yaml.safe_load(manifests.one("ConfigMap")["data"]["exporter.yml"]) == config
    assert manifests.one("ServiceMonitor")["spec"]["sampleLimit"] == 2000000
    assert manifests.container["args"][-1] == "--poll.concurrency=3000000"


@example
def test_the_exporter_accepts_its_arguments_and_variables(render, values, monkeypatch):
    """Every flag exists and has an allowed value, and so does every variable with the exporter's prefix."""
    container = render(values).container
    for variable in container.get("env", []):
        if variable["name"].startswith("AWS_JOB_EXPORTER_"):
            monkeypatch.setenv(variable["name"], variable["value"])
    settings = load(CATALOG, None, given(argument_parser().parse_args(container["args"])))
    assert settings.web.listen_address == (f":{container['ports'][0]['containerPort']}",)
    if "extraArgs" in values:
        assert (settings.log.format, settings.poll.concurrency) == ("json", 8)


def test_the_exporter_accepts_a_map_of_arguments(render):
    """What is on or off, numbers, texts and lists reach it as they are meant; null leaves a flag out."""
    arguments = {
        "web.enable-lifecycle": True,
        "web.disable-pages": False,
        "poll.concurrency": 12,
        "poll.lookback": "2d",
        "metrics.families.exclude": ["aws_jobs_failed_total", "aws_job_exporter_source_*"],
        "log.level": None,
    }
    container = render({"extraArgs": arguments}).container
    settings = load(CATALOG, None, given(argument_parser().parse_args(container["args"])))
    assert settings.web.enable_lifecycle is True
    assert settings.web.disable_pages is False
    assert (settings.poll.concurrency, settings.poll.lookback) == (12, 172800)
    assert settings.metrics.families.exclude == ("aws_jobs_failed_total", "aws_job_exporter_source_*")
    assert not any("log.level" in argument for argument in container["args"])


def test_arguments_can_be_a_list(render):
    """A list works as well as a map."""
    assert "--log.level=debug" in render({"extraArgs": ["--log.level=debug"]}).container["args"]


def test_the_files_that_arguments_name_are_mounted(render):
    """The configuration is mounted under its own key, and so is the web configuration file."""
    shards, web = render(EXAMPLES["shards"]).container, render(EXAMPLES["web"]).container
    assert "--config.file=/etc/aws-job-exporter/config/config.yml" in shards["args"]
    assert "--web.config.file=/etc/aws-job-exporter/web/web.yml" in web["args"]
    folders = {mount["mountPath"] for mount in web["volumeMounts"]}
    assert folders == {f"/etc/aws-job-exporter/{name}" for name in ("config", "web", "tls", "get", "client")}
    assert not any("subPath" in mount for mount in web["volumeMounts"])


def test_a_changed_configuration_restarts_the_pod(render):
    """Nothing else restarts the pod."""

    def template(**values):
        return render(values).workload["spec"]["template"]

    before = template(config={"poll": {"interval": "1m"}})
    assert before != template(config={"poll": {"interval": "2m"}})
    assert before == template(config={"poll": {"interval": "1m"}}, externalUrl="https://a.b", service={"port": 80})
    users = {"web": {"basicAuth": {"secretName": "login"}, "config": {"basic_auth_users": {"a": "b"}}}}
    assert template(**users) != template(web={**users["web"], "config": {"basic_auth_users": {"a": "c"}}})


# What it is allowed to do.


@example
def test_pods_are_restricted(render, values):
    """They meet the Pod Security Standard "restricted", and their root is read-only."""
    for pod in pods(render(values)):
        spec = pod["spec"]
        expected = "serviceAccountName" in spec and values.get("serviceAccount", {}).get("automountToken", False)
        assert spec["automountServiceAccountToken"] is expected
        assert spec["enableServiceLinks"] is False
        assert not spec.keys() & {"hostPID", "hostIPC"}
        assert spec.get("hostNetwork", False) is ("serviceAccountName" in spec and values.get("hostNetwork", False))
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        if values.get("podSecurityContext") is None:
            assert [spec["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")] == [65532] * 3
        (container,) = (each for each in spec["containers"] if each["name"] in {"exporter", "test"})
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert "ALL" in context["capabilities"]["drop"]
        assert not context.keys() & {"privileged", "runAsUser", "procMount"}
        assert not any("hostPort" in port for port in container.get("ports", []))
        assert not any("hostPath" in volume for volume in spec.get("volumes", []))


def test_secrets_stay_secret(render):
    """Hashes, external ids and passwords appear in Secrets and nowhere else."""
    manifests = render(EXAMPLES["web"])
    open_ = yaml.safe_dump([manifest for manifest in manifests if manifest["kind"] != "Secret"])
    secrets = yaml.safe_dump(manifests.of("Secret"))
    for word in ("half-a-secret", "$2y$10$M8ylj80rISVHPZzIyc5lu"):
        assert word in secrets
        assert word not in open_


def test_the_network_policy_allows_what_it_names(render):
    """Prometheus and the test may connect; DNS, HTTPS and the Pod Identity agent are reachable."""
    assert render().of("NetworkPolicy") == []
    policy = render({"networkPolicy": {"enabled": True}}).one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"ports": [{"port": "metrics", "protocol": "TCP"}]}]
    dns, https, agent = policy["egress"]
    assert [(port["port"], port["protocol"]) for port in dns["ports"]] == [(53, "UDP"), (53, "TCP")]
    assert "to" not in dns
    assert [peer["ipBlock"]["cidr"] for peer in https["to"]] == ["0.0.0.0/0", "::/0"]
    assert [peer["ipBlock"]["cidr"] for peer in agent["to"]] == ["169.254.170.23/32", "fd00:ec2::23/128"]
    assert [port["port"] for port in (*https["ports"], *agent["ports"])] == [443, 80]

    prometheus, test = render(EXAMPLES["eks"]).one("NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert prometheus == EXAMPLES["eks"]["networkPolicy"]["from"][0]
    (pod,) = render(EXAMPLES["eks"]).of("Pod")
    assert matches(test["podSelector"]["matchLabels"], pod["metadata"]["labels"])

    egress = render(EXAMPLES["shards"]).one("NetworkPolicy")["spec"]["egress"]
    given_ = EXAMPLES["shards"]["networkPolicy"]["egress"]
    assert egress[0]["to"] == given_["dns"]
    assert [peer["ipBlock"]["cidr"] for peer in egress[1]["to"]] == given_["https"]
    assert [peer["ipBlock"]["cidr"] for peer in egress[3]["to"]] == ["169.254.169.254/32", "fd00:ec2::254/128"]
    assert egress[4:] == given_["extra"]
    assert render(EXAMPLES["openshift"]).one("NetworkPolicy", "jobs")["spec"]["policyTypes"] == ["Ingress"]


def test_the_account_names_its_role(render):
    """Annotations are templates; by default there are none, for EKS Pod Identity."""
    annotations = render(EXAMPLES["eks"]).one("ServiceAccount")["metadata"]["annotations"]
    assert annotations == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/aws-job-exporter"}
    assert "annotations" not in render().one("ServiceAccount")["metadata"]
    assert render(EXAMPLES["shards"]).pod["serviceAccountName"] == "aws-job-exporter"
    assert render(EXAMPLES["openshift"]).pod["serviceAccountName"] == "default"


# How it runs.


def test_one_exporter_is_a_deployment_that_never_runs_twice(render):
    """The old pod ends before the new one starts; shards are independent of each other."""
    manifests = render()
    assert manifests.workload["kind"] == "Deployment"
    assert manifests.workload["spec"]["replicas"] == 1
    assert manifests.workload["spec"]["strategy"] == {"type": "Recreate"}
    assert "env" not in manifests.container
    assert [service["metadata"]["name"] for service in manifests.of("Service")] == [NAME]


def test_shards_are_a_stateful_set(render):
    """Each pod knows the number of shards, and takes its own index from its name."""
    manifests = render({"shards": 4})
    assert manifests.workload["kind"] == "StatefulSet"
    spec = manifests.workload["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"], spec["serviceName"]) == (4, "Parallel", f"{NAME}-shards")
    assert manifests.container["env"] == [{"name": "AWS_JOB_EXPORTER_SHARD__COUNT", "value": "4"}]
    assert manifests.one("Service", f"{NAME}-shards")["spec"]["clusterIP"] == "None"
    assert "strategy" not in spec


STORAGE = "/var/lib/aws-job-exporter"


@pytest.mark.parametrize("values", [{}, {"shards": 4}, {"persistence": {"size": "5Gi"}}])
def test_by_default_only_a_new_pod_starts_over(render, values):
    """There is no claim; a restart of the container finds what it knew in an `emptyDir`, which keeps no node alive."""
    manifests = render(values)
    assert manifests.of("PersistentVolumeClaim") == templates(manifests) == []
    assert {"name": "storage", "emptyDir": {}} in manifests.pod["volumes"]
    assert {"name": "storage", "mountPath": STORAGE} in manifests.container["volumeMounts"]
    assert f"--storage.path={STORAGE}" in manifests.container["args"]
    annotations = manifests.workload["spec"]["template"]["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"] == "storage"


@pytest.mark.parametrize(
    "values",
    [
        {"persistence": {"ephemeral": False}},
        {"config": {"storage": {"path": "/own"}}},
        {"existingSecret": "configuration"},
        {"existingConfigMap": "configuration"},
    ],
    ids=["off", "own-path", "own-secret", "own-map"],
)
def test_another_directory_is_left_to_the_configuration(render, values):
    """A flag of the chart's would win over the file."""
    manifests = render(values)
    assert [volume["name"] for volume in manifests.pod["volumes"]] == ["config"]
    assert not any("storage" in argument for argument in manifests.container["args"])


def test_one_exporter_keeps_what_it_knows_on_a_volume(render):
    """A claim of the chart's own, as configured, which the exporter can write: the volume belongs to its group."""
    manifests = render(EXAMPLES["storage"])
    claim = manifests.one("PersistentVolumeClaim")
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOncePod"],
        "storageClassName": "gp3",
        "resources": {"requests": {"storage": "2Gi"}},
    }
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert {"name": "storage", "persistentVolumeClaim": {"claimName": NAME}} in manifests.pod["volumes"]
    assert {"name": "storage", "mountPath": STORAGE} in manifests.container["volumeMounts"]
    assert f"--storage.path={STORAGE}" in manifests.container["args"]
    assert manifests.pod["securityContext"]["fsGroup"] == manifests.pod["securityContext"]["runAsUser"]
    assert manifests.container["securityContext"]["readOnlyRootFilesystem"] is True
    # Two pods at once would wait for each other: one for the volume, the other for its successor to be ready.
    assert manifests.workload["spec"]["strategy"] == {"type": "Recreate"}
    assert "storageClassName" not in render({"persistence": {"enabled": True}}).one("PersistentVolumeClaim")["spec"]


def test_an_existing_claim_is_used(render):
    """The chart creates none then."""
    manifests = render(EXAMPLES["openshift"])
    assert manifests.of("PersistentVolumeClaim") == []
    assert {"name": "storage", "persistentVolumeClaim": {"claimName": "exporter-storage"}} in manifests.pod["volumes"]
    assert f"--storage.path={STORAGE}" in manifests.container["args"]


def test_each_shard_has_a_volume_of_its_own(render):
    """The claims go with the release, but stay when there are fewer shards for a while."""
    manifests = render(EXAMPLES["shards"])
    assert manifests.of("PersistentVolumeClaim") == []
    (template,) = templates(manifests)
    assert template["metadata"]["name"] == "storage"
    assert template["metadata"]["annotations"] == {"a": "b"}
    assert template["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "gp3",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    assert "storage" not in [volume["name"] for volume in manifests.pod["volumes"]]
    assert {"name": "storage", "mountPath": STORAGE} in manifests.container["volumeMounts"]
    assert f"--storage.path={STORAGE}" in manifests.container["args"]
    policy = {"whenDeleted": "Delete", "whenScaled": "Retain"}
    assert manifests.workload["spec"]["persistentVolumeClaimRetentionPolicy"] == policy


def test_an_upgrade_does_not_change_claim_templates(chart, render, tmp_path):
    """Kubernetes refuses a StatefulSet whose claim templates differ, so they do not mention the chart's version."""
    newer = shutil.copytree(chart, tmp_path / "chart")
    about = yaml.safe_load((newer / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "9.9.9", "appVersion": "9.9.9"}))
    values = EXAMPLES["shards"]
    assert render(values, newer).workload != render(values).workload
    assert templates(render(values, newer)) == templates(render(values))


def test_each_shard_is_scraped_once(render):
    """A monitor finds only one of the two services that point to the shards."""
    manifests = render({"shards": 4, "serviceMonitor": {"enabled": True}})
    selector = manifests.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    services = [each["metadata"] for each in manifests.of("Service")]
    assert len(services) == 2
    assert [each["name"] for each in services if matches(selector, each["labels"])] == [NAME]


def test_an_exporter_can_become_shards(render):
    """Its service stays unchanged: Kubernetes does not let an existing service become headless."""
    assert render({"shards": 3}).one("Service") == render().one("Service")


def test_shards_spread(render):
    """A constraint without a selector gets that of the exporter's pods; one with a selector is left alone."""
    (constraint,) = render(EXAMPLES["shards"]).pod["topologySpreadConstraints"]
    assert constraint["labelSelector"] == render(EXAMPLES["shards"]).workload["spec"]["selector"]
    assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
    (own,) = render(EXAMPLES["everything"]).pod["topologySpreadConstraints"]
    assert own == EXAMPLES["everything"]["topologySpreadConstraints"][0]


@pytest.mark.parametrize(
    ("tag", "digest", "image"),
    [
        ("", "", "ghcr.io/aws-job-exporter/aws-job-exporter:v0.1.0"),
        ("nightly", "", "ghcr.io/aws-job-exporter/aws-job-exporter:nightly"),
        ("nightly", f"sha256:{'a' * 64}", f"ghcr.io/aws-job-exporter/aws-job-exporter@sha256:{'a' * 64}"),
    ],
)
def test_the_image_is_that_of_the_release(render, tag, digest, image):
    """A tag overrides the release, and a digest overrides both."""
    manifests = render({"image": {"tag": tag, "digest": digest}})
    assert {container["image"] for pod in pods(manifests) for container in pod["spec"]["containers"]} == {image}


def test_additions_to_the_pod_are_rendered(render):
    """Labels, annotations, variables and containers; what the selector needs cannot be removed."""
    values = EXAMPLES["everything"]
    template = render(values).workload["spec"]["template"]
    assert template["metadata"]["labels"].items() >= {"tier": "monitoring", "team": "ml"}.items()
    assert template["metadata"]["annotations"].items() >= values["podAnnotations"].items()
    assert render(values).container["env"] == values["extraEnv"]
    assert render(values).container["envFrom"] == values["extraEnvFrom"]
    assert [container["name"] for container in template["spec"]["containers"]] == ["exporter", "proxy"]
    assert template["spec"]["initContainers"] == values["initContainers"]
    stubborn = render({"podLabels": {"app.kubernetes.io/name": "other"}}).workload["spec"]
    assert matches(stubborn["selector"]["matchLabels"], stubborn["template"]["metadata"]["labels"])
    names = {manifest["metadata"]["name"] for manifest in render(values).of("ConfigMap")}
    assert names >= {"r-map", "r-text"}


# How it is reached.


PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@pytest.mark.parametrize(("tls", "scheme"), [(False, "HTTP"), (True, "HTTPS")])
def test_probes_request_the_exporters_pages(render, tls, scheme):
    """The kubelet's own probes do, and they accept any certificate."""
    container = render({"web": {"tls": {"secretName": "certificate" if tls else ""}}}).container
    requests = [container[probe]["httpGet"] for probe in PROBES]
    assert [each["path"] for each in requests] == ["/-/healthy", "/-/ready", "/-/healthy"]
    assert {(each["port"], each["scheme"]) for each in requests} == {("metrics", scheme)}


def test_a_command_probes_where_there_is_a_password(render):
    """The command reads the password from a file; the pod's manifest names only the path."""
    container = render(EXAMPLES["web"]).container
    commands = [container[probe]["exec"]["command"] for probe in PROBES]
    assert [command[3] for command in commands] == [
        f"https://localhost:10058/-/{path}" for path in ("healthy", "ready", "healthy")
    ]
    folder = "/etc/aws-job-exporter"
    assert {tuple(command[:3]) for command in commands} == {("python3", "-I", f"{folder}/get/get.py")}
    assert {tuple(command[4:]) for command in commands} == {(f"{folder}/client/name", f"{folder}/client/word")}
    assert (
        render(EXAMPLES["web"]).one("ConfigMap", f"{NAME}-get")["data"]["get.py"]
        == (CHART / "files/get.py").read_text()
    )


def test_probes_only_connect_where_clients_need_a_certificate(render):
    """Probes do not have one; nor is there a test, which would lack one too."""
    manifests = render(EXAMPLES["certificates"])
    assert [manifests.container[probe]["tcpSocket"] for probe in PROBES] == [{"port": "metrics"}] * 3
    assert manifests.of("Pod") == []


def test_a_custom_probe_wins(render):
    """A custom probe is not merged with the chart's; null removes it."""
    container = render(EXAMPLES["openshift"]).container
    assert "httpGet" not in container["livenessProbe"]
    assert container["livenessProbe"]["tcpSocket"] == {"port": "metrics"}
    assert not container.keys() & {"readinessProbe", "startupProbe"}


def test_the_certificate_of_a_secret_is_used(render):
    """The web configuration file names the files at their mount paths, and keeps its other settings."""
    file = yaml.safe_load(render(EXAMPLES["web"]).one("Secret", f"{NAME}-web")["stringData"]["web.yml"])
    folder = "/etc/aws-job-exporter/tls"
    assert file["tls_server_config"] == {"cert_file": f"{folder}/tls.crt", "key_file": f"{folder}/tls.key"}
    assert {key: file[key] for key in ("basic_auth_users", "http_server_config")} == EXAMPLES["web"]["web"]["config"]


def stable(instance, **source):
    """Return the relabelings that make a target the same after its pod is replaced."""
    return [{**source, "targetLabel": "instance", "replacement": instance}, {"action": "labeldrop", "regex": "pod"}]


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
def test_a_replaced_pod_continues_the_series_of_the_former(render, monitor):
    """An address or the name of a pod in the labels would begin new series, without a history for alerts."""

    def relabelings(**values):
        kind = monitor[0].upper() + monitor[1:]
        spec = render({**values, monitor: {"enabled": True, **values.get(monitor, {})}}).one(kind)["spec"]
        (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
        return endpoint.get("relabelings")

    assert relabelings(service={"port": 80}) == stable(f"{NAME}.jobs.svc:80")
    own = {"targetLabel": "cluster", "replacement": "one"}
    assert relabelings(**{monitor: {"relabelings": [own]}}) == [*stable(f"{NAME}.jobs.svc:10058"), own]
    assert relabelings(**{monitor: {"stableInstance": False}}) is None
    shard = stable(f"$1.{NAME}-shards.jobs.svc:10058", sourceLabels=["__meta_kubernetes_pod_name"])
    assert relabelings(shards=2) == shard
    # Two pods at once must not be one target.
    assert relabelings(strategy={"type": "RollingUpdate"}) == [{"action": "labeldrop", "regex": "pod"}]


def test_a_monitor_scrapes_as_configured(render):
    """Scheme, password and certificates follow from the web configuration, the path from the exporter's."""
    (plain,) = render({"serviceMonitor": {"enabled": True}}).one("ServiceMonitor")["spec"]["endpoints"]
    assert plain.pop("relabelings") == stable("r-aws-job-exporter.jobs.svc:10058")
    assert plain == {"port": "metrics", "path": "/metrics", "scheme": "http", "honorLabels": False, "interval": "30s"}
    (moved,) = render(EXAMPLES["eks"]).one("ServiceMonitor")["spec"]["endpoints"]
    assert moved["path"] == "/jobs-metrics"
    (secured,) = render(EXAMPLES["web"]).one("ServiceMonitor")["spec"]["endpoints"]
    assert secured["scheme"] == "https"
    login = {
        key: {"name": "exporter-login", "key": word} for key, word in {"username": "name", "password": "word"}.items()
    }
    assert secured["basicAuth"] == login
    authority = {"secret": {"name": "exporter-tls", "key": "ca.crt"}}
    assert secured["tlsConfig"] == {"ca": authority, "serverName": f"{NAME}.jobs.svc"}
    (shown,) = render(EXAMPLES["certificates"]).one("ServiceMonitor")["spec"]["endpoints"]
    assert shown["tlsConfig"] == EXAMPLES["certificates"]["serviceMonitor"]["tlsConfig"]


def test_a_monitor_has_the_added_settings(render):
    """Each key is where the Prometheus operator looks for it."""
    values = EXAMPLES["everything"]["serviceMonitor"]
    monitor = render(EXAMPLES["everything"]).one("ServiceMonitor", "r-jobs")
    (endpoint,) = monitor["spec"]["endpoints"]
    for key in (
        "interval",
        "scrapeTimeout",
        "honorLabels",
        "proxyUrl",
        "relabelings",
        "metricRelabelings",
        "authorization",
    ):
        assert endpoint[key] == values[key]
    for key in (
        *("jobLabel", "podTargetLabels", "sampleLimit", "targetLimit"),
        *("labelLimit", "scrapeProtocols", "scrapeClass"),
    ):
        assert monitor["spec"][key] == values[key]
    pod_monitor = render(EXAMPLES["shards"]).one("PodMonitor")
    assert pod_monitor["metadata"]["namespace"] == "monitoring"
    assert pod_monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "2m"


def test_a_service_has_the_added_settings(render):
    """Each key is where Kubernetes looks for it; what is not set is absent."""
    values = EXAMPLES["web"]["service"]
    assert render(EXAMPLES["web"]).one("Service")["spec"].items() >= values.items()
    assert render(EXAMPLES["storage"]).one("Service")["spec"]["clusterIP"] == "None"
    assert render().one("Service")["spec"].keys() == {"type", "publishNotReadyAddresses", "ports", "selector"}


def test_annotations_for_all_are_added_to_each(render):
    """A resource's own take precedence; manifests that the user adds as a whole are left alone."""
    values = {"commonAnnotations": {"owner": "ml", "a": "all"}, "service": {"annotations": {"a": "b"}}}
    manifests = render(values)
    for manifest in manifests:
        assert manifest["metadata"]["annotations"]["owner"] == "ml"
    assert manifests.one("Service")["metadata"]["annotations"] == {"owner": "ml", "a": "b"}


def test_pages_have_an_address(render):
    """An Ingress or an HTTPRoute points to the existing service."""
    service = render(EXAMPLES["eks"]).one("Service")
    (rule,) = render(EXAMPLES["eks"]).one("Ingress")["spec"]["rules"]
    assert rule["host"] == "jobs.example.com"
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": service["spec"]["ports"][0]["name"]}}
    route = render(EXAMPLES["web"]).one("HTTPRoute")["spec"]
    assert route["parentRefs"] == EXAMPLES["web"]["httpRoute"]["parentRefs"]
    assert route["rules"][0]["backendRefs"] == [{"name": NAME, "port": service["spec"]["ports"][0]["port"]}]


def test_the_helm_test_reads_the_metrics_through_the_service(render):
    """The test uses the configured port and path."""
    for name, url in {
        "default": f"http://{NAME}.jobs.svc:10058/metrics",
        "eks": f"http://{NAME}.jobs.svc:10058/jobs-metrics",
        "everything": "http://r-jobs.jobs.svc:80/metrics",
        "web": f"https://{NAME}.jobs.svc:10058/metrics",
    }.items():
        (pod,) = render(EXAMPLES[name]).of("Pod")
        assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert pod["spec"]["containers"][0]["command"][3] == url


def test_budget_and_autoscaler_are_about_the_workload(render):
    """A budget for one pod never keeps a node from being drained."""
    budget = render({"podDisruptionBudget": {"enabled": True}}).one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget
    assert render(EXAMPLES["openshift"]).one("PodDisruptionBudget", "jobs")["spec"]["minAvailable"] == 1
    target = render(EXAMPLES["shards"]).one("VerticalPodAutoscaler")["spec"]["targetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME}


# Rules and dashboards.


def rules(manifests):
    """Return the groups of a rendered PrometheusRule."""
    return manifests.one("PrometheusRule")["spec"]["groups"]


def alerts(groups):
    """Return the alerts by name."""
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_rules_are_those_of_the_project(render):
    """They are unchanged, because what is in double braces is for Prometheus to fill in."""
    assert rules(render({"prometheusRule": {"enabled": True}})) == RULES["groups"]


def test_single_alerts_can_be_changed(render):
    """An alert can be left out, or get labels, another duration or expression; the rest only get shared labels."""
    groups = rules(render(EXAMPLES["eks"]))
    changed, original = alerts(groups), alerts(RULES["groups"])
    assert original.keys() - changed.keys() == {"AwsJobPartial"}
    assert changed.keys() - original.keys() == {"Mine"}
    assert changed["AwsJobFailed"]["labels"] == {"severity": "critical", "team": "ml"}
    assert changed["AwsJobFailed"]["expr"] == 'time() - aws_job_last_finished_timestamp_seconds{state="failed"} < 7200'
    assert changed["AwsJobSourceDown"]["for"] == "30m"
    assert changed["AwsJobExpired"]["labels"] == {"severity": "warning", "team": "ml"}
    assert groups[-1] == EXAMPLES["eks"]["prometheusRule"]["extraGroups"][0]


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({"externalUrl": "https://jobs.example.com/$1/"}, "https://jobs.example.com/$1"),
        ({"web": {"tls": {"secretName": "certificate"}}}, None),
    ],
)
def test_alerts_link_to_where_the_pages_are(render, values, address):
    """The rest of each link stays, including the filters; without an address, so does the exporter, by https."""
    found = alerts(rules(render({"prometheusRule": {"enabled": True}, **values})))
    links = 0
    for name, alert in alerts(RULES["groups"]).items():
        for key, text in alert["annotations"].items():
            link = re.fullmatch(r"http://(\{\{.*?\}\})(/\w+(?:\?.*)?)", text)
            expected = (address or f"https://{link[1]}") + link[2] if link else text
            assert found[name]["annotations"][key] == expected
            links += link is not None
    assert links > 20


@pytest.mark.parametrize("name", ["eks", "web", "shards"])
def test_prometheus_accepts_the_rules(render, tool, tmp_path, name):
    """The rules are in the form in which the operator passes them on."""
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": rules(render(EXAMPLES[name]))}))
    done = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def boards(manifests):
    """Return the dashboards in the ConfigMaps by file name."""
    maps = [each for each in manifests.of("ConfigMap") if "-dashboard-" in each["metadata"]["name"]]
    assert all(len(each["data"]) == 1 for each in maps)
    return {name: text for each in maps for name, text in each["data"].items()}


def test_dashboards_are_passed_on_unchanged(render, chart):
    """All of the project's dashboards are there, and Helm interprets nothing in them as a template."""
    own = {file.name for file in (CHART.parent / "config" / "grafana" / "dashboards").glob("*.json")}
    expected = {file.name: file.read_text() for file in (chart / "files" / "dashboards").glob("*.json")}
    assert expected.keys() == own | {"made_up.json"}
    assert boards(render({"dashboards": {"enabled": True}})) == expected


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({"externalUrl": "https://jobs.example.com/"}, "https://jobs.example.com"),
        ({"web": {"tls": {"secretName": "certificate"}}}, "https://$1"),
    ],
)
def test_dashboards_link_to_where_the_pages_are(render, values, address):
    """Their variable for the URL of the pages starts with the right one, and nothing else differs."""
    plain = boards(render({"dashboards": {"enabled": True}}))
    found = boards(render({"dashboards": {"enabled": True}, **values}))
    for name, text in plain.items():
        assert ("exporter_url" in text) == ("http://$1" in text)
        assert found[name] == text.replace("http://$1", address)


def test_grafana_finds_the_dashboards(render):
    """The sidecar finds them by a label, the operator by a GrafanaDashboard for each."""
    for each in render(EXAMPLES["eks"]).of("ConfigMap"):
        if "-dashboard-" in each["metadata"]["name"]:
            assert each["metadata"]["namespace"] == "monitoring"
            assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
            assert each["metadata"]["annotations"] == {"grafana_folder": "AWS"}
    manifests = render(EXAMPLES["everything"])
    references = [each["spec"]["configMapRef"] for each in manifests.of("GrafanaDashboard")]
    assert sorted(each["key"] for each in references) == sorted(boards(manifests))
    assert all(each["key"] in manifests.one("ConfigMap", each["name"])["data"] for each in references)


# What the notes say.


@pytest.fixture
def notes(render, chart_with_notes):
    """Return a function that returns what Helm prints after an installation."""

    def printed(values):
        return render(values, chart_with_notes).one("Notes", "notes")["text"]

    return printed


@pytest.mark.parametrize(
    ("name", "expected", "unexpected"),
    [
        (
            "default",
            ["deployment/r-aws-job-exporter", "http://localhost:10058/metrics", "config.services names no service"],
            ["externalUrl is empty", "is empty. The Prometheus of"],
        ),
        (
            "eks",
            ["/jobs-metrics", "uses the role that", "can read the pages"],
            ["Prometheus will not find", "names no"],
        ),
        (
            "shards",
            ["statefulset/r-aws-job-exporter", "--service-account aws-job-exporter --role-arn"],
            ["serviceMonitor"],
        ),
        ("web", ["https://localhost:10058/metrics", "serviceMonitor.labels is empty"], ["can read the pages"]),
        ("openshift", ["keys in the Secret aws-keys", "--namespace exporters"], ["names no role"]),
        ("storage", ["deployment/r-aws-job-exporter"], ["ReadWriteMany"]),
    ],
)
def test_the_notes_are_about_this_installation(notes, name, expected, unexpected):
    """They say how to reach it, where its credentials come from, and what is left to do."""
    text = notes(EXAMPLES[name])
    assert [words for words in expected if words not in text] == []
    assert [words for words in unexpected if words in text] == []


def test_the_notes_warn_of_network_file_systems(notes):
    """A volume that many nodes can write is usually one."""
    assert "has ReadWriteMany" in notes({"persistence": {"enabled": True, "accessModes": ["ReadWriteMany"]}})
    assert "has ReadWriteMany" not in notes({"persistence": {"accessModes": ["ReadWriteMany"]}})
