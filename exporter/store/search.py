"""One search as SQL: which jobs, in which order, from which place on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from exporter.jobs import ACTIVE, State
from exporter.store.job_filter import JobFilter
from exporter.store.statements import duration
from exporter.store.tables import NUMBER

Sort = Literal["", "name", "status", "created", "started", "finished", "duration", "reason"]
"""What to order jobs by; empty for active jobs first, the newest first, then the last to finish."""


class Position(NamedTuple):
    """Where a job stands in an order, which stays the same while others come and go."""

    rank: int
    """Orders jobs before all else: active, finished, finished at an unknown time; jobs without the value come last."""
    value: int | str
    """A text, or a time or duration in milliseconds."""
    number: int
    """The job's number in the database."""


class Order(NamedTuple):
    """The order of the jobs that a search finds."""

    sort: Sort = ""
    is_descending: bool = False
    """Has no effect on the usual order."""

    def has(self, position: Position) -> bool:
        """Return whether a position can be one of this order."""
        is_text = self.sort in ("name", "status", "reason") and position.rank == 0
        return position.rank in range(2 if self.sort else 3) and isinstance(position.value, str) == is_text


USUAL = Order()


class Among(NamedTuple):
    """Sources by their numbers in the database: these, or all but these."""

    numbers: list[int]
    is_all_but: bool = False
    starting: Sequence[int] = ()
    """Those whose lists tell when jobs start, for an order by run time."""

    @property
    def condition(self) -> str:
        """The condition that a job is of one of these sources."""
        if not self.numbers:
            return str(int(self.is_all_but))
        return f"source {'NOT ' if self.is_all_but else ''}IN (SELECT value FROM json_each(:sources))"

    @property
    def values(self) -> Mapping[str, Any]:
        """The values of its parameters."""
        return {"sources": json.dumps(self.numbers), "starting": json.dumps(self.starting)}


_FAILED, _PENDING, _UNKNOWN = NUMBER[State.FAILED], NUMBER[State.PENDING], NUMBER[State.UNKNOWN]

_ACTIVE, _DATED, _UNDATED = range(3)
_RANKED = {_ACTIVE: [], _DATED: ["dated"], _UNDATED: ["finished IS NOT NULL", "NOT dated"]}
_TIME = "coalesce(finished, created, 0)"
_ENDED = "CASE WHEN dated THEN finished END"
_DURATION = duration("source IN (SELECT value FROM json_each(:starting))")
_REASON = f"CASE WHEN state IN ({_FAILED}, {_PENDING}) THEN reason END"
_ORDERS: Mapping[str, tuple[str, str]] = {
    "": (f"CASE WHEN finished IS NULL THEN {_ACTIVE} WHEN dated THEN {_DATED} ELSE {_UNDATED} END", _TIME),
    "name": ("name = ''", "name"),
    "status": ("0", "text"),
    "created": ("created IS NULL", "created"),
    "started": ("started IS NULL", "started"),
    "finished": (f"{_ENDED} IS NULL", _ENDED),
    "duration": (f"{_DURATION} IS NULL", _DURATION),
    "reason": (f"{_REASON} IS NULL", _REASON),
}
"""The rank and the value of a job in each order."""


