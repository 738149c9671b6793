"""Rows as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet may take for a formula: names and messages are anyone's."""


def lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line with the names of the columns, then one for each row."""
    yield _line(columns)
    for row in rows:
        yield _line([_cell(row[column]) for column in columns])


def _line(cells: Sequence[str]) -> str:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    """Return a value as text that is never a formula; what has parts, as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        # What OWASP recommends: a quote in front, which spreadsheets do not show.
        return f"'{value}" if value.lstrip(" ").startswith(_FORMULA) else value
    return json.dumps(value, ensure_ascii=False)
