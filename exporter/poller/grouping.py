"""Which group takes a job: the first whose declaration fits, by the job's source, its name and its tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple

from exporter.jobs import SourceKey, Tags
from exporter.settings import OTHER, Settings
from exporter.store import Grouping, GroupRow

_REMEMBERED = 20_000
"""Names and tags of jobs whose group is remembered: lists show the same ones again, and a pattern takes 20 µs."""


class SourceGroups(NamedTuple):
    """The groups that jobs of one source may be in."""

    numbers: tuple[int, ...] = ()
    """Their places in `groups` of the settings."""
    grouping: Grouping = Grouping()


class Groups:
    """The groups of one configuration: those that are declared, and those whose names come from jobs."""

    def __init__(self, settings: Settings, known: Mapping[str, GroupRow]) -> None:
        """Go on with the groups that are `known` from before, as far as the configuration still has their patterns."""
        self.groups = settings.groups
        self._most = settings.limits.groups
        self._keys = {name: each.tags for name, each in settings.services.items() if each}
        places = list(enumerate(self.groups))
        self._declared = {group.name: number for number, group in places if group.name is not None}
        # Of two with the same pattern, the first one.
        self._patterns = {group.name_from: number for number, group in reversed(places) if group.name_from is not None}
        found = {name: self._patterns.get(row.pattern) for name, row in known.items() if name not in self._declared}
        self._found = dict([(name, number) for name, number in found.items() if number is not None][: self._most])
        self._taken = lru_cache(maxsize=_REMEMBERED)(self._of_job)
        self.labels = tuple(sorted({label for group in self.groups for label in group.labels}))
        """The names of all labels that any of the groups has."""

    @property
    def all(self) -> Mapping[str, int | None]:
        """All groups by name, each with the place of its declaration; None is that of `other`."""
        other = {OTHER: None} if self._patterns else {}
        return {**self._declared, **self._found, **other}

    def of(self, key: SourceKey, keys: tuple[str, ...]) -> SourceGroups:
        """Return which groups the jobs of a source may be in, and how to tell which; `keys` are those of their tags."""
        numbers = tuple(number for number, group in enumerate(self.groups) if group.match.takes_source(key, keys))
        if not numbers:
            return SourceGroups()
        groups = [self.groups[number] for number in numbers]
        declared = [group.model_dump_json(include={"name", "name_from", "match"}) for group in groups]
        # These decide what becomes of a name that a pattern finds.
        rest = (self._most, *self._declared) if any(group.name_from for group in groups) else ()
        identity = blake2b(repr((declared, rest)).encode(), digest_size=16).hexdigest()
        return SourceGroups(numbers, Grouping(identity, partial(self._taken, numbers, keys)))

    def below(self, key: SourceKey) -> Iterator[int]:
        """Yield the places of the groups that may have jobs below a source that finds others."""
        keys = self._keys.get(key.aws_service, ())
        yield from (number for number, group in enumerate(self.groups) if group.match.takes_parent(key, keys))

    def _of_job(self, numbers: tuple[int, ...], keys: tuple[str, ...], job: str, tags: Tags | None) -> tuple[str, str]:
        """Return the name of the group of a job with this name, and the pattern that the name comes from.

        Its tags are the values of these keys.
        """
        values = {} if tags is None else dict(zip(keys, tags, strict=True))
        for number in numbers:
            group = self.groups[number]
            if name := group.name_of(job, values):
                return (name, "") if group.name_from is None else self._few(name, number)
        return "", ""

    def _few(self, name: str, number: int) -> tuple[str, str]:
        """Return a name that a pattern found, or `other` where there are too many."""
        if name in self._declared:
            return name, ""
        if name not in self._found and (name == OTHER or len(self._found) >= self._most):
            return OTHER, ""
        first = self._found.setdefault(name, number)
        return name, self.groups[first].name_from or ""
