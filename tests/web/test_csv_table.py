"""Lists as CSV: what spreadsheets read, with the same rows as the JSON, and no name runs as a formula."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.jobs import State
from exporter.web.views.csv_table import lines
from exporter.web.views.rows import JobRow, SourceRow
from tests.support.effort import bounded
from tests.support.inside import HOUR, NOW, Polled, job, listed, status


async def table(shown, path):
    """Return the rows of a response, and its headers."""
    response = await shown.client.get(path)
    assert response.status == 200, await response.text()
    return list(csv.DictReader(io.StringIO(await response.text(), newline=""), strict=True)), response.headers


def filled():
    """Return sources with jobs whose texts have all that CSV quotes."""
    message = 'He said "no",\r\nand\nleft; ü'
    broken = job("broken", State.FAILED, message=message, records={"total": 3}, dimensions=("blue",))
    jobs = [broken, job("running", State.RUNNING, NOW - HOUR), job("a,b")]
    return [listed(jobs, dimensions=("team",)), Polled(status(consecutive_failures=1, reason="network", error=message))]


def as_cell(value):
    """Return what a value of the JSON is in a cell."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize(
    ("path", "name", "fields"),
    [
        ("jobs.csv?state=failed&state=running", "jobs", JobRow._fields),
        ("jobs.csv?sort=name&name=r", "jobs", JobRow._fields),
        ("sources.csv?health=down", "sources", SourceRow._fields),
        ("sources.csv", "sources", SourceRow._fields),
        ("jobs.csv?state=stopped", "jobs", JobRow._fields),
    ],
)
async def test_csv_has_what_the_json_has(shown, path, name, fields):
    """The same filters, the same order and the same fields."""
    shown.sources = filled()
    rows, headers = await table(shown, f"/api/v1/{path}")
    expected = (await shown.data(f"/api/v1/{path.replace('.csv', '')}"))[name]
    assert rows == [{field: as_cell(row[field]) for field in fields} for row in expected]
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"], "Link" in headers) == (
        "no-store", "nosniff", False,
    )  # fmt: skip


@pytest.mark.parametrize("path", ["jobs.csv?limit=1&name=%C3%BC%26", "sources.csv?limit=1&region=us-east-1"])
async def test_pages_follow_each_other(shown, path):
    """The header says where the next one is, with the filters, as RFC 8288 has it."""
    shown.sources = [listed([job(f"ü&{number}") for number in range(3)]), *[Polled(status()) for _ in range(2)]]
    seen, address = 0, path
    while address:
        rows, headers = await table(shown, f"/api/v1/{address}")
        assert len(rows) == 1
        seen += 1
        address = next(iter(re.findall(r'^<\./([^>]*)>; rel="next"$', headers.get("Link", ""))), None)
    assert seen == 3


async def test_an_invalid_request_is_explained(shown):
    """As in JSON."""
    response = await shown.client.get("/api/v1/sources.csv?health=sick")
    assert (response.status, (await response.json())["errorType"]) == (400, "bad_data")


@pytest.mark.parametrize("page", ["/jobs?state=failed", "/sources?health=down", "/sources?by=service"])
async def test_pages_link_to_their_csv(shown, page):
    """With their filters."""
    shown.sources = filled()
    (link,) = re.findall(r'href="\.(/api/v1/\w+\.csv[^"]*)"', await shown.text(page))
    rows, _ = await table(shown, link.replace("&amp;", "&"))
    assert len(rows) == (2 if "by" in page else 1)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_text_is_a_formula(start):
    """Anyone who may start a job chooses its name: a spreadsheet would run it for whoever opens the list."""
    text = f'{start}HYPERLINK("http://attacker.example", "x")'
    table = "".join(lines(["name"], [{"name": text}]))
    assert list(csv.reader(io.StringIO(table, newline=""))) == [["name"], [f"'{text}"]]


def test_numbers_stay_numbers():
    """Only texts are anyone's."""
    (_, line) = lines(["a", "b", "c", "d"], [{"a": -1.5, "b": 3, "c": None, "d": False}])
    assert line == "-1.5,3,,false\r\n"


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2)))
@bounded(100)
def test_any_text_comes_back(rows):
    """What a reader of CSV reads is what was written, but for the quote in front of a formula."""
    text = "".join(lines(["a", "b"], [{"a": first, "b": second} for first, second in rows]))
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert found[0] == ["a", "b"]
    for row, line in zip(rows, found[1:], strict=True):
        for cell, read in zip(row, line, strict=True):
            assert read in {cell, f"'{cell}"}
