"""Writes the table of docs/reliability.md from the faults that the tests try: `make docs`."""

import re
import sys
from pathlib import Path

from tests.support.fault_table import MATRIX, OK, STAGES, Row, Stage

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"

_TABLE = re.compile(r"^\| fault \| account .*?\n(?!\|)", re.DOTALL | re.MULTILINE)


def written(text: str) -> str:
    """Return the page with its table as the tests define it."""
    return _TABLE.sub(lambda _: _table(), text)


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
