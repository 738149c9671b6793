"""The image: what the Dockerfile builds, run as an unprivileged user on a read-only root."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from tests.support.harness import BEDROCK, CATALOG, NOW, REGION, HandClock, simulated
from tests.support.patience import PATIENCE, UNHURRIED_FLAGS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("image")]

ROOT = Path(__file__).parents[2]
RELEASE = "bookworm"
"""A Debian release with the Python that the exporter runs on."""

NOBODY = 65532
MEGABYTE = 1_000_000

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": REGION}

VENV = ("python3-venv", "python3.11-venv", "python3-pip-whl", "python3-setuptools-whl")
"""What the builder has and the base does not."""

UNNEEDED = (
    "--dpkgopt=force-unsafe-io",  # Skip syncing: nothing here has to survive a power failure.
    *(f"--dpkgopt=path-exclude=/usr/share/{useless}/*" for useless in ("doc", "info", "locale", "man")),
)
"""What makes a base image smaller, and sooner."""

OWN_KIND = {
    "service": "mediapackage",
    "title": "Harvest job",
    "operation": "ListHarvestJobs",
    "items": "HarvestJobs",
    "id": "Arn",
    "status": "Status",
    "states": {"running": ["IN_PROGRESS"], "succeeded": ["SUCCEEDED"], "failed": ["FAILED"]},
    "times": {"created": "CreatedAt"},
}
"""A user's own kind, of a service that the catalog does not have."""


@dataclass(frozen=True)
class Buildah:
    """Buildah with its own storage, which is deleted with its folder."""

    program: str
    folder: Path

    def __call__(self, *arguments: str | Path) -> str:
        """Run a command and return what it prints."""
        storage = ("--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", "vfs")
        command = [self.program, *storage, *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def size(self, image: str) -> int:
        """Return an image's size in bytes."""
        (described,) = json.loads(self("images", "--json", image))
        value, unit = re.fullmatch(r"([\d.]+) ?(\w*)", str(described["size"])).groups()  # type: ignore[union-attr] # or fail
        return int(float(value) * {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


@dataclass(frozen=True)
class Image:
    """A built image, unpacked."""

    root: Path
    config: Mapping[str, Any]
    size: int
    beyond: int
    """Bytes that the image adds to its base."""
    chroot: str

    def command(self, *arguments: str, entrypoint: Sequence[str] = ()) -> list[str]:
        """Return the command that runs the image as a cluster would: its user, its variables, a read-only root."""
        owner = self.config["User"]
        assert re.fullmatch(r"\d+:\d+", owner)
        prepare = 'mount --rbind "$0" "$0"; mount -o remount,bind,ro "$0"; mount -t proc proc "$0/proc"; exec "$@"'
        isolated = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", prepare, str(self.root)]
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in CREDENTIALS.items())]
        inside = ["env", "-i", *variables, self.chroot, f"--userspec={owner}", "--groups=", str(self.root)]
        return [*isolated, *inside, *(entrypoint or self.config["Entrypoint"]), *arguments]

    def run(self, *arguments: str, entrypoint: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in the container until it exits."""
        command = self.command(*arguments, entrypoint=entrypoint)
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def buildah(tool: Callable[[str], str]) -> Iterator[Buildah]:
    """Give buildah a storage that is deleted afterwards."""
    program = tool("buildah")
    if os.geteuid():
        reason = "only root can make a root file system"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:
        yield Buildah(program, Path(folder))


@pytest.fixture(scope="module")
def bases(buildah: Buildah, tool: Callable[[str], str]) -> tuple[str, str]:
    """Build the Dockerfile's two base images from Debian's packages, so that no registry is needed."""
    container = buildah("from", "scratch")
    root = Path(buildah("mount", container))
    # Both of the real ones have C++'s library, because packages with C extensions need it.
    installed = ",".join((VENV[0], "ca-certificates", "libstdc++6"))
    options = ("--variant=essential", f"--include={installed}", "--mode=root", *UNNEEDED)
    # In a separate mount namespace, so that no mount outlives the process.
    subprocess.run([tool("unshare"), "--mount", tool("mmdebstrap"), *options, RELEASE, root], check=True)
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
    buildah("commit", "--quiet", container, "builder")
    subprocess.run(["chroot", root, "dpkg", "--purge", *VENV], check=True, stdout=subprocess.DEVNULL)
    buildah("commit", "--quiet", container, "base")
    buildah("rm", container)
    return "localhost/builder", "localhost/base"


@pytest.fixture(scope="module")
def image(buildah: Buildah, bases: tuple[str, str], tool: Callable[[str], str]) -> Image:
    """Build the unmodified Dockerfile."""
    builder, base = bases
    arguments = {"BUILDER": builder, "BASE": base, "VERSION": __version__, "REVISION": "0123abc"}
    buildah(
        *("bud", "--isolation", "chroot", "--layers=false", "--pull-never", "--quiet", "--tag", "exporter"),
        *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
        *pip_configuration(buildah.folder / "pip.conf"),
        ROOT,
    )
    container = buildah("from", "--pull-never", "localhost/exporter")
    config = json.loads(buildah("inspect", "--type", "image", "localhost/exporter"))["OCIv1"]["config"]
    size = buildah.size("localhost/exporter")
    return Image(Path(buildah("mount", container)), config, size, size - buildah.size(base), tool("chroot"))


INDEX = {"index-url", "extra-index-url", "trusted-host", "proxy", "cert"}
"""The settings of pip that choose the package index."""


def pip_configuration(file: Path) -> list[str]:
    """Return the options that make the build use the same package index as this machine."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    found = dict(re.findall(r"(?:\w+|:env:)\.([\w-]+)='(.*)'", listed.stdout))
    options = {
        name: found[name] for name in ("index-url", "extra-index-url", "trusted-host", "proxy", "cert") if name in found
    }
    file.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in options.items())]))
    certificates = ["--volume", f"{options['cert']}:{options['cert']}:ro"] if "cert" in options else []
    return ["--secret", f"id=pip,src={file}", *certificates]


