"""The page of one job, where an alert or a list leads: all that is known of it, and its last runs."""

import html
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from exporter.jobs import State
from tests.support.inside import BEDROCK, DAY, HOUR, MINUTE, NOW, TRAINING, job, listed

DASH = "\N{EN DASH}"
SCOPE = "arn:aws:states:us-east-1:111122223333:stateMachine:orders"


def address(source, job, page="/job"):
    """Return the address of a job's page."""
    return f"{page}?{urlencode(source.status.key._asdict() | {'id': job.id})}"


def run(number, state=State.SUCCEEDED, minutes=1.0, name="nightly", **fields):
    """Return a run that was created so many hours ago, and took so many minutes."""
    created = NOW - number * HOUR
    ended = created + minutes * MINUTE if state.is_final else None
    fields = {"started": created, "ended": ended, **fields}
    return job(f"run-{number}", state, created, **fields)._replace(name=name)


def plain(page):
    """Return the text of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def facts(page):
    """Return what is known, by its label."""
    pairs = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page, re.DOTALL)
    return {label: plain(value) for label, value in pairs}


async def test_all_that_is_known_of_a_job_is_shown(shown):
    """With the name of its scope, the labels that the user asked for, and ways to AWS and to programs."""
    broken = run(
        1, State.FAILED, 30, code="Bad.Input", message="no such\nbucket", records={"total": 12_345, "failed": 1},
        used={"instance/ml.m5.xlarge": 3600.0},
        deadline=NOW + HOUR, dimensions=("blue", ""),
    )  # fmt: skip
    source = listed([broken], TRAINING, dimensions=("team", "tier"), scope=SCOPE, scope_name="orders")
    shown.sources = [source]
    page = await shown.text(address(source, broken))
    known = facts(page)
    assert known == {
        "Status": "Failed",
        "Created": "2026-09-21 13:13:20 1 h ago",
        "Started": "2026-09-21 13:13:20 1 h ago",
        "Finished": "2026-09-21 13:43:20 30 min ago",
        "Took": "30 min",
        "Reason": "Bad.Input",
        "Code": "Bad.Input",
        "Records": "12,345 total, 1 failed",
        "Used": "3,600 instance-seconds (ml.m5.xlarge)",
        "team": "blue",
        "tier": DASH,
        "Id": broken.id,
        "Account": "111122223333",
        "Region": "us-east-1",
        "Kind": "sagemaker/training_job",
        "Scope": "orders",
        "As of": "2026-09-21 14:13:20 now",
    }
    assert "no such\nbucket" in page
    assert '<h1 class="name">nightly</h1>' in page
    assert "https://us-east-1.console.aws.amazon.com/sagemaker/home" in page
    assert "log-group/$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Dnightly$252F" in page
    assert "/training_job in orders" in plain(page)


async def test_a_job_that_runs_is_shown_with_its_deadline(shown):
    """AWS ends it then."""
    source = listed([run(1, State.RUNNING, deadline=NOW + HOUR)])
    shown.sources = [source]
    known = facts(await shown.text(address(source, run(1))))
    assert (known["Deadline"], known["Took"], known["Finished"]) == ("2026-09-21 15:13:20 in 1 h", "1 h so far", DASH)
    assert known["Usual"] == "at most 1 d of running"
    assert (await shown.data(address(source, run(1), "/api/v1/job")))["usual_limit_seconds"] == DAY


async def test_a_job_is_returned_as_json_with_its_runs(shown):
    """The page links to it."""
    runs = [run(1, dimensions=("blue",)), run(2, State.FAILED, dimensions=("blue",))]
    source = listed(runs, dimensions=("team",))
    shown.sources = [source]
    page = await shown.text(address(source, runs[0]))
    (link,) = re.findall(r'href="\.(/api/v1/job\?[^"]*)"', page)
    data = await shown.data(html.unescape(link))
    assert (data["job"]["id"], data["job"]["dimensions"]) == (runs[0].id, {"team": "blue"})
    assert [each["state"] for each in data["runs"]] == ["succeeded", "failed"]
    assert data["job"] == data["runs"][0]


async def test_the_last_runs_of_a_name_are_those_of_the_same_source_with_exactly_that_name(shown):
    """The newest first, and no more than twenty."""
    runs = [run(number) for number in range(1, 25)]
    others = [run(30, name="Nightly"), run(31, name="nightly-2"), run(32, name="")]
    source, elsewhere = listed([*runs, *others], scope="here"), listed([run(40)], scope="there")
    shown.sources = [source, elsewhere]
    data = await shown.data(address(source, runs[22], "/api/v1/job"))
    assert [each["id"].rpartition("-")[2] for each in data["runs"]] == [str(number) for number in range(1, 21)]
    assert (await shown.data(address(elsewhere, run(40), "/api/v1/job")))["runs"][0]["scope"] == "there"
    page = await shown.text(address(source, others[0]))
    assert "No other job of this source has exactly this name." in page
    assert "AWS gives this job no name." in await shown.text(address(source, others[2]))
    assert (await shown.data(address(source, others[2], "/api/v1/job")))["runs"] == []


async def test_runs_are_compared_by_how_long_they_took(shown):
    """The longest bar is as long as there is room; what runs counts up to now, what has no time has no bar."""
    runs = [run(1, State.RUNNING), run(2, State.FAILED, 30), run(3, minutes=15), run(4, State.EXPIRED)]
    source = listed(runs, TRAINING)
    shown.sources = [source]
    page = await shown.text(address(source, runs[1]))
    rows = re.findall(r"<tr id=.*?</tr>", page, re.DOTALL)
    bars = [re.findall(r'class="length (\w+)".*?<rect width="([\d.]+)"', row) for row in rows]
    assert bars == [[("running", "100.0")], [("failed", "50.0")], [("succeeded", "25.0")], []]
    assert [re.findall("1 h so far|30 min|15 min|" + DASH, plain(row)) for row in rows] == [
        ["1 h so far"], ["30 min"], ["15 min"], [DASH],
    ]  # fmt: skip
    assert ["this job" in plain(row) for row in rows] == [False, True, False, False]


async def test_a_hostile_job_is_escaped(shown):
    """Names, messages, ids and the names of scopes may contain anything."""
    script = "\"'><script>alert('x')</script>{{ 7 * 7 }}"
    hostile = [run(number, State.FAILED, name=script, message=script, status=script) for number in (1, 2)]
    source = listed(hostile, scope=script, scope_name=script, dimensions=(script,))
    shown.sources = [source]
    response = await shown.client.get(address(source, hostile[0]))
    page = await response.text()
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert (response.status, "<script>" in page, "{{ 7 * 7 }}" in page) == (200, False, True)
    assert re.findall(r"<[^>]* (?:style|on\w+)=", page) == []


async def test_what_a_page_links_to_works(shown):
    """Its source, the other jobs, the other runs, and the same as JSON."""
    source = listed([run(1), run(2)], scope="s")
    shown.sources = [source]
    links = re.findall(r'href="\.(/[^"]*)"', await shown.text(address(source, run(1))))
    assert len(links) > 10
    assert [link for link in links if (await shown.client.get(html.unescape(link))).status != 200] == []


async def test_lists_lead_to_the_page_of_a_job(shown):
    """Whatever its id is made of."""
    odd = run(1, State.FAILED)._replace(id="a b/ü&id=x?#%2F+'\"<", name="odd")
    source = listed([odd], scope="s&scope=t")
    shown.sources = [source]
    for path in ("/", "/jobs"):
        (link,) = re.findall(r'href="\.(/job\?[^"]*)"', await shown.text(path))
        assert dict(parse_qsl(urlsplit(html.unescape(link)).query)) == {**source.status.key._asdict(), "id": odd.id}
        assert facts(await shown.text(html.unescape(link)))["Id"] == odd.id


@pytest.mark.parametrize("part", ["account_id", "region", "aws_service", "kind", "scope", "id"])
async def test_a_job_that_is_not_held_is_not_found(shown, part):
    """The page says what may be the reason, and leads to the others; each part of the address counts."""
    runs = [run(1)]
    source = listed(runs, scope="s")
    shown.sources = [source]
    query = urlencode({**source.status.key._asdict(), "id": runs[0].id, part: "other"})
    page = await shown.text(f"/job?{query}", 404)
    assert "no such job: it is not listed yet, or it finished longer ago than the lookback" in page
    assert 'href="./jobs">' in page
    response = await shown.client.get(f"/api/v1/job?{query}")
    assert (response.status, (await response.json())["errorType"]) == (404, "not_found")


@pytest.mark.parametrize(("query", "error"), [("", "account_id: is missing"), ("id=a&id=b", "id: given 2 times")])
async def test_an_address_without_a_part_is_refused(shown, query, error):
    """It may have been cut."""
    assert error in await shown.text(f"/job?{query}", 400)


async def test_a_job_leaves_its_page_with_the_lookback(shown):
    """A source that was never read has none either."""
    old = run(1)._replace(created=NOW - 9 * DAY, started=NOW - 9 * DAY, ended=NOW - 8 * DAY)
    source, new = listed([old]), listed([], BEDROCK, attempts=0)
    shown.sources = [source, new]
    assert "no such job" in await shown.text(address(source, old), 404)
