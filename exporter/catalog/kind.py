"""The language of the catalog: what an entry may say, and what it means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import cached_property
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from exporter.catalog import links
from exporter.jobs import Job, Reason, SourceKey, State
from exporter.text.durations import Duration, format_duration, parse_duration

Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A name that this project chose: of a kind, a scope or a dimension."""

Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+(\[0\])?(\.[A-Za-z0-9]+(\[0\])?)*$")]
"""Where a value stands in a response of AWS: `status`, `Status.State`, `errorDetails[0]`."""

NamedFilter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+\[[A-Z_]+\]$")]
"""A filter among several, each a structure with a name and values: `filters[AFTER_CREATED_AT]`."""

EventPath = Annotated[str, StringConstraints(pattern=r"^detail(\.[A-Za-z0-9_-]+)+$")]
"""Where a value stands in an event of EventBridge: `detail.jobQueue`."""

RUN_TIME = "$duration"
"""How long a job ran, in seconds, among the numbers that are multiplied."""

Factor = Path | Literal["$duration"]

Measure = Literal["instance", "dpu", "vcpu", "memory_gb", "storage_gb", "records", "bytes", "characters", "tokens"]
"""What a job uses: for so many seconds, or so much of it where it is among `PROCESSED`."""

PROCESSED = frozenset({"records", "bytes", "characters", "tokens"})

BARE = "@"
"""The id of a scope whose operation lists bare ids instead of structures."""

Count = Literal["total", "processed", "succeeded", "failed"]
"""What is counted of a job's records."""

ANY = "*"
"""The value under a scope's `where` that stands for any: the field has one."""

EVERY_CALL = "*"
"""Stands for an argument under `permissions` where every call needs them."""

Arguments = Mapping[str, Any]
"""Arguments of an operation.

`$name` stands for a scope's id (`$membership`), for a field of the job (`$jobArn`) or for `$account_id`.
"""

Action = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*:[A-Za-z]+$")]
"""A permission as IAM writes it: `cleanrooms:PassMembership`."""

Arn = Annotated[str, StringConstraints(pattern=r"^arn:[^{}]*\{id\}[^{}]*$")]
"""An ARN with a place for a scope's id: `arn:*:cleanrooms:*:*:membership/{id}`."""


_ARN_FIELDS = ("partition", "region", "account_id", "id")


def _arn_template(template: str) -> str:
    """Check that an ARN can be made of a template; raises ValueError."""
    fields = {part[1] for part in Formatter().parse(template) if part[1] is not None}
    if "id" not in fields or not fields <= set(_ARN_FIELDS):
        raise ValueError(f"{template!r} takes {{id}}, and of other fields {{partition}}, {{region}} and {{account_id}}")
    return template


ArnTemplate = Annotated[str, AfterValidator(_arn_template)]
"""How the ARN of a job or a scope is made: `{id}` where its id is one."""


def _as_url(url: str) -> str:
    """Check that a text starts with https; raises ValueError."""
    if not url.startswith("https://"):
        raise ValueError(f"{url!r} does not start with https://")
    return url


