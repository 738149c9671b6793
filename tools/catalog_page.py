"""Writes the tables of docs/catalog.md from the catalog: `make docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from exporter.catalog import Catalog, Kind
from exporter.cli.kinds import HEADER, Row, doubts, retention, rows
from exporter.settings import Rates, Settings

PAGE = Path(__file__).parents[1] / "docs" / "catalog.md"
DOUBTS = ("kind", "what is not clear")
LISTS = ("kind", "newest first by", "retention", "restarts", "details")
QUOTAS = ("operation", "requests per second, by AWS", "at once", "of the exporter, by default", "at once")
TAGS = ("kind", "whose tags")
USAGE = ("kind", "`resource`", "`type` from", "told by")
EVENTS = ("kind", "`source`", "`detail-type`", "scope")


def written(document: str) -> str:
    """Return a document with the tables between their markers brought up to date; raises ValueError without markers."""
    catalog = Catalog()
    tables = {
        "kinds": markdown(HEADER, rows(catalog)),
        "lists": markdown(LISTS, lists(catalog)),
        "quotas": markdown(QUOTAS, quotas(catalog)),
        "tags": markdown(TAGS, tags(catalog)),
        "usage": markdown(USAGE, usage(catalog)),
        "events": markdown(EVENTS, events(catalog)),
        "doubts": markdown(DOUBTS, doubts(catalog)),
    }
    for name, table in tables.items():
        start, end = markers(name)
        before, found, rest = document.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no markers {start} and {end}")
        document = f"{before}{start}\n\n{table}\n\n{end}{after}"
    return document


def markers(name: str) -> tuple[str, str]:
    """Return what stands before and after a table."""
    return f"<!-- {name}: written by tools.catalog_page -->", f"<!-- end of {name} -->"


def lists(catalog: Catalog) -> Iterator[Row]:
    """Yield a row for each kind of whose list something is known."""
    for kind in catalog.kinds():
        restarts = "yes" if kind.restarts else ""
        about = (_order(kind), _retention(kind), restarts, kind.details.operation if kind.details else "")
        if any(about):
            yield str(kind), *about


def quotas(catalog: Catalog) -> Iterator[Row]:
    """Yield a row for each operation with a documented quota: what AWS allows, and what the exporter takes of it."""
    rates = Rates(Settings(), catalog)
    for service in (catalog[name] for name in catalog.names):
        for operation, quota in service.quotas.items():
            # Of two rates that hold, the lower one counts.
            limits = rates.of_service(service.service), rates.of_operation(service.service, operation)
            per_second, burst = (min(numbers) for numbers in zip(*filter(None, limits), strict=True))
            documented = f"[{quota.per_second:g}]({quota.source})"
            yield f"{service.service} {operation}", documented, str(quota.burst or ""), f"{per_second:g}", str(burst)


def tags(catalog: Catalog) -> Iterator[Row]:
    """Yield a row for each kind whose jobs have tags that can be read, of their own or of their scope."""
    for kind in catalog.kinds():
        of_scope = [name for name, scope in kind.scopes[:1] if scope.arn]
        if kind.has_tags:
            yield str(kind), ", else ".join([*(["job"] if kind.arn else []), *of_scope])


def usage(catalog: Catalog) -> Iterator[Row]:
    """Yield a row for each resource that a kind tells the use of, and who tells."""
    for kind in catalog.kinds():
        told = [("list", kind.used), (kind.details.operation, kind.details.used) if kind.details else ("", {})]
        for operation, used in told:
            for resource, use in used.items():
                yield str(kind), f"`{resource}`", f"`{use.type}`" if use.type else "", operation


def events(catalog: Catalog) -> Iterator[Row]:
    """Yield a row for each kind whose changes AWS tells by events."""
    for kind in catalog.kinds():
        if told := kind.events:
            scope = f"`{told.scope}`" if told.scope else ""
            yield str(kind), f"[{told.source}]({told.reference})", ", ".join(told.detail_type), scope


def _order(kind: Kind) -> str:
    order = kind.order
    if order is None:
        return ""
    condition = f", only with {order.only_with}" if order.only_with else ""
    condition += f", not with {order.not_with}" if order.not_with else ""
    return f"[{order.newest_first}]({order.source}){condition}"


def _retention(kind: Kind) -> str:
    return f"[{retention(kind)}]({kind.retention.source})" if kind.retention else ""


def markdown(header: Row, rows: Iterable[Row]) -> str:
    """Return rows as a Markdown table."""
    ruler = tuple("---" for _ in header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ruler, *rows))


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
