"""From a listed item to a job: the catalog's description of a kind, turned into a function."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import repeat
from types import MappingProxyType, NoneType
from typing import Any

from exporter.aws.paths import Item, getter
from exporter.aws.poll_error import BadResponseError
from exporter.aws.usage import UsageReader, usage
from exporter.catalog import Kind, Scope
from exporter.catalog.kind import ANY, BARE, Arguments, Details, Times
from exporter.jobs import FINAL, Job, Reason, State

_Column = list[float | None]
"""Times of a page's items."""

Page = Sequence[Any]
"""Items as AWS listed them."""

JobReader = Callable[[Page, Mapping[str, str]], list[Job]]
"""Reads a page of items that were listed in the given scopes."""

MILLISECONDS = 1e11
"""Separates the two units: seconds stay below it until the year 5138, milliseconds have been above it since 1973."""

_EPOCH = range(10, 14)
"""How many digits seconds and milliseconds have since 2001."""

_FIRST = 1_104_537_600.0
"""The start of 2005, before the first of AWS's services: an earlier time stands for none."""

_ROUNDING = 1.0
"""Seconds by which times may contradict each other: some are cut to whole seconds."""

_NEVER = 253_402_300_800
"""The end of the year 9999, the last that a datetime can hold."""

_LONGEST_ID = 8192
"""Characters of an id: four times the longest ARN, because some ids consist of several parts."""

_MOST = 1 << 40
"""The first count out of range: nothing checks a response, and the sum of a million jobs must fit into 64 bits."""

_SUCCESS = {State.SUCCEEDED, State.PARTIAL}
"""What a job is not if all of its records failed."""

_NOTHING: Mapping[str, int] = MappingProxyType({})


def at(item: Any, path: str) -> Any:
    """Return the value at a path of the catalog; None if the item has none there."""
    return getter(path)(item) if isinstance(item, dict) else None


def resolve(arguments: Arguments, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with each `$name` replaced by its value; arguments whose value is missing are left out."""
    resolved = {
        name: values.get(argument[1:]) if isinstance(argument, str) and argument.startswith("$") else argument
        for name, argument in arguments.items()
    }
    return {name: value for name, value in resolved.items() if value is not None}


def put(arguments: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return arguments with a value at a path: `Filter.Status` is within `Filter`, beside what else is there."""
    first, _, rest = path.partition(".")
    return {**arguments, first: put(arguments.get(first, {}), rest, value) if rest else value}


def seconds(value: Any) -> float | None:
    """Return a time as seconds since 1970-01-01 UTC, from a datetime, epoch seconds or milliseconds, or an ISO string.

    None if it cannot be the time of a job, such as 1970-01-01, or `0001-01-01T00:00:00Z`, which is Go's zero value.
    """
    time: float | None = None
    if isinstance(value, str):
        try:
            # In XML, milliseconds are a text, too; one of eight digits is a date.
            value = int(value) if value.isdecimal() and len(value) in _EPOCH else datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, datetime):
        time = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # Clamped first: an integer of any length may be too large for a float.
        time = min(value, _NEVER * 1000) / 1000 if value > MILLISECONDS else float(max(value, -1))
    return time if time is not None and _FIRST <= time < _NEVER else None


def scope_of(scope: Scope, item: Any) -> tuple[str, str] | None:
    """Return the id and the name of a listed scope; None if the catalog ignores it.

    Raises BadResponseError for an item without an id.
    """
    found = ((text(at(item, path)), value) for path, value in scope.where.items())
    if not all(word == value or (word and value == ANY) for word, value in found):
        return None
    identifier = text(item if scope.id == BARE else at(item, scope.id))
    if not identifier:
        raise BadResponseError(f"{scope.operation} listed an item without {scope.id}")
    return identifier, text(at(item, scope.name)) if scope.name else identifier


