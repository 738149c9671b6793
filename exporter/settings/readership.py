"""What metric families there are, and which of the project's alerts, recording rules and dashboards read them.

The readers are no part of the package, and the families are defined in rooms above. So readership.yaml has their names
and what reads them: `make docs` writes it, and a test holds it to what it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_suffix(".yaml")


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.safe_load(FILE.read_text())
    return content


def families() -> Sequence[str]:
    """Return the name of every family about jobs, sources and the exporter."""
    names: Sequence[str] = _content()["families"]
    return names


def readers() -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield the sort and the name of each reader with the families that it reads, through recording rules as well."""
    for sort, reading in _content()["readers"].items():
        for name, read in reading.items():
            yield sort, name, read
