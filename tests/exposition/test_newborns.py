"""Who has seen that a counter is 0, and when it may rise."""

import asyncio

import pytest

from exporter.exposition.newborns import Newborns


class Opened:
    """A connection."""

    is_closed = False

    def is_closing(self):
        """Return whether it is closed."""
        return self.is_closed


class Turned:
    """A clock, and what is asked of the newborns on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.newborns = Newborns(lambda: self.now)
        self.shown: list[str] = []

    def publish(self, key):
        """Publish a block with newborn counters."""

        async def show():
            self.shown.append(key)

        self.newborns.publish(key, show)

    async def scrape(self, *addresses, connection=None, after=60.0, is_regular=False):
        """Have some scrapers come, and return which blocks were shown since."""
        self.now += after
        for address in addresses:
            self.newborns.scrape(address, connection, is_regular=is_regular)
            for _ in range(3):
                await asyncio.sleep(0)
        shown, self.shown = self.shown, []
        return shown


@pytest.fixture
async def turned():
    """Return newborns that are watched."""
    made = Turned()
    task = asyncio.create_task(made.newborns.run())
    yield made
    task.cancel()


async def test_a_counter_rises_once_it_was_scraped(turned):
    """Not before: PromQL sees no step in the first value of a series."""
    turned.publish("a")
    assert await turned.scrape() == []
    assert await turned.scrape("prometheus") == ["a"]
    assert await turned.scrape("prometheus") == []


async def test_a_counter_waits_for_each_of_two_scrapers(turned):
    """Each keeps its own series; they come one after the other."""
    for _ in range(2):
        await turned.scrape("first", after=30)
        await turned.scrape("second", after=30)
    turned.publish("a")
    assert await turned.scrape("first", after=30) == []
    assert await turned.scrape("second", after=30) == ["a"]


async def test_what_is_published_later_waits_for_its_own_scrape(turned):
    """A scrape says nothing about what came after it."""
    turned.publish("a")
    assert await turned.scrape("prometheus") == ["a"]
    turned.publish("b")
    assert turned.shown == []
    assert await turned.scrape("prometheus") == ["b"]


async def test_nobody_waits_for_a_scraper_that_is_gone(turned):
    """A replica that was removed must not keep the counters of the other one at 0."""
    for _ in range(2):
        await turned.scrape("stays", "leaves")
    turned.publish("a")
    assert await turned.scrape("stays") == []
    assert await turned.scrape("stays") == []
    assert await turned.scrape("stays") == ["a"]


async def test_nobody_waits_for_someone_who_looked_once(turned):
    """A person with curl is no scraper."""
    for _ in range(2):
        await turned.scrape("prometheus")
    await turned.scrape("curl", after=5)
    turned.publish("a")
    assert await turned.scrape("prometheus", after=55) == ["a"]


async def test_two_behind_one_address_are_told_apart_by_their_connections(turned):
    """Beside the exporter, or behind one proxy, two replicas have one address and one name."""
    first, second = Opened(), Opened()
    for _ in range(2):
        await turned.scrape("proxy", connection=first, after=20)
        await turned.scrape("proxy", connection=second, after=40)
    turned.publish("a")
    assert await turned.scrape("proxy", connection=first, after=20) == []
    assert await turned.scrape("proxy", connection=second, after=40) == ["a"]


async def test_nobody_waits_for_a_connection_that_is_closed(turned):
    """Some scrapers make one for each scrape, and one that ends has closed its own."""
    for _ in range(4):
        connection = Opened()
        await turned.scrape("telegraf", connection=connection, is_regular=True)
        connection.is_closed = True
    turned.publish("a")
    assert await turned.scrape("telegraf", connection=Opened()) == ["a"]


async def test_a_regular_scraper_is_waited_for_from_its_first_scrape_on(turned):
    """Two that come once a minute have come once each when the second poll finds the first failure."""
    first, second = Opened(), Opened()
    await turned.scrape("first", connection=first, is_regular=True, after=10)
    await turned.scrape("second", connection=second, is_regular=True, after=30)
    turned.publish("a")
    assert await turned.scrape("first", connection=first, is_regular=True, after=30) == []
    assert await turned.scrape("second", connection=second, is_regular=True, after=30) == ["a"]


async def test_a_block_that_was_withdrawn_is_not_shown(turned):
    """Its source is gone."""
    turned.publish("a")
    turned.newborns.withdraw("a")
    assert await turned.scrape("prometheus") == []


async def test_a_block_that_cannot_be_shown_holds_up_no_other(turned, caplog):
    """One source's bug is its own."""

    async def fail():
        raise ValueError("made up")

    turned.newborns.publish("broken", fail)
    turned.publish("a")
    assert await turned.scrape("prometheus") == ["a"]


async def test_memory_is_bounded_whoever_comes(turned):
    """Each request may have another name, and a connection of its own."""
    for number in range(1_000):
        connection = Opened()
        await turned.scrape(str(number), connection=connection, after=0.1)
        connection.is_closed = True
    assert len(turned.newborns._addresses) <= 100
    assert len(turned.newborns._connections) <= 1
