"""Ledgers for tests that poll nothing: each in a database in memory, without an event loop to wait for."""

from __future__ import annotations

import asyncio
import itertools
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from exporter.jobs import Job, SourceKey, State
from exporter.store import EVERYTHING, Database, Dimensions, Grouping, Ledger, Listing, Newborn, Record, Rules, Sums

T = TypeVar("T")

_NUMBERS = itertools.count()


def waited(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, from within an event loop, too."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def in_memory() -> Database:
    """Return a database that is closed when nothing uses it any more; Python 3.13 reports one that is not."""
    database = Database.memory()
    weakref.finalize(database, database.connection.close)
    return database


@dataclass
class Tally:
    """Sums, added up over what a test does not ask for."""

    sums: Sums

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sums, name)

    @property
    def statuses(self) -> Counter[tuple[str, State]]:
        """Jobs by status and state, whatever their reason."""
        counts: Counter[tuple[str, State]] = Counter()
        for (status, state, _), jobs in self.sums.statuses.items():
            counts[status, state] += jobs
        return counts

    @property
    def reasons(self) -> Counter[str]:
        """Failed jobs by their reason, where it is known."""
        counts: Counter[str] = Counter()
        for (_, _, reason), jobs in self.sums.statuses.items():
            if reason:
                counts[reason] += jobs
        return counts

    @property
    def last(self) -> dict[State, tuple[float, float | None]]:
        """The last end in each state, and that job's run time."""
        ends: dict[State, float] = {}
        for (state, _), end in self.sums.last.items():
            ends[state] = max(end, ends.get(state, end))
        return {state: (end, self.sums.last_durations[state]) for state, end in ends.items()}

    @property
    def last_failed(self) -> dict[str, float]:
        """The last failure for each reason."""
        return {reason: end for (_, reason), end in self.sums.last.items() if reason}


class LedgerOfATest:
    """A ledger with the same questions, answered at once."""

    database: Database
    ledger: Ledger

    def __init__(  # noqa: PLR0913, PLR0917 - most tests give the first two
        self,
        lookback: float,
        classify: Callable[[Job], str],
        bounds: Sequence[float] = (),
        limit: float = float("inf"),
        before: LedgerOfATest | None = None,
        database: Database | None = None,
        key: SourceKey | None = None,
        longest_run: float = float("inf"),
        born_at_zero: bool = False,  # noqa: FBT001, FBT002 - always given by name
        grouping: Grouping | None = None,
    ) -> None:
        """Continue `before`, if given."""
        self.database = before.database if before is not None else (database or in_memory())
        if before is not None:
            key = before.ledger.key
        key = key or SourceKey("111122223333", "us-east-1", "bedrock", str(next(_NUMBERS)), "")
        # The rules' text differs from ledger to ledger: their function may, and nothing else tells.
        rules = Rules(lookback, bounds, limit, str(next(_NUMBERS)), born_at_zero=born_at_zero)
        rules = rules._replace(grouping=grouping or rules.grouping)
        self.ledger = Ledger(self.database, key, classify, rules, longest_run=longest_run)
        waited(self.ledger.open())

    def __len__(self) -> int:
        return len(self.ledger)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def take(self, jobs: Iterable[Job], now: float, complete_from: float | None = EVERYTHING, **noted: Any) -> None:
        """Take in a listing."""

        async def take() -> None:
            async with Listing.of(self.ledger) as listing:
                await listing.add(list(jobs), now)
                await listing.take_in(now, complete_from, **noted)

        waited(take())

    def complete(self, job: Job, now: float = 0.0, *, is_refused: bool = False) -> None:
        """Take in a finished job with its details, or without those that AWS refused."""
        waited(self.ledger.complete(job, now, is_refused=is_refused))

    def show(self, newborn: Collection[Newborn]) -> None:
        """Note that counters were seen at 0."""
        waited(self.ledger.show(newborn))

    def ask_again(self) -> None:
        """Have AWS asked again for what it refused."""
        waited(self.ledger.ask_again())

    def waiting(self) -> list[Job]:
        """Return the failed jobs that wait for their reason."""
        return [job for job, _ in waited(self.ledger.waiting())]

    def newest(self, finished: int, active: int = -1) -> list[Record]:
        """Return the oldest active and the last finished jobs."""
        return waited(self.ledger.newest(finished, active))

    @property
    def tallies(self) -> Mapping[Dimensions, Tally]:
        """What the jobs add up to."""
        return {dims: Tally(each) for dims, each in self.ledger.sums.items()}

    @property
    def finished_total(self) -> dict[tuple[Dimensions, str], int]:
        """The counter of finished jobs."""
        return {(dims, state): n for dims, each in self.ledger.sums.items() for state, n in each.finished_total.items()}

    @property
    def failed_total(self) -> dict[tuple[Dimensions, str], int]:
        """The counter of failed jobs."""
        return {(dims, reason): n for dims, each in self.ledger.sums.items() for reason, n in each.failed_total.items()}

    def stored(self) -> dict[str, Any]:
        """Return what the database says of the source itself: what a restart would find."""
        found = self.database.connection.execute("SELECT * FROM source WHERE n = ?", (self.ledger.number,))
        (row,) = found.fetchall()
        return dict(zip([column[0] for column in found.description], row, strict=True))

    def rows(self, table: str) -> int:
        """Return how many rows a table has."""
        (count,) = self.database.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)
