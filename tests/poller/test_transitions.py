"""What the log says about a source: one line for each change, whatever happens in between."""

import io
import json

import pytest

from exporter import app
from exporter.aws import PollError, PollErrorReason
from exporter.jobs import SourceKey
from exporter.telemetry import SourceStatus, configure_logging
from tests.support.harness import ACCOUNT, CATALOG, REGION, HandClock, configured

pytestmark = pytest.mark.usefixtures("restored_logging")

KEY = SourceKey(ACCOUNT, REGION, "bedrock", "model_invocation_job", "")
DENIED = PollError(PollErrorReason.ACCESS_DENIED, "not authorized")
THROTTLED = PollError(PollErrorReason.THROTTLED, "slow down")


class Scripted:
    """A source with scripted polls: None for a success, otherwise the exception to raise."""

    def __init__(self, script):
        self.status = SourceStatus(KEY, interval=60.0)
        self._script = iter(script)

    async def poll(self, _):
        """Do the next scripted step."""
        if (error := next(self._script)) is not None:
            raise error

    def children(self):
        """Find no children."""
        return ()

    async def restore(self):
        """Know nothing from before."""

    def adopt(self, _):
        """Take over no earlier state."""
        return False

    def withdraw(self):
        """Do nothing: nothing was published."""


async def logged(*script, form="json"):
    """Return the lines of a source's polls."""
    stream = io.StringIO()
    configure_logging("info", form, stream)
    source = Scripted(script)
    async with app.assembled(configured("http://localhost:1"), CATALOG, REGION, clock=HandClock()) as parts:
        for _ in script:
            await parts.poller.poll(source)
    return stream.getvalue().splitlines()


async def reported(*script):
    """Return the message and the reason of each line."""
    return [(line["msg"], line.get("reason")) for line in map(json.loads, await logged(*script))]


async def test_an_unchanged_source_logs_nothing():
    """This holds whether it is up or down."""
    assert await reported(None, None, None) == []
    assert await reported(*[DENIED] * 50) == [("source down", "access_denied")]


async def test_each_change_is_one_line():
    """This includes a change from one reason to another."""
    assert await reported(None, DENIED, DENIED, THROTTLED, THROTTLED, DENIED, None, None) == [
        ("source down", "access_denied"),
        ("source down", "throttled"),
        ("source down", "access_denied"),
        ("source up", None),
    ]


async def test_every_outage_of_a_source_is_logged():
    """Each outage has two lines."""
    assert await reported(*[DENIED, None] * 5) == [("source down", "access_denied"), ("source up", None)] * 5


async def test_a_line_says_which_source_and_what_aws_said():
    """It shows the same labels as the metrics."""
    (line,) = map(json.loads, await logged(DENIED))
    place = {"account_id": ACCOUNT, "region": REGION, "aws_service": "bedrock", "kind": KEY.kind, "scope": ""}
    assert place.items() <= line.items()
    assert (line["level"], line["err"]) == ("WARN", "not authorized")
    assert "exception" not in line


@pytest.mark.parametrize("form", ["json", "logfmt"])
async def test_a_bug_has_a_stack_trace_once_and_on_one_line(form):
    """No other kind of failure logs one."""
    (line,) = await logged(*[ZeroDivisionError("made up")] * 5, form=form)
    assert "Traceback (most recent call last)" in line
    assert "ZeroDivisionError: made up" in line
    assert "ERROR" in line
