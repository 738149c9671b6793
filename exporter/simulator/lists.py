"""Operations that list: the catalog says what stands in the list, the request which part of it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Any

from botocore.model import OperationModel, StringShape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.catalog.models import Paging
from exporter.simulator import paging, shapes
from exporter.simulator.aws_error import not_found
from exporter.simulator.calls import Call
from exporter.simulator.job_items import constants, references, sort_of
from exporter.simulator.residents import Residence, SimulatedJob, SimulatedScope
from exporter.simulator.responses import Encoded, Writer
from exporter.simulator.shelf import Key
from exporter.simulator.values import seconds
from exporter.simulator.world import World

Resident = SimulatedJob | SimulatedScope


@dataclass(frozen=True)
class ListEntry:
    """An entry of the catalog that an operation lists: a kind of job or a sort of scope."""

    service: str
    """The service of the catalog's file."""
    listed: Kind | Scope
    outer: tuple[tuple[str, Scope], ...]
    """The scopes that it stands in, from the outermost."""

    def agrees(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a request asks for this entry: it contradicts none of the constants that select it."""
        selecting = {name: value for name, value in self.listed.arguments.items() if not _tells_order(name)}
        return all(actual in (None, constant) for constant, actual in constants(selecting, arguments))

    def places(self, place: Residence, arguments: Mapping[str, Any]) -> list[Residence]:
        """Return where a request asks to look; raises LookupError naming a scope that does not exist."""
        ids = dict(references(self.listed.arguments, arguments))
        if ids.get("account_id", place.account) != place.account:
            raise LookupError(f"The account {ids['account_id']} is another one")
        level = [place]
        for name, scope in self.outer:
            sort, identifier = sort_of(self.service, scope), ids.get(name)
            level = [inner for outer in level for inner in outer.scopes(sort, identifier)]
            if identifier is not None and not level:
                raise LookupError(f"The {name.replace('_', ' ')} {identifier} does not exist")
        return level

    def residents(self, call: Call, place: Residence, start: Key | None, *, newest_first: bool) -> Iterator[Resident]:
        """Yield what one place has to list after `start`."""
        low, high = self._window(call)
        if start and newest_first:
            high = min(start, high)
        elif start:
            low = max(start, low)
        found = place.shelf(self.sort).between(low, high, newest_first=newest_first)
        return (resident for resident in found if resident.exists and self._wanted(resident, call))

    @property
    def sort(self) -> str:
        """The shelf that its residents stand on."""
        return str(self.listed) if isinstance(self.listed, Kind) else sort_of(self.service, self.listed)

    def _window(self, call: Call) -> tuple[Key, Key]:
        """Return the keys between which a list lies: created after what the request says, and not in the future."""
        if isinstance(self.listed, Scope):
            return _OLDEST, _NEWEST
        after = shapes.at(call.arguments, self.listed.filters.created_after or "")
        return (_time(after), _LAST) if after is not None else _OLDEST, (call.now, _LAST)

    def _wanted(self, resident: Resident, call: Call) -> bool:
        if isinstance(self.listed, Scope) or not isinstance(resident, SimulatedJob):
            return True
        wanted = shapes.at(call.arguments, self.listed.filters.status or "")
        status = resident.status_at(call.now)
        if wanted is not None and (status not in wanted if isinstance(wanted, list) else status != wanted):
            return False
        swept = ((name, call.arguments.get(name)) for name in self.listed.sweep)
        return all(value in (None, resident.form.swept(resident, name, call.now)) for name, value in swept)


@dataclass(frozen=True)
class Listing:
    """Lists page by page, newest first unless the request says otherwise."""

    world: World
    model: OperationModel
    paging: Paging
    writer: Writer
    page_size: int | None
    """No page holds more than this."""
    entries: list[ListEntry] = field(default_factory=list)

    def __call__(self, call: Call) -> dict[str, Any]:
        """Return a page; raises AwsError for an unknown scope or a page token that is not good here."""
        unbound = (self.paging.input_token, self.paging.limit)
        bound = {name: value for name, value in call.arguments.items() if name not in unbound}
        sealed = {"of": [call.account, call.region, call.operation], "with": bound}
        token = call.arguments.get(self.paging.input_token)
        size = self._size(call)
        found = list(islice(self._residents(call, paging.position(token, sealed) if token else None), size + 1))
        return self._page(found[:size], call.now, paging.token(found[size - 1].key, sealed) if found[size:] else "")

    def _size(self, call: Call) -> int:
        sizes = (call.arguments.get(self.paging.limit), self.paging.page_size, self.page_size or _PAGE)
        return min(size for size in sizes if size) if self.paging.output_token else _EVERYTHING

    def _page(self, residents: list[Resident], now: float, token: str) -> dict[str, Any]:
        output: dict[str, Any] = {}
        shapes.put(output, self._items, [self._written(resident, now) for resident in residents])
        if token:
            shapes.put(output, self.paging.output_token, token)
        return output

    def _residents(self, call: Call, start: Key | None) -> Iterator[Resident]:
        newest_first = not self._is_ascending(call.arguments)
        here = self.world.place(call.account, call.region)
        lists = [
            entry.residents(call, place, start, newest_first=newest_first)
            for entry in self.entries
            if entry.agrees(call.arguments)
            for place in self._places(entry, here, call)
        ]
        return heapq.merge(*lists, key=attrgetter("key"), reverse=newest_first) if len(lists) != 1 else lists[0]

    def _places(self, entry: ListEntry, here: Residence, call: Call) -> list[Residence]:
        try:
            return entry.places(here, call.arguments)
        except LookupError as error:
            raise not_found(self.model, error.args[0]) from None

    def _written(self, resident: Resident, now: float) -> Encoded:
        """Return an item as text, the one that was sent before if nothing has changed since."""
        phase = resident.phase_at(now)
        if resident.written is None or resident.written[0] != phase:
            resident.written = phase, self.writer.encode(resident.form.shape, resident.form.item(resident, now))
        return resident.written[1]

    @property
    def _items(self) -> str:
        return self.entries[0].listed.items

    def _is_ascending(self, arguments: Mapping[str, Any]) -> bool:
        order = (shapes.at(arguments, path) for path in self._order_paths)
        return any(isinstance(word, str) and word.upper().startswith("ASC") for word in order)

    @cached_property
    def _order_paths(self) -> list[str]:
        """Where a request can say `Ascending`."""
        return list(_orders(self.model.input_shape, "")) if self.model.input_shape else []


def _orders(shape: StructureShape, prefix: str) -> Iterator[str]:
    """Yield the paths of the members whose values are ascending and descending, one structure deep."""
    for name, member in shape.members.items():
        if isinstance(member, StringShape) and {word.upper()[:3] for word in member.enum} == {"ASC", "DES"}:
            yield f"{prefix}{name}"
        elif isinstance(member, StructureShape) and not prefix:
            yield from _orders(member, f"{name}.")


def _tells_order(name: str) -> bool:
    return name.lower().startswith(("sort", "order"))


def _time(value: str | float) -> float:
    """Return a filter's time in seconds; a number that AWS takes as such is in milliseconds."""
    return value / 1000 if isinstance(value, int) else seconds(value)


_PAGE = 1000
"""The size of a page where the model sets no limit."""

_EVERYTHING = 10**9
"""The size of a page where there are no pages."""

_OLDEST: Key = (-math.inf, "")
_NEWEST: Key = (math.inf, "")
_LAST = "~"
"""Comes after every token: they are hexadecimal."""
