"""Names that try to break out: exposed unchanged, and without power over pages, logs and terminals."""

import asyncio
import io
import json
import logging
import re
from html.parser import HTMLParser

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.aws.items import cut, text
from exporter.cli.invocation import table
from exporter.exposition import Exposition, Format
from exporter.families import Family, metrics
from exporter.jobs import SourceKey
from exporter.settings import Limits
from exporter.telemetry import SourceStatus, configure_logging
from exporter.text.printable import printable
from exporter.web import Site, create_app
from tests.support.effort import bounded
from tests.support.harness import NOW, HandClock, configured, running, simulated
from tests.support.inside import Polled, inside
from tests.support.patience import PATIENCE
from tests.support.wild import HOSTILE, texts

STEERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FAMILY: Family[str] = Family("aws_job_info", "gauge", "One job.", ("job_name",), lambda name: [((name,), 1)])
LIBRARIES = ("aiobotocore", "botocore")
PARSERS = ((Format.TEXT, read_text), (Format.OPENMETRICS, read_openmetrics))


def names(exposition, form, read, label="job_name"):
    """Return the values of a label as a parser reads them."""
    families = read(exposition.render(form).decode())
    return [sample.labels[label] for family in families for sample in family.samples if label in sample.labels]


@bounded(100)
@given(name=texts)
def test_a_name_is_read_back_unchanged(name):
    """Both formats keep them; only what UTF-8 cannot encode becomes a question mark."""
    exposition = Exposition(CollectorRegistry(), lambda: NOW)
    exposition.publish("x", metrics([FAMILY], (), [((), text(name))]))
    for form, read in PARSERS:
        assert names(exposition, form, read) == [name.encode(errors="replace").decode()]


async def test_hostile_jobs_are_exposed_unchanged(tool):
    """Ids and names survive a poll in both formats, and promtool accepts them."""
    jobs = [
        {"jobArn": f"{number}{name}", "jobName": name, "status": name, "message": name, "modelId": name}
        for number, name in enumerate(HOSTILE)
    ]

    async def hook(call):
        if call.operation != "ListModelInvocationJobs":
            return None
        return web.json_response({"invocationJobSummaries": jobs})

    clock = HandClock()
    async with simulated(clock) as aws:
        aws.hooks.append(hook)
        services = {"bedrock": {"kinds": ["model_invocation_job"], "dimensions": ["model_id"]}}
        async with running(configured(aws.endpoint_url, services, metrics={"per_job": True}), clock) as exporter:
            for form, read in PARSERS:
                assert set(names(exporter.exposition, form, read)) == {
                    cut(text(name), Limits().message_length) for name in HOSTILE
                }
                ids = set(names(exporter.exposition, form, read, "job_id"))
                # One of them is too long: only that one is shortened.
                assert len(ids) == len(jobs)
                assert len(ids - {text(job["jobArn"]) for job in jobs}) == 1
            exposed = exporter.exposition.render(Format.TEXT)
    process = await asyncio.create_subprocess_exec(
        *(tool("promtool"), "check", "metrics"), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(exposed), PATIENCE)
    # Its advice on names is a matter of style; what it cannot parse is our bug.
    assert b"parse error" not in said
    assert b"error while linting" not in said


@pytest.fixture
def restored_logging():
    """Restore the logging of the process."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], [(one, one.level) for one in map(logging.getLogger, ("", *LIBRARIES))]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("form", ["logfmt", "json"])
@bounded(60)
@given(name=texts)
def test_a_record_stays_one_line(form, name):
    """A value may hold anything, without power over the terminal that shows it."""
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n")
    configure_logging("info", form, stream)
    structlog.get_logger("test").warning("source down", scope=name, err=name)
    stream.flush()
    written = stream.detach().getvalue().decode()
    assert written.endswith("\n")
    (line,) = written.splitlines()
    assert not STEERS.search(line)
    if form == "json":
        assert json.loads(line)["err"] == name


@bounded(60)
@given(cells=st.lists(texts, min_size=2, max_size=2))
def test_a_table_keeps_its_lines_and_the_terminal_its_colors(cells):
    """A cell may say anything, but it can start neither a line nor an escape sequence."""
    shown = table(("SCOPE", "WHAT AWS SAYS"), [cells])
    assert shown.count("\n") == 1
    assert all(not STEERS.search(line) for line in shown.split("\n"))
    assert printable(printable(cells[0])) == printable(cells[0])


class Structure(HTMLParser):
    """Records every tag of a page with the names of its attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Record a tag."""
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_comment(self, data):
        """Record a comment: it could hide what follows."""
        self.found.append(("comment", data))

    def handle_data(self, data):
        """Record text."""
        self.text += data


async def page(word):
    """Return the page of sources with one that is down, whose texts are all `word`."""
    key = SourceKey(*[word] * 5)
    status = SourceStatus(key, 60.0, "membership", word, attempts=1, consecutive_failures=1, reason=word, error=word)
    exposition = Exposition(CollectorRegistry(), lambda: NOW)
    app = create_app(Site(exposition, lambda: True, "/metrics", inside(lambda: [Polled(status)])))
    async with TestClient(TestServer(app)) as client, client.get("/sources") as response:
        return Structure(await response.text())


async def test_a_page_has_no_tag_from_the_data():
    """Tags and attributes stay the same whatever a source is called; the text appears unchanged."""
    plain = (await page("plain")).found
    for name in filter(text, HOSTILE):
        hostile = await page(text(name))
        assert hostile.found == plain
        assert text(name).replace("\r\n", "\n").split("\n")[0] in hostile.text
