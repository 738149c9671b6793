"""Tens of thousands of sources are of use: filtered, sorted, folded and paged, and they hold nobody up."""

import asyncio
import html
import random
import re
import time
from itertools import pairwise
from typing import get_args

import pytest

from exporter.jobs import SourceKey
from exporter.telemetry import PollErrorReason, SourceStatus
from exporter.web.views.parameters import SourceParameters, SourceSort
from exporter.web.views.survey import Survey
from tests.support.inside import HOUR, MINUTE, NOW, Polled, status

ACCOUNTS = ("111122223333", "444455556666")
DENIED, THROTTLED = PollErrorReason.ACCESS_DENIED, PollErrorReason.THROTTLED


def source(kind="job", **fields):
    """Return a source that lists a kind of job."""
    found = status(**fields)
    found.key = found.key._replace(kind=kind)
    return Polled(found)


def down(reason=DENIED, error="not authorized", kind="job", **fields):
    """Return a source that is down."""
    return source(kind, consecutive_failures=3, reason=reason, error=error, **fields)


def many():
    """Return sources of two accounts: of the first, those of one service are denied in both regions."""
    up = [
        source(kind, account_id=account, region=region, aws_service=service, jobs=2, last_calls=3)
        for account in ACCOUNTS
        for region in ("us-east-1", "eu-west-1")
        for service, kind in [("glue", "job_run"), ("glue", "crawler"), ("batch", "job")]
    ]
    denied = [down(region=r, aws_service="emr", kind="step", last_success=None) for r in ("us-east-1", "eu-west-1")]
    return [*up, *denied, down(THROTTLED, "Rate exceeded", aws_service="glue", kind="other")]


def rows(page):
    """Return the rows of a page's table and its list of causes as text."""
    found = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>|<li class=\"line\">.*?</li>", page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in found]


def kinds(page):
    """Return the kinds of the sources on a page, in order."""
    return re.findall(r'<th scope="row">([\w-]+)<', page)


async def test_sources_that_do_not_fit_one_page_are_folded(shown):
    """By account and service, and those that are down for one reason in one account have one row."""
    shown.sources = many()
    page = await shown.text("/sources?limit=14")
    assert rows(page) == [
        "down 2 sources 111122223333 in 2 regions: emr access_denied not authorized never up",
        "down 1 source 111122223333 in us-east-1: glue throttled Rate exceeded last up now",
        "batch 111122223333 State 2 up Oldest success now Regions 2 Requests 6 Jobs 4",
        "emr 111122223333 State 2 down Oldest success never Regions 2 Requests 0 Jobs 0",
        "glue 111122223333 State 1 down 4 up Oldest success now Regions 2 Requests 12 Jobs 8",
        "batch 444455556666 State 2 up Oldest success now Regions 2 Requests 6 Jobs 4",
        "glue 444455556666 State 4 up Oldest success now Regions 2 Requests 12 Jobs 8",
    ]
    assert "15 sources" in page
    assert rows(await shown.text("/sources?limit=15")) == []
    assert len(kinds(await shown.text("/sources?limit=15"))) == 15


async def test_what_is_folded_unfolds(shown):
    """A row leads to its sources, whatever else was chosen."""
    shown.sources = many()
    page = await shown.text("/sources?limit=10&region=us-east-1&by=service")
    links = [html.unescape(link) for link in re.findall(r'href="\.(/sources\?[^"]*by=source[^"]*)"', page)]
    assert [len(kinds(await shown.text(link))) for link in links] == [1, 1, 3, 1, 2]
    (cause, _) = [html.unescape(link) for link in re.findall(r'<a href="\.(/sources\?account[^"]*reason[^"]*)"', page)]
    assert kinds(await shown.text(cause)) == ["step", "step"]


async def test_folded_sources_have_pages(shown):
    """So have the reasons."""
    shown.sources = many()
    for by, found in [("service", ["batch", "emr", "glue", "batch", "glue"]), ("reason", ["2", "1"])]:
        seen, path = [], f"/sources?by={by}&limit=1"
        while path:
            page = await shown.text(path)
            every = rows(page) if by == "reason" else [row for row in rows(page) if "State" in row]
            assert len(every) == 1
            seen += [every[0].removeprefix("down ").split()[0]]
            path = html.unescape(next(iter(re.findall(r'href="\.([^"]*)" rel="next"', page)), ""))
        assert seen == found


async def test_the_reasons_are_shown_most_sources_first(shown):
    """Few above the services, all of them on a page of their own."""
    shown.sources = [down(account_id=f"{n:012}", region=f"r-{m}") for n in range(30) for m in range(n % 7 + 1)]
    page = await shown.text("/sources?by=service")
    found = [int(row.split()[1]) for row in rows(page) if row.startswith("down")]
    assert found == sorted(found, reverse=True)
    assert (len(found), "All 30 reasons by account" in page) == (20, True)
    assert len(rows(await shown.text("/sources?by=reason"))) == 30
    first = await shown.text("/")
    assert (len(rows(first)), "All 30 reasons by account" in first) == (5, True)
    shown.sources = many()[:3]
    assert "No source is down." in await shown.text("/sources?by=reason")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("reason=access_denied", 2),
        ("reason=throttled&reason=access_denied", 3),
        ("reason=throttled&aws_service=emr", 0),
        ("reason=network", 0),
        ("health=up&reason=throttled", 0),
        ("health=up&region=eu-west-1", 6),
        ("account_id=444455556666&kind=job", 2),
        ("health=up&health=down&aws_service=emr&aws_service=batch", 6),
    ],
)
async def test_sources_are_filtered(shown, query, found):
    """The page and the API alike."""
    shown.sources = many()
    assert len(kinds(await shown.text(f"/sources?{query}"))) == found
    assert (await shown.data(f"/api/v1/sources?{query}"))["total"] == found


