"""promtool's unit tests of our rules, each with the rules that it is about: all of them take several times as long."""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.recorded import GROUPS

Group = dict[str, Any]
"""A group of rules, or a unit test, as YAML has it."""


def failures(
    promtool: str, folder: Path, file: Mapping[str, Any], tests: Iterable[Group], groups: Sequence[Group] = GROUPS
) -> str:
    """Return what promtool finds wrong with unit tests under the options of a file; empty if they hold."""
    together = defaultdict(list)
    for test in tests:
        together[frozenset(_used(test, groups))].append(test)
    names = []
    for number, (used, each) in enumerate(together.items()):
        rules, name = folder / f"{number}-rules.yml", folder / f"{number}-tests.yml"
        rules.write_text(yaml.safe_dump({"groups": list(_only(used, groups))}))
        name.write_text(yaml.safe_dump({**file, "rule_files": [rules.name], "tests": each}, width=10**9))
        names.append(name)
    assert names
    done = subprocess.run([promtool, "test", "rules", *names], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _name(rule: Mapping[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def _only(used: frozenset[str], groups: Sequence[Group]) -> Iterable[Group]:
    for group in groups:
        if rules := [rule for rule in group["rules"] if _name(rule) in used]:
            yield {**group, "rules": rules}


def _used(test: Group, groups: Sequence[Group]) -> set[str]:
    """Return the rules that a unit test asks for, with all that those read."""
    rules = {_name(rule): str(rule) for group in groups for rule in group["rules"]}
    text = " ".join(each["expr"] for each in test.get("promql_expr_test", ()))
    wanted = {each["alertname"] for each in test.get("alert_rule_test", ())} | _named(text, rules)
    used: set[str] = set()
    while new := wanted - used:
        used |= new
        wanted = set().union(*(_named(rules[name], rules) for name in new))
    return used


def _named(text: str, rules: Mapping[str, str]) -> set[str]:
    return {*re.findall(r"[a-zA-Z_][\w:]*", text)} & rules.keys()
