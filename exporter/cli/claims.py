"""Which groups of a configuration claim the same jobs, and which of them are left with none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import combinations, product

from exporter.catalog import Catalog
from exporter.settings import Group, Settings
from exporter.settings.groups import Match
from exporter.text.durations import format_duration
from exporter.text.printable import printable

_Patterns = Sequence[str] | Mapping[str, Sequence[str]] | None

_FIELDS = tuple(Match.model_fields)


def shadowed(settings: Settings, _catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each group all of whose jobs an earlier one takes."""
    for (first, earlier), (number, later) in combinations(enumerate(settings.groups), 2):
        if earlier.name is not None and all(_covers(earlier, later, field) for field in _FIELDS):
            yield f"groups.{number} ({_named(later)}) has no jobs: groups.{first} ({_named(earlier)}) takes all of them"


def claimed_twice(settings: Settings, _catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each two groups that may take the same jobs."""
    for (first, earlier), (number, later) in combinations(enumerate(settings.groups), 2):
        if all(_meet(getattr(earlier.match, field), getattr(later.match, field)) for field in _FIELDS):
            first_name, name = f"groups.{first} ({_named(earlier)})", f"groups.{number} ({_named(later)})"
            yield f"{name} does not have jobs that {first_name} takes, too: the first one that takes a job has it"


def unremembered(settings: Settings, _catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for each group of whose last success a restart may know nothing."""
    lookback = settings.poll.lookback
    for number, group in enumerate(settings.groups):
        if group.expect_every and group.expect_every > lookback and settings.storage.path is None:
            yield (
                f"groups.{number} ({_named(group)}): expect_every is longer than poll.lookback "
                f"({format_duration(lookback)}): without storage.path, a restart forgets a success from before that, "
                "and the next one is due that long after the restart"
            )


def _named(group: Group) -> str:
    return printable(group.name or group.name_from or "")


def _covers(earlier: Group, later: Group, field: str) -> bool:
    """Return whether the earlier of two groups takes whatever the later one does, as far as one key goes."""
    wide, narrow = getattr(earlier.match, field), getattr(later.match, field)
    if isinstance(wide, Mapping) and isinstance(narrow, Mapping):
        return all(set(narrow.get(key, ())) <= set(globs) and key in narrow for key, globs in wide.items())
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


def _meet(some: _Patterns, others: _Patterns) -> bool:
    """Return whether something may match one of these patterns and one of those; of tags, by each key."""
    if some is None or others is None:
        return True
    if isinstance(some, Mapping) and isinstance(others, Mapping):
        return all(_meet(some[key], others[key]) for key in some.keys() & others.keys())
    return any(_may_match(one, other) for one, other in product(some, others))


def _may_match(one: str, other: str) -> bool:
    """Return whether something may match two patterns; of two with wildcards, by what stands before these."""
    start, end = (re.split(r"[*?\[]", pattern, maxsplit=1)[0] for pattern in (one, other))
    if start == one or end == other:
        return fnmatchcase(one, other) or fnmatchcase(other, one)
    return start.startswith(end) or end.startswith(start)