def text(value: Any) -> str:
    """Return a value as text: times in ISO form, None as the empty string, lone surrogates as `?`.

    JSON can hold lone surrogates, but neither UTF-8 nor an exposition can. Raises BadResponseError for a value that is
    nested too deeply to be printed.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if value is None:
        return ""
    try:
        return value.isoformat() if isinstance(value, datetime) else str(value)
    except RecursionError:
        raise BadResponseError("a value is nested too deeply") from None


def cut(words: str, longest: int) -> str:
    """Return a text of at most `longest` characters: the start and the end of a longer one."""
    if len(words) <= longest:
        return words
    mark = f" [... {len(words) - longest} characters ...] "
    head = (longest - len(mark)) // 2
    # AWS puts the cause at the start of a message, and programs put it at the end.
    return words[:head] + mark + words[head + len(mark) - longest :]


Explain = Callable[[str], Reason]
"""Returns what a text says of why a job waits."""


def unexplained(_: str) -> Reason:
    """Return that no rule matches."""
    return Reason.OTHER


def job_reader(
    kind: Kind,
    dimensions: Iterable[str] = (),
    longest: int = sys.maxsize,
    *,
    with_usage: bool = False,
    explain: Explain = unexplained,
) -> JobReader:
    """Return a function that reads a page of items of a kind, listed in the given scopes, with these of its dimensions.

    Messages, names and dimensions are cut to `longest` characters. With `with_usage`, finished jobs lack details also
    where only those tell what they used. The function raises BadResponseError for an item
    that is not a structure or has no id.
    """
    # A poll reads a hundred thousand items. A page is read column by column, which takes half as long as one item after
    # the other, and whatever is the same for all pages is computed here.
    identities, status, states, records = _identities(kind), _statuses(kind, longest), _states(kind), _records(kind)
    name, reason, code = (_texts(path, longest) for path in (kind.name, kind.reason, kind.code))
    # In the order of a job's fields.
    paths = (kind.times.created, kind.times.started, kind.times.ended, kind.times.updated, kind.times.deadline)
    times = [_times(path) for path in paths]
    labels = [_labels(kind.dimensions[dimension], longest) for dimension in dimensions]
    lacks, took = kind.details and _lacks(kind.details), _took(kind.times)
    used = usage(kind.used, has_starts=kind.has_starts) if kind.used else None
    waiting = _waits(kind, explain) if kind.waits else None
    asks_usage = with_usage and kind.details is not None and bool(kind.details.used)
    asked_of = FINAL - {State.DELETING} if asks_usage else frozenset()

    def read(items: Page, scopes: Mapping[str, str]) -> list[Job]:
        ids, statuses, messages, counts = identities(items), status(items), reason(items), records(items)
        meant, explained = states(statuses, items, counts)
        for n, why in explained.items():
            messages[n] = messages[n] or why
        waits = waiting(meant, items, messages) if waiting else repeat("", len(items))
        created, started, ended, updated, deadline = (time(items) for time in times)
        started, ended, updated = _possible(created, started, ended, updated)
        columns = (
            *(ids, statuses, meant, name(items), created, started, ended, updated, deadline),
            *(messages, code(items), counts),
            zip(*(label(items) for label in labels), strict=True) if labels else repeat((), len(items)),
            *(repeat(None, len(items)), repeat(None, len(items))),
            *(repeat(_NOTHING, len(items)), [False] * len(items), waits),
        )
        jobs = list(map(Job._make, zip(*columns, strict=True)))
        if took:
            jobs = list(map(took, jobs, items))
        if kind.details and lacks:
            for n, (job, item) in enumerate(zip(jobs, items, strict=True)):
                if job.state in FINAL and ((is_lacking := lacks(job)) or job.state in asked_of):
                    arguments = resolve(kind.details.arguments, {**scopes, **item})
                    jobs[n] = job._replace(details=arguments, lacks_only_usage=not is_lacking)
        return jobs if used is None else [_using(job, used(job, item)) for job, item in zip(jobs, items, strict=True)]

    return read


def completed(
    job: Job, details: Details, response: Item, longest: int = sys.maxsize, used: UsageReader | None = None
) -> Job:
    """Return a finished job with what its list left out and the response of its details operation tells.

    Messages are cut to `longest` characters. What it used is told by `used`.
    """
    message, code = (text(at(response, path)) if path else "" for path in (details.reason, details.code))
    times: dict[str, Any] = {
        key: seconds(at(response, path))
        for key, path in details.times.named()
        if key != "duration" and getattr(job, key) is None
    }
    job = job._replace(message=job.message or cut(message, longest), code=job.code or code, details=None, **times)
    took = _took(details.times)
    if took:
        job = took(job, response)
    (started,), (ended,), (updated,) = _possible([job.created], [job.started], [job.ended], [job.updated])
    job = job._replace(started=started, ended=ended, updated=updated)
    return _using(job, used(job, response)) if used else job


def _using(job: Job, used: Mapping[str, float]) -> Job:
    return job._replace(used=used) if used else job


def _lacks(details: Details) -> Callable[[Job], bool]:
    """Return a function that tells whether a finished job lacks what its details would tell."""
    times = dict(details.times.named())
    has_reason, has_creation = details.reason is not None, "created" in times
    has_end = not times.keys().isdisjoint(("ended", "updated", "duration"))

    def lacks(job: Job) -> bool:
        if has_reason and job.state is State.FAILED and not job.message:
            return True
        if job.state is State.DELETING:
            return False
        return (has_creation and job.created is None) or (has_end and job.ended is None and job.updated is None)

    return lacks


def _took(times: Times) -> Callable[[Job, Item], Job] | None:
    """Return a function that completes a finished job by how long it took; None where AWS does not tell."""
    if times.duration is None:
        return None
    path, unit = times.duration, 1000.0 if times.duration.endswith("Millis") else 1.0

    def took(job: Job, item: Item) -> Job:
        value = at(item, path)
        # `type`, because a boolean is an `int`, too.
        if job.ended is not None or job.created is None or job.state not in FINAL or type(value) not in (int, float):
            return job
        ended = job.created + min(max(value, 0), _NEVER) / unit
        return job._replace(ended=ended) if job.created < ended < _NEVER else job

    return took


def _column(path: str) -> Callable[[Page], Iterable[Any]]:
    """Return a function that finds the values of items at a path of the catalog; None for a path that a kind lacks."""
    if not path:
        return lambda items: repeat(None, len(items))
    if path.isalnum():  # most paths
        return lambda items: [item.get(path) for item in items]
    get = getter(path)
    return lambda items: map(get, items)


def _texts(path: str | None, longest: int = sys.maxsize) -> Callable[[Page], list[str]]:
    """Return a function that reads a column as texts of at most `longest` characters."""
    column = _column(path or "")

    def texts(items: Page) -> list[str]:
        return [
            # Nearly all values are one of these; the rest is done by functions.
            ""
            if value is None
            else value
            if type(value) is str and value.isascii() and len(value) <= longest
            else cut(text(value), longest)
            for value in column(items)
        ]

    return texts


def _labels(path: str, longest: int) -> Callable[[Page], list[str]]:
    """Return a function that reads a column as texts, with the name of a resource in place of its ARN.

    It is what follows the type: `nightly:3` of `arn:aws:batch:us-east-1:111122223333:job-definition/nightly:3`.
    """
    texts = _texts(path, longest)

    def labels(items: Page) -> list[str]:
        return [_ARN.sub("", value) if value.startswith("arn:") else value for value in texts(items)]

    return labels


_ARN = re.compile(r"\Aarn(:[^:]*){4}:([^/:]*[/:](?=.))?")
"""What stands before the name: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html"""


def _times(path: str | None) -> Callable[[Page], list[float | None]]:
    """Return a function that reads a column as times; see `seconds`."""
    column, parse = _column(path or ""), datetime.fromisoformat

    def times(items: Page) -> list[float | None]:
        values = list(column(items))
        if not {*map(type, values)} <= {str, NoneType}:
            return [seconds(value) for value in values]
        try:
            return [
                # Nearly all texts are in UTC; `seconds` does the same, and takes four times as long.
                None
                if value is None
                else seconds(value)
                if value[-1:] != "Z"
                else time
                if (time := parse(value).timestamp()) >= _FIRST
                else None
                for value in values
            ]
        except (ValueError, OverflowError):
            return [seconds(value) for value in values]

    return times


def _possible(created: _Column, started: _Column, ended: _Column, updated: _Column) -> tuple[_Column, _Column, _Column]:
    """Return starts, ends and updates without those that AWS cannot mean.

    Nothing starts, ends or changes before it is created, or starts after its end.
    """
    started, ended, updated = (_not_before(created, times) for times in (started, ended, updated))
    return _not_after(ended, started), ended, updated


def _not_before(first: _Column, times: _Column) -> _Column:
    """Return times without those that are before the ones in `first`."""
    return [
        time if time is None or start is None or time >= start - _ROUNDING else None
        for start, time in zip(first, times, strict=True)
    ]


def _not_after(last: _Column, times: _Column) -> _Column:
    """Return times without those that are after the ones in `last`."""
    return [
        time if time is None or end is None or time <= end + _ROUNDING else None
        for end, time in zip(last, times, strict=True)
    ]


def _identities(kind: Kind) -> Callable[[Page], list[str]]:
    """Return a function that joins the parts of items' ids; it raises BadResponseError if one has none."""
    parts = [_texts(path) for path in kind.id]

    def identities(items: Page) -> list[str]:
        if not {*map(type, items)} <= {dict}:
            found = [""]
        elif len(parts) == 1:
            found = parts[0](items)
        else:
            columns = [part(items) for part in parts]
            found = ["/".join(filter(None, each)) for each in zip(*columns, strict=True)]
        if not all(found):
            raise BadResponseError(f"{kind.operation} listed an item without {' and '.join(kind.id)}")
        # Cut alone, two ids could become one.
        return [
            each if len(each) <= _LONGEST_ID else f"{each[:_LONGEST_ID]}#{sha256(each.encode()).hexdigest()}"
            for each in found
        ]

    return identities


