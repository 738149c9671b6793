"""Every Accept header that Prometheus sends gets the format that it prefers."""

import pytest

from exporter.exposition import Format
from exporter.web.negotiation import accepts_gzip, negotiate

TEXT, OPENMETRICS = Format.TEXT.value, Format.OPENMETRICS.value
UTF8 = OPENMETRICS.replace("underscores", "allow-utf-8")
PROTO = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
OM, OM0 = "application/openmetrics-text;version=1.0.0", "application/openmetrics-text;version=0.0.1"
TEXT0, TEXT1 = "text/plain;version=0.0.4", "text/plain;version=1.0.0"
ALLOW = ";escaping=allow-utf-8"

PROMETHEUS = {
    "2.42 to 2.48": (f"{OM},{OM0};q=0.75,{TEXT0};q=0.5,*/*;q=0.1", OPENMETRICS),
    "2.42 to 2.48 with native histograms": (
        f"{PROTO},{OM};q=0.8,{OM0};q=0.75,{TEXT0};q=0.5,*/*;q=0.1",
        OPENMETRICS,
    ),
    "2.49, whose last weight is impossible": (f"{OM};q=0.5,{OM0};q=0.4,{TEXT0};q=0.3,*/*;q=2", OPENMETRICS),
    "2.50 to 2.55": (f"{OM};q=0.5,{OM0};q=0.4,{TEXT0};q=0.3,*/*;q=0.2", OPENMETRICS),
    "2.50 to 2.55 with protobuf first": (
        f"{PROTO};q=0.5,{OM};q=0.4,{OM0};q=0.3,{TEXT0};q=0.2,*/*;q=0.1",
        OPENMETRICS,
    ),
    "2.55 with UTF-8 names": (
        f"{OM}{ALLOW};q=0.5,{OM0}{ALLOW};q=0.4,{TEXT0}{ALLOW};q=0.3,*/*;q=0.2",
        UTF8,
    ),
    "3.0 to 3.4": (
        f"{OM}{ALLOW};q=0.6,{OM0}{ALLOW};q=0.5,{TEXT1}{ALLOW}{ALLOW};q=0.4,{TEXT0}{ALLOW};q=0.3,*/*;q=0.2",
        UTF8,
    ),
    "3.0 to 3.4 with protobuf first": (
        f"{PROTO}{ALLOW};q=0.6,{OM}{ALLOW};q=0.5,{OM0}{ALLOW};q=0.4,{TEXT1}{ALLOW}{ALLOW};q=0.3,{TEXT0};q=0.2,*/*;q=0.1",
        UTF8,
    ),
    "3.5 and later": (f"{OM}{ALLOW};q=0.6,{OM0};q=0.5,{TEXT1}{ALLOW};q=0.4,{TEXT0};q=0.3,*/*;q=0.2", UTF8),
    "3.5 and later with protobuf first": (
        f"{PROTO};q=0.6,{OM}{ALLOW};q=0.5,{OM0};q=0.4,{TEXT1}{ALLOW};q=0.3,{TEXT0};q=0.2,*/*;q=0.1",
        UTF8,
    ),
    "3.x with underscores": (f"{OM};escaping=underscores;q=0.6,{OM0};q=0.5,{TEXT0};q=0.3,*/*;q=0.2", OPENMETRICS),
    "3.x with an escaping that we do not do": (f"{OM};escaping=values;q=0.6,*/*;q=0.2", OPENMETRICS),
    "3.x that takes text 0.0.4 only": (f"{TEXT0};q=0.6,*/*;q=0.5", TEXT),
    "3.x that takes text 1.0.0 only": (f"{TEXT1}{ALLOW};q=0.6,*/*;q=0.5", TEXT),
    "3.x that takes OpenMetrics 0.0.1 only": (f"{OM0};q=0.6,*/*;q=0.5", TEXT),
    "the documentation's example": (
        f"{PROTO};q=0.5,{OM}{ALLOW};q=0.4,{OM0};q=0.3,{TEXT0};q=0.2,/;q=0.1",
        UTF8,
    ),
    "a parameter in quotes, in capitals": ('Application/OpenMetrics-Text; Version="1.0.0"; Q=1.000', OPENMETRICS),
}


@pytest.mark.parametrize(("accept", "content_type"), PROMETHEUS.values(), ids=PROMETHEUS.keys())
def test_prometheus_gets_its_preferred_format(accept, content_type):
    """The formats on offer are text 0.0.4, and OpenMetrics 1.0.0 with the requested escaping."""
    assert negotiate(accept)[1] == content_type


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "application/json",
        "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=rubbish",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=-1",
        "*/*;q=2",
        ";;;,,,=",
    ],
)
def test_everyone_else_gets_text(accept):
    """The text format is the fallback, and is what a browser or curl can show."""
    assert negotiate(accept) == (Format.TEXT, TEXT)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("GZIP", True),
        ("", False),
        ("identity", False),
        ("br, zstd", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("x-gzip", True),
        ("gzip;q=0.5, identity;q=1", False),
        ("gzip, identity", True),
        ("identity;q=0, gzip;q=0.1", True),
        ("identity;q=0, *", True),
        ("identity;q=0", False),
        ("gzip;q=2", False),
    ],
)
def test_gzip_is_used_only_where_it_is_accepted(header, accepted):
    """A quality of 0 is a refusal."""
    assert accepts_gzip(header) is accepted


def test_only_as_many_entries_are_read_as_a_client_may_send():
    """A header of thousands would take the event loop a second."""
    assert negotiate("a/b," * 31 + OM)[1] == OPENMETRICS
    assert negotiate("a/b," * 32 + OM)[1] == TEXT
    assert accepts_gzip("br," * 31 + "gzip")
    assert not accepts_gzip("br," * 32 + "gzip")


def test_only_as_many_parts_of_an_entry_are_read():
    """The same goes for its parameters."""
    few, many = (f"application/openmetrics-text{';a=b' * count};version=2.0.0" for count in (6, 7))
    assert negotiate(few)[1] == TEXT
    assert negotiate(many)[1] == OPENMETRICS
