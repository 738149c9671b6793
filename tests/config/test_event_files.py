"""What we ship for EventBridge: the files are valid, ask for the catalog's events, and lead them into a queue."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.harness import CATALOG

FOLDER = Path(__file__).parents[2] / "config" / "events"
TEMPLATES = sorted(FOLDER.glob("cloudformation/*.yaml"))
MODULES = sorted(FOLDER.glob("terraform/*/main.tf"))
SOURCES = sorted({kind.events.source for kind in CATALOG.kinds() if kind.events})
TYPES = {detail_type for kind in CATALOG.kinds() if kind.events for detail_type in kind.events.detail_type}

LONGEST_PATTERN = 2048
"""Characters of an event pattern that EventBridge takes."""


class Template(yaml.SafeLoader):
    """CloudFormation's YAML, in which `!Ref` and the like stand for values that are not known yet."""


Template.add_multi_constructor("!", lambda _loader, tag, node: f"!{tag} {node.value}")


def patterns(template):
    """Return the pattern of each rule in a template."""
    resources = yaml.load(template.read_text(), Template)["Resources"].values()
    return [each["Properties"]["EventPattern"] for each in resources if each["Type"] == "AWS::Events::Rule"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.stem)
def test_cloudformation_accepts_a_template(template):
    """By the linter that knows what each resource takes."""
    # Comes with moto.
    command = [Path(sys.executable).with_name("cfn-lint"), template]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.parent.name)
def test_terraform_reads_a_module_and_would_write_it_so(tool, module):
    """It is valid HCL, in the usual form."""
    subprocess.run([tool("terraform"), "fmt", "-check", "-diff", str(module.parent)], check=True)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.stem)
def test_a_template_asks_for_the_events_of_the_catalog(template):
    """Of each source, and of no other; a pattern that is too long would be refused."""
    found = patterns(template)
    assert found
    for pattern in found:
        assert pattern["source"] == SOURCES
        assert pattern["detail-type"] == [{"anything-but": {"prefix": "AWS "}}]
        assert len(json.dumps(pattern)) < LONGEST_PATTERN


@pytest.mark.parametrize("module", MODULES, ids=lambda file: file.parent.name)
def test_a_module_asks_for_the_same(module):
    """Terraform and CloudFormation are two ways to one thing."""
    (pattern,) = re.findall(r"event_pattern = jsonencode\((.*?)\n  \}\)", module.read_text(), re.DOTALL)
    assert re.findall(r'"(aws\.[a-z-]+)"', pattern) == SOURCES
    assert 'detail-type = [{ anything-but = { prefix = "AWS " } }]' in pattern


def test_no_event_of_the_catalog_is_left_out():
    """What CloudTrail tells begins with the name of AWS, and nothing else may."""
    assert [detail_type for detail_type in TYPES if detail_type.startswith("AWS ")] == []