Url = Annotated[str, AfterValidator(_as_url)]
"""A page of AWS's documentation, or of its console."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _with_names(pattern: str) -> str:
    """Check that a pattern names each placeholder; raises ValueError."""
    if not all(part[1] for part in Formatter().parse(pattern) if part[1] is not None):
        raise ValueError(f"{pattern!r} has a pair of braces without a name")
    return pattern


Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_with_names)]
"""A text with placeholders: `/aws/codebuild/{scope}`."""


def _as_run(value: object) -> float:
    return math.inf if value == _UNBOUNDED else parse_duration(value)


def _run_text(seconds: float) -> str:
    return _UNBOUNDED if math.isinf(seconds) else format_duration(seconds)


_UNBOUNDED = "unbounded"

LongestRun = Annotated[float, BeforeValidator(_as_run), Field(gt=0), PlainSerializer(_run_text, str)]
"""Seconds, written as a duration, or infinite, written as `unbounded`."""

_DAY = 86_400.0


class Entry(BaseModel):
    """Base of everything in the catalog: immutable, and every unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class Times(Entry):
    """Where a job's times stand; those that AWS does not give are left out."""

    created: Path | None = None
    started: Path | None = None
    ended: Path | None = None
    updated: Path | None = None
    deadline: Path | None = None
    duration: Path | None = None
    """How long a finished job took from its creation, which tells its end where AWS does not. In seconds, or in
    milliseconds where the member's name ends with `Millis`."""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each time that AWS gives, with its key."""
        yield from ((key, path) for key, path in self.model_dump().items() if path)


class Filters(Entry):
    """Parameters by which the operation itself narrows its list; dotted where they stand in a structure."""

    created_after: Path | NamedFilter | None = None
    """Takes a timestamp; a named filter takes milliseconds, as text."""
    status: Path | None = None
    """Takes one status, or a list of them where the operation's shape is a list."""
    combined: bool = False
    """Whether one request takes both, by AWS's documentation. Many operations accept only one criterion."""

    @property
    def named(self) -> tuple[str, str] | None:
        """The argument and the name of a filter by creation that is one of several; None if it is no such filter."""
        argument, bracket, name = (self.created_after or "").removesuffix("]").partition("[")
        return (argument, name) if bracket and not name.isdigit() else None

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each parameter with the key that it stands under."""
        named = {"created_after": self.created_after, "status": self.status}
        yield from ((key, path) for key, path in named.items() if path)


class Use(Entry):
    """How much of a resource a job used: numbers that AWS tells, multiplied."""

    amount: Annotated[tuple[Factor, ...], BeforeValidator(_as_list), Field(min_length=1)]
    otherwise: Annotated[tuple[Factor, ...], BeforeValidator(_as_list)] = ()
    """What to multiply where AWS does not tell all of `amount`."""
    times: Annotated[float, Field(gt=0)] = 1
    """What makes AWS's unit seconds: 3600 of hours."""
    type: Path | None = None
    """Where the type of the resource stands, of an instance or a worker."""

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield every path with the key that it stands under."""
        for key, factors in (("amount", self.amount), ("otherwise", self.otherwise)):
            yield from ((f"{key}.{n}", path) for n, path in enumerate(factors) if path != RUN_TIME)
        if self.type:
            yield "type", self.type


Used = Mapping[Measure, Use]


def _used_paths(used: Used) -> Iterator[tuple[str, str]]:
    yield from ((f"used.{resource}.{key}", path) for resource, use in used.items() for key, path in use.paths())


class Details(Entry):
    """The operation that tells of one finished job what the list leaves out: why it failed, its times, its usage."""

    operation: str
    arguments: Arguments
    reason: Path | None = None
    code: Path | None = None
    times: Times = Times()
    """Asked for only where the list gives no creation, or neither an end nor an update: a request for each job."""
    used: Used = Field(default_factory=dict)
    """Asked for only where the configuration says so: a request for each job."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(True for _ in self.paths()):
            raise ValueError("details: neither a reason nor a time is read")
        return self

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield every path into a response with the key that it stands under."""
        yield from ((key, path) for key, path in (("reason", self.reason), ("code", self.code)) if path)
        yield from ((f"times.{key}", path) for key, path in self.times.named())
        yield from _used_paths(self.used)


class ListOrder(Entry):
    """The order that AWS documents of a list: the newest first, by one of the times."""

    newest_first: Literal["created", "ended", "updated"]
    """By `ended`, jobs that have not ended stand where they were created."""
    only_with: Literal["created_after", "status"] | None = None
    """The filter without which AWS promises no order."""
    not_with: Literal["created_after", "status"] | None = None
    """The filter with which AWS promises no order."""
    source: Url


class Describe(Entry):
    """The operation that describes several jobs at once, where their list has bare ids."""

    operation: str
    ids: str
    """The argument that takes the ids."""
    items: Path
    """Where the jobs stand in a response."""
    at_once: Annotated[int, Field(gt=0)]
    """The most ids that a request may have."""


class Retention(Entry):
    """How long AWS lists a job that has ended, where its documentation says so."""

    period: Duration
    """In seconds; the shortest where sources differ."""
    since: Literal["created", "ended"]
    source: Url


class Quota(Entry):
    """How often AWS lets an account call an operation in a region, where its documentation says so."""

    per_second: Annotated[float, Field(gt=0)]
    """The lowest where regions or sources differ."""
    burst: Annotated[int, Field(ge=1)] | None = None
    """Requests at once after a pause; where AWS does not say, a second's worth."""
    source: Url


class Logs(Entry):
    """Where CloudWatch Logs has the log of a job; the names take what `console` takes."""

    group: Pattern
    """The name of the log group, where nobody chose another one."""
    stream: Pattern | None = None
    """How the names of the job's streams begin."""
    source: Url


