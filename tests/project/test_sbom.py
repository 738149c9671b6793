"""The bill of materials: what `make sbom` writes is valid and lists what the lock pins."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.txt").read_text().replace("\\\n", "")
PINNED = {
    (name, version): set(re.findall(r"sha256:(\w+)", hashes))
    for name, version, hashes in re.findall(r"^(\S+)==([^\s;]+)(.*)$", LOCK, re.MULTILINE)
}
"""The hashes of each package and version of the lock."""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run the Makefile's recipe in this test's environment, with another output file."""
    file = tmp_path_factory.mktemp("sbom") / "sbom.json"
    (recipe,) = re.findall(r"^\t\$\(BIN\)/(cyclonedx-py .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    program, *arguments = recipe.replace("build/sbom.cdx.json", str(file)).split()
    subprocess.run([Path(sys.executable).with_name(program), *arguments], cwd=ROOT, check=True)
    return file.read_text()


def test_the_bill_is_valid(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It matches the schema of the version that it names, and refers to packages by plain purls."""
    from jsonschema import Draft7Validator  # noqa: PLC0415 - takes three seconds, which each worker would spend

    # The checker's own grammar of addresses takes half a second for each; ours are of one form, which it would take.
    checkers = Draft7Validator.FORMAT_CHECKER.checkers
    monkeypatch.setitem(checkers, "iri-reference", (re.compile(r"https://[\w.-]+/[\w./#-]*").fullmatch, ()))
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    assert JsonStrictValidator(version).validate_str(text) is None


def test_the_bill_lists_what_the_lock_pins(text: str) -> None:
    """It lists every shipped package, and no other, with its version, its purl and its hashes."""
    components = json.loads(text)["components"]
    assert {(each["name"], each["version"]): hashes(each) for each in components} == PINNED
    assert len(PINNED) > 20
    for each in components:
        assert re.match(rf"pkg:pypi/{re.escape(each['name'])}@{re.escape(each['version'])}($|\?)", each["purl"])


def test_the_bill_is_about_the_exporter(text: str) -> None:
    """It names the software that it describes."""
    about = json.loads(text)["metadata"]["component"]
    assert (about["name"], about["type"]) == ("aws-job-exporter", "application")


def hashes(component: dict[str, Any]) -> set[str]:
    """Return the SHA-256 hashes of a component's files."""
    references = component["externalReferences"]
    return {each["content"] for reference in references for each in reference.get("hashes", ())}
