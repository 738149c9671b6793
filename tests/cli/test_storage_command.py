"""The command that shows what a storage directory holds."""

import pytest

from exporter import cli
from exporter.jobs import Job, SourceKey, State
from exporter.store import Database, Ledger, Listing, Rules
from exporter.store.tables import VERSION
from tests.support.ledgers import waited

NOW = 1_790_000_000.0


@pytest.fixture
def directory(tmp_path):
    """Return a directory that holds a source with three jobs."""

    async def fill(database):
        key = SourceKey("111122223333", "us-east-1", "bedrock", "model_invocation_job", "")
        ledger = Ledger(database, key, lambda _: "other", Rules(86_400.0))
        await ledger.open()
        jobs = [Job("a", "Failed", State.FAILED, ended=NOW), *(Job(each, "InProgress", State.RUNNING) for each in "bc")]
        async with Listing.of(ledger) as listing:
            await listing.add(jobs, NOW)
            await listing.take_in(NOW)

    database = Database.stored(tmp_path)
    waited(fill(database))
    database.close()
    return tmp_path


@pytest.mark.parametrize("how", ["{}", "--storage.path={}"])
def test_a_directory_is_checked_and_shown(directory, capsys, how):
    """Whether it is named or configured."""
    assert cli.main(["storage", how.format(directory)]) == 0
    summary, _, columns, row = capsys.readouterr().out.splitlines()
    assert summary.startswith(f"{directory / 'jobs.sqlite'}: valid, ")
    assert summary.endswith(f", version {VERSION}, not in use")
    assert columns.split("  ")[0] == "SERVICE"
    assert row.split() == ["bedrock", "1", "2", "1", "2026-09-21", "14:13:20", "UTC"]


def test_a_directory_in_use_is_shown_too(directory, capsys):
    """And whoever uses it does not notice."""
    database = Database.stored(directory)
    assert cli.main(["storage", str(directory)]) == 0
    assert "used by a running exporter" in capsys.readouterr().out
    database.close()


def test_nothing_to_show_is_a_wrong_usage(capsys):
    """It says what to give."""
    assert cli.main(["storage"]) == 2
    assert capsys.readouterr().err == "aws-job-exporter: storage: name a directory, or set storage.path\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "holds no jobs.sqlite"), (b"not a database" * 100, "damaged: file is not a database")],
)
def test_what_cannot_be_trusted_fails_with_its_reason(tmp_path, capsys, content, problem):
    """Nothing is changed: an exporter that starts sets it aside."""
    if content:
        (tmp_path / "jobs.sqlite").write_bytes(content)
    assert cli.main(["storage", str(tmp_path)]) == 1
    assert problem in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == (["jobs.sqlite"] if content else [])
