"""What our rules record, by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter.jobs import SourceKey

FILE = Path(__file__).parents[2] / "config" / "prometheus" / "rules" / "aws-job-exporter.yml"

GROUPS: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"]

RECORDED: Mapping[str, dict[str, Any]] = {
    rule["record"]: rule for group in GROUPS for rule in group["rules"] if "record" in rule
}

_LEVELS = {
    "source": {*SourceKey._fields},
    "account": {"account_id"},
    "kind": {"aws_service", "kind"},
    "service": {"aws_service"},
}


def labels(name: str) -> set[str]:
    """Return the labels of a recorded series, without dimensions, by the level that its name starts with."""
    words = name.partition(":")[0].split("_")
    return {"job"}.union(*(_LEVELS.get(word, {word}) for word in words))