def _statuses(kind: Kind, longest: int) -> Callable[[Page], list[str]]:
    """Return a function that reads the statuses of items."""
    texts, absent = _texts(kind.status, longest), kind.absent_status
    return (lambda items: [status or absent for status in texts(items)]) if absent else texts


def _states(
    kind: Kind,
) -> Callable[[Sequence[str], Page, Sequence[Mapping[str, int]]], tuple[list[State], Mapping[int, str]]]:
    """Return a function that maps statuses to states, each corrected by what else an item says.

    The function also returns why jobs failed whose status does not say so, by their number in the page.
    """
    state_of, unknown = kind.state_of, State.UNKNOWN
    refine = _refinement(kind) if kind.refine else None
    has_counts = "failed" in kind.records

    def states(
        statuses: Sequence[str], items: Page, counts: Sequence[Mapping[str, int]]
    ) -> tuple[list[State], Mapping[int, str]]:
        meant = [state_of.get(status, unknown) for status in statuses]
        explained = dict(refine(meant, items)) if refine else {}
        if has_counts:
            explained |= _judge(meant, counts)
        return meant, explained

    return states


def _refinement(kind: Kind) -> Callable[[list[State], Page], Iterator[tuple[int, str]]]:
    """Return a function that corrects the states of a page by the kind's rules; it yields what made a job a failure."""
    rules = {state: [(rule, getter(rule.when)) for rule in kind.refine if rule.from_ is state] for state in State}

    def refine(meant: list[State], items: Page) -> Iterator[tuple[int, str]]:
        for n, (state, item) in enumerate(zip(meant, items, strict=True)):
            for rule, when in rules[state]:
                if rule.holds(value := when(item)):
                    meant[n] = rule.to
                    if rule.to is State.FAILED and rule.is_:
                        yield n, text(value)
                    break

    return refine


