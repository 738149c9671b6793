"""Counters of the exporter itself: they begin at 0 when something happens, are read so, and then rise."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition import Exposition, Format
from exporter.telemetry import Telemetry

ERRORS = "aws_job_exporter_poll_errors_total"
ONE, OTHER = "Prometheus/2.42", "Prometheus/3.1"


class Exporter:
    """The exporter's own metrics, with clocks and scrapes by hand."""

    def __init__(self):
        self.now = 0.0
        self.telemetry = Telemetry(announce=self._announce)
        self.exposition = Exposition(self.telemetry.registry, lambda: self.now)

    def _announce(self, counter, show):
        self.exposition.newborns.publish(counter, show)

    def fail(self, reason="throttled", times=1):
        """Have polls fail."""
        for _ in range(times):
            self.telemetry.poll_errors.inc("batch", "job", reason)

    async def scrape(self, scraper=ONE, after=15.0):
        """Return what a scraper reads of the failures, by their reason."""
        self.now += after
        body = await self.exposition.body(Format.TEXT, scraper, gzipped=False)
        await self.exposition.newborns.show()
        families = text_string_to_metric_families(b"".join(body.pieces).decode())
        samples = [sample for family in families for sample in family.samples if sample.name == ERRORS]
        return {sample.labels["reason"]: sample.value for sample in samples}


@pytest.fixture
def exporter():
    """Return an exporter that nobody has scraped."""
    return Exporter()


async def test_the_first_failure_is_an_increase(exporter):
    """Nothing is there before; then a scrape reads 0, and the next one reads what happened."""
    assert [await exporter.scrape(), await exporter.scrape()] == [{}, {}]
    exporter.fail()
    assert [await exporter.scrape(), await exporter.scrape()] == [{"throttled": 0}, {"throttled": 1}]


async def test_what_happens_meanwhile_is_counted(exporter):
    """Before the 0 is read, between that and the next scrape, and ever after."""
    await exporter.scrape()
    await exporter.scrape()
    exporter.fail(times=2)
    assert await exporter.scrape() == {"throttled": 0}
    exporter.fail(times=3)
    assert await exporter.scrape() == {"throttled": 5}
    exporter.fail()
    assert await exporter.scrape() == {"throttled": 6}


async def test_a_counter_waits_for_every_scraper(exporter):
    """Two replicas of Prometheus both see the first step, whoever comes first."""
    for scraper in (ONE, OTHER, ONE, OTHER):
        await exporter.scrape(scraper, after=7.5)
    exporter.fail()
    read = [(await exporter.scrape(scraper, after=7.5))["throttled"] for scraper in (ONE, OTHER, ONE, OTHER)]
    assert read == [0, 0, 1, 1]


async def test_scrapes_of_the_same_second_read_the_same(exporter):
    """What is rendered once for both has the 0 for both, or for neither."""
    for scraper in (ONE, OTHER, ONE, OTHER):
        await exporter.scrape(scraper, after=7.5)
    assert await exporter.scrape(ONE) == {}
    exporter.fail()
    assert await exporter.scrape(OTHER, after=0.1) == {}
    assert await exporter.scrape(ONE) == {"throttled": 0}
    assert await exporter.scrape(OTHER, after=0.1) == {"throttled": 0}
    assert await exporter.scrape(ONE) == {"throttled": 1}


async def test_another_series_has_a_zero_of_its_own(exporter):
    """One that has been shown never falls back for it."""
    await exporter.scrape()
    await exporter.scrape()
    exporter.fail()
    await exporter.scrape()
    exporter.fail("timeout")
    exporter.fail()
    assert await exporter.scrape() == {"throttled": 2, "timeout": 0}
    assert await exporter.scrape() == {"throttled": 2, "timeout": 1}


async def test_a_series_that_was_there_from_the_start_counts_at_once(exporter):
    """Its 0 has been read."""
    exporter.telemetry.poll_errors.begin("batch", "job", "throttled")
    assert await exporter.scrape() == {"throttled": 0}
    exporter.fail()
    assert await exporter.scrape() == {"throttled": 1}


async def test_a_first_reader_reads_a_zero_and_whoever_comes_later_all(exporter):
    """Nobody knows whether the first one ever comes again."""
    exporter.fail(times=4)
    assert [await exporter.scrape(), await exporter.scrape("curl")] == [{"throttled": 0}, {"throttled": 4}]


def test_it_counts_at_once_where_nobody_comes_again():
    """Of the commands that poll once, the result is read once."""
    telemetry = Telemetry()
    telemetry.poll_errors.inc("batch", "job", "throttled")
    labels = {"aws_service": "batch", "kind": "job", "reason": "throttled"}
    assert telemetry.registry.get_sample_value(ERRORS, labels) == 1
