"""What GitHub runs and shows: workflows follow our security rules, and forms and hooks match the project."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = {file.name: file for file in sorted(ROOT.glob(".github/workflows/*.yml"))}
MAKEFILE = (ROOT / "Makefile").read_text()


def read(file: Path) -> Any:
    """Return the content of a YAML file, where `on` is a string and not a boolean."""
    return yaml.load(file.read_text(), yaml.BaseLoader)


def jobs(workflow: str) -> dict[str, Any]:
    """Return the jobs of a workflow."""
    found: dict[str, Any] = read(WORKFLOWS[workflow])["jobs"]
    return found


def steps(workflow: str) -> Iterator[dict[str, Any]]:
    """Yield every step of a workflow."""
    for job in jobs(workflow).values():
        yield from job["steps"]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_has_only_the_permissions_that_a_job_names(workflow: str) -> None:
    """The top level grants no permissions; each job names what it needs and has a timeout."""
    assert read(WORKFLOWS[workflow])["permissions"] == {}
    assert read(WORKFLOWS[workflow])["concurrency"]
    for name, job in jobs(workflow).items():
        assert isinstance(job["permissions"], dict), name
        assert 0 < int(job["timeout-minutes"]) <= 45, name


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_actions_are_pinned(workflow: str) -> None:
    """Every action is pinned to a commit, with its version in a comment."""
    lines = [line.strip(" -") for line in WORKFLOWS[workflow].read_text().splitlines() if "uses:" in line]
    assert len(lines) == sum("uses" in step for step in steps(workflow)) > 0
    assert [line for line in lines if not re.fullmatch(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+", line)] == []


def test_an_action_is_pinned_to_one_commit() -> None:
    """All workflows use the same version of an action."""
    used = {step["uses"] for workflow in WORKFLOWS for step in steps(workflow) if "uses" in step}
    assert len(used) == len({name.partition("@")[0] for name in used})


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_checkout_keeps_no_credentials(workflow: str) -> None:
    """No later step finds the token in the checkout."""
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] != "false"] == []


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_scripts_contain_no_expressions(workflow: str) -> None:
    """External input reaches a script as a variable, never as part of the script."""
    assert [step["run"] for step in steps(workflow) if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_scripts_call_existing_targets(workflow: str) -> None:
    """Make targets that a workflow runs exist."""
    scripts = "\n".join(step.get("run", "") for step in steps(workflow))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    called = {target for line in re.findall(r"^make (.+)$", scripts, re.MULTILINE) for target in line.split()}
    assert called
    assert called <= targets


@pytest.mark.parametrize("workflow", ["ci.yml", "release.yml"])
def test_what_is_merged_and_released_is_tested(workflow: str) -> None:
    """By the script that developers have, too."""
    assert any(".ci/run" in step.get("run", "") for step in steps(workflow))
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_every_python_is_tested() -> None:
    """The matrix has the versions that the classifiers name."""
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert jobs("ci.yml")["test"]["strategy"]["matrix"]["python"] == named


def test_only_jobs_that_publish_may_write() -> None:
    """Jobs with tests cannot write; what is published was tested before."""
    rights = {name: set(job["permissions"].values()) for name, job in {**jobs("ci.yml"), **jobs("release.yml")}.items()}
    assert rights["test"] == {"read"}
    assert all("test" in before("release.yml", name) for name in ("pypi", "image", "chart", "release"))


def before(workflow: str, job: str) -> set[str]:
    """Return the jobs that a job waits for, directly or indirectly."""
    direct = set(jobs(workflow)[job].get("needs", ()))
    return direct.union(*(before(workflow, name) for name in direct))


def test_the_build_arguments_match_the_dockerfile() -> None:
    """The release passes the image's build every argument of the labels, and no unknown ones."""
    (push,) = (step for step in steps("release.yml") if "docker/build-push-action" in step.get("uses", ""))
    given = set(re.findall(r"^(\w+)=", push["with"]["build-args"], re.MULTILINE))
    taken = set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert given == taken - {"BASE", "BUILDER", "MODELS"}


def test_the_hooks_match_make_lint() -> None:
    """A commit that passes pre-commit also passes `make lint`."""
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["entry"].removeprefix(".venv/bin/").split(" --force")[0] for hook in repository["hooks"]}
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    called = set(re.findall(r"\$\(BIN\)/(.*)", recipe))
    assert {command.removesuffix(" --check").removesuffix(" Dockerfile") for command in called} == hooks


SCHEMAS = {
    "workflows/*.yml": "github-workflows",
    "dependabot.yml": "dependabot",
    "ISSUE_TEMPLATE/config.yml": "github-issue-config",
    "ISSUE_TEMPLATE/[!c]*.yml": "github-issue-forms",
}


@pytest.mark.slow
def test_github_accepts_its_files() -> None:
    """Files in `.github` match GitHub's schemas: GitHub silently hides an invalid form."""
    files = {schema: sorted(map(str, (ROOT / ".github").glob(pattern))) for pattern, schema in SCHEMAS.items()}
    assert all(files.values())
    # In one process, because the checker takes seconds to import.
    commands = [["--builtin-schema", f"vendor.{schema}", *found] for schema, found in files.items()]
    subprocess.run([sys.executable, "-c", CHECK, json.dumps(commands)], check=True)


CHECK = """
import json, sys
from check_jsonschema import main
sys.exit(any([main.main(command, standalone_mode=False) for command in json.loads(sys.argv[1])]))
"""


def test_dependabot_watches_the_locks_and_the_actions() -> None:
    """It watches the locks, the actions and the images of the demo, and waits before it proposes a new release."""
    updates = read(ROOT / ".github" / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "docker-compose", "github-actions"}
    assert all(int(update["cooldown"]["default-days"]) >= 7 for update in updates)