@dataclass(frozen=True)
class Container:
    """A container that serves."""

    address: str
    pid: int
    started: float
    """Seconds from its start until it listened."""

    def get(self, path: str) -> str:
        """Return the body of a response, once one is successful."""

        def body() -> str:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=PATIENCE) as response:
                return str(response.read(), "utf-8")

        return until(body)

    def wait_until_read(self) -> None:
        """Wait until every source was polled: it is ready after a minute in any case, and a busy machine needs more."""
        pattern = re.compile(r"^aws_job_exporter_sources_unread 0.0$", re.MULTILINE)
        self.get("/-/ready")
        until(lambda: pattern.findall(self.get("/metrics"))[0])

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the samples of a metric, by service, kind and state."""
        families = text_string_to_metric_families(self.get("/metrics"))
        found = [sample for family in families for sample in family.samples if sample.name == name]
        labels = ("aws_service", "kind", "state")
        return {tuple(sample.labels.get(label, "") for label in labels): sample.value for sample in found}

    def memory(self) -> int:
        """Return its peak memory, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


@contextmanager
def serving(image: Image, *arguments: str) -> Iterator[Container]:
    """Yield a container that serves; it must stop cleanly when it is signaled."""
    command = image.command(*arguments, "--web.listen-address=127.0.0.1:0")
    with tempfile.TemporaryFile("w+") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def address() -> str:
            log.seek(0)
            text = log.read()
            assert process.poll() is None, text
            return str(re.findall(r'msg="Listening on" address=(\S+)', text)[0])

        try:
            yield Container(f"http://{until(address)}", process.pid, time.monotonic() - began)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def until(attempt: Callable[[], str]) -> str:
    """Retry an attempt until it finds something, and return the result."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except (IndexError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def measured(**figures: float) -> None:
    """Write figures to build/image.json for later comparison."""
    file = ROOT / "build" / "image.json"
    file.parent.mkdir(exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**known, **figures}, indent=1))


def test_the_image_is_small(image: Image) -> None:
    """Dependencies, models and exporter add less than 55 MB to the interpreter."""
    measured(image_bytes=image.size, bytes_beyond_base=image.beyond)
    assert 10 * MEGABYTE < image.beyond < 55 * MEGABYTE


def test_the_image_describes_itself(image: Image) -> None:
    """User, port, entry point and labels are what the documents and the chart rely on."""
    assert image.config["User"] == f"{NOBODY}:{NOBODY}"
    assert image.config["ExposedPorts"] == {"10058/tcp": {}}
    assert image.config["Entrypoint"] == ["python3", "-m", "exporter"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in image.config["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == "0123abc"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["base.name"] == "localhost/base"


def test_the_image_has_no_tools_to_build_or_install(image: Image) -> None:
    """Neither pip nor a compiler is included, and every module has its bytecode."""
    found = image.run("-c", TOOLS, entrypoint=["python3"])
    assert found.stdout.split() == [], found.stderr
    modules = list((image.root / "opt").rglob("*.py"))
    assert len(modules) > 500
    assert [module for module in modules if not list(module.parent.glob(f"__pycache__/{module.stem}.*.pyc"))] == []


TOOLS = """
import importlib.util, shutil
modules = ("pip", "ensurepip", "setuptools", "hatchling", "pytest")
print(*filter(shutil.which, ("cc", "gcc", "c++", "make", "pip", "pip3")), *filter(importlib.util.find_spec, modules))
"""


def test_the_root_is_read_only_here(image: Image) -> None:
    """The tests of a read-only root prove nothing unless the root is read-only."""
    for place in ("/tmp/file", "/opt/aws-job-exporter/file"):
        refused = image.run("-c", f"open({place!r}, 'w')", entrypoint=["python3"])
        assert "Read-only file system" in refused.stderr
    whoami = image.run("-c", "import os; print(os.getuid(), os.getgid(), os.getgroups())", entrypoint=["python3"])
    assert whoami.stdout.strip() == f"{NOBODY} {NOBODY} []"


def test_a_cluster_may_choose_the_user(image: Image) -> None:
    """Nothing in the image is its own user's alone: OpenShift runs it under a number of its own, in root's group."""
    other = replace(image, config={**image.config, "User": "1000680000:0"})
    with serving(other, "--aws.endpoint-url=http://127.0.0.1:9") as container:
        assert "aws_job_exporter_build_info" in container.get("/metrics")
        assert "Uid:\t1000680000" in Path(f"/proc/{container.pid}/status").read_text()


def test_every_kind_is_read_with_the_remaining_models(image: Image) -> None:
    """The demo reads every kind, no source is down, and the kinds that it does not read pass the catalog's check."""
    with serving(image, "demo", *UNHURRIED_FLAGS) as container:
        container.wait_until_read()
        up = container.samples("aws_job_exporter_source_up")
    assert [source for source, value in up.items() if value != 1] == []
    assert {(kind.service, kind.key) for kind in CATALOG.kinds() if not kind.opt_in} <= {source[:2] for source in up}
    assert image.run("-c", CHECK, entrypoint=["python3"]).stdout.splitlines() == ["checked"]


