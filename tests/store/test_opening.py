"""What a ledger knows before it is opened, and what it finds then."""

import pytest

from exporter.jobs import Job, SourceKey, State
from exporter.store import Ledger, Listing, Rules
from tests.support.ledgers import LedgerOfATest, in_memory, waited

DAY, NOW = 86_400.0, 1_790_000_000.0
KEY = SourceKey("111122223333", "us-east-1", "bedrock", "model_invocation_job", "")


def ledger(database, identity="", longest_run=60.0):
    """Return a ledger that is not open."""
    return Ledger(database, KEY, lambda job: job.message, Rules(DAY), identity, longest_run)


@pytest.fixture
def database():
    """Return a database in memory with a source that holds a job."""
    database = in_memory()
    first = LedgerOfATest(DAY, str, database=database, key=KEY, longest_run=60.0)
    first.ledger = ledger(database)
    waited(first.ledger.open())
    first.take([Job("a", "Running", State.RUNNING, created=NOW)], NOW)
    return database


def test_a_ledger_that_is_not_open_holds_nothing(database):
    """Whoever shows a source before its first poll finds no number that was read."""
    new = ledger(database)
    assert (new.held, new.active, new.unexplained, new.dropped, new.missed, len(new)) == (0,) * 6
    assert (new.sums, new.oldest_active, new.has_undated, new.has_changed) == ({}, None, False, True)
    assert (new.is_open, new.shown, new.since, new.last_read, new.scopes) == (False, None, None, None, "")


def test_a_ledger_has_the_number_of_the_one_whose_place_it_takes(database):
    """Until it is opened; and none, if that one was never read."""
    before, after = ledger(database), ledger(database)
    after.shown = before.shown
    assert after.shown is None
    waited(before.open())
    after.shown = before.shown
    assert after.shown == before.number


@pytest.mark.parametrize("key", [KEY, KEY._replace(scope="new")])
def test_opening_without_creating_finds_only_what_is_known(database, key):
    """Before the first poll, nobody knows whether the source still exists."""
    new = Ledger(database, key, str, Rules(DAY), longest_run=60.0)
    waited(new.open(create=False))
    assert new.is_open == (key == KEY)
    assert len(new) == (key == KEY)
    assert database.connection.execute("SELECT count(*) FROM source").fetchone() == (1,)


def test_another_list_of_jobs_begins_anew(database):
    """What was known of the other one is gone: its jobs are not those of this one."""
    other = ledger(database, identity="other dimensions")
    waited(other.open())
    assert len(other) == 0
    assert database.connection.execute("SELECT count(*) FROM job").fetchone() == (0,)
    assert database.connection.execute("SELECT count(*) FROM source").fetchone() == (1,)


def test_a_source_that_comes_back_goes_on(database):
    """It is no longer about to be dropped, and searches call its jobs overdue by the catalog of today."""

    def stored():
        return database.connection.execute("SELECT gone, longest_run FROM source").fetchone()

    assert stored() == (None, 60_000)
    for gone, longest_run in [(5, 60.0), (None, 120.0), (None, 120.0)]:
        database.connection.execute("UPDATE source SET gone = ?", (gone,))
        again = ledger(database, longest_run=longest_run)
        waited(again.open())
        assert stored() == (None, longest_run * 1000)
        assert len(again) == 1


def test_a_reason_that_was_asked_for_is_kept_with_what_aws_said():
    """The job next to it that the last list lacked keeps its place in the sums."""
    made = LedgerOfATest(DAY, lambda job: job.message)
    failed = Job("f", "Failed", State.FAILED, created=NOW - 60, ended=NOW - 30, details={"id": "f"})
    done = Job("d", "Completed", State.SUCCEEDED, created=NOW - 60, ended=NOW - 30)
    made.take([failed, done], NOW)
    made.take([failed], NOW + 60)
    assert made.missed == 1
    made.complete(failed._replace(message="no memory", code="137", details=None))
    assert made.sums[()].statuses.total() == 2
    (kept,) = [record for record in made.newest(9) if record.job.id == "f"]
    assert (kept.reason, kept.job.message, kept.job.code, kept.job.details) == ("no memory", "no memory", "137", None)


def failing(number):
    """Return a failed job whose reason is to be asked for."""
    times = {"created": NOW - 60, "ended": NOW - 50 + number}
    return Job(f"{number}", "Failed", State.FAILED, details={"id": f"{number}"}, **times)


