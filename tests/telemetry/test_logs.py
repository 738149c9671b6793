"""The log: one line for each record, with the same keys, whoever wrote it and whatever it contains."""

import io
import json
import logging
import re

import pytest
import structlog

from exporter.telemetry import configure_logging
from exporter.telemetry.logs import LEVELS

TIME = re.compile(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?=level=)")
SOURCE = re.compile(r"(?<= )source=test_logs\.py:\d+ (?=msg=)")
pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.fixture
def log():
    """Return the exporter's logger."""
    return structlog.get_logger("exporter")


@pytest.fixture
def logfmt():
    """Log in logfmt; return a function that reads the lines without their time and source."""
    stream = io.StringIO()
    configure_logging("info", "logfmt", stream)

    def lines():
        found = stream.getvalue().splitlines()
        assert all(TIME.match(line) and SOURCE.search(line) for line in found), found
        return [SOURCE.sub("", TIME.sub("", line, count=1), count=1) for line in found]

    return lines


@pytest.fixture
def jsons():
    """Log in JSON; return a function that reads the records."""
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_logfmt_has_the_keys_of_prometheus(logfmt, log):
    """Time, level, source and message come first, then the record's own keys, in promslog's order."""
    log.info("Listening on", address="127.0.0.1:10058", tls=False)
    assert logfmt() == ['level=INFO msg="Listening on" address=127.0.0.1:10058 tls=false']


def test_json_has_the_same_keys(jsons, log):
    """Numbers stay numbers."""
    log.info("source up", kind="model_invocation_job", jobs=7)
    (record,) = jsons()
    assert list(record)[:3] == ["time", "level", "source"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert re.fullmatch(r"test_logs\.py:\d+", record.pop("source"))
    assert record == {"level": "INFO", "msg": "source up", "kind": "model_invocation_job", "jobs": 7}


QUOTED = {
    "one word": ("plain", "plain"),
    "spaces": ("two words", '"two words"'),
    "quotes": ('say "no"', r'"say \"no\""'),
    "a quote without a space": ('5"', r'"5\""'),
    "an equals sign": ("a=b", '"a=b"'),
    "a newline and a space": ("first\nsecond line", r'"first\nsecond line"'),
    "a newline alone": ("first\nsecond", r"first\nsecond"),
    "a terminal sequence": ("\x1b[31mred", r"\u001b[31mred"),
    "nothing": (None, ""),
    "a backslash before a quote": ('a\\" b', r'"a\\\" b"'),
    "a backslash at the end": ("a b\\", r'"a b\\"'),
}


@pytest.mark.parametrize(("value", "written"), QUOTED.values(), ids=QUOTED.keys())
def test_logfmt_quotes_what_needs_it(logfmt, log, value, written):
    """A line can be split only at a key, and nothing in it controls a terminal."""
    log.info("it", value=value)
    assert logfmt() == [f"level=INFO msg=it value={written}"]


HOSTILE = ["\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged", "\r\nlevel=ERROR", "\rlevel=ERROR", "x\x0blevel=ERROR"]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_hostile_newline_forges_no_second_line(log, form, text):
    """A job's name may contain anything, in a message or in a value."""
    stream = io.StringIO()
    configure_logging("info", form, stream)
    message = f"message {text}"
    log.info(message, name=f"job {text}")
    logging.getLogger("x").warning("library %s", text)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2, lines


def test_libraries_log_in_the_same_form(logfmt):
    """Their arguments are filled in."""
    logging.getLogger("x").warning("retry %d of %s", 2, "ListThings")
    assert logfmt() == ['level=WARN msg="retry 2 of ListThings"']


def test_libraries_log_in_the_same_json(jsons):
    """One reader suffices for the whole process."""
    logging.getLogger("x").error("broken")
    (record,) = jsons()
    assert record.keys() == {"time", "level", "source", "msg"}
    assert (record["level"], record["msg"]) == ("ERROR", "broken")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("logger", ["exporter", "x"])
def test_only_the_level_and_above_is_logged(level, logger):
    """This applies to the exporter's own records and to those of libraries."""
    stream = io.StringIO()
    configure_logging(level, "json", stream)
    own = structlog.get_logger(logger) if logger == "exporter" else logging.getLogger(logger)
    for method in ("debug", "info", "warning", "error"):
        getattr(own, method)("it")
    logged = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    assert logged == ["DEBUG", "INFO", "WARN", "ERROR"][list(LEVELS).index(level) :]


@pytest.mark.parametrize("library", ["aiobotocore", "botocore"])
def test_a_warning_from_botocore_is_logged_once_by_the_poll(library):
    """Botocore would warn with a traceback for each source; the debug level still shows it."""
    for level, heard in (("info", ["failure"]), ("debug", ["trouble", "failure"])):
        stream = io.StringIO()
        configure_logging(level, "json", stream)
        logging.getLogger(f"{library}.credentials").warning("trouble")
        logging.getLogger(f"{library}.credentials").error("failure")
        assert [json.loads(line)["msg"] for line in stream.getvalue().splitlines()] == heard


@pytest.mark.parametrize("logger", [structlog.get_logger("exporter"), logging.getLogger("x")], ids=["own", "library"])
def test_an_exception_is_one_line_of_json(jsons, logger):
    """The traceback is a value in it."""
    try:
        raise ZeroDivisionError("made up")  # noqa: TRY301 - the test logs it
    except ZeroDivisionError:
        logger.exception("a poll failed")
    (record,) = jsons()
    assert (record["level"], record["msg"]) == ("ERROR", "a poll failed")
    assert record["exception"].startswith("Traceback")
    assert record["exception"].endswith("ZeroDivisionError: made up")


def test_an_exception_is_one_line_of_logfmt(logfmt, log):
    """The traceback is quoted."""
    try:
        raise ZeroDivisionError("made up")  # noqa: TRY301 - the test logs it
    except ZeroDivisionError:
        log.exception("a poll failed")
    (line,) = logfmt()
    assert line.startswith('level=ERROR msg="a poll failed" exception="Traceback (most recent call last):\\n')


def test_logging_can_be_configured_again(log):
    """The last configuration applies, and no record is written twice."""
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", "json", first)
    configure_logging("info", "json", second)
    log.info("it")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_the_log_goes_to_stderr(capsys, log):
    """Only the result of a command is printed on stdout."""
    configure_logging("info", "logfmt")
    log.info("it")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(" msg=it\n")
