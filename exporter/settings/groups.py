"""Groups of jobs: whose jobs they are, what is expected of them, and what their owner is called."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Annotated, Any, Self

import re2
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from exporter.catalog.models import regions
from exporter.jobs import SourceKey
from exporter.settings.schedules import Schedule, parse_schedule
from exporter.settings.sections import Section, matches, not_empty
from exporter.text.durations import Duration

OTHER = "other"
"""The group of jobs whose name would make one more group than `limits.groups`."""

_LONGEST_NAME = 200
"""Characters of a group's name."""

NAME = "name"
"""The part of a pattern that is the group's name."""


def _name(name: str) -> str:
    if name == OTHER:
        raise ValueError(f"{OTHER!r} is what groups beyond limits.groups are called")
    return name


def _pattern(pattern: str) -> str:
    try:
        groups = compiled(pattern).groupindex
    except re2.error as error:
        words = error.args[0] if error.args else error
        reason = words.decode(errors="replace") if isinstance(words, bytes) else words
        raise ValueError(f"{pattern!r} is not a regular expression as RE2 has it: {reason}") from None
    if NAME not in groups:
        raise ValueError(f"{pattern!r} does not say which part of a job's name is the group's: (?P<{NAME}>...)")
    return pattern


@lru_cache(maxsize=1000)
def compiled(pattern: str) -> Any:
    """Return a regular expression that takes linear time, whatever it and the text are; raises re2.error."""
    options = re2.Options()
    # To stderr, past our own log.
    options.log_errors = False
    return re2.compile(pattern, options)


def _schedule(text: str) -> str:
    parse_schedule(text)
    return text


def _account(pattern: str) -> str:
    if not re.fullmatch(r"[0-9*?\[\]!-]+", pattern):
        raise ValueError(f"{pattern!r} is not the id of an account, nor a pattern of ids such as 1111*")
    return pattern


def _region(pattern: str) -> str:
    if not any(fnmatchcase(region, pattern) for region in regions()):
        raise ValueError(f"AWS has no region that matches {pattern!r}")
    return pattern


def _label(label: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label) or label.startswith("__") or label == "group":
        raise ValueError(f"{label!r} is not the name of a label, such as owner or severity; `group` is taken")
    return label


