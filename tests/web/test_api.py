"""The JSON API returns what is requested, explains invalid requests, and matches its OpenAPI description."""

import asyncio
import base64
from pathlib import Path
from typing import get_args

import pytest
import schemathesis
import yaml
from aiohttp.test_utils import TestServer
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from schemathesis import GenerationMode

from exporter import __version__
from exporter.exposition import Exposition
from exporter.jobs import Reason, State
from exporter.store.search import Position
from exporter.telemetry import PollErrorReason
from exporter.web import Site, create_app
from exporter.web.views.group_lines import GroupLine, Problem
from exporter.web.views.parameters import JobAddress, JobParameters, SortParameter, SourceParameters, SourceSort, cursor
from exporter.web.views.rows import JobRow, SourceRow
from tests.support.grouped import grouped
from tests.support.inside import BEDROCK, HOUR, MINUTE, NOW, TRAINING, Polled, inside, job, listed, status
from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
DESCRIPTION = yaml.safe_load((ROOT / "exporter" / "web" / "views" / "openapi.yaml").read_text())
SCHEMAS = DESCRIPTION["components"]["schemas"]

FAILED = job(
    "broken",
    State.FAILED,
    NOW - HOUR,
    started=NOW - HOUR + 10,
    message="no such bucket",
    code="not_found",
    records={"total": 3},
)


def filled():
    """Return sources with a job of each sort, and one that is down."""
    return [
        listed([FAILED, job("running", State.RUNNING, NOW - MINUTE), job("well", created=NOW - 2 * HOUR)]),
        listed([job("trained")._replace(id="arn:aws:sagemaker:us-east-1:1:training-job/trained")], TRAINING),
        Polled(status(TRAINING, consecutive_failures=2, reason="throttled", error="Rate exceeded", region="eu-west-1")),
    ]


async def test_a_job_is_returned_with_everything_known(shown):
    """Times are in RFC 3339, with the reason, AWS's own message and its page in the console."""
    shown.sources = filled()
    data = await shown.data("/api/v1/jobs?name=broken")
    assert (data["total"], data["next"]) == (None, None)
    assert data["jobs"] == [
        {
            "account_id": "111122223333",
            "region": "us-east-1",
            "aws_service": "bedrock",
            "kind": BEDROCK.key,
            "scope": "",
            "scope_name": "",
            "id": FAILED.id,
            "name": "broken",
            "group": "",
            "status": "Failed",
            "state": "failed",
            "created": "2026-09-21T13:13:20.000Z",
            "started": "2026-09-21T13:13:30.000Z",
            "finished": "2026-09-21T13:14:20.000Z",
            "deadline": None,
            "duration_seconds": 50.0,
            "reason": "not_found",
            "code": "not_found",
            "message": "no such bucket",
            "records": {"total": 3},
            "used": {},
            "dimensions": {},
            "console_url": "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/batch-inference",
            "log_url": None,
            "as_of": "2026-09-21T14:13:20.000Z",
        }
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["running", "trained", "broken", "well"]),
        ("aws_service=sagemaker", ["trained"]),
        ("aws_service=sagemaker&aws_service=bedrock&kind=training_job", ["trained"]),
        ("state=failed&state=running", ["running", "broken"]),
        ("status=Failed", ["broken"]),
        ("reason=not_found", ["broken"]),
        ("reason=throttled", []),
        ("name=%20broken%20", ["broken"]),
        ("name=", ["running", "trained", "broken", "well"]),
        ("scope=", ["running", "trained", "broken", "well"]),
        ("finished_since=90m", ["trained", "broken"]),
        ("finished_until=2026-09-21T13:00:00Z", ["well"]),
        ("finished_until=2026-09-21T15:00:00%2B02:00", ["well"]),
        (f"created_since={NOW - 300}", ["running"]),
        ("region=eu-west-1", []),
        ("longer_than_usual=true", []),
        ("longer_than_usual=false&state=running", ["running"]),
    ],
)
async def test_jobs_are_filtered(shown, query, names):
    """The filters are the labels of the metrics and the properties of a job."""
    shown.sources = filled()
    data = await shown.data(f"/api/v1/jobs?{query}")
    assert [job["name"] for job in data["jobs"]] == names


