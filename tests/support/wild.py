"""Values that nobody should send: strings, times, numbers, and anything in place of the expected type."""

import math
from typing import Any

from hypothesis import strategies as st

from exporter.jobs import Job

HOSTILE = (
    "",
    " ",
    "\n",
    'a "quoted" \\ name',
    "back\\slash\\n",
    "two\nlines\r\nand more",
    "nul\0in it",
    "\x1b[31mred\x1b[0m \x9b2J \x07 \x7f",
    "line\u2028and\u2029paragraph\x85next",
    "\u202egnp.exe\u2066 \u200f\u061c",
    "lone \ud800 surrogate \udfff",
    "e\u0301\u0328 \U0001f469\u200d\U0001f4bb \u0635\u0644\u0649",
    "\ufeff\ufffe\uffff",
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "]]>&lt;&amp;<!-- -->",
    "{{ 7 * 7 }}{% raw %}",
    'job{le="+Inf"} NaN # EOF',
    "# EOF\n# TYPE x counter",
    "$(reboot)`; DROP TABLE jobs; --",
    "../../../etc/passwd?x=#y",
    "x" * 20_000,
    "None",
    "nan",
)
"""Strings that break whatever does not escape them."""

texts = st.sampled_from(HOSTILE) | st.text(max_size=20)

times = st.sampled_from((
    "2026-09-21T12:00:00Z",
    "2026-09-21T12:00:00.123456789+14:00",
    "2026-09-21T12:00:00",
    "2026-09-21",
    "20260921",
    "2026-W38-1",
    "Mon, 21 Sep 2026 12:00:00 GMT",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00",
    "9999-12-31T24:00:00",
    "10000-01-01T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "-1",
    "1789999000",
    "1789999000.5",
    "1e300",
    "now",
    1_789_999_000,
    1_789_999_000.123,
    1_789_999_000_123,
    1_789_999_000_123_456_789,
    0,
    -1,
    -62_135_596_801,
    1_890_000_000,
    4_102_444_800,
    253_402_300_800,
    1e300,
    -1e300,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    10**400,
    True,
))  # fmt: skip
"""Times in every form, and some that are not times."""

numbers = st.sampled_from((0, 1, -1, 7, 2**31, 2**63 - 1, 2**63, -(2**63), 10**400, 0.5, 1e300, math.nan, -math.inf))

anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts | times,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)


def rarely(draw: Any, one_in: int) -> bool:
    """Draw whether an event happens that happens once in about `one_in` times."""
    return bool(draw(st.integers(1, one_in)) == one_in)


def is_dated(job: Job) -> bool:
    """Return whether a first listing tells that a job is active, or about when it ended."""
    return not job.state.is_final or any(
        time is not None for time in (job.created, job.started, job.ended, job.updated)
    )
