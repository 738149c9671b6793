"""The pages in a real browser: nothing is blocked, no errors appear, and the pages are accessible."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from exporter.exposition import Exposition
from exporter.jobs import Job, State
from exporter.store.inventory import JobList
from exporter.web import Site, create_app
from tests.support.browser import Browser, Page, chromium, expect, served
from tests.support.grouped import grouped
from tests.support.inside import BEDROCK, DAY, HOUR, MINUTE, NOW, TRAINING, Polled, inside, job, listed, status
from tests.support.patience import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

ROOT = Path(__file__).parents[2]
JOB = f"job?account_id=111122223333&region=us-east-1&aws_service=bedrock&kind={BEDROCK.key}&id={job('run-1').id}"
PAGES = [
    "",
    JOB,
    "jobs",
    "jobs?state=failed&name=nightly",
    "groups",
    "sources",
    "sources?by=service",
    "kinds",
    "config",
    "jobs?state=wrong",
]
HOSTILE = "\"'><img src=x onerror=hit()><script>hit()</script>{{ hit() }}${hit()}javascript:hit()"
LONG = "a" * 300


def jobs() -> list[Job]:
    """Return jobs of every sort: failed, active, overdue, with hostile names, and with endless ones."""
    hostile = job("hostile", State.FAILED, NOW - HOUR, code="other", message=f"{HOSTILE}\n{LONG}")
    return [
        job("nightly-1", State.FAILED, NOW - 3 * HOUR, code="throttled", message="Rate exceeded. " * 60),
        job("nightly-2", State.FAILED, NOW - 30 * MINUTE, code="not_found", message="No such bucket."),
        job("nightly-3", State.RUNNING, NOW - 5 * MINUTE),
        job("overdue", State.RUNNING, NOW - 9 * DAY, deadline=NOW + HOUR, records={"total": 12345, "failed": 1}),
        hostile._replace(id=HOSTILE, name=HOSTILE, status=HOSTILE, state=State.FAILED),
        job(LONG),
        *(job(f"daily-{number}", state, NOW - number * HOUR) for number, state in enumerate(State, 4)),
        *(
            job(f"run-{n}", s, NOW - n * DAY / 2, message=HOSTILE)._replace(name="again")
            for n, s in enumerate(State, 1)
        ),
    ]


@dataclass
class Shown:
    """What the site shows; a test may change it."""

    sources: list[Any] = field(default_factory=list)

    def fill(self) -> JobList:
        """Show sources and jobs of every sort, and return the first source."""
        first = listed(jobs(), BEDROCK, next_poll=NOW + 30, calls=9, last_calls=2)
        down = status(
            TRAINING, consecutive_failures=3, reason="access_denied", error=f"{HOSTILE} {LONG}", last_success=None
        )
        new = status(TRAINING, attempts=0, region="eu-west-1", last_success=None)
        self.sources = [
            first,
            listed([job("other")], TRAINING, scope=LONG, scope_name=HOSTILE),
            Polled(down),
            Polled(new),
        ]
        return first


@pytest.fixture(scope="module")
def shown() -> Shown:
    """Return what the site shows."""
    return Shown()


@pytest.fixture(scope="module")
def address(shown: Shown) -> Iterator[str]:
    """Return where the site is."""
    exposition = Exposition(CollectorRegistry(), lambda: NOW)
    looking = replace(inside(lambda: shown.sources), groups=lambda: {**grouped(), HOSTILE: grouped()["late"]})
    site = Site(exposition, lambda: True, "/metrics", looking)
    with served(create_app(site)) as url:
        yield url


@pytest.fixture(scope="module")
def browser(tool: Callable[[str], str]) -> Iterator[Browser]:
    """Return the browser."""
    with chromium(tool("chromium")) as browser:
        yield browser


@dataclass
class Visit:
    """A visit by a person: the page, and what the browser complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def visit(browser: Browser, address: str, shown: Shown) -> Iterator[Callable[..., Visit]]:
    """Return a function that opens a page; at the end, the browser must not have complained."""
    shown.fill()
    visits: list[Visit] = []

    def open_page(path: str, **options: Any) -> Visit:
        context = browser.new_context(base_url=address, **options)
        context.set_default_timeout(PATIENCE * 1000)
        visited = Visit(context.new_page())
        visits.append(visited)
        note = visited.complaints.append
        visited.page.on("console", lambda message: note(f"{message.type}: {message.text}"))
        visited.page.on("pageerror", lambda error: note(f"error: {error}"))
        visited.page.on("dialog", lambda dialog: note(f"dialog: {dialog.message}"))
        context.expose_function("hit", lambda: note("a job's name ran as a script"))
        context.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " event => console.error('blocked ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        visited.page.goto(path or "/")
        return visited

    yield open_page
    complaints = [complaint for visited in visits for complaint in visited.complaints]
    for visited in visits:
        visited.page.context.close()
    # A wrong URL is for the person to notice; the browser logs its status as an error, too.
    assert [each for each in complaints if "400 (Bad Request)" not in each] == []


