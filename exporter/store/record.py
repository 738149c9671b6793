"""A job and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, overload

from exporter.jobs import Job, State
from exporter.store.tables import STATES

Dimensions = tuple[str, ...]
"""Values of the labels that the user asked for."""


class Record(NamedTuple):
    """A job and what became of it."""

    job: Job
    finished: float | None = None
    """When it ended, frozen when a final status is first seen: AWS changes update times later."""
    reason: str | None = None
    """Why it failed; None if it did not fail, or if AWS has yet to be asked."""
    is_dated: bool = True
    """Whether `finished` is known; False if AWS gives no time and the job had ended before it was first seen."""
    group: str = ""
    """The group that the job is in, if any."""


SELECT = """
SELECT (SELECT text FROM word WHERE n = prefix) || id, (SELECT text FROM word WHERE n = status), state, name,
    created, started, CASE WHEN reported THEN finished ELSE ended END, updated, deadline, message, code,
    total, processed, succeeded, failed, (SELECT text FROM word WHERE n = dims),
    details, (SELECT text FROM word WHERE n = tags), used,
    finished, reason, dated, (SELECT job_group.name FROM job_group WHERE job_group.n = group_n), source, n, attempts
"""
"""The columns of a `job` that make a record, then its source, its number and how often AWS was asked for its reason."""

COUNTS = ("total", "processed", "succeeded", "failed")


def record(row: tuple[Any, ...]) -> Record:
    """Return the record that a row of `SELECT` holds."""
    identifier, status, state, name, created, started, ended, updated, deadline, message, code = row[:11]
    counts, (dims, details, tags, used, finished, reason, dated, group) = row[11:15], row[15:23]
    job = Job(
        id=identifier,
        status=status,
        state=STATES[state],
        name=name,
        created=seconds(created),
        started=seconds(started),
        ended=seconds(ended),
        updated=seconds(updated),
        deadline=seconds(deadline),
        message=message or "",
        code=code or "",
        records={result: value for result, value in zip(COUNTS, counts, strict=True) if value is not None},
        dimensions=dimensions(dims),
        details=None if details is None else json.loads(details),
        tags=None if tags is None else dimensions(tags),
        used={what: amount / 1000 for what, amount in json.loads(used or "{}").items()},
    )
    return Record(job, seconds(finished), reason, bool(dated), group or "")


def dimensions(word: str) -> Dimensions:
    """Return the values that a word of the database stands for."""
    return tuple(json.loads(word)) if word else ()


def dimensions_word(values: Dimensions) -> str:
    """Return the word that stands for values in the database."""
    return json.dumps(values, ensure_ascii=False) if values else ""


def details_text(details: Mapping[str, object] | None) -> str | None:
    """Return the arguments of the operation that says why a job failed, as text."""
    return None if details is None else json.dumps(details)


def used_text(used: Mapping[str, float]) -> str | None:
    """Return what a job used as the database has it, in thousandths; None if that is not known."""
    return json.dumps({what: round(amount * 1000) for what, amount in used.items()}) if used else None


def split(identifier: str) -> tuple[str, str]:
    """Return an id in two parts: up to its last slash, which many ids share, and the rest."""
    prefix, slash, suffix = identifier.rpartition("/")
    return prefix + slash, suffix


@overload
def milliseconds(time: float) -> int: ...


@overload
def milliseconds(time: float | None) -> int | None: ...


def milliseconds(time: float | None) -> int | None:
    """Return a time in seconds as the database has it."""
    return None if time is None else int(time * 1000 + 0.5)


def or_else(value: int | None, otherwise: int) -> int:
    """Return a value, or another one where it is not known."""
    return otherwise if value is None else value


def in_milliseconds(times: Iterable[float | None]) -> list[int | None]:
    """Return a column of times as the database has it, without a call for each; see `milliseconds`."""
    return [None if time is None else int(time * 1000 + 0.5) for time in times]


def seconds(time: int | None) -> float | None:
    """Return a time of the database in seconds."""
    return None if time is None else time / 1000


def status_label(status: str, state: State) -> str:
    """Return a status as a label: `unknown` if the catalog does not know it, since it may be any text."""
    return "unknown" if state is State.UNKNOWN else status
