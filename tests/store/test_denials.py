"""What is kept of denied sources: for the same configuration alone, and only while AWS denies them."""

from contextlib import closing

import pytest

from exporter.jobs import SourceKey
from exporter.store import Database, Denials, Denied, maintain
from tests.support.full_disk import files_of_at_most

DAY = 86_400.0
KEY, OTHER = (SourceKey("111122223333", "us-east-1", "glue", kind, "") for kind in ("a", "b"))
DENIED = Denied(1000.0, 5000.125, 8600.5, 7, "access_denied", "not you")


@pytest.fixture
def database():
    """Return a database in memory."""
    with closing(Database.memory()) as database:
        yield database


async def read(database, configuration="now"):
    """Return what the next start finds."""
    return await Denials(database).read(configuration)


async def test_what_is_denied_is_found_again(database):
    """As it was last, to the millisecond."""
    denials = Denials(database)
    await denials.keep("now", KEY, DENIED._replace(failures=6))
    await denials.keep("now", KEY, DENIED)
    await denials.keep("now", OTHER, DENIED._replace(error="nor you"))
    assert await read(database) == {KEY: DENIED, OTHER: DENIED._replace(error="nor you")}


async def test_what_is_permitted_again_is_forgotten(database):
    """Also if another start, or another configuration, has found it denied."""
    await Denials(database).keep("before", KEY, DENIED)
    denials = Denials(database)
    assert await denials.read("now") == {}
    await denials.keep("now", KEY, None)
    assert await read(database, "before") == {}


@pytest.mark.parametrize("field", SourceKey._fields)
async def test_what_is_permitted_again_is_one_source(database, field):
    """All else of the account may still be denied."""
    denials, other = Denials(database), KEY._replace(**{field: "other"})
    for key in (KEY, other):
        await denials.keep("now", key, DENIED)
    await denials.keep("now", KEY, None)
    assert list(await read(database)) == [other]


async def test_a_source_that_was_never_denied_is_not_written_about(database):
    """A quiet poll writes nothing."""
    denials, statements = Denials(database), list[str]()
    await denials.keep("now", OTHER, DENIED)
    database.connection.set_trace_callback(statements.append)
    await denials.keep("now", KEY, None)
    assert statements == []
    await denials.keep("now", OTHER, None)
    written = len(statements)
    assert written > 0
    await denials.keep("now", OTHER, None)
    assert len(statements) == written


async def test_what_was_due_long_ago_is_dropped(database):
    """Its source is gone."""
    denials = Denials(database)
    await denials.keep("now", KEY, DENIED)
    await denials.keep("now", OTHER, DENIED._replace(due=8600.0 + DAY))
    await maintain(database, [], 8601.0 + DAY, DAY)
    assert list(await read(database)) == [OTHER]


async def test_a_full_disk_costs_a_denial_nothing_but_durability(tmp_path):
    """It is kept in memory, and no poll fails because of it."""
    with closing(Database.stored(tmp_path)) as database:
        database.begin()
        denials = Denials(database)
        with files_of_at_most(4096):
            await denials.keep("now", KEY, DENIED)
        assert database.has_failed
        assert await read(database) == {KEY: DENIED}