class Events(Entry):
    """The events of EventBridge by which AWS tells that a job changed, in the names that those have there."""

    source: Annotated[str, StringConstraints(pattern=r"^aws\.[a-z0-9-]+$")]
    detail_type: Annotated[tuple[str, ...], Field(min_length=1)]
    scope: EventPath | None = None
    """Where the id of the outermost scope stands; None where no source says."""
    reference: Url


class Refinement(Entry):
    """A field that says more than the status: state `from` becomes `to` where the field holds."""

    from_: State = Field(alias="from")
    to: State
    """The same state for an exception to the rules that follow."""
    when: Path
    """Without words, it holds where it is true, above zero or a text."""
    is_: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(default=(), alias="is")
    """Words: it holds where it is, or begins with, one of them. AWS appends explanations to some."""
    is_not: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Words: it holds where it is another one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_ and self.is_not:
            raise ValueError("takes `is` or `is_not`, not both")
        return self

    def holds(self, value: object) -> bool:
        """Return whether a field with this value holds; None and values of other types never do."""
        if self.is_ or self.is_not:
            return isinstance(value, str) and (value.startswith(self.is_) if self.is_ else value not in self.is_not)
        return value > 0 if isinstance(value, bool | int | float) else isinstance(value, str) and value != ""


class Wait(Entry):
    """A field that tells why a pending job waits: by one of some words, or by a text."""

    when: Path
    is_: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(default=(), alias="is")
    """Words: it tells where it is, or begins with, one of them."""
    reason: Reason | None = None
    """What the words mean; None of a text, which is classified as the message of a failure is."""
    unless: Path | None = None
    """A field that only jobs have of which it tells something else."""
    source: Url

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.is_) is (self.reason is None):
            raise ValueError("takes both `is` and `reason`, or neither for a text")
        return self


class Resource(Entry):
    """What IAM checks some actions against where a configuration names the scopes."""

    arn: Arn
    """The ARN of a scope; `{id}` stands for its id."""
    actions: tuple[Action, ...]
    """The actions that need no other resource than the scope."""


class Ended(Entry):
    """How scopes are listed that have ended: their jobs count for as long as any other."""

    arguments: Arguments
    """In place of the scope's arguments of the same names."""
    created_after: str
    """The argument that leaves out what was created before a time."""


