"""Published blocks become one exposition that the formats' own parsers read."""

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from exporter.exposition import Exposition, Format
from exporter.exposition.format import rendered
from exporter.turns import in_turns

GENERATE: Mapping[Format, Callable[[Any], bytes]] = {
    Format.TEXT: generate_latest,
    Format.OPENMETRICS: generate_openmetrics,
}


class Time:
    """A clock that does not move."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time that it shows."""
        return self.now


@pytest.fixture
def time() -> Time:
    """Return a clock that stands at 0."""
    return Time()


@pytest.fixture
def exposition(time: Time) -> Exposition:
    """Return an exposition whose exporter has one metric."""
    registry = CollectorRegistry()
    Gauge("own", "The exporter's own.", registry=registry).set(1)
    return Exposition(registry, time)


def gauge(value: float, label: str = "a", name: str = "things") -> GaugeMetricFamily:
    """Return a family with one sample."""
    family = GaugeMetricFamily(name, "Help with \\ and\nnewline.", labels=["label"])
    family.add_metric([label], value)
    return family


def samples(text: bytes) -> dict[str, float]:
    """Return the samples of a text exposition by name and label."""
    return {
        f"{sample.name}/{sample.labels.get('label', '')}": sample.value
        for family in parse_text(text.decode())
        for sample in family.samples
    }


def test_blocks_are_joined_family_by_family(exposition):
    """A family may occur only once, whoever publishes it."""
    exposition.publish("one", [gauge(1, "a"), gauge(5, "a", "others")])
    exposition.publish("two", [gauge(2, "b")])
    text = exposition.render(Format.TEXT)
    assert text.count(b"# TYPE things gauge") == 1
    assert samples(text) == {"things/a": 1, "things/b": 2, "others/a": 5, "own/": 1}


def test_publishing_again_replaces_the_block(exposition):
    """Nothing of the previous block stays."""
    exposition.publish("one", [gauge(1, "old")])
    exposition.publish("one", [gauge(2, "new")])
    assert samples(exposition.render(Format.TEXT)) == {"things/new": 2, "own/": 1}


def test_a_withdrawn_block_is_gone(exposition):
    """Its families disappear with it, heads included."""
    exposition.publish("one", [gauge(1)])
    exposition.withdraw("one")
    exposition.withdraw("never there")
    assert b"things" not in exposition.render(Format.TEXT)


def test_a_block_disappears_when_it_expires(exposition, time):
    """A wrong number is worse than none, even if nobody withdraws it."""
    exposition.publish("short", [gauge(1, "short")], expires=10)
    exposition.publish("long", [gauge(2, "long")], expires=20)
    time.now = 9.9
    assert samples(exposition.render(Format.TEXT)).keys() == {"things/short", "things/long", "own/"}
    time.now = 10
    assert samples(exposition.render(Format.TEXT)).keys() == {"things/long", "own/"}
    time.now = 20
    assert samples(exposition.render(Format.TEXT)).keys() == {"own/"}


def test_a_family_without_samples_is_left_out(exposition):
    """A head without samples says nothing."""
    exposition.publish("one", [GaugeMetricFamily("empty", "Nothing.", labels=["label"])])
    assert b"empty" not in exposition.render(Format.TEXT)


def test_openmetrics_parses_and_ends_in_eof(exposition):
    """The format's own parser reads every type of family, from several blocks."""
    histogram = HistogramMetricFamily("runs_seconds", "Runs.", labels=["label"])
    histogram.add_metric(["a"], [("60.0", 1.0), ("+Inf", 2.0)], 300.0)
    counter = CounterMetricFamily("done", "Done.", labels=["label"])
    counter.add_metric(["a"], 3)
    exposition.publish("one", [histogram, counter])
    exposition.publish("two", [gauge(1)])
    text = exposition.render(Format.OPENMETRICS).decode()
    types = {family.name: family.type for family in parse_openmetrics(text)}
    assert types == {"runs_seconds": "histogram", "done": "counter", "things": "gauge", "own": "gauge"}
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1