async def test_the_tabs_count_what_the_other_filters_leave(shown):
    """A tab says how many sources a click on it shows."""
    shown.sources = many()
    page = await shown.text("/sources?health=up&account_id=111122223333&region=us-east-1")
    assert re.findall(r"<b>(\d+)</b></a></li>", page) == ["5", "2", "3", "0"]


FIELDS = {
    "duration": "last_poll_duration_seconds",
    "failures": "consecutive_failures",
}


@pytest.mark.parametrize("sort", get_args(SourceSort))
async def test_sources_are_sorted_by_any_column(shown, sort):
    """What has no value comes last in both directions; the pages go on in the same order."""
    rng = random.Random(1)
    some = rng.sample(range(1000), 700)
    shown.sources = [
        Polled(
            status(
                scope=f"{number}", last_success=NOW - number, next_poll=NOW + number % 11, last_duration=number / 7,
                calls=number % 5, jobs=number, consecutive_failures=number % 3,
            )
        )
        for number in some
    ]  # fmt: skip
    shown.sources.append(Polled(status(scope="new", attempts=0, last_success=None)))
    found, cursor = [], "0"
    while cursor:
        data = await shown.data(f"/api/v1/sources?sort={sort}&limit=300&cursor={cursor}")
        found += data["sources"]
        cursor = data["next"]
    name = FIELDS.get(sort.removeprefix("-"), sort.removeprefix("-"))
    values = [each[name] for each in found if each[name] is not None]
    assert values == sorted(values, reverse=sort.startswith("-"))
    assert len({each["scope"] for each in found}) == len(found) == 701
    assert all(each[name] is None for each in found[len(values) :])


async def test_the_order_is_that_of_the_keys(shown):
    """Whichever source came first."""
    shown.sources = [Polled(status(scope=f"{number:04}")) for number in range(1200)]
    random.Random(2).shuffle(shown.sources)
    data = await shown.data("/api/v1/sources?limit=100&cursor=550")
    assert [each["scope"] for each in data["sources"]] == [f"{number:04}" for number in range(550, 650)]


async def test_a_head_of_a_column_sorts_the_page(shown):
    """Sorted, sources have no groups, so each says where it is; and they are not folded."""
    shown.sources = many()
    page = await shown.text("/sources?limit=10&sort=-failures")
    assert "the most failed polls in a row first" in page
    assert 'aria-sort="descending"' in page
    assert sorted(kinds(page)[:3]) == ["other", "step", "step"]
    assert "emr in 111122223333 us-east-1" in page
    assert 'class="group"' not in page
    assert "sort=failures" in page


async def test_names_stand_where_they_are_known(shown):
    """Accounts and scopes have names that people know; an ARN says less, and nobody chooses by it."""
    arn = "arn:aws:states:us-east-1:111122223333:stateMachine:orders"
    account = SourceStatus(SourceKey(ACCOUNTS[0], "us-east-1", "sts", "account", ""), 600.0, scope_name="production")
    machine = Polled(status(scope=arn, scope_name="orders"))
    shown.sources = [Polled(account), machine, Polled(status(scope="arn:unnamed", account_id=ACCOUNTS[1]))]
    page = await shown.text(f"/sources?scope={arn}")
    seen = re.sub(r'(?:href|value)="[^"]*"', "", page)
    assert "scope: orders" in seen
    assert "production" in seen
    assert arn not in seen
    assert "arn:unnamed" in seen


async def test_many_sources_do_not_hold_the_loop():
    """While a page of thirty thousand is made, others get their turns: none waits for a fifth of the work."""
    statuses = [
        SourceStatus(SourceKey(f"{n // 75:012}", f"r-{n % 3}", f"s-{n % 11}", f"k-{n % 25}", ""), 60.0, attempts=1)
        for n in range(30_000)
    ]
    random.Random(3).shuffle(statuses)
    for number, each in enumerate(statuses):
        each.last_success, each.next_poll = NOW - HOUR, NOW + MINUTE
        each.consecutive_failures = number % 10 == 0
    turns, is_over = [], False

    async def watch():
        while not is_over:
            turns.append(time.thread_time())
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    survey = await Survey.of(statuses, SourceParameters(), NOW)
    await survey.first(20_000)
    await survey.services(0, 100)
    await survey.causes(0, 100)
    is_over = True
    await watching
    held = [later - before for before, later in pairwise(turns)]
    assert max(held) < sum(held) / 5
