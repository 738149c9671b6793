"""The benchmarks still measure what they claim, at sizes that take a moment."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import bench_ledger, bench_listing, bench_pages, bench_polling
from tests.benchmarks.bench_polling import Fleet
from tests.benchmarks.report import Row, Target, report

pytestmark = pytest.mark.slow


def test_listing_measures_every_way() -> None:
    """Each way to list jobs has a cost, and boto3's is one times itself."""
    rows = {row.way: row for row in bench_listing.rows(jobs=20, rounds=1)}
    assert rows.keys() == bench_listing.WAYS.keys()
    assert rows["boto3"].times_less == 1


def test_the_ledger_is_measured() -> None:
    """Memory and CPU come out as numbers above 0."""
    rows = list(bench_ledger.rows(jobs=1000, others=100))
    assert {row.unit for row in rows} == {"bytes", "times", "us"}
    assert all(row.value > 0 for row in rows if row.unit == "us")


def test_list_requests_are_counted() -> None:
    """A steady poll takes one call; boto3's paginator one for each page."""
    values = {row.name.removeprefix("list calls of a steady poll, "): row.value for row in bench_polling.calls(300)}
    assert values["exporter"] == 1
    assert values["boto3's paginator, pages of 100"] == 4


def test_a_fleet_is_polled() -> None:
    """The report says how many of a few sources were polled within their interval and its jitter."""
    values = {row.name: row.value for row in bench_polling.sources(Fleet(2, ("us-east-1",), 2, interval=1.0))}
    assert 0 <= values["4 sources: polled in time"] <= 100
    assert values["4 sources: series"] > 0


def test_pages_are_measured() -> None:
    """Each page costs CPU, and finds what was requested."""
    rows = list(bench_pages.rows(jobs=1000, sources=4, many=8))
    assert all(row.value > 0 for row in rows)


def test_a_report_shows_missed_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A measurement with a target says whether it is met, in the table and in JSON."""
    rows = [Row("memory of a finished job, RSS", 251, "bytes"), Row("anything", 1, "s")]
    report(rows, [str(tmp_path / "new" / "bench.json")])
    assert "MISSED" in capsys.readouterr().out
    entries = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert [entry.get("met") for entry in entries] == [False, None]
    assert Target(least=2).is_met(2)