async def test_pages_follow_each_other(shown):
    """Each response has a cursor, up to the last page."""
    shown.sources = filled()
    names, address = [], "/api/v1/jobs?limit=1"
    while address:
        data = await shown.data(address)
        names += [job["name"] for job in data["jobs"]]
        address = data["next"] and f"/api/v1/jobs?limit=1&cursor={data['next']}"
    assert names == ["running", "trained", "broken", "well"]
    assert data["total"] == 4


async def test_the_last_time_of_the_calendar_is_shown(shown):
    """AWS's numbers cannot be trusted; later ones are not taken in."""
    shown.sources = [listed([job("odd", State.RUNNING, 253_402_300_799)])]
    (odd,) = (await shown.data("/api/v1/jobs"))["jobs"]
    assert odd["created"] == "9999-12-31T23:59:59.000Z"
    assert "odd" in await shown.text("/jobs")


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["broken", "running", "trained", "well"]),
        ("-name", ["well", "trained", "running", "broken"]),
        ("created", ["well", "broken", "trained", "running"]),
        ("-duration", ["trained", "well", "broken", "running"]),
        ("reason", ["broken", "running", "well", "trained"]),
    ],
)
async def test_jobs_are_sorted(shown, sort, names):
    """Those without the value come last; the cursor goes on in the same order."""
    shown.sources = filled()
    found, address = [], f"/api/v1/jobs?sort={sort}&limit=3"
    while address:
        data = await shown.data(address)
        found += [job["name"] for job in data["jobs"]]
        address = data["next"] and f"/api/v1/jobs?sort={sort}&limit=3&cursor={data['next']}"
    assert found == names


def forged(text):
    """Return a cursor with this content."""
    return base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("sort", "text"),
    [
        ("", ""),
        ("", "[1,2]"),
        ("", "[1,2,3,4]"),
        ("", '{"rank":1,"value":2,"number":3}'),
        ("", "[1, 2, 3]"),
        ("", "[3,2,3]"),
        ("", "[-1,2,3]"),
        ("", "[1,2.0,3]"),
        ("", "[1,true,3]"),
        ("", "[1,null,3]"),
        ("", "[1,NaN,3]"),
        ("", "[1,1e400,3]"),
        ("", f"[1,{2**63},3]"),
        ("", f"[1,2,{'9' * 5000}]"),
        ("", "[" * 5000),
        ("", '[0,"a",3]'),
        ("&sort=name", "[0,2,3]"),
        ("&sort=name", '[1,"a",3]'),
        ("&sort=name", '[0,"\\ud800",3]'),
        ("&sort=name", '[0,"\ud800",3]'),
        ("&sort=created", "[2,0,3]"),
        ("&sort=-created", '[0,"a",3]'),
    ],
)
async def test_a_forged_cursor_is_refused(shown, sort, text):
    """Anyone may change an address; nothing but the cursor of this order is taken."""
    response = await shown.client.get(f"/api/v1/jobs?cursor={forged(text)}{sort}")
    assert response.status == 400
    assert "cursor: must be the `next` of the previous response, unchanged" in (await response.json())["error"]


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%98%80", "%25", "_", "!", "%5B", "*", "/"])
async def test_any_text_may_be_looked_for(shown, name):
    """What cannot be part of a name is found nowhere; nothing stands for anything else."""
    shown.sources = filled()
    found = [job["name"] for job in (await shown.data(f"/api/v1/jobs?name={name}"))["jobs"]]
    assert found == (["running", "trained", "broken", "well"] if name == "/" else [])
    assert (await shown.data(f"/api/v1/jobs?status={name}&scope={name}&kind={name}"))["jobs"] == []


