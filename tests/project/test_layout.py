"""Where things are: every file at the root is referred to somewhere, and `tests/` mirrors `exporter/`."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"

READERS = (
    *("Makefile", "CONTRIBUTING.md", "README.md", "pyproject.toml", "Dockerfile", ".ci/run"),
    *(str(file.relative_to(ROOT)) for file in sorted(ROOT.glob(".github/workflows/*.yml"))),
)
"""Where a newcomer learns what is at the root."""

FOUND_BY_NAME = {
    ".dockerignore": "docker build",
    ".gitignore": "git",
    ".pre-commit-config.yaml": "pre-commit",
    "Makefile": "make",
}
"""What none of these mention, and the tool that finds it."""


@pytest.fixture
def tracked(tool: Callable[[str], str]) -> list[PurePosixPath]:
    """Return the files that git tracks; CI may run as a different user than the owner of the checkout."""
    command = [tool("git"), "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip(f"no git checkout: {listed.stderr.strip()}")
    return [PurePosixPath(name) for name in listed.stdout.split("\0") if name]


@pytest.fixture
def tests(tracked: list[PurePosixPath]) -> list[PurePosixPath]:
    """Return the files below `tests/`, relative to it."""
    return [file.relative_to("tests") for file in tracked if file.parts[0] == "tests"]


def test_everything_at_the_root_is_mentioned(tracked: list[PurePosixPath]) -> None:
    """A file or folder at the root is mentioned where newcomers look, or a tool finds it by its name."""
    folders = {file.parts[0] for file in tracked if len(file.parts) > 1}
    texts = {name: (ROOT / name).read_text() for name in READERS}

    def named(entry: str) -> bool:
        inside = r"[./]\w" if entry in folders else r"(?![\w-])"
        others = (text for name, text in texts.items() if name != entry)
        return any(re.search(rf"(?<![\w-]){re.escape(entry)}{inside}", text) for text in others)

    assert {entry for entry in {file.parts[0] for file in tracked} if not named(entry)} == {*FOUND_BY_NAME}


def test_a_folder_of_tests_mirrors_a_room_or_is_explained(tests: list[PurePosixPath]) -> None:
    """A folder that does not mirror a room of the exporter has its line in CONTRIBUTING, and no other line is there."""
    folders = {file.parent for file in tests if file.parent.parts}
    others = {folder.parts[0] for folder in folders if not (ROOT / "exporter" / folder).is_dir()}
    assert others == set(re.findall(r"^\| `tests/(\w+)` \| \w", CONTRIBUTING.read_text(), re.MULTILINE))


def test_a_test_at_the_top_tests_a_module(tests: list[PurePosixPath]) -> None:
    """`tests/test_X.py` tests `exporter/X.py`."""
    names = {file.name for file in tests if not file.parent.parts} - {"conftest.py"}
    assert names <= {f"test_{module.name}" for module in (ROOT / "exporter").glob("*.py")}


def test_helpers_are_in_support(tests: list[PurePosixPath]) -> None:
    """A module without tests lies in `tests/support`; the benchmarks have their own."""
    modules = [file for file in tests if file.suffix == ".py" and file.parts[0] not in {"support", "benchmarks"}]
    assert [file for file in modules if not re.fullmatch(r"test_\w+|conftest", file.stem)] == []


def test_no_two_tests_share_a_name(tests: list[PurePosixPath]) -> None:
    """Two modules share a name only if each tests the module of that name: `aws/errors.py`, `simulator/errors.py`."""
    folders = defaultdict(list)
    for file in tests:
        if file.suffix == ".py" and file.name != "conftest.py":
            folders[file.name].append(file.parent)
    shared = {name: where for name, where in folders.items() if len(where) > 1}
    alone = [(name, folder) for name, where in shared.items() for folder in where if not is_of_a_module(folder / name)]
    assert alone == []


def is_of_a_module(test: PurePosixPath) -> bool:
    """Whether the exporter has the module that a test's name implies."""
    return (ROOT / "exporter" / test.with_name(test.name.removeprefix("test_"))).is_file()


@pytest.mark.xdist_group("together")
def test_a_group_of_tests_has_one_worker(request: pytest.FixtureRequest) -> None:
    """A pytest whose test names xdist cannot extend scatters groups and says nothing: each worker builds the image."""
    if request.config.getoption("loadgroup", default=False):
        assert request.node.nodeid.endswith("@together")
