"""Writes the tables of docs/reliability.md: the faults that the tests try, and AWS's quirks. `make docs` runs it."""

import re
import sys
from pathlib import Path

from exporter.simulator import Quirk
from tests.support.fault_table import MATRIX, OK, STAGES, Row, Stage

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"

_TABLE = re.compile(r"^\| fault \| account .*?\n(?!\|)", re.DOTALL | re.MULTILINE)


_QUIRKS = re.compile(r"^(\| what AWS does \|.*\n\|[-| ]+\|\n)((?:\|.*\n)*)", re.MULTILINE)


def written(text: str) -> str:
    """Return the page with its tables as the tests and the simulator define them."""
    return _QUIRKS.sub(lambda found: found[1] + "".join(map(_quirk, Quirk)), _TABLE.sub(lambda _: _table(), text))


def _quirk(quirk: Quirk) -> str:
    return f"| {quirk.what} | [{quirk.where}]({quirk.source}) | {quirk.promise} |\n"


def _table() -> str:
    header = ["fault", *(stage.name for stage in STAGES), "what holds where nothing fails"]
    rows = [[row.name, *(_cell(row, stage) for stage in STAGES), row.note] for row in MATRIX]
    lines = [header, ["---"] * len(header), *rows]
    return "".join(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(line)} |\n") for line in lines)


def _cell(row: Row, stage: Stage) -> str:
    outcome = row.outcome.get(stage.name, "")
    return "up" if outcome == OK else f"`{outcome}`" if outcome else ""


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