class Scope(Entry):
    """One sort of scope that jobs are listed in, and how to find every one of them."""

    operation: str
    items: Path
    id: Path | Literal["@"]
    """Where the id stands; `@` where the operation lists bare ids."""
    name: Path | None = None
    """Where the name that people use stands."""
    service: str | None = None
    """The service that lists the scopes, if it is not the service of the jobs."""
    arguments: Arguments = Field(default_factory=dict)
    within: Word | None = None
    """The scope that contains this one."""
    where: Mapping[Path, str] = Field(default_factory=dict)
    """Fields and their values, `*` for any; scopes with other values, or without one, are ignored."""
    resource: Resource | None = None
    made_with_job: bool = False
    """Whether a scope comes with its first job, so that inner ones are looked for at each poll."""
    arn: ArnTemplate | None = None
    """Its ARN, where the Resource Groups Tagging API knows its tags by that."""
    ended: Ended | None = None
    """None where a scope that is gone is not listed any more, or takes its jobs with it."""

    def having_ended(self, created_after: datetime) -> Scope:
        """Return how those are listed that have ended and were created after a time; itself where AWS has none."""
        if self.ended is None:
            return self
        arguments = {**self.arguments, **self.ended.arguments, self.ended.created_after: created_after}
        return self.model_copy(update={"arguments": arguments})

    @model_validator(mode="after")
    def _check_ended(self) -> Self:
        """Inner scopes are found by the poll of the outermost one, which forgets those that are gone."""
        if self.ended and self.within:
            raise ValueError("ended: only of a scope that is in no other")
        return self

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield every path into a listed scope with the key that it stands under."""
        named = {"id": self.id if self.id != BARE else None, "name": self.name}
        yield from ((key, path) for key, path in named.items() if path)
        yield from (("where", path) for path in self.where)


class Kind(Entry):
    """One sort of job: the operation that lists it and how to read what it lists.

    `service`, `key`, `scopes`, `permissions` and `end_of_life` come from the file that the entry stands in.
    """

    service: str
    key: Word
    title: str
    operation: str
    items: Path
    id: Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]
    """One field, or several that identify a job together."""
    status: Path
    states: Mapping[State, tuple[str, ...]]
    """Every status that AWS has for the kind, under the state that it means."""
    times: Times
    absent_status: str = ""
    """The status of an item that has none: from before AWS listed it."""
    doubt: str = ""
    """What AWS's documentation leaves open, and what was assumed; shown to people."""
    name: Path | None = None
    describe: Describe | None = None
    """None where the list has the jobs themselves; else every path is one into what this operation returns."""
    arguments: Arguments = Field(default_factory=dict)
    sweep: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Arguments that take one value at a time: one listing for each value."""
    scope: Word | None = None
    """The innermost scope of the jobs; left out if an account and region have just one list."""
    reason: Path | None = None
    code: Path | None = None
    details: Details | None = None
    filters: Filters = Filters()
    dimensions: Mapping[Word, Path] = Field(default_factory=dict)
    records: Mapping[Count, Annotated[tuple[Path, ...], BeforeValidator(_as_list), Field(min_length=1)]] = Field(
        default_factory=dict
    )
    """Where the counts of a job's records stand, or several numbers that add up to one.

    A job that succeeded is partial if some of its records failed, and failed if all of them did.
    """
    used: Used = Field(default_factory=dict)
    """What a job used, where the list tells."""
    refine: tuple[Refinement, ...] = ()
    """Corrections of the state, of which the first that holds counts: a limit reported as a stop, a cancellation
    reported as a failure."""
    waits: tuple[Wait, ...] = ()
    """Why a pending job waits: the first that tells counts."""
    longest_run: LongestRun = _DAY
    """The longest usual run, in seconds: how far before the lookback a first listing by creation time reaches.

    Where it is unbounded, such a listing reaches a day, and what has been active for longer is found by its status.
    """
    restarts: bool = False
    """Whether a job that has ended can run again under the same id, so that every poll looks at what has ended, too."""
    order: ListOrder | None = None
    """In which order AWS lists what the exporter requests; None where no source says."""
    retention: Retention | None = None
    """After which time AWS no longer lists a job that has ended; None where no source says."""
    console: Annotated[Url, AfterValidator(_with_names)] | None = None
    """The job's page in the AWS console, or the nearest one that leads to it.

    Takes `{region}`, `{account_id}`, `{name}`, `{scope}` (the outermost scope's id, after its last slash), `{id}`,
    `{suffix}` (the id after its last slash), `{within}` (`t-1` of an id that ends with `task/t-1/execution/e-2`) or, if
    several fields are the id, those (`{JobName}`).
    """
    logs: Logs | None = None
    """None where the name of the log group does not follow from the job."""
    events: Events | None = None
    """None where AWS's event reference has none."""
    arn: ArnTemplate | None = None
    """The ARN of a job, where the Resource Groups Tagging API knows its tags by that."""
    opt_in: bool = False
    """Costly, noisy or covered by another kind: polled only if a configuration names the kind."""
    permissions: Mapping[str, tuple[Action, ...]] = Field(default_factory=dict)
    """Actions that a call needs in addition to the one named after its operation, by the argument that it passes; `*`
    stands for any call."""
    end_of_life: date | None = None
    """The day on which AWS stops running the service."""
    closed: date | None = None
    """The day from which AWS takes no new customers: hardly anyone has such jobs, so it is polled only if named."""
    scopes: tuple[tuple[str, Scope], ...] = ()
    """The scopes from the outermost to the innermost, by name."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check what no single field can say of itself."""
        if State.UNKNOWN in self.states:
            raise ValueError("states: no status may be mapped to `unknown`, which is for those that AWS adds later")
        if math.isinf(self.longest_run) and self.filters.created_after and not self.filters.status:
            raise ValueError("longest_run: `unbounded` takes a filter by status, which finds the older active jobs")
        if self.absent_status and self.absent_status not in self.state_of:
            raise ValueError(f"absent_status: {self.absent_status!r} is not among the states")
        statuses = [status for words in self.states.values() for status in words]
        if twice := sorted({status for status in statuses if statuses.count(status) > 1}):
            raise ValueError(f"states: mapped more than once: {', '.join(twice)}")
        if self.events and self.events.scope and not self.scopes:
            raise ValueError("events.scope: the kind is in no scope")
        if problem := self._order_problem():
            raise ValueError(f"order.{problem}")
        if twice := sorted(set(self.sweep) & set(self.arguments)):
            raise ValueError(f"sweep: also given as an argument: {', '.join(twice)}")
        if problem := self._placeholder_problem():
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _check_described(self) -> Self:
        """Check that a job that is known by a bare id has one."""
        if self.describe and len(self.id) > 1:
            raise ValueError("id: one path, to what the list has of each job and `describe` takes")
        return self

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        """Check that each rule starts from a state of the kind, and corrects it."""
        for number, rule in enumerate(self.refine):
            if rule.from_ not in self.states:
                raise ValueError(f"refine.{number}: no status is mapped to {rule.from_.value!r}")
            is_exception = rule.to is rule.from_ and any(
                later.from_ is rule.from_ for later in self.refine[number + 1 :]
            )
            # Whether a job is over follows from its status alone, by which active jobs are listed.
            is_correction = rule.to is not rule.from_ and _phase(rule.to) == _phase(rule.from_)
            if not is_exception and not is_correction:
                raise ValueError(f"refine.{number}: cannot turn {rule.from_.value!r} into {rule.to.value!r}")
        return self

    @model_validator(mode="after")
    def _check_waits(self) -> Self:
        """Check that a job of the kind can wait."""
        if self.waits and State.PENDING not in {state for _, state in self.meanings}:
            raise ValueError("waits: no status is mapped to 'pending'")
        return self

    def _placeholder_problem(self) -> str | None:
        """Return which placeholder of a link nobody can fill; None if there is none."""
        logs = {"logs.group": self.logs.group, "logs.stream": self.logs.stream or ""} if self.logs else {}
        for key, pattern in {"console": self.console or "", **logs}.items():
            for unknown in sorted(links.placeholders(pattern) - set(self._placeholders)):
                return f"{key}: {{{unknown}}} is not one of {', '.join(f'{{{name}}}' for name in self._placeholders)}"
        return None

    def _order_problem(self) -> str | None:
        """Return why nobody can go by the order; None if it names what the list has."""
        if self.order is None:
            return None
        if getattr(self.times, self.order.newest_first) is None:
            return f"newest_first: the list has no time {self.order.newest_first!r}"
        for key in ("only_with", "not_with"):
            name = getattr(self.order, key)
            if name and getattr(self.filters, name) is None:
                return f"{key}: the list has no filter {name!r}"
        return None

    def __str__(self) -> str:
        return f"{self.service}/{self.key}"

    @property
    def described(self) -> tuple[str, str]:
        """The operation that tells of jobs, the list or what describes them, and where they stand in a response."""
        return (self.describe.operation, self.describe.items) if self.describe else (self.operation, self.items)

    @cached_property
    def state_of(self) -> Mapping[str, State]:
        """The state that each status means."""
        return {status: state for state, statuses in self.states.items() for status in statuses}

    @cached_property
    def meanings(self) -> tuple[tuple[str, State], ...]:
        """Every status with each state that it can mean: by itself, by a refinement, by the counts of records."""
        found = dict.fromkeys(self.state_of.items())
        for status, state in self.state_of.items():
            refined = [state, *(rule.to for rule in self.refine if rule.from_ is state)]
            found |= dict.fromkeys((status, meant) for each in refined for meant in (each, *self._by_records(each)))
        return tuple(found)

    @cached_property
    def final_states(self) -> tuple[State, ...]:
        """The final states in which jobs can end."""
        return tuple(dict.fromkeys(state for _, state in self.meanings if state.is_final))

    def _by_records(self, state: State) -> Iterable[State]:
        if "failed" not in self.records or state not in {State.SUCCEEDED, State.PARTIAL}:
            return ()
        return (State.PARTIAL, State.FAILED) if {"succeeded", "total"} & set(self.records) else (State.PARTIAL,)

    @property
    def is_bounded(self) -> bool:
        """Whether AWS can be asked for what was created after a time: by a filter, or by reading no further."""
        return self.times.created is not None and (self.filters.created_after is not None or self._is_by("created"))

    @property
    def has_changes_first(self) -> bool:
        """Whether what started or ended last comes first in the list, wherever its creation would put it."""
        return self._is_by("ended", "updated")

    def _is_by(self, *times: str) -> bool:
        return self.order is not None and self.order.newest_first in times and self.order.only_with is None

    @property
    def has_starts(self) -> bool:
        """Whether AWS tells when jobs start: one that has ended without a start never ran."""
        return bool(self.times.started or (self.details and self.details.times.started))

    @cached_property
    def reading(self) -> str:
        """What decides which jobs are listed and how each is read, as text; not what their statuses mean."""
        fields = {
            "operation",
            "items",
            "id",
            "status",
            "absent_status",
            "times",
            "name",
            "arguments",
            "sweep",
            "reason",
            "code",
        }
        # A key that most kinds lack must not make other lists of theirs: what is stored of them would not apply.
        described = {"describe"} if self.describe else set()
        return self.model_dump_json(
            include=fields | described | {"details", "dimensions", "records"},
            # What jobs used makes no other jobs of them: the counters go on.
            exclude={"details": {"used"}},
        )

    def listed_for(self, lookback: float) -> float:
        """Return for how many seconds AWS lists a job that has ended, at most `lookback`."""
        return min(lookback, self.retention.period) if self.retention else lookback

    @property
    def reach(self) -> float:
        """How far before the lookback a first listing by creation time reaches, in seconds."""
        return _DAY if math.isinf(self.longest_run) else self.longest_run

    @property
    def outer_scope(self) -> str:
        """The name of the outermost scope; empty if there is none."""
        return self.scopes[0][0] if self.scopes else ""

    @property
    def has_tags(self) -> bool:
        """Whether the tags of its jobs, or of the outermost scope that they are in, can be read."""
        return self.arn is not None or any(scope.arn for _, scope in self.scopes[:1])

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield every path into a listed item with the key that it stands under."""
        yield from ((f"id.{number}", path) for number, path in enumerate(self.id))
        named = {"name": self.name, "status": self.status, "reason": self.reason, "code": self.code}
        yield from ((key, path) for key, path in named.items() if path)
        yield from ((f"times.{key}", path) for key, path in self.times.named())
        yield from ((f"dimensions.{key}", path) for key, path in self.dimensions.items())
        for key, (first, *others) in self.records.items():
            yield f"records.{key}", first
            yield from ((f"records.{key}.{number}", path) for number, path in enumerate(others, 1))
        yield from ((f"refine.{number}.when", rule.when) for number, rule in enumerate(self.refine))
        for number, wait in enumerate(self.waits):
            yield f"waits.{number}.{'when' if wait.is_ else 'text'}", wait.when
            if wait.unless:
                yield f"waits.{number}.unless", wait.unless
        yield from _used_paths(self.used)

    def console_url(self, source: SourceKey, job: Job) -> str | None:
        """Return the job's page in the AWS console; None if the catalog, the host or what it takes is not known."""
        return links.console_url(self.console, source.region, self._linked(source, job)) if self.console else None

    def log_url(self, source: SourceKey, job: Job) -> str | None:
        """Return where CloudWatch's console has the job's log; None as for `console_url`."""
        if self.logs is None:
            return None
        return links.log_url(self.logs.group, self.logs.stream, source.region, self._linked(source, job))

    @property
    def _placeholders(self) -> tuple[str, ...]:
        """What `console` and `logs` may take."""
        scope = ("scope",) if self.scopes else ()
        fields = self.id if len(self.id) > 1 else ("id", "suffix", "within")
        return tuple(dict.fromkeys(("region", "account_id", *scope, "name", *fields)))

    def _linked(self, source: SourceKey, job: Job) -> Mapping[str, str]:
        """Return the values of the placeholders; an id that lacks its parts gives none of them."""
        values = {"region": source.region, "account_id": source.account_id, "name": job.name}
        values["scope"] = source.scope.rpartition("/")[2]
        if len(self.id) > 1:
            parts = job.id.split("/")
            return values | (dict(zip(self.id, parts, strict=True)) if len(parts) == len(self.id) else {})
        parts = ["", "", *job.id.split("/")]
        return values | {"id": job.id, "suffix": parts[-1], "within": parts[-3]}


def _phase(state: State) -> tuple[bool, bool]:
    return state.is_active, state.is_final


def plural(scope: str) -> str:
    """Return the configuration's key for a sort of scope: `membership` gives `memberships`."""
    if scope.endswith("y"):
        return f"{scope[:-1]}ies"
    return f"{scope}es" if scope.endswith("x") else f"{scope}s"