@pytest.mark.parametrize("hostile", ['quo"te', "new\nline", "back\\slash", "# HELP evil evil", "naïve ☃", "{}", ""])
def test_hostile_label_values_survive_the_round_trip(exposition, hostile):
    """A job's name may hold anything."""
    exposition.publish("one", [gauge(1, hostile)])
    assert samples(exposition.render(Format.TEXT))[f"things/{hostile}"] == 1
    families = {family.name: family for family in parse_openmetrics(exposition.render(Format.OPENMETRICS).decode())}
    assert families["things"].samples[0].labels == {"label": hostile}


@given(
    labels=st.dictionaries(st.sampled_from(["b", "a", "c"]), st.text(), min_size=0),
    value=st.floats() | st.integers(-(10**20), 10**20) | st.sampled_from([1e6, 999999.0, 1234567.5, 1e21]),
    form=st.sampled_from(Format),
)
def test_a_sample_is_written_as_the_client_library_writes_it(labels, value, form):
    """Whatever a job is called, and whatever its number: NaN, infinite, or large."""
    families = [gauge(1), CounterMetricFamily("done", "Done."), Metric("told", "Told \\ so.", "info")]
    for family, name in zip(families, ["things", "done_total", "told_info"], strict=True):
        family.samples = [Sample(name, labels, value)]
    exposition = Exposition(CollectorRegistry(), Time())
    exposition.publish("one", families)
    assert exposition.render(form) == GENERATE[form](SimpleNamespace(collect=lambda: families))


def everything(number: int) -> list[Metric]:
    """Return families of every type that is published, labeled with a number."""
    histogram = HistogramMetricFamily("runs_seconds", "Runs.", labels=["label"])
    histogram.add_metric([str(number)], [("60.0", 1.0), ("+Inf", 2.0 + number)], 300.0)
    counter = CounterMetricFamily("done", "Done.", labels=["label"])
    counter.add_metric([str(number)], number)
    return [gauge(number, str(number)), histogram, counter]


def parsed(form: Format, text: bytes) -> dict[tuple[str, str], list[str]]:
    """Return the samples of each family as the format's own parser reads them."""
    parse = parse_text if form is Format.TEXT else parse_openmetrics
    return {(family.name, family.type): sorted(map(str, family.samples)) for family in parse(text.decode())}


async def scraped(exposition: Exposition, form: Format = Format.TEXT, *, gzipped: bool = False) -> bytes:
    """Return the response to a scrape."""
    length, pieces = await exposition.body(form, gzipped=gzipped)
    first, *rest = pieces
    body = b"".join([first, *rest]) if rest else first
    assert len(body) == length
    return body


class Joined:
    """The families of several blocks, each once, as prometheus_client collects them."""

    def __init__(self, blocks: Iterable[list[Metric]]) -> None:
        """Join them naively."""
        self._families: dict[str, Metric] = {}
        for family in (family for block in blocks for family in block):
            like = Metric(family.name, family.documentation, family.type)
            self._families.setdefault(family.name, like).samples += family.samples

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return self._families.values()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["publish", "withdraw", "wait", "scrape"]),
        st.integers(0, 80),
        st.sets(st.integers(0, 2)),
        st.integers(1, 9),
    ),
    max_size=60,
)


@given(STEPS)
def test_any_history_leaves_only_what_is_published_now(steps):
    """This holds in both formats, however publishing, withdrawing, expiring and scraping interleave."""
    time = Time()
    exposition = Exposition(CollectorRegistry(), time)
    held: dict[int, tuple[list[Metric], float]] = {}
    for step, number, chosen, seconds in [*steps, ("scrape", 0, set(), 1)]:
        if step == "publish":
            families = [everything(number)[index] for index in sorted(chosen)]
            exposition.publish(number, families, time.now + seconds)
            held[number] = families, time.now + seconds
        elif step == "withdraw":
            exposition.withdraw(number)
            held.pop(number, None)
        elif step == "wait":
            time.now += seconds
        elif step == "scrape":
            held = {key: block for key, block in held.items() if block[1] > time.now}
            joined = Joined(families for families, _ in held.values())
            for form, generate in GENERATE.items():
                assert parsed(form, exposition.render(form)) == parsed(form, generate(joined))


