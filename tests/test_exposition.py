"""What is published becomes one exposition that the formats' own parsers read."""

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition import Exposition, Format


class Time:
    """A clock that stands."""

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
    """Return an exposition whose exporter has one metric of its own."""
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
    """A family may stand only once, whoever publishes it."""
    exposition.publish("one", [gauge(1, "a"), gauge(5, "a", "others")])
    exposition.publish("two", [gauge(2, "b")])
    text = exposition.render(Format.TEXT)
    assert text.count(b"# TYPE things gauge") == 1
    assert samples(text) == {"things/a": 1, "things/b": 2, "others/a": 5, "own/": 1}


def test_publishing_again_replaces_the_block(exposition):
    """Nothing of the former block stays."""
    exposition.publish("one", [gauge(1, "old")])
    exposition.publish("one", [gauge(2, "new")])
    assert samples(exposition.render(Format.TEXT)) == {"things/new": 2, "own/": 1}


def test_what_is_withdrawn_is_gone(exposition):
    """Its families are gone with it, heads included."""
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
    histogram = GaugeHistogramMetricFamily("runs_seconds", "Runs.", labels=["label"])
    histogram.add_metric(["a"], [("60.0", 1.0), ("+Inf", 2.0)], 300.0)
    counter = CounterMetricFamily("done", "Done.", labels=["label"])
    counter.add_metric(["a"], 3)
    exposition.publish("one", [histogram, counter])
    exposition.publish("two", [gauge(1)])
    text = exposition.render(Format.OPENMETRICS).decode()
    types = {family.name: family.type for family in parse_openmetrics(text)}
    assert types == {"runs_seconds": "gaugehistogram", "done": "counter", "things": "gauge", "own": "gauge"}
    assert text.endswith("# EOF\n")
    assert text.count("# EOF") == 1


@pytest.mark.parametrize("hostile", ['quo"te', "new\nline", "back\\slash", "# HELP evil evil", "naïve ☃", "{}", ""])
def test_hostile_label_values_survive_the_round_trip(exposition, hostile):
    """A job's name may hold anything."""
    exposition.publish("one", [gauge(1, hostile)])
    assert samples(exposition.render(Format.TEXT))[f"things/{hostile}"] == 1
    families = {family.name: family for family in parse_openmetrics(exposition.render(Format.OPENMETRICS).decode())}
    assert families["things"].samples[0].labels == {"label": hostile}
