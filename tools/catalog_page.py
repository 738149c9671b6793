"""The catalog as a table, for the documentation and for whoever asks which kinds there are.

`python -m tools.catalog_page docs/catalog.md` writes the table into a document, between its markers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from exporter.catalog import Catalog, Service
from exporter.catalog.kind import Kind

HEADER = ("service", "kind", "title", "scope", "reason from", "filters", "polled only")
BEGIN = "<!-- kinds: written by tools.catalog_page -->"
END = "<!-- end of kinds -->"

Row = tuple[str, ...]


def rows(catalog: Catalog) -> list[Row]:
    """Return a row for each kind, with a text for each column of `HEADER`."""
    services = [catalog[name] for name in catalog.names]
    return [_row(service, kind) for service in services for kind in service.kinds.values()]


def markdown(rows: Iterable[Row]) -> str:
    """Return rows as a table of Markdown, header included."""
    ruler = tuple("---" for _ in HEADER)
    return "\n".join(f"| {' | '.join(row)} |" for row in (HEADER, ruler, *rows))


def put_into(document: str, table: str) -> str:
    """Return a document with the table between its markers; raises ValueError where it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no markers {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def write(file: Path) -> None:
    """Bring the table of a document up to date."""
    file.write_text(put_into(file.read_text(), markdown(rows(Catalog()))))


def _row(service: Service, kind: Kind) -> Row:
    scope = " > ".join(name for name, _ in kind.scopes)
    filters = ", ".join(kind.filters.model_dump(exclude_none=True))
    return kind.service, kind.key, kind.title, scope, _reason(kind), filters, _polled(service, kind)


def _reason(kind: Kind) -> str:
    if kind.reason:
        return "list"
    return kind.details.operation if kind.details else ""


def _polled(service: Service, kind: Kind) -> str:
    if kind.end_of_life:
        return f"where named (ended {kind.end_of_life})"
    if kind.opt_in:
        return "where the kind is named"
    return "where the service is named" if service.opt_in else ""


if __name__ == "__main__":
    write(Path(sys.argv[1]))