def test_jobs_are_asked_about_in_turn():
    """AWS is asked first about those that it was asked about least often: one in vain does not block the rest."""
    new = LedgerOfATest(DAY, lambda job: job.message)
    new.take([], NOW - 100)
    new.take([failing(1), failing(2)], NOW)
    assert [(job.id, asked) for job, asked in waited(new.ledger.waiting())] == [("2", 0), ("1", 0)]
    for _ in range(2):
        waited(new.ledger.note_attempt(failing(2)))
    assert [(job.id, asked) for job, asked in waited(new.ledger.waiting())] == [("1", 0), ("2", 2)]


def test_each_reason_that_is_found_moves_its_own_job():
    """The jobs explained before stay with the reasons that they have."""
    new = LedgerOfATest(DAY, lambda job: job.message)
    new.take([], NOW - 100)
    new.take([failing(1), failing(2)], NOW)
    for number, reason in ((1, "quota"), (2, "network")):
        new.complete(failing(number)._replace(message=reason, details=None))
    assert {reason: count for reason, count in new.tallies[()].reasons.items() if count} == {"quota": 1, "network": 1}


def test_how_many_jobs_a_list_will_have_is_known_up_to_a_limit(database):
    """Every active one counts, whenever it was created; what a list would cost beyond that does not matter."""
    known = ledger(database)
    waited(known.open())
    assert waited(known.created_since(NOW + 60, 10)) == 1
    other = LedgerOfATest(DAY, str, database=database)
    finished = [Job(f"{n}", "Done", State.SUCCEEDED, created=NOW - 60, ended=NOW - 50) for n in range(5)]
    other.take([Job("a", "Running", State.RUNNING, created=NOW - 900), *finished], NOW)
    assert [waited(other.ledger.created_since(NOW - 70, limit)) for limit in (10, 6, 5, 3)] == [6, 6, 5, 3]


def test_a_source_that_is_opened_again_is_not_written(database):
    """A start with ten thousand sources would write each; another longest run is written once."""
    before = database.connection.total_changes
    waited(ledger(database).open())
    assert database.connection.total_changes == before
    for _ in range(2):
        waited(ledger(database, longest_run=90.0).open())
    assert database.connection.total_changes == before + 1
    assert database.connection.execute("SELECT longest_run FROM source").fetchone() == (90_000,)


def test_other_rules_apply_once(database):
    """The next start sums nothing up again."""
    known = LedgerOfATest(DAY, str, database=database)
    known.ledger = ledger(database)
    waited(known.ledger.open())
    known.take([Job("b", "Done", State.SUCCEEDED, created=NOW - 60, ended=NOW - 50)], NOW)
    for rules in (Rules(2 * DAY), Rules(2 * DAY)):
        before = database.connection.total_changes
        opened = Ledger(database, KEY, str, rules, longest_run=60.0)
        waited(opened.open())
        changes = database.connection.total_changes - before
    assert changes == 0


def test_searches_number_sources_anew_when_one_is_shown(database):
    """They would look for it under the number that another database gave it."""
    new, before = ledger(database), database.numbering
    waited(new.open())
    assert database.numbering == before + 1


def test_a_first_list_that_broke_off_leaves_nothing(database):
    """Nothing would tell that AWS no longer lists its jobs."""

    async def break_off(known):
        async with Listing.of(known) as listing:
            await listing.add([Job(f"{n}", "Done", State.SUCCEEDED, created=NOW, ended=NOW) for n in range(600)], NOW)

    broken = LedgerOfATest(DAY, str, database=database)
    for left in (500, 0):
        waited(break_off(broken.ledger) if left else broken.ledger.begin())
        held = "SELECT count(*) FROM job WHERE source = ?"
        assert database.connection.execute(held, (broken.ledger.number,)).fetchone() == (left,)


def test_a_new_source_is_written_once(database):
    """As it is: nothing has to be corrected."""
    before = database.connection.total_changes
    new = Ledger(database, KEY._replace(scope="new"), str, Rules(DAY), longest_run=90.0)
    waited(new.open())
    assert database.connection.total_changes == before + 1
    assert database.connection.execute("SELECT longest_run FROM source WHERE scope = 'new'").fetchone() == (90_000,)