async def test_sources_are_listed(shown):
    """Each has its health, and the reason if it is down."""
    shown.sources = filled()
    data = await shown.data("/api/v1/sources?health=down")
    assert (data["total"], data["next"]) == (1, None)
    (source,) = data["sources"]
    assert {name: source[name] for name in ("region", "health", "reason", "error", "consecutive_failures")} == {
        "region": "eu-west-1",
        "health": "down",
        "reason": "throttled",
        "error": "Rate exceeded",
        "consecutive_failures": 2,
    }
    assert source["jobs"] is None


async def test_groups_are_listed(shown):
    """Those with most problems come first."""
    shown.groups = grouped()
    groups = (await shown.data("/api/v1/groups"))["groups"]
    assert [(group["name"], group["problems"]) for group in groups] == [
        ("long", ["late", "too_long"]),
        ("late", ["late"]),
        ("waits", ["waiting"]),
        ("fine", []),
        ("other", []),
        ("runs", []),
    ]
    assert groups[3] == {
        "name": "fine",
        "labels": {"owner": "ml-core"},
        "problems": [],
        "due": "2026-09-21T14:14:20.000Z",
        "last_success": "2026-09-20T14:13:20.000Z",
        "last_failure": "2026-09-21T14:12:20.000Z",
        "jobs": {"succeeded": 2},
        "running_since": None,
        "waiting_since": None,
        "max_duration_seconds": HOUR,
        "max_wait_seconds": HOUR,
        "sources_up": 2,
        "sources_down": 1,
    }


async def test_sources_have_pages(shown):
    """There may be ten thousand of them."""
    shown.sources = filled()
    first = await shown.data("/api/v1/sources?limit=2")
    second = await shown.data(f"/api/v1/sources?limit=2&cursor={first['next']}")
    assert [len(page["sources"]) for page in (first, second)] == [2, 1]
    assert (first["total"], second["next"]) == (3, None)


async def test_the_status_adds_up(shown):
    """Sources are counted by health, jobs by service and state, failures by hour."""
    shown.sources = filled()
    data = await shown.data("/api/v1/status")
    assert data["version"] == __version__
    assert data["sources"] == {"up": 2, "down": 1, "unknown": 0}
    assert data["jobs"]["bedrock"] == {"running": 1, "failed": 1, "succeeded": 1}
    assert [hour for hour in data["failures"] if hour["failed"]] == [{"hour": "2026-09-21T13:00:00.000Z", "failed": 1}]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("jobs?state=faild", "state: must be 'pending', 'running', "),
        ("jobs?reason=whatever", "reason: must be 'access_denied', "),
        ("jobs?stat=failed", "stat: unknown parameter; did you mean `state` or `status`?"),
        ("jobs?limit=0", 'limit: must be greater than or equal to 1, not "0"'),
        ("jobs?limit=1001", 'limit: must be less than or equal to 1000, not "1001"'),
        ("jobs?limit=many", 'limit: must be a valid integer, unable to parse string as an integer, not "many"'),
        (f"jobs?{'state=failed&' * 201}", "more than 200 parameters"),
        ("jobs?limit=1&limit=2", "limit: given 2 times but takes one value"),
        ("jobs?cursor=a-1", 'cursor: must be the `next` of the previous response, unchanged, not "a-1"'),
        ("jobs?sort=age", "sort: must be 'name', '-name', 'status', "),
        ("jobs?sort=name&sort=status", "sort: given 2 times but takes one value"),
        ("jobs?finished_since=yesterday", "finished_since: must be a time: 2026-11-21T08:30:00Z, seconds since"),
        ("jobs?created_until=1e300", "created_until: must be a time: "),
        ("jobs?created_until=nan", "created_until: must be a time: "),
        ("sources?health=sick", "health: must be 'up', 'down' or 'unknown', not \"sick\""),
        ("sources?cursor=-1", 'cursor: must be greater than or equal to 0, not "-1"'),
        ("status?state=failed", "state: unknown parameter"),
    ],
)  # fmt: skip
async def test_an_invalid_request_is_explained(shown, path, error):
    """The error has the parameter, the allowed values and the value given; so does the page of the same name."""
    response = await shown.client.get(f"/api/v1/{path}")
    content = await response.json()
    assert response.status == 400
    assert (content["status"], content["errorType"]) == ("error", "bad_data")
    assert content["error"].startswith(error)
    if not path.startswith("status"):
        assert "This address is not valid" in await shown.text(f"/{path}", status=400)


