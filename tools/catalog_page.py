"""Writes the table of docs/catalog.md from the catalog: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from exporter.catalog import Catalog
from exporter.cli.kinds import HEADER, Row, rows

PAGE = Path(__file__).parents[1] / "docs" / "catalog.md"
START = "<!-- kinds: written by tools.catalog_page -->"
END = "<!-- end of kinds -->"


def written(document: str) -> str:
    """Return a document with the table between its markers brought up to date; raises ValueError without markers."""
    before, start, rest = document.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"no markers {START} and {END}")
    return f"{before}{start}\n\n{markdown(rows(Catalog()))}\n\n{end}{after}"


def markdown(rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table, header included."""
    ruler = tuple("---" for _ in HEADER)
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, ruler, *rows))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
