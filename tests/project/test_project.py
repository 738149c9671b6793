"""The project's own files agree with each other: the locks, the metadata, the workflows and the documented commands."""

import re
import tomllib
from pathlib import Path

import pytest

from exporter.catalog import Catalog
from exporter.catalog.models import Checker, Models

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt", "requirements-installer.txt")


def requirements(lock: str) -> list[str]:
    """Return the requirements of a lock, each with its hashes on one line."""
    return (ROOT / lock).read_text().replace("\\\n", "").splitlines()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_pins_and_hashes_and_nothing_else(lock: str) -> None:
    """Each line pins one version by its hashes; a lock contains no options and no URLs."""
    form = re.compile(r"[a-z0-9.-]+==[^\s:]+( ; [^:]+)?(\s+--hash=sha256:[0-9a-f]{64})+")
    assert requirements(lock)
    assert [line for line in requirements(lock) if not form.fullmatch(line)] == []


def test_every_lock_is_known() -> None:
    """There are no other locks; `make lock` writes each, and CONTRIBUTING says what each is for."""
    assert sorted(file.name for file in ROOT.glob("requirements*.txt")) == sorted(LOCKS)
    assert sorted(re.findall(r"^\t\$\(COMPILE\) .* -o (\S+)$", MAKEFILE, re.MULTILINE)) == sorted(LOCKS)
    assert set(LOCKS) <= set(re.findall(r"`(requirements\S*)`", CONTRIBUTING))


@pytest.mark.parametrize("lock", LOCKS[:2])
def test_what_is_shipped_is_what_is_tested(lock: str) -> None:
    """The exporter is run and built with the same files that the tests use."""
    assert set(requirements(lock)) <= set(requirements("requirements-dev.txt"))


def test_the_oldest_python_is_the_same_everywhere() -> None:
    """The classifiers start with the version that `requires-python` and ruff name."""
    classifiers = " ".join(PROJECT["project"]["classifiers"])
    minors = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", classifiers)]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PROJECT["project"]["requires-python"] == f">=3.{minors[0]}"
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py3{minors[0]}"


def test_the_documents_name_the_versions_of_python() -> None:
    """docs/stability.md names the tested versions: the classifiers' first to their last."""
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    text = " ".join((ROOT / "docs" / "stability.md").read_text().split())
    assert f"tested versions of Python: {versions[0]} to {versions[-1]}." in text


def test_ci_runs_what_the_readme_tells_newcomers_to_run() -> None:
    """`.ci/run` runs each make target of the README, directly or through the scripts that it calls."""
    targets = set(re.findall(r"\bmake (?:-C \S+ )?([a-z]+)", code("README.md")))
    assert targets == {"demo", "test"}
    assert targets <= set(re.findall(r"(?:\bmake|\.ci/\w+) ([a-z]+)", commands(".ci/run")))


def commands(script: str) -> str:
    """Return the commands of a script and of the sibling scripts that it calls, without comments and printed text."""
    lines = [line.strip() for line in (ROOT / script).read_text().splitlines()]
    text = "\n".join(line for line in lines if not line.startswith(("#", "echo ")))
    return "\n".join([text, *(commands(called) for called in sorted({*re.findall(r"\.ci/\w+", text)} - {script}))])


def code(document: str) -> str:
    """Return the code of a document: blocks, and what is between backticks."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", (ROOT / document).read_text(), re.DOTALL))


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_documented_targets_exist(document: str) -> None:
    """Every `make x` in a document's code is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code(document))) <= targets


def test_no_test_has_its_own_time_limit() -> None:
    """A failure never means a busy machine: waits share one limit, which grows with the slowness of the machine."""
    own = re.compile(
        r"asyncio\.timeout\(\d|wait_for\(.*, \d|timeout=\d|ClientTimeout\(.*\d|(perf_counter|monotonic)\(\) .*<"
    )
    files = [file for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)]
    found = [line for file in files for line in file.read_text().splitlines() if own.search(line)]
    assert found == []


def test_the_example_of_a_kind_is_valid(tmp_path: Path) -> None:
    """The entry that docs/catalog.md shows passes the catalog's own check."""
    example = re.findall(r"```yaml\n(service:.*?)```", (ROOT / "docs" / "catalog.md").read_text(), re.DOTALL)
    (tmp_path / "bedrock-agent.yaml").write_text(*example)
    (kind,) = Catalog(tmp_path).kinds()
    assert Checker(Models()).problems(kind) == []


def test_the_list_of_mutants_is_about_what_exists() -> None:
    """`make mutants` takes long and runs rarely: what was moved must not be found missing only then."""
    listed = tomllib.loads((ROOT / "tests/data/mutants.toml").read_text())
    paths = {entry["path"] for entry in (*listed["module"], *listed["equal"])}
    tests = {word.split("::")[0] for entry in listed["module"] for word in entry["tests"] if word.startswith("tests/")}
    assert [path for path in sorted(paths | tests) if not (ROOT / path).is_file()] == []
    decisions = {str(path.relative_to(ROOT)) for path in (ROOT / "exporter/store").glob("*.py")}
    assert decisions - paths == {f"exporter/store/{name}.py" for name in ("__init__", "database", "tables")}
