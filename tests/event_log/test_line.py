"""What is in a line of the event log."""

import json

import pytest

from exporter.event_log import Configured, line
from exporter.jobs import Job, SourceKey, State
from exporter.store import Record, Transition
from tests.support.harness import BEDROCK, CATALOG, NOW

COMPILATION = CATALOG["sagemaker"].kinds["compilation_job"]
KEY = SourceKey("111122223333", "us-east-1", "bedrock", BEDROCK.key, "")
ARN = "arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/abc123"
JOB = Job(
    ARN, "Failed", State.FAILED, "nightly", NOW - 7200, NOW - 3600, NOW - 60, message="too much", dimensions=("m1",)
)


DESCRIBED, RECORD = Configured(BEDROCK, ["model_id"]), Record(JOB, NOW - 60, "throttling")


def told(event="failed", configured=DESCRIBED, record=RECORD):
    """Return what a line says."""
    return json.loads(line("00ff", Transition(7, event, NOW, KEY, record), configured))


def test_a_line_has_everything_that_is_known():
    """Times as RFC 3339 has them; the link where the catalog has one."""
    assert told() == {
        "time": "2026-09-21T14:12:20.000Z",
        "event": "failed",
        "account_id": "111122223333",
        "region": "us-east-1",
        "aws_service": "bedrock",
        "kind": "model_invocation_job",
        "id": ARN,
        "name": "nightly",
        "status": "Failed",
        "state": "failed",
        "created": "2026-09-21T12:13:20.000Z",
        "started": "2026-09-21T13:13:20.000Z",
        "dimensions": {"model_id": "m1"},
        "finished": "2026-09-21T14:12:20.000Z",
        "duration_seconds": 3540.0,
        "reason": "throttling",
        "message": "too much",
        "console_url": BEDROCK.console_url(KEY, JOB),
        "seen": "2026-09-21T14:13:20.000Z",
        "log": "00ff",
        "sequence": 7,
    }


@pytest.mark.parametrize(("event", "time"), [("created", "12:13:20"), ("started", "13:13:20")])
def test_a_job_that_begins_has_no_end(event, time):
    """Even if it was over when it was first seen: its end has a line of its own."""
    found = told(event)
    assert found["time"] == f"2026-09-21T{time}.000Z"
    assert found.keys().isdisjoint({"finished", "duration_seconds", "reason", "code", "message"})


def test_a_line_says_whose_job_it_is():
    """Whoever routes lines to owners needs nothing else."""
    labels = {"owner": "ml-core"}
    transition = Transition(7, "failed", NOW, KEY, RECORD, "payroll")
    found = json.loads(line("00ff", transition, Configured(BEDROCK, labels=labels)))
    assert (found["group"], found["group_labels"]) == ("payroll", labels)


def test_the_log_is_told_where_its_group_follows_from_the_job():
    """A reader of the line gets to the job's streams in CloudWatch."""
    configured, record = Configured(COMPILATION), Record(JOB, NOW - 60)
    assert told("failed", configured, record)["log_url"] == COMPILATION.log_url(KEY, JOB)
    assert "log_url" not in told("failed", configured, Record(JOB._replace(name=""), NOW - 60))


def test_what_is_not_known_is_left_out():
    """The time is then that of the poll."""
    record = Record(Job("x", "Failed", State.FAILED), NOW - 9, is_dated=False)
    found = told(configured=Configured(), record=record)
    assert found["time"] == found["seen"] == "2026-09-21T14:13:20.000Z"
    assert set(found) == {*KEY._fields[:4], "time", "event", "id", "status", "state", "seen", "log", "sequence"}


def test_a_wait_is_no_run_time():
    """As in the metrics."""
    never_began = Record(JOB._replace(started=None), NOW - 60)
    assert "duration_seconds" not in told(configured=Configured(COMPILATION), record=never_began)
    assert told(configured=Configured(BEDROCK), record=never_began)["duration_seconds"] == 7140.0


HOSTILE = '"}\n{"event":"succeeded"}\r\u2028\u202e\x1b[31m\x00' + "ä" * 5000


def test_a_line_is_one_line_whatever_aws_says():
    """ASCII without controls, and short, so that no collector cuts it."""
    job = Job(HOSTILE, HOSTILE, State.FAILED, HOSTILE, message=HOSTILE, code=HOSTILE, dimensions=(HOSTILE,))
    transition = Transition(7, "failed", NOW, KEY._replace(scope=HOSTILE), Record(job))
    written = line("00ff", transition, DESCRIBED)
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert written[:-1].decode("ascii").isprintable()
    assert len(written) < 65_536
    found = json.loads(written)
    assert (found["event"], found["sequence"]) == ("failed", 7)
    assert found["message"].startswith(HOSTILE[:400])
    assert " [...] " in found["message"]
    assert len(found["message"]) <= 1000


@pytest.mark.parametrize("time", [-1e18, 1e18, 253_402_300_800.0])
def test_a_time_that_no_calendar_has_is_no_error(time):
    """AWS may list anything."""
    assert told(record=Record(JOB._replace(created=time), NOW))["created"][:4] in {"1970", "9999"}


def test_a_secret_in_a_message_is_not_told():
    """Lines are kept for years."""
    assert "AKIA" not in told(record=Record(JOB._replace(message="the key AKIAIOSFODNN7EXAMPLE is wrong")))["message"]
