"""The benchmarks still measure what they claim, at sizes that take a moment."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import (
    bench_accounts,
    bench_dashboards,
    bench_first_poll,
    bench_listing,
    bench_notifications,
    bench_pages,
    bench_polling,
    bench_requests,
    bench_soak,
    bench_store,
)
from tests.benchmarks.bench_pages import Held
from tests.benchmarks.bench_polling import Fleet
from tests.benchmarks.bench_store import Sizes
from tests.benchmarks.population import Population
from tests.benchmarks.report import TARGETS, Row, Target, report
from tests.support.patience import SLOWNESS

pytestmark = pytest.mark.slow


def test_listing_measures_every_way() -> None:
    """Each way to list jobs has a cost, and boto3's is one times itself."""
    rows = {row.way: row for row in bench_listing.rows(jobs=20, rounds=1)}
    assert rows.keys() == bench_listing.WAYS.keys()
    assert rows["boto3"].times_less == 1


def test_a_first_poll_is_measured() -> None:
    """Whole processes read the same jobs both ways."""
    rows = bench_first_poll.rows(500, rounds=1, likeness=[False], many=2000)
    values = {row.name.partition(",")[0]: row.value for row in rows}
    assert values.keys() == {"boto3", "first poll", "boto3's paginator / first poll", "first poll of 2"}


def test_the_store_is_measured() -> None:
    """Everything comes out as a number above 0; only what a quiet poll writes may be none."""
    few = Sizes(
        listed=2000,
        others=20,
        rounds=1,
        few=200,
        many=2000,
        sources=5,
        remembered=20_000,
        fleet=Fleet(2, ("us-east-1",), 2),
        stored=10,
    )
    rows = list(bench_store.rows(few))
    assert {row.unit for row in rows} == {"us", "times", "% of a core", "bytes", "ms", "s", "", "MB"}
    assert [row.name for row in rows if row.value <= 0 and "written" not in row.name] == []


def test_list_requests_are_counted() -> None:
    """A steady poll takes one call; boto3's paginator one for each page."""
    values = {row.name.removeprefix("list calls of a steady poll, "): row.value for row in bench_polling.calls(300)}
    assert values["exporter"] == 1
    assert values["boto3's paginator, pages of 100"] == 4


async def test_a_soak_shows_what_is_held() -> None:
    """Each line has what the exporter holds, and how many accounts the configuration had."""
    first, *later = [line async for line in bench_soak.soak(Fleet(5, ("us-east-1",), 2, interval=1.0), 3, SLOWNESS)]
    assert (first.accounts, first.lists) == (5, 10)
    assert [line.accounts for line in later] == [4, 5]
    assert all(line.health > 0 < min(line.vitals) for line in (first, *later))


def test_notifications_are_counted() -> None:
    """Jobs that fail in a few hours are told, and Alertmanager puts them together."""
    values = {row.name: row.value for row in bench_notifications.rows(0.125, ["cleanrooms"], learning=0)}
    assert 0 < values["messages of a day"] < values["of these AwsJobFailed"]


def test_requests_of_a_day_are_counted() -> None:
    """An hour of a few quiet lists takes a request for each in ten minutes, as was foretold, and the first one more."""
    services = {"emr-serverless": {}, "bedrock": {"kinds": ["evaluation_job", "model_copy_job"]}}
    profiles = [bench_requests.Profile("few lists", services)]
    values = {row.name: row.value for row in bench_requests.rows(profiles, hours=3, finished=1500, jobs=3)}
    # Two lists, one discovery and the account.
    assert values["few lists: requests of a later hour"] == pytest.approx(24, abs=2)
    assert values["few lists: requests of the first hour"] > 36
    assert values["few lists: what the doctor foretells is off by"] <= 10
    executions = "requests of a poll, a state machine with 1,500 finished executions"
    assert values[f"{executions}, median"] == 1 < values[f"{executions}, mean of an hour with its resync"] < 2
    assert 0 < values["a job that starts in an idle list is seen after, longest"] <= 600


def test_a_fleet_is_polled() -> None:
    """The report says how many of a few sources were polled within their interval and its jitter."""
    values = {row.name: row.value for row in bench_polling.sources(Fleet(2, ("us-east-1",), 2, interval=1.0))}
    assert 0 <= values["4 sources: polled in time"] <= 100
    assert values["4 sources: series"] > 0


def test_an_organization_is_measured() -> None:
    """Its accounts are read over HTTPS, all of them, and health is asked for meanwhile."""
    few = bench_accounts.Organization(2, ("us-east-1",), has_jobs=True, watched=0.5)
    values = {row.name.partition(": ")[2]: row.value for row in bench_accounts.rows(few)}
    assert values["sources"] > 20
    assert all(value > 0 for value in values.values())


def test_dashboards_are_measured(tool: Callable[..., str]) -> None:
    """Panels and rules read the series of an organization, a fiftieth of them here, and no panel holds too many."""
    for program in ("prometheus", "promtool"):
        tool(program)
    few = bench_dashboards.rows(Population(accounts=8), interval=1, rounds=1)
    values = {row.name: row.value for row in few}
    # CPU comes in hundredths of a second.
    assert [name for name, value in values.items() if value <= 0 and "CPU" not in name] == []
    targets = {name.replace("40,000", "800"): target for name, target in TARGETS.items() if "40,000 sources" in name}
    assert targets.keys() <= values.keys()
    for name in values.keys() & targets.keys():
        if name.endswith("samples at once"):
            assert values[name] <= (targets[name].most or 0) / 50, name


def test_pages_are_measured() -> None:
    """Each page costs CPU, and finds what was requested."""
    rows = list(bench_pages.rows(Held(4, 250), Held(8, 10), 200))
    assert all(row.value > 0 for row in rows)


def test_a_report_shows_missed_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A measurement with a target says whether it is met, in the table and in JSON."""
    rows = [Row("store, memory of a finished job, RSS", 251, "bytes"), Row("anything", 1, "s")]
    report(rows, [str(tmp_path / "new" / "bench.json")])
    assert "MISSED" in capsys.readouterr().out
    entries = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert [entry.get("met") for entry in entries] == [False, None]


@pytest.mark.parametrize(
    ("target", "met", "shown"),
    [
        (Target(most=2), False, "<= 2"),
        (Target(most=2, is_time=True), True, "<= 2 x 3.0"),
        (Target(least=6), True, ">= 6"),
    ],
)
def test_a_slow_machine_may_take_longer(target: Target, met: bool, shown: str) -> None:  # noqa: FBT001 - parameters
    """Times are compared at the pace that the machine had; memory and ratios as they are."""
    row = Row("anything", 6, "ms", pace=3.0)
    assert (target.is_met(row), target.shown(row)) == (met, shown)