class Search:
    """One search as SQL. Which index it uses is decided here: SQLite has no statistics to decide by."""

    def __init__(self, job_filter: JobFilter, order: Order, among: Among) -> None:
        self._filter = job_filter
        self._order = order
        self._among = among
        self._conditions = [*job_filter.conditions(), among.condition]

    def page(self, after: Position | None) -> str:
        """Return the statement that finds the positions of a page."""
        page = self._by_state(after) if self._among.is_all_but and self._is_mostly_matched else self._in_one(after)
        value = "CASE rank WHEN 0 THEN value ELSE 0 END" if self._order.sort else "value"
        return f"SELECT json_group_array(json_array(rank, {value}, n)) FROM ({page})"

    def total(self) -> str:
        """Return the statement that counts the matches: finished ones by the sums, and active ones."""
        conditions = " AND ".join(self._conditions)
        index = "job_state" if self._among.is_all_but else "job_finished"
        return f"""
            SELECT json_array((SELECT coalesce(sum(jobs), 0) FROM tally WHERE {conditions}), (SELECT count(*)
                FROM job INDEXED BY {index} WHERE finished IS NULL AND state <= {_UNKNOWN} AND {conditions}))
            """

    def values(self, limit: int = 0, after: Position | None = None) -> Mapping[str, Any]:
        """Return the values of the parameters."""
        position = {} if after is None else after._asdict()
        return {**self._filter.values(), **self._among.values, "limit": limit, **position}

    @property
    def _index(self) -> str:
        if not self._among.is_all_but:
            return "INDEXED BY job_finished"
        # Few jobs are active; many rows are read fastest in the order in which they are stored.
        return "INDEXED BY job_state" if self._filter.possible_states <= ACTIVE else "NOT INDEXED"

    @property
    def _is_mostly_matched(self) -> bool:
        """Whether the first jobs of each state soon fill a page, in the usual order.

        Where most of them may not match, reading all jobs is faster than finding each through an index.
        """
        job_filter = self._filter
        is_odd = job_filter.text or job_filter.statuses or job_filter.group or job_filter.is_by_creation
        return not (self._order.sort or is_odd)

    def _in_one(self, after: Position | None) -> str:
        """Return the page from one look at all jobs, or at those of a few sources."""
        rank, value = _ORDERS[self._order.sort]
        if after is None:
            later = "1"
        elif self._order.sort and after.rank:
            # None of the jobs that are left has the value.
            later = f"rank AND {self._later(':value')}"
        else:
            later = f"(rank > :rank OR (rank = :rank AND {self._later('value')}))"
        return f"{self._selected(rank, value, self._index, [later])} ORDER BY rank, {self._direction} LIMIT :limit"

    def _by_state(self, after: Position | None) -> str:
        """Return the page from the index by state and end, in the usual order.

        It does not lead to the few jobs with an unknown end. They come last, and are looked for once there is room.
        """
        first = _ACTIVE if after is None else after.rank
        numbers = sorted(NUMBER[state] for state in self._filter.possible_states)
        ranks = [(_ACTIVE if number <= _UNKNOWN else _DATED, number) for number in numbers]
        parts = [self._part(after, rank, ":limit", f"state = {number}") for rank, number in ranks if rank >= first]
        has_undated = numbers[-1:] > [_UNKNOWN] and not self._filter.is_by_end
        room = "max(0, :limit - (SELECT count(*) FROM known))" if has_undated else "0"
        return f"""
            WITH known (rank, value, n) AS ({" UNION ALL ".join(parts) or "SELECT 0, 0, 0 WHERE 0"})
            SELECT * FROM known UNION ALL {self._part(after, _UNDATED, room)}
            ORDER BY rank, {self._direction} LIMIT :limit
            """

    def _part(self, after: Position | None, rank: int, limit: str, *conditions: str) -> str:
        """Return the first positions of one rank, in the usual order."""
        value = _TIME if rank == _ACTIVE else "finished"
        index = "NOT INDEXED" if rank == _UNDATED else "INDEXED BY job_state"
        later = [self._later(value)] if after is not None and after.rank == rank else []
        jobs = self._selected(str(rank), value, index, [*conditions, *_RANKED[rank], *later])
        # Without the rank, which is always the same: the index has this order.
        return f"SELECT * FROM ({jobs} ORDER BY {self._direction} LIMIT {limit})"

    def _selected(self, rank: str, value: str, index: str, conditions: Sequence[str]) -> str:
        """Return the positions of the jobs that match the filter and these conditions."""
        words = "CROSS JOIN word ON word.n = status" if self._order.sort == "status" else ""
        where = " AND ".join([*conditions, *self._conditions])
        return f"SELECT {rank} AS rank, {value} AS value, job.n AS n FROM job {index} {words} WHERE {where}"

    def _later(self, value: str) -> str:
        return f"({value}, job.n) {'<' if self._is_descending else '>'} (:value, :number)"

    @property
    def _direction(self) -> str:
        direction = "DESC" if self._is_descending else "ASC"
        return f"value {direction}, n {direction}"

    @property
    def _is_descending(self) -> bool:
        return self._order.is_descending or not self._order.sort