CHECK = """
from exporter.catalog import Catalog
from exporter.catalog.models import Checker, Models
checker = Checker(Models())
print(*(f"{kind} {problem}" for kind in Catalog().kinds() for problem in checker.problems(kind)), "checked", sep="\\n")
"""


async def test_a_container_serves(image: Image) -> None:
    """It reads AWS, serves a scrape with what it read, and stops when it is signaled."""
    async with simulated(HandClock()) as aws:
        aws.world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress")])

        def scraped() -> tuple[float, Container, int]:
            flags = (*UNHURRIED_FLAGS, f"--aws.endpoint-url={aws.endpoint_url}", '--services={"bedrock": {}}')
            with serving(image, *flags) as container:
                container.get("/-/ready")
                jobs = container.samples("aws_jobs")
                return jobs["bedrock", BEDROCK.key, "running"], container, container.memory()

        running, container, memory = await asyncio.to_thread(scraped)
    assert running == 1
    measured(seconds_until_it_listens=round(container.started, 3), bytes_of_memory=memory)


def test_a_service_missing_from_the_image_is_reported_in_one_line(image: Image) -> None:
    """A user's own kind whose model was left out is reported, with the remedy."""
    refused = image.run("once", f"--kinds={json.dumps({'harvest_job': OWN_KIND})}")
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 2
    assert "kinds.harvest_job.service" in line
    assert "no model of 'mediapackage'" in line
    assert "--build-arg MODELS=all" in line
