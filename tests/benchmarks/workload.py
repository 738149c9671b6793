"""Jobs as the reader builds them from Bedrock's lists, and sources that hold them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from exporter.catalog import Catalog
from exporter.jobs import Job, SourceKey, State
from exporter.reasons import Classifier
from exporter.store import EVERYTHING, Database, Ledger, Listing, Rules

CATALOG = Catalog()
KIND = CATALOG["bedrock"].kinds["model_invocation_job"]
NOW, DAY, HOUR, MINUTE = 1_790_000_000.0, 86400.0, 3600.0, 60.0
LOOKBACK = 7 * DAY
PAGE = 1000
FAILING = 0.05
MESSAGE = "ValidationException: the model returned no output for the record; see the manifest in the output bucket."

_CLASSIFIER = Classifier.built_in()


def classify(job: Job) -> str:
    """Return why a job failed, by the rules that everyone has."""
    return _CLASSIFIER.classify(job.message, status=job.status, code=job.code, service=KIND.service).reason


def key(number: int = 0) -> SourceKey:
    """Return the key of one of many sources."""
    return SourceKey("111122223333", "us-east-1", KIND.service, KIND.key, f"{number or ''}")


def active(rng: random.Random, created: float) -> Job:
    """Return a job that is running."""
    token = f"{rng.getrandbits(48):012x}"
    return Job(
        id=f"arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/{token}",
        name=f"nightly-scoring-{token[:6]}",
        status="InProgress",
        state=State.RUNNING,
        created=created,
        updated=created + MINUTE,
        deadline=created + DAY,
        records={"total": 1000, "processed": 0, "succeeded": 0, "failed": 0},
    )


def ended(job: Job, end: float, *, failed: bool = False) -> Job:
    """Return the job after its end."""
    done = 0 if failed else 990
    return job._replace(
        status="Failed" if failed else "Completed",
        state=State.FAILED if failed else State.SUCCEEDED,
        updated=end,
        ended=end,
        message=MESSAGE if failed else "",
        records={"total": 1000, "processed": 1000, "succeeded": done, "failed": 1000 - done},
    )


def finished(number: int, seed: int = 1) -> Iterator[Job]:
    """Yield jobs that ended at a steady pace across the whole lookback, the first one first; one in twenty failed."""
    rng, pace = random.Random(seed), LOOKBACK / number
    for index in range(number):
        end = NOW - LOOKBACK + pace * (index + 1)
        yield ended(active(rng, end - rng.uniform(60, 3600)), end, failed=rng.random() < FAILING)


def paged(jobs: Iterable[Job], size: int = PAGE) -> Iterator[list[Job]]:
    """Yield jobs in pages, as a list is read."""
    page: list[Job] = []
    for job in jobs:
        page.append(job)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


async def opened(database: Database, number: int = 0, reason: Callable[[Job], str] = classify) -> Ledger:
    """Return a source without jobs."""
    ledger = Ledger(database, key(number), reason, Rules(LOOKBACK), longest_run=KIND.longest_run)
    await ledger.open()
    return ledger


async def take(
    ledger: Ledger,
    read: Iterable[Sequence[Job]],
    now: float = NOW,
    complete_from: float | None = EVERYTHING,
    *,
    is_full: bool = True,
) -> None:
    """Take in a listing that was read page by page."""
    async with Listing.of(ledger) as listing:
        for page in read:
            await listing.add(page, now)
        await listing.take_in(now, complete_from, is_full=is_full)


def copy(database: Database, first: int) -> None:
    """Give every source of jobs what the first one has."""
    connection = database.connection
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        if "source" not in columns:
            continue
        copied = [name for name in columns if name not in ("n", "source")]
        connection.execute(
            f"INSERT INTO {table} (source, {', '.join(copied)}) "
            f"SELECT source.n, {', '.join(f'{table}.{name}' for name in copied)} "
            f"FROM source CROSS JOIN {table} ON {table}.source = :first WHERE source.n <> :first AND found IS NULL",
            {"first": first},
        )
    known = ("since", "newest_created", "passed", "read_in_full", "scopes", "last_success")
    values = ", ".join(f"{name} = (SELECT {name} FROM source WHERE n = :first)" for name in known)
    connection.execute(f"UPDATE source SET {values} WHERE found IS NULL", {"first": first})