def _waits(kind: Kind, explain: Explain) -> Callable[[Sequence[State], Page, list[str]], list[str]]:
    """Return a function that finds why the pending jobs of a page wait; a text that tells becomes their message."""
    rules = [(rule, getter(rule.when), getter(rule.unless) if rule.unless else None) for rule in kind.waits]

    def why(item: Item, n: int, messages: list[str]) -> str:
        for rule, when, unless in rules:
            value = when(item)
            if not isinstance(value, str) or not value or (unless and unless(item)):
                continue
            if rule.reason and value.startswith(rule.is_):
                return rule.reason
            if not rule.is_:
                messages[n] = messages[n] or text(value)
                if (reason := explain(value)) not in _TELLS_NOTHING:
                    return reason
        return ""

    def waits(meant: Sequence[State], items: Page, messages: list[str]) -> list[str]:
        return [
            why(item, n, messages) if state is State.PENDING else ""
            for n, (state, item) in enumerate(zip(meant, items, strict=True))
        ]

    return waits


_TELLS_NOTHING = {Reason.UNSPECIFIED, Reason.OTHER}


def _judge(meant: list[State], counts: Sequence[Mapping[str, int]]) -> Iterator[tuple[int, str]]:
    """Correct the states of successes by the counts of their records; yields what made a job a failure."""
    for n, (state, count) in enumerate(zip(meant, counts, strict=True)):
        if (failed := count.get("failed")) and state in _SUCCESS:
            others = count.get("succeeded", count.get("total", failed + 1) - failed)
            meant[n] = State.PARTIAL if others > 0 else State.FAILED
            if others <= 0:
                yield n, f"All {failed} records failed"


def _records(kind: Kind) -> Callable[[Page], Sequence[Mapping[str, int]]]:
    """Return a function that reads the counts of jobs' records, as far as an item has them."""
    names = [*kind.records]
    columns = [[_column(path) for path in paths] for paths in kind.records.values()]

    def sums(items: Page, parts: Iterable[Callable[[Page], Iterable[Any]]]) -> Iterator[int | None]:
        for numbers in zip(*(part(items) for part in parts), strict=True):
            # `type`, because a boolean is an `int`, too.
            found = [n for n in numbers if type(n) is int and 0 <= n < _MOST]
            yield min(sum(found), _MOST - 1) if found else None

    def records(items: Page) -> Sequence[Mapping[str, int]]:
        return [
            {name: n for name, n in zip(names, counts, strict=True) if n is not None}
            for counts in zip(*(sums(items, parts) for parts in columns), strict=True)
        ]

    # One mapping for all jobs: most kinds have no counts.
    return records if names else lambda items: [_NOTHING] * len(items)
