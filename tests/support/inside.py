"""Sources with jobs, for tests of code that queries all of them, without polling."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from exporter.catalog import Catalog, Kind
from exporter.jobs import Job, SourceKey, State
from exporter.settings import Settings
from exporter.store.inventory import Inventory, JobList, Sources
from exporter.telemetry import SourceStatus
from exporter.web import Inside
from tests.support.ledgers import LedgerOfATest, in_memory

NOW = 1_790_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LOOKBACK = 7 * DAY
CATALOG = Catalog()
BEDROCK = CATALOG["bedrock"].kinds["model_invocation_job"]
TRAINING = CATALOG["sagemaker"].kinds["training_job"]

_numbers = itertools.count()
_databases = [in_memory()]


def empty_database() -> None:
    """Put what follows into a database of its own: the sums are those of all jobs in it, whoever put them there."""
    _databases[:] = [in_memory()]


@dataclass
class Polled:
    """A source without jobs."""

    status: SourceStatus


def status(kind: Kind = BEDROCK, **fields: Any) -> SourceStatus:
    """Return the status of a source that was polled once, a moment ago."""
    key = SourceKey("111122223333", "us-east-1", kind.service, kind.key, "")
    place = {name: fields.pop(name) for name in SourceKey._fields if name in fields}
    return SourceStatus(key._replace(**place), 60.0, **{"attempts": 1, "last_success": NOW, **fields})


def classify(job: Job) -> str:
    """Return the reason of a failed job: its code, if it has one."""
    return job.code or "other"


def listed(
    jobs: Iterable[Job], kind: Kind = BEDROCK, now: float = NOW, dimensions: tuple[str, ...] = (), **fields: Any
) -> JobList:
    """Return a source that lists these jobs."""
    key = status(kind, **fields).key
    # Two sources of a test may have the same key, which those of an exporter never do.
    key = key._replace(scope=f"{key.scope}{next(_numbers)}")
    ledger: Any = LedgerOfATest(LOOKBACK, classify, database=_databases[0], longest_run=kind.longest_run, key=key)
    ledger.take(jobs, now)
    return JobList(status(kind, jobs=len(ledger), **fields), kind, ledger, dimensions)


def job(name: str, state: State = State.SUCCEEDED, created: float = NOW - HOUR, **fields: Any) -> Job:
    """Return a job; a finished one ran for a minute."""
    ended = created + MINUTE if state.is_final else None
    status = {State.FAILED: "Failed", State.RUNNING: "InProgress", State.SUCCEEDED: "Completed"}.get(state, state.value)
    arn = f"arn:aws:bedrock:us-east-1:111122223333:model-invocation-job/{name}"
    return Job(
        **{"id": arn, "status": status, "state": state, "name": name, "created": created, "ended": ended, **fields}
    )


def searching(sources: Callable[[], Iterable[Any]], now: Callable[[], float] = lambda: NOW) -> Inventory:
    """Return an inventory that searches these sources, some of which have jobs."""

    def found() -> Sources:
        every = list(sources())
        return Sources([source.status for source in every], [each for each in every if isinstance(each, JobList)])

    return Inventory(_databases[0], found, now)


def inside(
    sources: Callable[[], Iterable[Any]], settings: Settings | None = None, now: Callable[[], float] = lambda: NOW
) -> Inside:
    """Return what the pages and the API show for these sources."""
    shown = settings or Settings()
    return Inside(searching(sources, now), settings=lambda: shown, catalog=lambda: CATALOG)
