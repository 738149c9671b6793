"""The pages as a server sends them: they show what is requested, and no data is interpreted as HTML."""

import html
import re
from html.parser import HTMLParser
from typing import get_args

import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from exporter import __version__
from exporter.exposition import Exposition
from exporter.jobs import Job, SourceKey, State
from exporter.settings import Settings
from exporter.telemetry import SourceStatus
from exporter.web import Site, create_app
from exporter.web.views.parameters import SortParameter
from tests.support.grouped import grouped
from tests.support.inside import BEDROCK, CATALOG, DAY, HOUR, NOW, TRAINING, Polled, inside, job, listed, status

PAGES = ["/", "/jobs", "/groups", "/sources", "/kinds", "/config"]
SCRIPT = '"\'><script>alert("x")</script>{{ 7 * 7 }}'
DOWN = status(TRAINING, consecutive_failures=2, reason="access_denied", error="User: made-up is not authorized")


class Links(HTMLParser):
    """Collects every address that a page refers to, and its scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.addresses, self.inline = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Look at a tag."""
        attributes = dict(attrs)
        self.addresses += [value for name, value in attrs if name in {"href", "src", "action", "formaction"}]
        self.inline += [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.inline.append(tag)


def rows(page):
    """Return the rows of a page's tables as text."""
    plain = re.sub(r"<(?!/?tr)[^>]*>", " ", page)
    return [" ".join(row.split()) for row in re.findall(r"<tr[^>]*>(.*?)</tr>", plain, re.DOTALL)]


async def test_groups_show_who_is_late(shown):
    """In words, with how long a job may take, and how many sources nobody could read; names are text."""
    assert "No groups are declared" in await shown.text("/groups")
    shown.groups = grouped(fine="<b>fine</b>")
    page = await shown.text("/groups")
    assert "<b>fine" not in page
    _, long, late, waits, fine, *_ = rows(page)
    assert long.startswith("long owner ml-core late runs too long")
    assert "1 h ago of 1 h at most" in long
    assert late.startswith("late owner ml-core late Next success due 1 min ago Last success ")
    assert "waits too long" in waits
    assert "as it should be 1 of 3 sources not read Next success due in 1 min Last success 24 h ago" in fine
    assert fine.endswith("succeeded 2")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_from_elsewhere(shown, path):
    """A strict policy, no inline script or style, and only relative addresses or those of the AWS console."""
    shown.sources = [listed([job("a", State.FAILED, code="timeout")]), Polled(DOWN)]
    response = await shown.client.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert response.content_type == "text/html"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    links = Links(await response.text())
    assert links.inline == []
    assert [each for each in links.addresses if not re.match(r"\./|#|https://us-east-1\.console\.aws\.", each)] == []


@pytest.mark.parametrize("path", PAGES)
async def test_pages_work_without_any_source(shown, path):
    """There are none until the credentials work."""
    assert __version__ in await shown.text(path)


@pytest.mark.parametrize("path", PAGES)
async def test_the_links_on_a_page_work(shown, path):
    """Every address of the exporter on a page can be loaded."""
    shown.sources = [
        listed([job("a", State.FAILED, code="timeout"), job("b", State.RUNNING, NOW - 9 * DAY)]),
        Polled(DOWN),
    ]
    for address in set(Links(await shown.text(path)).addresses):
        if address.startswith("./"):
            assert (await shown.client.get(address[1:])).status == 200, address


@pytest.mark.parametrize("field", ["account_id", "region", "aws_service", "kind", "scope"])
async def test_a_hostile_source_is_escaped(shown, field):
    """Every part of a source comes from AWS or from a configuration."""
    source = listed([job("a", State.FAILED)], scope_name=SCRIPT)
    source.status.key = source.status.key._replace(**{field: SCRIPT})
    shown.sources = [source]
    assert "<script>" not in "".join([await shown.text(path) for path in PAGES])
    assert "&lt;script&gt;" in await shown.text("/sources")


async def test_a_hostile_job_is_escaped(shown):
    """Names and messages may contain anything."""
    hostile = Job(SCRIPT, SCRIPT, State.FAILED, SCRIPT, NOW - HOUR, ended=NOW - 60, message=SCRIPT, code="other")
    shown.sources = [listed([hostile, hostile._replace(id="odd", state=State.UNKNOWN, updated=NOW)])]
    for path in ("/", "/jobs"):
        page = await shown.text(path)
        assert "<script>" not in page
        assert "{{ 7 * 7 }}" in page
        assert "&lt;script&gt;" in page


async def test_hostile_errors_and_addresses_are_escaped(shown):
    """An error's text comes from AWS or a proxy, and an address may come from anyone."""
    shown.sources = [Polled(status(consecutive_failures=1, reason="network", error=SCRIPT))]
    pages = [await shown.text(path) for path in ("/", "/sources")]
    pages += [await shown.text("/jobs?name=%22%3E%3Cscript%3E&scope=%3Cscript%3E&scope=2")]
    pages += [await shown.text("/jobs?%3Cscript%3E=1", 400), await shown.text("/jobs?state=%3Cscript%3E", 400)]
    assert [page for page in pages if "<script>" in page] == []


async def test_a_hostile_telemetry_path_is_escaped():
    """It is escaped even though it comes from the configuration."""
    site = Site(Exposition(CollectorRegistry(), lambda: NOW), bool, '/"><script>', inside(list))
    async with TestClient(TestServer(create_app(site))) as client:
        assert "<script>" not in await (await client.get("/")).text()


async def test_the_first_page_shows_what_needs_attention(shown):
    """It shows what is down, what failed last and why, and what takes too long."""
    failed = job("broken", State.FAILED, NOW - HOUR, message="no such bucket", code="not_found")
    old = job("ancient", State.FAILED, NOW - 2 * DAY)
    shown.sources = [listed([failed, old, job("stuck", State.RUNNING, NOW - 8 * DAY)]), Polled(DOWN)]
    page = await shown.text("/")
    for words in ("broken", "not_found", "no such bucket", "stuck", "access_denied", "User: made-up is not authorized"):
        assert words in page
    assert "ancient" not in page
    assert "bedrock 1 2" in rows(page)
    assert "state=failed&amp;finished_since=" in page


async def test_the_first_page_can_show_one_account(shown):
    """Whoever is responsible for one need not see the others; every link leads on within it."""
    broken = [job(name, State.FAILED) for name in ("a", "b")]
    ours, theirs = (
        listed(broken[:1]),
        listed([*broken, job("c", State.RUNNING, NOW - 2 * DAY)], account_id="444455556666"),
    )
    shown.sources = [ours, theirs, Polled(DOWN), Polled(status(account_id="444455556666", scope="x"))]
    everyone, one = await shown.text("/"), await shown.text("/?account_id=444455556666")
    assert re.findall(r"<b>(\d+)(?:</b>|<small>)", everyone) == ["1", "3", "1", "3"]
    assert re.findall(r"<b>(\d+)(?:</b>|<small>)", one) == ["1", "2", "1", "2"]
    assert ("access_denied" in everyone, "access_denied" in one) == (True, False)
    assert '<option value="444455556666" selected>' in one
    body = one.partition("<main")[2].partition("</main>")[0]
    links = re.findall(r'href="\./((?:jobs|sources)[^"]*)"', body)
    assert links
    assert [link for link in links if "account_id=444455556666" not in link] == []
    shown.sources = [ours]
    assert "<select" not in await shown.text("/")


async def test_services_without_jobs_are_hidden_on_the_first_page(shown):
    """Most accounts use few of those that are polled; a link shows the others."""
    shown.sources = [listed([job("a")]), listed([], TRAINING), Polled(status(aws_service="sts"))]
    page = await shown.text("/")
    assert ("bedrock 1" in rows(page), "sagemaker 0" in rows(page)) == (True, False)
    (link,) = re.findall(r'href="\.(/[^"]*)">Show 1 service without jobs<', page)
    page = await shown.text(link)
    assert ("bedrock 1" in rows(page), "sagemaker 0" in rows(page), "Hide services" in page) == (True, True, True)


async def test_the_first_page_says_so_if_all_is_well(shown):
    """Silence could mean that nothing is being read."""
    shown.sources = [listed([job("fine")])]
    assert "Nothing: no source is down" in await shown.text("/")


async def test_the_first_page_does_not_say_so_before_all_is_read(shown):
    """To an operator on call at night, silence from an exporter that just started must not look like good news."""
    new = listed([], attempts=0, last_success=None)
    shown.sources = [listed([job("fine")], scope="a"), new]
    for path in ("/", "/jobs"):
        page = await shown.text(path)
        assert "1 of 2 sources not polled yet" in page
        assert "Nothing: no source is down" not in page


async def test_a_source_that_is_polled_late_is_marked(shown):
    """It is up, and yet its numbers are older than its interval says."""
    late = listed([], next_poll=NOW - 61, scope="late")
    due = listed([], next_poll=NOW - 60, scope="due")
    shown.sources = [late, due]
    every = await shown.text("/sources")
    assert [("late" in row, "overdue 1 min ago" in row) for row in rows(every) if " up " in row] == [
        (False, False),
        (True, True),
    ]
    assert "overdue <b>1</b>" in re.sub(r"<span.*?>|</span>", "", every)
    assert "1 source" in await shown.text("/sources?overdue=true")
    found = (await shown.data("/api/v1/sources?overdue=true"))["sources"]
    assert [(each["scope"][:4], each["is_overdue"]) for each in found] == [("late", True)]
    assert len((await shown.data("/api/v1/sources"))["sources"]) == 2


async def test_an_unknown_end_is_not_made_up(shown):
    """AWS reports no time for such a job, and it had ended before it was first seen."""
    shown.sources = [listed([Job("a", "FAILED", State.FAILED, "old", details={"id": "a"})])]
    (row,) = rows(await shown.text("/jobs"))[1:]
    assert "not known" in row
    assert "so far" not in row
    assert "0</b> failed" in await shown.text("/")
    assert "No job" in await shown.text("/jobs?finished_since=1h")
    (entry,) = (await shown.data("/api/v1/jobs"))["jobs"]
    assert entry["finished"] is None
    assert sum(hour["failed"] for hour in (await shown.data("/api/v1/status"))["failures"]) == 0


async def test_places_are_shown_where_there_are_several(shown):
    """The same job may run in every account; a single account need not be repeated."""
    shown.sources = [listed([job("a", State.FAILED)])]
    assert 'class="place"' not in await shown.text("/jobs")
    shown.sources.append(listed([job("b")], region="eu-west-1", account_id="444455556666"))
    for path in ("/", "/jobs"):
        page = await shown.text(path)
        assert '<span class="place">111122223333</span> <span class="place">us-east-1</span>' in page


async def test_the_only_job_of_a_list_is_shown_with_its_details(shown):
    """A link to one job shows everything that is known about it."""
    shown.sources = [listed([job("a"), job("b")])]
    assert len(re.findall(r"<details [^>]* open>", await shown.text("/jobs?name=/a"))) == 1
    assert re.findall(r"<details [^>]* open>", await shown.text("/jobs")) == []


async def test_a_job_is_shown_with_its_whole_message_and_its_console(shown):
    """An alert links here, and the page has the full explanation."""
    message = "Cause. " * 400 + "The end."
    trained = job("trained", State.FAILED, message=message, code="code_error")
    shown.sources = [listed([trained], TRAINING)]
    page = await shown.text("/jobs?aws_service=sagemaker&state=failed")
    assert message in page
    assert "https://us-east-1.console.aws.amazon.com/sagemaker/home?region=us-east-1#/jobs/trained" in page
    assert "1 job" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=ALPHA", ["alpha"]),
        ("state=running", ["beta"]),
        ("aws_service=", ["beta", "alpha"]),
        ("state=stopped", []),
    ],
)
async def test_jobs_are_filtered_by_the_url(shown, query, found):
    """A form also sends fields without a value."""
    shown.sources = [listed([job("alpha"), job("beta", State.RUNNING)])]
    page = await shown.text(f"/jobs?{query}")
    assert re.findall(r'class="name">(\w+)<', page) == found
    assert ("No job matches" in page) is not found


