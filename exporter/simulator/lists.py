"""Operations that list: the catalog says what is in a list, the request which part of it to return."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from botocore.model import OperationModel, StringShape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.simulator import page_tokens, shapes
from exporter.simulator.aws_error import not_found
from exporter.simulator.item_builders import scope_type
from exporter.simulator.operations import RequestContext
from exporter.simulator.quirks import Quirk
from exporter.simulator.resources import KEY, Key, Location, SimulatedJob, SimulatedScope
from exporter.simulator.responses import Encoded, ResponseWriter
from exporter.simulator.values import seconds
from exporter.simulator.world import World


@dataclass(frozen=True)
class CatalogEntry:
    """An entry of the catalog that an operation lists: a kind of job or a type of scope."""

    service: str
    """The service of the catalog's file."""
    listed: Kind | Scope
    scopes: tuple[tuple[str, Scope], ...]
    """The scopes that it is listed in, from the outermost."""

    @property
    def type(self) -> str:
        """What `Location.listed` knows its resources by."""
        return str(self.listed) if isinstance(self.listed, Kind) else scope_type(self.service, self.listed)

    def matches(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a request asks for this entry: it contradicts none of the constants that select it."""
        # The order is what a request may choose freely, whatever the exporter asks for.
        constants = {
            name: value
            for name, value in self.listed.arguments.items()
            if not name.lower().startswith(("sort", "order"))
        }
        compared = shapes.leaves(constants, arguments)
        return all(shapes.is_reference(constant) or actual in (None, constant) for constant, actual in compared)

    def locations(self, region: Location, arguments: Mapping[str, Any]) -> list[Location]:
        """Return where a request asks to look; raises LookupError naming a scope that does not exist."""
        ids = shapes.references(self.listed.arguments, arguments)
        if ids.get("account_id", region.account) != region.account:
            raise LookupError(f"The account {ids['account_id']} is another one")
        locations = [region]
        for name, scope in self.scopes:
            identifier = ids.get(name)
            type_ = scope_type(self.service, scope)
            locations = [inner for outer in locations for inner in outer.scopes(type_, identifier)]
            if identifier is not None and not locations:
                raise LookupError(f"The {name.replace('_', ' ')} {identifier} does not exist")
        return locations


@dataclass(frozen=True)
class ListOperation:
    """Lists page by page, newest first unless the request says otherwise."""

    world: World
    model: OperationModel
    writer: ResponseWriter
    page_size: int | None
    """No page holds more than this."""
    entries: list[CatalogEntry]

    def __call__(self, context: RequestContext) -> dict[str, Any]:
        """Return a page; raises AwsError for an unknown scope or an invalid page token."""
        paging, arguments = context.paging, context.arguments
        same = {name: value for name, value in arguments.items() if name not in (paging.input_token, paging.limit)}
        bound_to = {"list": [context.account, context.region, context.operation], "arguments": same}
        token = arguments.get(paging.input_token)
        start = page_tokens.position(token, bound_to) if token else None
        sizes = (arguments.get(paging.limit), paging.page_size, self.page_size or _PAGE)
        size = min(size for size in sizes if size) if paging.output_token else _EVERYTHING
        # One more than fits on a page shows whether another page follows.
        found = list(islice(self._resources(context, start), size + 1))
        output: dict[str, Any] = {}
        items = [self._encoded(resource, context.now) for resource in found[:size]]
        shapes.put(output, self.entries[0].listed.items, items)
        if found[size:]:
            shapes.put(output, paging.output_token, page_tokens.token(found[size - 1].key, bound_to))
        return output

    def _resources(self, context: RequestContext, start: Key | None) -> Iterator[SimulatedJob | SimulatedScope]:
        """Yield everything in the list after `start`, in the order that the request asks for."""
        order = (shapes.at(context.arguments, path) for path in self._order_paths)
        newest_first = not any(isinstance(word, str) and word.upper().startswith("ASC") for word in order)
        region = self.world.location(context.account, context.region)
        lists: list[Iterator[SimulatedJob | SimulatedScope]] = []
        for entry in self.entries:
            if entry.matches(context.arguments):
                try:
                    locations = entry.locations(region, context.arguments)
                except LookupError as error:
                    raise not_found(self.model, error.args[0]) from None
                lists.extend(
                    self._within(location, entry, context, start, newest_first=newest_first) for location in locations
                )
        return heapq.merge(*lists, key=KEY, reverse=newest_first)

    def _within(
        self, location: Location, entry: CatalogEntry, context: RequestContext, start: Key | None, *, newest_first: bool
    ) -> Iterator[SimulatedJob | SimulatedScope]:
        """Yield what one location has to list after `start`."""
        low, high = _OLDEST, _NEWEST
        if isinstance(entry.listed, Kind):
            after = shapes.at(context.arguments, entry.listed.filters.created_after or "")
            low, high = (_time(after), _LAST) if after is not None else low, (context.now, _LAST)
        if start and newest_first:
            high = min(start, high)
        elif start:
            low = max(start, low)
        resources = location.listed(entry.type)
        # Right of `low` and left of `high`: in either order, `start` itself was on the page before.
        between = range(bisect_right(resources, low, key=KEY), bisect_left(resources, high, key=KEY))
        for index in reversed(between) if newest_first else between:
            resource = resources[index]
            if resource.exists and (isinstance(entry.listed, Scope) or self._passes(resource, entry.listed, context)):
                yield resource

    def _passes(self, job: SimulatedJob, kind: Kind, context: RequestContext) -> bool:
        """Whether AWS still lists a job, with the status and the values of swept arguments that a request asks for."""
        if job.is_forgotten_at(context.now):
            return False
        status = shapes.at(context.arguments, kind.filters.status or "")
        if status is not None and job.status_at(context.now) not in (status if isinstance(status, list) else [status]):
            return False
        swept = {name: context.arguments[name] for name in kind.sweep if name in context.arguments}
        builder = self.world.job_items(kind)
        return all(builder.swept(job, name, context.now) == value for name, value in swept.items())

    def _encoded(self, resource: SimulatedJob | SimulatedScope, now: float) -> Encoded:
        """Return an item as text, from the last response unless it changed since."""
        phase = resource.phase_at(now) if isinstance(resource, SimulatedJob) else 0
        if resource.encoded is None or resource.encoded[0] != phase:
            if isinstance(resource, SimulatedJob):
                jobs = self.world.job_items(resource.kind)
                shape, item = jobs.shape, self._quirky(resource.kind, jobs.item(resource, now))
            else:
                scopes = self.world.scope_items(resource.type)
                shape, item = scopes.shape, scopes.item(resource)
            resource.encoded = phase, self.writer.encode(shape, item)
        return resource.encoded[1]

    def _quirky(self, kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
        """Return an item as AWS lists it, which may be less than its model has."""
        if self.world.has(Quirk.NO_MESSAGES, kind):
            for path in filter(None, (kind.reason, kind.code)):
                shapes.drop(item, path)
        return item

    @cached_property
    def _order_paths(self) -> list[str]:
        """Where a request can say `Ascending`."""
        return list(_orders(self.model.input_shape, ""))


def _orders(shape: StructureShape, prefix: str) -> Iterator[str]:
    """Yield the paths of the members that take ascending and descending, one structure deep."""
    for name, member in shape.members.items():
        if isinstance(member, StringShape) and {word.upper()[:3] for word in member.enum} == {"ASC", "DES"}:
            yield f"{prefix}{name}"
        elif isinstance(member, StructureShape) and not prefix:
            yield from _orders(member, f"{name}.")


def _time(value: str | float) -> float:
    """Return a filter's time in seconds; a member that is a number, not a timestamp, is in milliseconds."""
    return value / 1000 if isinstance(value, int) else seconds(value)


_PAGE = 1000
"""The size of a page where the model sets no limit."""

_EVERYTHING = 10**9
"""The size of a page where there are no pages."""

_OLDEST: Key = (-math.inf, "")
_NEWEST: Key = (math.inf, "")
_LAST = "~"
"""Sorts after every token: they are hexadecimal."""
