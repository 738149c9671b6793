"""Writes the tables of docs/metrics.md from the families in the code: `make docs`.

What a family's HELP says is its meaning. When a family is absent only a person can say: that column stays as it is.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.families import AS_OF, GROUP_FAMILIES, JOB_FAMILIES, SOURCE_FAMILIES
from tools.exported import Row, instruments, row

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

_TABLE = re.compile(r"^(\| name \| type \| (?:further )?labels \|.*\n\|[-|]+\|\n)((?:\|.*\n)*)", re.MULTILINE)


def tables() -> list[Sequence[Row]]:
    """Return the families of each table, in page order."""
    own = [list(map(row, families)) for families in (JOB_FAMILIES, GROUP_FAMILIES, SOURCE_FAMILIES)]
    return [*own, instruments()]


def written(text: str) -> str:
    """Return the page with its tables as the code has them; a family that is new to the page is `never` absent."""
    absent = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", text, re.MULTILINE))
    families = iter(tables())
    return _TABLE.sub(lambda found: found[1] + "".join(_line(each, absent) for each in next(families)), text)


def _line(family: Row, absent: dict[str, str]) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    meaning = family.help.removesuffix(AS_OF).strip()
    cells = (f"`{family.name}`", family.type, labels, meaning, absent.get(family.name, "never"))
    return "|".join(["", *(f" {cell} " if cell else " " for cell in cells), "\n"])


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
