"""Writes the table of docs/catalog.md from the catalog: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from exporter.catalog import Catalog
from exporter.cli.kinds import HEADER, Row, doubts, rows

PAGE = Path(__file__).parents[1] / "docs" / "catalog.md"
START = "<!-- kinds: written by tools.catalog_page -->"
END = "<!-- end of kinds -->"
DOUBTS = "<!-- doubts: written by tools.catalog_page -->"
END_OF_DOUBTS = "<!-- end of doubts -->"


def written(document: str) -> str:
    """Return a document with the tables between its markers brought up to date; raises ValueError without markers."""
    catalog = Catalog()
    document = _between(document, START, END, markdown(HEADER, rows(catalog)))
    return _between(document, DOUBTS, END_OF_DOUBTS, markdown(("kind", "what is not clear"), doubts(catalog)))


def _between(document: str, start: str, end: str, text: str) -> str:
    before, found, rest = document.partition(start)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"no markers {start} and {end}")
    return f"{before}{start}\n\n{text}\n\n{end}{after}"


def markdown(header: Row, rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table, header included."""
    ruler = tuple("---" for _ in header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ruler, *rows))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