async def test_filters_outlive_the_form(shown):
    """Filters without a form field stay, even those with several values."""
    shown.sources = [listed([job("alpha")])]
    page = await shown.text(f"/jobs?kind=a&kind=b&finished_until={NOW}&limit=7&sort=-name")
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    assert sorted(hidden) == [("finished_until", str(NOW)), ("kind", "a"), ("kind", "b"), ("limit", "7")]
    assert '<option value="-name" selected>' in page
    assert "kind: a, b" in page


async def test_several_states_can_be_chosen(shown):
    """An operator wants to see what failed and what was stopped."""
    shown.sources = [listed([job("alpha"), job("beta", State.FAILED), job("gamma", State.STOPPED)])]
    page = await shown.text("/jobs?state=failed&state=stopped")
    assert re.findall(r'value="(\w+)" checked', page) == ["failed", "stopped"]
    assert re.findall(r'type="checkbox" name="state" value="(\w+)"', page) == [*State]
    assert sorted(re.findall(r'class="name">(\w+)<', page)) == ["beta", "gamma"]
    assert "state: failed, stopped" in page


def heads(page):
    """Return the heads of the columns: the text, the direction in effect, and where a click leads."""
    found = re.findall(r"<th scope=\"col\"[^>]*?(?: aria-sort=\"(\w+)\")?>(.*?)</th>", page)
    return {
        text: (direction, html.unescape(address))
        for direction, head in found
        for address, text in re.findall(r'<a href="\.([^"]*)"[^>]*>(\w+)</a>', head)
    }


