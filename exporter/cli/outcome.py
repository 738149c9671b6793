"""What the exporter made of AWS's responses: each job that it holds, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.jobs import State
from exporter.poller import JobSource, Source
from exporter.store import Record

_ALL = -1


async def outcome(sources: Iterable[Source]) -> list[Mapping[str, Any]]:
    """Return the jobs of the sources that list jobs, by id: what is known of each, with times in ISO form."""
    lists = [source for source in sources if isinstance(source, JobSource)]
    found = [_plain(record) for source in lists for record in await source.ledger.newest(_ALL, _ALL)]
    return sorted(found, key=lambda job: str(job["id"]))


def _plain(record: Record) -> Mapping[str, Any]:
    job = record.job
    values = {
        "id": job.id,
        "name": job.name,
        "status": job.status,
        "state": str(job.state),
        "created": _iso(job.created),
        "started": _iso(job.started),
        "finished": _iso(record.finished) if record.is_dated else None,
        "deadline": _iso(job.deadline),
        "reason": record.reason if job.state is State.FAILED else None,
        "code": job.code,
        "records": dict(job.records),
    }
    return {key: value for key, value in values.items() if value}


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