async def test_gzip_has_the_same_content(exposition):
    """It is a single gzip member, which every client reads to the end."""
    for number in range(100):
        exposition.publish(number, everything(number))
    for form in Format:
        packed = await scraped(exposition, form, gzipped=True)
        assert gzip.decompress(packed) == await scraped(exposition, form) == exposition.render(form)
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        member.decompress(packed)
        assert member.eof
        assert not member.unused_data


async def test_nothing_is_compressed_twice_while_nothing_changes(exposition, time):
    """Every scrape in between gets the same bytes; a publication or an expiry makes new ones."""
    exposition.publish("one", [gauge(1)], expires=0.5)
    first, same = await asyncio.gather(*(scraped(exposition, gzipped=True) for _ in range(2)))
    assert first is same
    exposition.publish("one", [gauge(2)], expires=0.5)
    assert samples(gzip.decompress(await scraped(exposition, gzipped=True))) == {"things/a": 2, "own/": 1}
    time.now = 0.5
    assert samples(gzip.decompress(await scraped(exposition, gzipped=True))) == {"own/": 1}


async def test_a_response_is_as_of_one_time(exposition):
    """A publication while it is being sent does not change it."""
    exposition.publish("one", [gauge(1)])
    before = exposition.render(Format.TEXT)
    body = await exposition.body(Format.TEXT, gzipped=False)
    exposition.publish("one", [gauge(2)])
    assert b"".join(body.pieces) == before


async def test_the_exporters_own_registry_is_rendered_once_a_second(time):
    """More scrapes within a second get the same text."""
    registry = CollectorRegistry()
    own = Gauge("own", "The exporter's own.", registry=registry)
    exposition = Exposition(registry, time)
    seen = []
    for now, value in [(0.0, 1), (0.9, 2), (1.0, 3), (1.9, 4), (2.0, 5)]:
        time.now = now
        own.set(value)
        seen.append(samples(await scraped(exposition))["own/"])
    assert seen == [1, 1, 3, 3, 5]


async def test_a_large_block_is_published_whole_without_blocking_the_loop(exposition):
    """Until all of it is rendered, the previous block is served."""
    large = GaugeMetricFamily("large", "Many.", labels=["label"])
    for number in range(10_000):
        large.add_metric([str(number)], number)
    publishing = asyncio.create_task(exposition.publish_in_turns("one", [large]))
    turns = 0
    while not publishing.done():
        turns += 1
        assert b"large" not in exposition.render(Format.TEXT) or publishing.done()
        await asyncio.sleep(0)
    assert turns > 2
    assert len(samples(exposition.render(Format.TEXT))) == 10_001


async def test_work_in_turns_is_done_in_order():
    """None of it is lost."""
    assert await in_turns(iter(range(5))) == [0, 1, 2, 3, 4]


def test_openmetrics_has_the_unit_that_a_name_ends_in():
    """Of gauges, counters and summaries; not of histograms, nor in the text format."""
    families = [
        GaugeMetricFamily("a_timestamp_seconds", "x", value=1),
        CounterMetricFamily("b_bytes", "x", value=1),
        SummaryMetricFamily("c_seconds", "x", count_value=1, sum_value=1),
        HistogramMetricFamily("d_seconds", "x", buckets=[("+Inf", 1)], sum_value=1),
        GaugeMetricFamily("e_jobs", "x", value=1),
    ]
    heads = [heads for heads, _ in rendered(families)]
    units = [re.findall(rb"# UNIT (.*)\n", head.openmetrics) for head in heads]
    assert units == [[b"a_timestamp_seconds seconds"], [b"b_bytes bytes"], [b"c_seconds seconds"], [], []]
    assert not any(b"UNIT" in head.text for head in heads)