async def test_responses_are_not_cached(shown):
    """Neither caches nor browsers may keep names of jobs, or guess the type of a response."""
    for path in ("/api/v1/jobs", "/api/v1/sources", "/api/v1/status"):
        headers = (await shown.client.get(path)).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"] == "application/json; charset=utf-8"


# The description.


async def test_the_description_is_served(shown):
    """It is served as it is in the repository."""
    assert yaml.safe_load(await shown.text("/api/v1/openapi.yaml")) == DESCRIPTION


def test_the_description_has_every_path():
    """It has no other paths."""
    site = Site(Exposition(CollectorRegistry(), lambda: NOW), bool, "/metrics", inside(list))
    paths = {resource.canonical for resource in create_app(site).router.resources()}
    assert {path for path in paths if path.startswith("/api/")} - {"/api/v1/openapi.yaml"} == set(DESCRIPTION["paths"])


@pytest.mark.parametrize(
    ("path", "model"), [("job", JobAddress), ("jobs", JobParameters), ("sources", SourceParameters)]
)
def test_the_description_has_every_parameter(path, model):
    """Each has its default."""
    described = DESCRIPTION["paths"][f"/api/v1/{path}"]["get"]["parameters"]
    common = DESCRIPTION["components"]["parameters"]
    parameters = [common[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry for entry in described]
    assert [entry["name"] for entry in parameters] == list(model.model_fields)
    defaults = {entry["name"]: entry["schema"].get("default") for entry in parameters}
    if "limit" in model.model_fields:
        assert defaults["limit"] == model.model_fields["limit"].default
    required = [entry["name"] for entry in parameters if entry.get("required")]
    assert required == [name for name, field in model.model_fields.items() if field.is_required()]


@pytest.mark.parametrize(("name", "row"), [("Job", JobRow), ("Source", SourceRow), ("Group", GroupLine)])
def test_the_description_has_every_field(name, row):
    """Each field is always present."""
    assert SCHEMAS[name]["required"] == list(SCHEMAS[name]["properties"]) == list(row._fields)


def test_the_description_has_every_enumeration():
    """Its enumerations are the same as in the code."""
    assert SCHEMAS["State"]["enum"] == [*State]
    assert SCHEMAS["Reason"]["enum"] == [*Reason]
    assert SCHEMAS["Group"]["properties"]["problems"]["items"]["enum"] == [*Problem]
    assert SCHEMAS["Sort"]["enum"] == [*get_args(SortParameter)]
    assert SCHEMAS["SourceSort"]["enum"] == [*get_args(SourceSort)]
    assert SCHEMAS["PollErrorReason"]["enum"] == [*PollErrorReason]


@pytest.mark.slow
async def test_the_api_matches_its_description():
    """Schemathesis sends requests that the description allows and some that it does not, and checks each response."""
    sources = filled()
    site = Site(Exposition(CollectorRegistry(), lambda: NOW), bool, "/metrics", inside(lambda: sources))
    async with TestServer(create_app(site)) as server:
        await asyncio.to_thread(request_everything, str(server.make_url("")))


# One of a job without the value fits every order.
schemathesis.openapi.format("cursor", st.integers(1, 99).map(lambda number: cursor(Position(1, 0, number))))


def request_everything(url):
    """Send examples of every operation; include invalid ones where a parameter can be invalid."""
    schema = schemathesis.openapi.from_dict(DESCRIPTION)
    for path, entry in DESCRIPTION["paths"].items():
        request_examples(schema[path]["GET"], GenerationMode.POSITIVE, url)
        if entry["get"].get("parameters"):
            request_examples(schema[path]["GET"], GenerationMode.NEGATIVE, url)


def request_examples(operation, mode, url):
    """Send examples of one operation, the same in each run."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=30, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
    def request(case):
        case.call_and_validate(base_url=url, timeout=PATIENCE)

    request()