@pytest.fixture(scope="module")
def axe(tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return axe-core, which checks accessibility: npm fetches it, and its lock has the hash."""
    kept = ROOT / "build" / "axe-core.js"
    if not kept.exists():
        folder = tmp_path_factory.mktemp("axe")
        for name in ("package.json", "package-lock.json"):
            shutil.copy(Path(__file__).parent / "axe" / name, folder)
        command = [tool("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if result.returncode:
            reason = f"npm could not fetch axe-core: {result.stderr[-500:]}"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
        keep(folder / "node_modules" / "axe-core" / "axe.min.js", kept)
    return kept.read_text()


def keep(file: Path, kept: Path) -> None:
    """Copy a file for later runs; a run at the same time sees all of it or nothing."""
    kept.parent.mkdir(exist_ok=True)
    whole = shutil.copy(file, kept.with_suffix(f".{os.getpid()}"))
    Path(whole).rename(kept)


LIGHT, DARK = {"color_scheme": "light"}, {"color_scheme": "dark"}
DESKTOP, PHONE = {"viewport": {"width": 1280, "height": 900}}, {"viewport": {"width": 390, "height": 844}}


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESKTOP, LIGHT), (DESKTOP, DARK), (PHONE, LIGHT)], ids=["desktop", "dark", "phone"]
)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible(visit: Any, axe: str, path: str, size: Any, scheme: Any) -> None:
    """No serious or critical findings, even with everything unfolded, and no horizontal scrolling."""
    page = visit(path, **size, **scheme).page
    if (folded := page.get_by_label("All filters")).is_visible():
        folded.check()
    # The first one last: the box of states closes with a click elsewhere.
    for summary in reversed(page.locator("summary").all()[:3]):
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["viewport"]["width"]
    page.evaluate(axe)
    findings = page.evaluate("axe.run().then(result => result.violations)")
    grave = [finding for finding in findings if finding["impact"] in {"serious", "critical"}]
    assert [(finding["id"], finding["nodes"][0]["html"]) for finding in grave] == []


def test_the_dark_theme_is_dark(visit: Any) -> None:
    """For people who work at night."""
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((sum, part) => sum + +part, 0)"
    assert visit("", **DARK).page.evaluate(brightness) < 150
    assert visit("", **LIGHT).page.evaluate(brightness) > 600


def choose(page: Page, *states: str) -> None:
    """Choose states in the form."""
    page.locator(".menu summary").click()
    for state in states:
        page.get_by_role("group", name="State").get_by_label(state, exact=True).check()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_jobs_are_filtered(visit: Any, *, scripts: bool) -> None:
    """The form updates the URL, so that it can be shared; pressing Enter is enough."""
    page = visit("jobs", java_script_enabled=scripts).page
    page.get_by_label("Name or id contains").fill("NIGHTLY")
    choose(page, "failed")
    page.get_by_label("Name or id contains").press("Enter")
    expect(page.locator(".jobs .name")).to_have_text(["nightly-2", "nightly-1"])
    query = page.url.partition("?")[2]
    assert {"name=NIGHTLY", "state=failed"} <= set(query.split("&"))
    if scripts:
        assert query == "name=NIGHTLY&state=failed"
    page.get_by_title("Remove this filter").filter(has_text="state").click()
    expect(page.locator(".jobs .name")).to_have_text(["nightly-3", "nightly-2", "nightly-1"])


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_several_states_are_chosen_at_once(visit: Any, *, scripts: bool) -> None:
    """The form shows them again."""
    page = visit("jobs?name=nightly", java_script_enabled=scripts).page
    choose(page, "failed", "running")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".menu summary")).to_contain_text("running, failed")
    expect(page.locator(".jobs .name")).to_have_text(["nightly-3", "nightly-2", "nightly-1"])


def test_the_box_of_states_closes_like_a_list(visit: Any) -> None:
    """By a click elsewhere, or by the Escape key, which gives the focus back."""
    page = visit("jobs").page
    choose(page, "failed")
    page.get_by_role("heading", name="Jobs").click()
    expect(page.get_by_label("failed", exact=True)).to_be_hidden()
    choose(page, "running")
    page.keyboard.press("Escape")
    expect(page.get_by_label("running", exact=True)).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_jobs_are_sorted(visit: Any, *, scripts: bool) -> None:
    """A click on the head of a column sorts by it, a second one reverses, and the filters stay."""
    page = visit("jobs?name=nightly", java_script_enabled=scripts).page
    head = page.get_by_role("columnheader", name="Job")
    for direction, names in [("ascending", ["1", "2", "3"]), ("descending", ["3", "2", "1"])]:
        head.get_by_role("link").click()
        expect(head).to_have_attribute("aria-sort", direction)
        expect(page.locator(".jobs .name")).to_have_text([f"nightly-{name}" for name in names])
    choose(page, "failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".jobs .name")).to_have_text(["nightly-2", "nightly-1"])


def test_jobs_are_sorted_on_a_phone(visit: Any) -> None:
    """There are no heads of columns, so the order is among the filters."""
    page = visit("jobs?name=nightly", **PHONE).page
    page.get_by_label("All filters").check()
    page.get_by_label("Order").select_option("by name")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".jobs .name")).to_have_text(["nightly-1", "nightly-2", "nightly-3"])
    expect(page.locator("#count")).to_contain_text("by name")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_every_page_is_linked(visit: Any, *, scripts: bool) -> None:
    """Every page is reachable from every other page."""
    page = visit("", java_script_enabled=scripts).page
    for name in ("Jobs", "Sources", "Kinds", "Config", "Overview"):
        page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name=name).click()
        expect(page).to_have_title(re.compile(rf"^{name}\w* · AWS job exporter$"))
    page.locator(".tiles a").filter(has_text="failed in 24 h").click()
    expect(page.locator(".chips")).to_contain_text("state: failed")
    expect(page.locator(".jobs tbody tr").first).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_job_leads_to_its_earlier_runs(visit: Any, *, scripts: bool) -> None:
    """From the list to its page, and on to the run before."""
    page = visit("jobs?name=again", java_script_enabled=scripts).page
    page.locator(".jobs .name").first.click()
    expect(page).to_have_title("again · AWS job exporter")
    expect(page.locator(".runs tbody tr")).to_have_count(len(State))
    before = page.locator(".runs tbody tr").nth(1)
    before.get_by_role("link").click()
    expect(before).to_have_class("here")
    bar = before.locator(".length rect").bounding_box()
    assert bar
    assert 0 < bar["width"] < 400


BERLIN = "Times are in your time zone, Europe/Berlin; point at one for UTC."


@pytest.mark.parametrize(
    ("zone", "shown_as", "note"),
    [("Europe/Berlin", "2026-09-21 15:43:20", BERLIN), ("UTC", "2026-09-21 13:43:20", "All times are UTC.")],
)
def test_times_are_those_of_the_reader(visit: Any, zone: str, shown_as: str, note: str) -> None:
    """With UTC in the title; and they stay so when the page is refreshed."""
    page = visit("jobs?name=nightly-2", timezone_id=zone).page
    page.clock.install()
    page.reload()
    for _ in range(2):
        expect(page.locator("dl time").first).to_have_text(shown_as)
        expect(page.locator("dl time").first).to_have_attribute("title", "2026-09-21 13:43:20 UTC")
        expect(page.locator(".when time").first).to_have_attribute("title", re.compile(r"^2026-09-21 .* UTC$"))
        expect(page.locator("#zone")).to_have_text(note)
        page.clock.run_for(10_000)
        expect(page.locator("#updated")).to_contain_text("Updated")


def test_the_hours_of_a_chart_are_those_of_the_reader(visit: Any) -> None:
    """Also where they do not begin when those of UTC do."""
    page = visit("", timezone_id="Asia/Kolkata").page
    expect(page.locator('.chart a[aria-label^="18:30: "] title')).to_have_text(re.compile(r"^2026-09-21 18:30 \(2026"))


def test_times_are_in_utc_without_scripts(visit: Any) -> None:
    """The server does not know where the reader is."""
    page = visit("jobs?name=nightly-2", java_script_enabled=False, timezone_id="Asia/Kolkata").page
    expect(page.locator("dl time").first).to_have_text("2026-09-21 13:43:20")
    expect(page.locator("#zone")).to_have_text("All times are UTC.")


def test_the_keyboard_is_enough(visit: Any) -> None:
    """The first tab stop skips the header, and a job's details open without a mouse."""
    page = visit("jobs?name=nightly").page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    summary = page.locator(".job summary").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if summary.evaluate("element => element === document.activeElement"):
            break
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".job details").first).to_have_attribute("open", "")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_filters_are_folded_on_a_phone(visit: Any, *, scripts: bool) -> None:
    """The first screen shows what an alert linked to; once unfolded, the filters work as usual."""
    page = visit("jobs?name=nightly", **PHONE, java_script_enabled=scripts).page
    expect(page.locator(".jobs .name").first).to_be_in_viewport()
    expect(page.locator(".menu")).to_be_hidden()
    page.get_by_label("All filters").check()
    choose(page, "failed")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".chips")).to_contain_text("state: failed")
    expect(page.locator(".menu")).to_be_hidden()


