"""What is released to PyPI: the wheel and the sdist, and a fresh environment that the wheel runs in."""

import asyncio
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from exporter import __version__
from tests.support.harness import BEDROCK, CATALOG, NOW, REGION, HandClock, simulated
from tests.support.patience import PATIENCE, UNHURRIED_FLAGS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).parents[2]
PACKAGE = {
    str(file.relative_to(ROOT)) for file in ROOT.glob("exporter/**/*") if file.is_file() and file.suffix != ".pyc"
}
"""Every file of the package: modules, the catalog's data, templates, `py.typed`."""

Run = Callable[..., subprocess.CompletedProcess[str]]


def build(project: Path, target: str, folder: Path) -> Path:
    """Build a wheel or an sdist of a project and return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (built,) = folder.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the wheel in a fresh environment and return a function that runs commands there, outside the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    # Use the dependencies that the tests run with: they are what the locks pin, without another download.
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)

    def call(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(folder / "bin" / program), *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=PATIENCE
        )

    return call


def test_the_wheel_has_the_package_and_its_license(wheel: Path) -> None:
    """Every file of the package is in the wheel, and nothing else except its metadata."""
    about = f"aws_job_exporter-{__version__}.dist-info"
    described = {f"{about}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    with ZipFile(wheel) as archive:
        assert set(archive.namelist()) == PACKAGE | described
        metadata = Parser().parsestr(archive.read(f"{about}/METADATA").decode())
    views = ("web/views/templates/overview.html", "web/views/static/style.css")
    needed = ("py.typed", "catalog/services/bedrock.yaml", *views)
    assert {f"exporter/{name}" for name in needed} <= PACKAGE
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """A build from the sdist yields what we release; our tests and configuration are not in it."""
    with tarfile.open(build(ROOT, "sdist", tmp_path)) as archive:
        archive.extractall(tmp_path, filter="data")
    (project,) = (folder for folder in tmp_path.iterdir() if folder.is_dir())
    assert {file.name for file in project.iterdir()} - {".gitignore"} == {
        *("exporter", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml")
    }
    assert build(project, "wheel", tmp_path).read_bytes() == wheel.read_bytes()


def test_the_wheel_runs(run: Run) -> None:
    """The installed program prints its version and knows the whole catalog."""
    where = run("python", "-c", "import exporter; print(exporter.__file__)")
    assert "environment" in where.stdout, "the checkout was run, not the wheel"
    assert run("aws-job-exporter", "--version").stdout.startswith(f"aws-job-exporter, version {__version__}")
    listed = run("aws-job-exporter", "kinds")
    assert len(listed.stdout.splitlines()) == 1 + len(list(CATALOG.kinds())), listed.stderr


async def test_the_wheel_reads_aws(run: Run) -> None:
    """The installed program polls AWS once and prints what it found."""
    credentials = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "made-up"}
    async with simulated(HandClock()) as aws:
        aws.world.add_job(BEDROCK, created=NOW, path=[(0, "InProgress")])
        flags = (
            *UNHURRIED_FLAGS,
            f"--aws.endpoint-url={aws.endpoint_url}",
            '--services={"bedrock": {"kinds": ["model_invocation_job"]}}',
        )
        done = await asyncio.to_thread(run, "aws-job-exporter", "once", *flags, AWS_REGION=REGION, **credentials)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("aws_jobs{") and "InProgress" in line)
    assert line.endswith(" 1.0")
