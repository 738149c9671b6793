"""Writes the table of causes in the runbook of sources that are down, from the advice of `doctor`: `make docs`."""

import re
import sys
from pathlib import Path

from exporter.cli.advice import CAUSES

PAGE = Path(__file__).parents[1] / "docs" / "runbooks" / "AwsJobSourceDown.md"

_TABLE = re.compile(r"^(\| the error says \| what to do \|\n\|[-|]+\|\n)((?:\|.*\n)*)", re.MULTILINE)

_PLACE = re.compile(r"{(\w+)}")


def written(text: str) -> str:
    """Return the page with its table as the code has it."""
    return _TABLE.sub(lambda found: found[1] + "".join(rows()), text)


def rows() -> list[str]:
    """Return the row of each cause, in the order of the code."""
    return [f"| {cause.sign} | {_PLACE.sub(lambda place: place[1].upper(), cause.advice)}. |\n" for cause in CAUSES]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
