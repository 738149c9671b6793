"""Durations are read and written as Prometheus reads and writes them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from exporter.text.durations import Duration, format_duration, parse_duration

WEEK, DAY, HOUR, MINUTE = 604_800.0, 86_400.0, 3_600.0, 60.0

WRITTEN = {
    "1ms": 0.001,
    "250ms": 0.25,
    "1s500ms": 1.5,
    "90s": 90.0,
    "5m": 5 * MINUTE,
    "1h30m": HOUR + 30 * MINUTE,
    "7d": 7 * DAY,
    "2w": 2 * WEEK,
    "1y": 365 * DAY,
    "1y2w3d4h5m6s7ms": 365 * DAY + 2 * WEEK + 3 * DAY + 4 * HOUR + 5 * MINUTE + 6.007,
    "0s": 0.0,
    "007m": 7 * MINUTE,
}


@pytest.mark.parametrize(("text", "seconds"), WRITTEN.items(), ids=WRITTEN)
def test_every_unit_of_prometheus_is_read(text, seconds):
    """They range from years to milliseconds, alone or combined, the largest unit first."""
    assert parse_duration(text) == pytest.approx(seconds)


REFUSED = ["", "5", "m", "5 m", " 5m", "5m\n", "-5m", "+5m", "1.5h", "5M", "5min", "30m1h", "1m1m", "soon", "٣m"]


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_a_duration_that_prometheus_does_not_read_is_refused(text):
    """The message shows the value and how a duration is written."""
    with pytest.raises(ValueError, match="not a duration") as raised:
        parse_duration(text)
    assert repr(text) in str(raised.value)
    assert "1h30m" in str(raised.value)


@pytest.mark.parametrize("value", [5, 5.0, True, None, [], {}, b"5m"], ids=repr)
def test_a_value_that_is_not_text_is_refused(value):
    """A bare number in YAML could be seconds or minutes, so it is rejected."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(value)


@pytest.mark.parametrize("text", ["300y", f"{'9' * 400}s"], ids=["300y", "400 digits"])
def test_a_duration_out_of_prometheus_range_is_refused(text):
    """Prometheus ends at 2^63 nanoseconds, 292 years: a huge number must not become infinity."""
    with pytest.raises(ValueError):  # noqa: PT011 - any rejection will do
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.25, "250ms"),
        (90.0, "1m30s"),
        (5400.0, "1h30m"),
        (7 * DAY, "1w"),
        (365 * DAY, "1y"),
        (8 * DAY, "8d"),
        (90 * DAY, "90d"),
        (366 * DAY, "366d"),
        (WEEK + 1, "7d1s"),
    ],
)
def test_a_duration_is_written_as_prometheus_writes_it(seconds, text):
    """Years and weeks are used only without a remainder: 90d is easier to read than 12w6d."""
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=290 * 365 * 86_400 * 1000))
def test_a_written_duration_is_read_back(milliseconds):
    """Not a millisecond is lost on the way."""
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.slow
@given(st.text(max_size=12))
def test_garbage_is_refused_and_does_nothing_worse(text):
    """Whatever a file contains, the result is a number of seconds or a ValueError."""
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0


def test_a_setting_is_longer_than_zero():
    """An interval of 0s would poll without a pause."""
    with pytest.raises(ValidationError, match="longer than 0s"):
        TypeAdapter(Duration).validate_python("0s")