async def test_a_click_on_a_column_sorts_by_it_and_a_second_reverses(shown):
    """The filters stay, and the first page is shown."""
    shown.sources = [listed([job("alpha"), job("beta", created=NOW - 2 * HOUR), job("gamma", created=NOW - 3 * HOUR)])]
    page = await shown.text("/jobs?limit=2&name=a")
    assert "active first, then the most recently finished" in page
    assert {direction for direction, _ in heads(page).values()} == {""}
    shown_names = []
    for _ in range(2):
        page = await shown.text(heads(page)["Finished"][1])
        shown_names.append(re.findall(r'class="name">(\w+)<', page))
        (following,) = re.findall(r'href="\.([^"]*)" rel="next"', page)
        page = await shown.text(html.unescape(following))
    assert shown_names == [["alpha", "beta"], ["gamma", "beta"]]
    assert heads(page)["Finished"][0] == "ascending"
    assert "cursor" not in heads(page)["Job"][1]
    assert "name=a" in heads(page)["Job"][1]
    assert "by end, the earliest first" in page
    assert "active first" not in re.sub(r"<select.*?</select>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("sort", get_args(SortParameter))
async def test_every_order_has_words(shown, sort):
    """The line above the table says what the reader sees."""
    shown.sources = [listed([job("alpha")])]
    page = await shown.text(f"/jobs?sort={sort}")
    (words,) = re.findall(rf'<option value="{sort}" selected>(.*?)</option>', page)
    assert f": {words}</span>" in page


async def test_a_list_of_jobs_has_pages(shown):
    """There is a link back to the first one."""
    shown.sources = [listed([job(f"job-{number}", created=NOW - number * HOUR) for number in range(1, 4)])]
    page = await shown.text("/jobs?limit=2&name=job")
    (following,) = re.findall(r'href="\.([^"]*)" rel="next"', page)
    page = await shown.text(following.replace("&amp;", "&"))
    assert re.findall(r'class="name">([\w-]+)<', page) == ["job-3"]
    assert "First page" in page
    assert 'rel="next"' not in page


async def test_jobs_of_a_source_that_is_down_are_marked_as_old(shown):
    """An unmarked old number would be misleading, but the last known one helps a reader who knows its age."""
    shown.sources = [listed([job("a")], consecutive_failures=1, reason="network")]
    assert "1 source is down" in await shown.text("/jobs")


async def test_sources_are_grouped_and_listed(shown):
    """They are grouped by account, region and service, each with its health and the reason if it is down."""
    account = SourceStatus(SourceKey("", "eu-west-1", "sts", "account", ""), 600.0)
    shown.sources = [listed([job("a")], next_poll=NOW + 30, calls=12, last_calls=3), Polled(DOWN), Polled(account)]
    table = rows(await shown.text("/sources"))
    assert "bedrock 111122223333 in us-east-1 1/1 up" in table
    assert any(row.startswith(f"{BEDROCK.key} up Last success now Next poll in 30 s") for row in table)
    assert any("Requests 3 of 12" in row for row in table)
    assert "access_denied User: made-up is not authorized 2 polls in a row" in table
    assert any("not polled yet" in row for row in table)


async def test_a_source_that_is_being_listed_shows_how_far_it_is(shown):
    """A first list may take minutes, and nothing else would tell that it goes on."""
    shown.sources = [listed([job("a")], listed=12_300)]
    assert any("12,300 listed so far" in row for row in rows(await shown.text("/sources")))
    assert [each["listed"] for each in (await shown.data("/api/v1/sources"))["sources"]] == [12_300]


async def test_sources_are_filtered(shown):
    """The filter is their health."""
    shown.sources = [listed([job("a")]), Polled(DOWN)]
    page = await shown.text("/sources?health=down&aws_service=sagemaker")
    assert "1 source<" in page
    assert "training_job" in page


async def test_every_kind_is_listed(shown):
    """Each has its operation and its permissions; kinds that are polled come first."""
    shown.settings = Settings(services={"sagemaker": {"kinds": ["training_job"]}})
    page = await shown.text("/kinds")
    table = rows(page)
    assert f"1 of the {len(list(CATALOG.kinds()))} kinds" in page
    assert len(table) == len(list(CATALOG.kinds())) + 2
    assert table[1].startswith("sagemaker/ training_job ")
    assert table[1].endswith("Permissions sagemaker:ListTrainingJobs sagemaker:DescribeTrainingJob")


async def test_the_configuration_is_shown_without_its_secrets(shown):
    """`check-config` would accept it, except for the hidden values."""
    role = "arn:aws:iam::111122223333:role/reader"
    shown.settings = Settings(
        accounts=[{"role_arn": role, "external_id": "hush-hush", "regions": ["eu-west-1"]}],
        kinds={"own": {"service": "glue", "api_token": "hush", "title": "see http://user:hush@localhost:1"}},
        reasons=[{"name": "licence", "reason": "dependency", "text": "no licence"}],
    )
    page = await shown.text("/config")
    (text,) = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    configuration = yaml.safe_load(html.unescape(text))
    assert "hush" not in page
    assert configuration["accounts"] == [{"role_arn": role, "external_id": "[redacted]", "regions": ["eu-west-1"]}]
    assert configuration["kinds"]["own"]["title"] == "see http://[redacted]@localhost:1"
    assert configuration["poll"]["interval"] == "1m"
    assert "no licence" in configuration["reasons"][0]["text"]


async def test_static_files_may_be_cached(shown):
    """The address of a file changes whenever its content does."""
    for address in Links(await shown.text("/")).addresses:
        if "/static/" in address:
            response = await shown.client.get(address[1:])
            assert response.headers["Cache-Control"] == "public, max-age=86400"
            assert response.content_type in {"text/css", "text/javascript", "image/svg+xml"}
            assert re.search(r"\?v=[0-9a-f]{12}$", address)