Globs = Annotated[tuple[str, ...], AfterValidator(not_empty)]
TagGlobs = Annotated[Globs, BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


def _some(tags: Mapping[str, Any]) -> Mapping[str, Any]:
    not_empty(tuple(tags))
    return tags


_REGIONAL, _EVERYWHERE = {"sts"}, {"organizations", "ec2"}
"""Services that tell of an account in a region, and of accounts and regions."""


class Match(Section):
    """Which jobs are meant: those to which everything applies that is said here."""

    services: Globs | None = None
    """Services of the jobs, as in `services`. If unset, all."""
    kinds: Globs | None = None
    """Kinds of the jobs, such as `training_job`. If unset, all."""
    names: Globs | None = None
    """Patterns on the names of the jobs, such as `payroll-*`; of a job without a name, on the last part of its id."""
    accounts: Annotated[tuple[Annotated[str, AfterValidator(_account)], ...], AfterValidator(not_empty)] | None = None
    """Ids of accounts, or patterns on them."""
    regions: Annotated[tuple[Annotated[str, AfterValidator(_region)], ...], AfterValidator(not_empty)] | None = None
    """Regions, or patterns on their names, such as `eu-*`."""
    scopes: Globs | None = None
    """Patterns on the ids of the outermost scopes that jobs are listed in, such as `*:stateMachine:payroll-*`."""

    tags: Annotated[Mapping[str, TagGlobs], AfterValidator(_some)] | None = None
    """AWS tags of the jobs, or of the scopes that they are in, with patterns on their values, such as `team: payroll`:
    all of them apply. `services.SERVICE.tags` has the keys that are read.
    """

    def takes_source(self, key: SourceKey, tags: Collection[str]) -> bool:
        """Return whether jobs of a source, of which tags with these keys are read, can be meant."""
        return (
            self._goes_by(tags)
            and _takes(self.services, key.aws_service)
            and _takes(self.kinds, key.kind)
            and _takes(self.accounts, key.account_id)
            and _takes(self.regions, key.region)
            and _takes(self.scopes, key.scope)
        )

    def takes_parent(self, key: SourceKey, tags: Collection[str]) -> bool:
        """Return whether jobs that are meant may be below a source that finds others, whose service has these tags."""
        if key.aws_service in _REGIONAL:
            is_meant = _takes(self.regions, key.region)
        elif key.aws_service in _EVERYWHERE:
            is_meant = True
        else:
            is_meant = _takes(self.services, key.aws_service) and _takes(self.regions, key.region)
            is_meant = is_meant and self._goes_by(tags)
        return is_meant and (not key.account_id or _takes(self.accounts, key.account_id))

    def _goes_by(self, tags: Collection[str]) -> bool:
        return self.tags is None or set(self.tags) <= set(tags)

    def takes_job(self, name: str, tags: Mapping[str, str]) -> bool:
        """Return whether a job with this name and these tags is meant, if one of its source can be.

        Of a job whose tags AWS has not told, there are none: it is not meant by them.
        """
        is_tagged = all(key in tags and _any_of(globs).match(tags[key]) for key, globs in (self.tags or {}).items())
        return is_tagged and (self.names is None or _any_of(self.names).match(name) is not None)


@lru_cache(maxsize=1000)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return an expression that matches what any of the patterns does: there may be many jobs, and many groups."""
    return re.compile("|".join(map(translate, patterns)))


def _takes(patterns: Sequence[str] | None, name: str) -> bool:
    return patterns is None or matches(patterns, (name,))


class Group(Section):
    """Jobs that belong together, wherever they run; or one such group for each name that a pattern finds."""

    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME), AfterValidator(_name)] | None = None
    """The label `group` of the group's metrics."""
    name_from: Annotated[str, AfterValidator(_pattern)] | None = None
    """Instead of `name`, a regular expression (RE2): what its part `(?P<name>...)` finds in the name of a job is the
    name of the group. Jobs in whose names it finds nothing are not in it.
    """
    match: Match = Match()
    labels: Mapping[Annotated[str, AfterValidator(_label)], str] = Field(default_factory=dict)
    """Further labels of `aws_job_group_info`, such as `owner` and `severity`, by which alerts are routed."""
    expect_every: Duration | None = None
    """How much time may pass between two successes."""
    expect: Annotated[str, AfterValidator(_schedule)] | None = None
    """Instead of `expect_every`, by when each success is due: weekdays and a time, or five fields of cron, then the
    time zone, UTC if there is none (`Mon-Fri 06:00 Europe/Berlin`).
    """
    max_duration: Duration | None = None
    """How long a job of the group may run."""
    max_wait: Duration | None = None
    """How long a job of the group may wait until it starts."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.name is None) == (self.name_from is None):
            raise ValueError("must have either `name` or `name_from`")
        if self.expect_every is not None and self.expect is not None:
            raise ValueError("must not have both `expect_every` and `expect`")
        return self

    @property
    def schedule(self) -> Schedule | None:
        """When a success is due by the calendar."""
        return parse_schedule(self.expect) if self.expect else None

    def name_of(self, job: str, tags: Mapping[str, str]) -> str:
        """Return the name of the group that takes a job with this name and these tags, if any.

        It is a job of a source that can be meant.
        """
        if not self.match.takes_job(job, tags):
            return ""
        if self.name_from is None:
            return self.name or ""
        found = compiled(self.name_from).search(job)
        name = found[NAME] or "" if found else ""
        # A label; and the simplest bound on what strangers call their jobs.
        return OTHER if len(name) > _LONGEST_NAME else name