def test_closed_details_stay_closed(visit: Any) -> None:
    """They stay closed even where the page would open them."""
    page = visit("jobs?name=nightly-1").page
    page.clock.install()
    page.reload()
    details = page.locator(".job details")
    expect(details).to_have_attribute("open", "")
    page.locator(".job summary").click()
    page.clock.run_for(10_000)
    expect(page.locator("#updated")).to_contain_text("Updated")
    expect(details).not_to_have_attribute("open", "")


def test_a_page_updates_in_place(visit: Any, shown: Shown) -> None:
    """What is open, typed, focused and scrolled to stays the same."""
    page = visit("jobs?limit=100", **PHONE).page
    page.clock.install()
    page.reload()
    row = page.locator(".jobs tr").filter(has_text="nightly-1")
    row.locator(".job summary").click()
    page.get_by_label("Name or id contains").fill("half a wo")
    page.evaluate("scrollTo(0, 200)")
    page.evaluate(
        "window.before = [...document.querySelectorAll('tr')].find(row => row.innerText.includes('nightly-1'))"
    )
    shown.sources = [listed([*jobs(), job("brand-new", State.RUNNING, NOW)])]
    page.clock.run_for(10_000)
    expect(page.locator(".jobs .name").first).to_have_text("brand-new")
    expect(row.locator(".job details")).to_have_attribute("open", "")
    expect(page.locator(".note")).to_have_count(0)
    assert page.evaluate("before.isConnected && before.innerText.includes('nightly-1')")
    expect(page.get_by_label("Name or id contains")).to_be_focused()
    expect(page.get_by_label("Name or id contains")).to_have_value("half a wo")
    assert page.evaluate("scrollY") >= 200


def test_updates_can_be_paused(visit: Any, shown: Shown) -> None:
    """Pausing leaves time to read; the next page stays paused, too."""
    page = visit("jobs").page
    page.clock.install()
    page.reload()
    page.get_by_role("button", name="Pause").click()
    shown.sources = [listed([job("brand-new", State.RUNNING, NOW)])]
    page.clock.run_for(30_000)
    assert page.locator(".jobs .name").first.inner_text() == "nightly-3"
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(10_000)
    expect(page.locator(".jobs .name").first).to_have_text("brand-new")


def test_an_outdated_page_says_so(browser: Browser, address: str, shown: Shown) -> None:
    """An exporter that is gone would otherwise look like one where nothing happens."""
    shown.fill()
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.clock.install()
    page.goto("/")
    context.set_offline(offline=True)
    page.clock.run_for(10_000)
    expect(page.locator("#updated")).to_have_text("The exporter is not responding")
    context.close()
