"""A Kubernetes API: etcd, the API server and the controllers, as processes. There is no node, so no pod ever runs."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.support.greeting import self_signed
from tests.support.patience import eventually
from tests.support.stack import free_ports, process

BUILT = Path(__file__).parents[2] / "build" / "kubernetes"
CRDS = BUILT / "crds"

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
TOKEN = "made-up"
STANDARDS = "pod-security.kubernetes.io"

READY = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
"""What a node would say of a pod that serves."""


@dataclass(frozen=True)
class Cluster:
    """What a test does with the API."""

    url: str
    kubeconfig: Path
    session: aiohttp.ClientSession

    async def request(self, method: str, path: str, body: Any = None, **parameters: str) -> tuple[int, Any, list[str]]:
        """Return the status, the object and the warnings of a response."""
        merged = method == "PATCH"
        headers = {"Content-Type": f"application/{'strategic-merge-patch+' if merged else ''}json"}
        answer: tuple[int, Any, list[str]] = (0, None, [])

        async def is_answered() -> bool:
            nonlocal answer
            request = self.session.request(method, f"{self.url}{path}", json=body, params=parameters, headers=headers)
            async with request as response:
                answer = response.status, await response.json(), response.headers.getall("Warning", [])
            # Come again later: a definition that has just been created is not stored everywhere yet.
            return answer[0] != HTTPStatus.TOO_MANY_REQUESTS

        await eventually(is_answered)
        return answer

    async def get(self, path: str, **parameters: str) -> Any:
        """Return an object or a list of them."""
        status, found, _ = await self.request("GET", path, **parameters)
        assert status == 200, found
        return found

    async def resources(self) -> dict[tuple[str, str], str]:
        """Return where the objects of each version and kind are, as a path with the namespace left open."""
        groups = (await self.get("/apis"))["groups"]
        versions = ["v1", *(each["groupVersion"] for group in groups for each in group["versions"])]
        found = {}
        for version in versions:
            root = "/api/v1" if version == "v1" else f"/apis/{version}"
            for each in await self._resources(root):
                if each["namespaced"] and {"list", "create"} <= set(each["verbs"]):
                    found[version, each["kind"]] = f"{root}/namespaces/%s/{each['name']}"
        return found

    async def _resources(self, root: str) -> list[Any]:
        """Return what a version has; nothing while it is listed already, but not served yet."""
        async with self.session.get(f"{self.url}{root}") as response:
            return (await response.json())["resources"] if response.ok else []

    async def create_namespace(self, name: str, standard: str) -> None:
        """Create a namespace whose pods must meet a Pod Security Standard; what would not is warned of."""
        labels = {f"{STANDARDS}/{mode}": standard for mode in ("enforce", "warn")}
        body = {"metadata": {"name": name, "labels": labels}}
        status, answer, _ = await self.request("POST", "/api/v1/namespaces", body)
        assert status == 201, answer
        # Without its account, the first pods would be refused.
        accounts = f"/api/v1/namespaces/{name}/serviceaccounts"
        await eventually(lambda: self.has(accounts))

    async def has(self, path: str) -> bool:
        """Whether a list is not empty."""
        return bool((await self.get(path))["items"])

    async def held(self, release: str) -> list[tuple[str, str]]:
        """Return the kind and the name of everything that a release has, in any namespace."""
        selector = f"app.kubernetes.io/instance={release}"
        found = set()
        for (_, kind), path in (await self.resources()).items():
            listed = await self.get(path.replace("/namespaces/%s", ""), labelSelector=selector)
            found |= {(kind, each["metadata"]["name"]) for each in listed["items"]}
        return sorted(found)

    async def run_pods(self) -> None:
        """Say of each pod that it is ready, as its node would."""
        for pod in (await self.get("/api/v1/pods", fieldSelector="status.phase=Pending"))["items"]:
            where = pod["metadata"]
            # A controller may have deleted it meanwhile.
            await self.request("PATCH", f"/api/v1/namespaces/{where['namespace']}/pods/{where['name']}/status", READY)


@asynccontextmanager
async def cluster(folder: Path, programs: Mapping[str, str]) -> AsyncIterator[Cluster]:
    """Run a cluster with the definitions of custom resources."""
    etcd, peers, port = free_ports(3)
    url = f"https://127.0.0.1:{port}"
    certificate, key = self_signed("127.0.0.1", "127.0.0.1")
    (folder / "tls.crt").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    (folder / "tokens.csv").write_text(f"{TOKEN},tester,tester,system:masters\n")
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(0o600)
    kubeconfig.write_text(yaml.safe_dump(configuration(url, folder / "tls.crt")))
    trusted = ssl.create_default_context(cadata=certificate.decode())
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {TOKEN}"}, connector=aiohttp.TCPConnector(ssl=trusted)
            )
        )
        for command in (
            [
                programs["etcd"],
                f"--data-dir={folder / 'etcd'}",
                "--unsafe-no-fsync",
                *(f"--{name}-client-urls=http://127.0.0.1:{etcd}" for name in ("listen", "advertise")),
                f"--listen-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
                f"--initial-cluster=default=http://127.0.0.1:{peers}",
            ],
            [
                programs["kube-apiserver"],
                f"--etcd-servers=http://127.0.0.1:{etcd}",
                *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}"),
                "--endpoint-reconciler-type=none",  # it accepts no address of the loopback
                "--service-cluster-ip-range=10.0.0.0/24",
                "--authorization-mode=RBAC",
                f"--token-auth-file={folder / 'tokens.csv'}",
                f"--tls-cert-file={folder / 'tls.crt'}",
                f"--tls-private-key-file={folder / 'tls.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={folder / 'tls.key'}",
                f"--service-account-signing-key-file={folder / 'tls.key'}",
            ],
        ):
            await stack.enter_async_context(process(folder, *command))
        found = Cluster(url, kubeconfig, session)
        await eventually(lambda: answers(found))
        command = [programs["kube-controller-manager"], f"--kubeconfig={kubeconfig}", "--leader-elect=false"]
        await stack.enter_async_context(process(folder, *command, "--secure-port=0"))
        await define(found)
        yield found


def configuration(url: str, certificate: Path) -> dict[str, Any]:
    """Return the kubeconfig of an administrator."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "users": [{"name": "tester", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "tester"}}],
        "current-context": "test",
    }


async def answers(found: Cluster) -> bool:
    """Whether the API server is ready."""
    try:
        async with found.session.get(f"{found.url}/readyz") as response:
            return response.ok
    except aiohttp.ClientError:
        return False


async def define(found: Cluster) -> None:
    """Create the definitions of custom resources, and wait until they are served."""
    place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    definitions = [each for file in sorted(CRDS.glob("*")) for each in yaml.safe_load_all(file.read_text())]
    for definition in definitions:
        status, answer, _ = await found.request("POST", place, definition)
        assert status == 201, answer
    kinds = {each["spec"]["names"]["kind"] for each in definitions}

    async def served() -> bool:
        return kinds <= {kind for _, kind in await found.resources()}

    await eventually(served)
