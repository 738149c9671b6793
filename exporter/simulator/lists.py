"""Operations that list: the catalog says what is in a list, the request which part of it to return."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any
from zlib import crc32

from botocore.model import OperationModel, StringShape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.catalog.kind import Filters
from exporter.catalog.models import shape_at
from exporter.simulator import page_tokens, shapes
from exporter.simulator.aws_error import not_found
from exporter.simulator.item_builders import scope_type
from exporter.simulator.operations import RequestContext
from exporter.simulator.quirks import Quirk
from exporter.simulator.resources import KEY, Key, Location, SimulatedJob, SimulatedScope
from exporter.simulator.responses import Encoded, ResponseWriter
from exporter.simulator.values import seconds
from exporter.simulator.views import NEW_MEMBERS, View
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
        page, end = self._page(context, start)
        output = {name: arguments[name] for name in self._required if name in arguments}
        items = [self._encoded(resource, context.now) for resource in page if self._passes_late(resource, context)]
        shapes.put(output, self.entries[0].listed.items, items)
        following = page_tokens.token(end, bound_to) if end else ""
        if token and self._has(Quirk.REPEATED_TOKEN):
            following = token
        if following or (paging.output_token and self._has(Quirk.EMPTY_TOKEN)):
            shapes.put(output, paging.output_token, following)
        return output | NEW_MEMBERS if self._has(Quirk.UNKNOWN_MEMBERS) else output

    def _page(
        self, context: RequestContext, start: Key | None
    ) -> tuple[list[SimulatedJob | SimulatedScope], Key | None]:
        """Return what is on the page after `start`, and where it ends; None if nothing follows."""
        paging = context.paging
        if paging.output_token and self._has(Quirk.EMPTY_PAGES) and not page_tokens.is_past_empty_page(start):
            return [], page_tokens.past_empty_page(start, newest_first=self._is_newest_first(context))
        sizes = (context.arguments.get(paging.limit), paging.page_size, self.page_size or _PAGE)
        size = min(size for size in sizes if size) if paging.output_token else _EVERYTHING
        if paging.output_token and self._has(Quirk.SMALL_PAGES):
            size = 1 + crc32(repr(start).encode()) % max(1, size - 1)
        # One more than fits on a page shows whether another page follows.
        found = list(islice(self._resources(context, start), size + 1))
        return found[:size], self._key(context.now)(found[size - 1]) if found[size:] else None

    def _has(self, quirk: Quirk) -> bool:
        return self.world.has(quirk, *(entry.listed for entry in self.entries if isinstance(entry.listed, Kind)))

    def _is_newest_first(self, context: RequestContext) -> bool:
        order = (shapes.at(context.arguments, path) for path in self._order_paths)
        return not any(isinstance(word, str) and word.upper().startswith("ASC") for word in order)

    def _resources(self, context: RequestContext, start: Key | None) -> Iterator[SimulatedJob | SimulatedScope]:
        """Yield everything in the list after `start`, in the order that the request asks for."""
        newest_first = self._is_newest_first(context)
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
        return heapq.merge(*lists, key=self._key(context.now), reverse=newest_first)

    def _key(self, now: float) -> Callable[[SimulatedJob | SimulatedScope], Key]:
        """Return what gives a resource's place in the list: its creation, or its last change where that decides."""
        if not any(isinstance(entry.listed, Kind) and entry.listed.has_changes_first for entry in self.entries):
            return KEY

        def changed(job: SimulatedJob | SimulatedScope) -> Key:
            assert isinstance(job, SimulatedJob)  # noqa: S101 - for the type checker: no list of scopes has such an order
            seen = self.view.seen(job, now)
            return job.changed_at(seen), job.token

        return changed

    def _within(
        self, location: Location, entry: CatalogEntry, context: RequestContext, start: Key | None, *, newest_first: bool
    ) -> Iterator[SimulatedJob | SimulatedScope]:
        """Yield what one location has to list after `start`."""
        low, high = _OLDEST, _NEWEST
        if isinstance(entry.listed, Kind):
            after = _created_after(context.arguments, entry.listed.filters)
            low, high = (after, _LAST) if after is not None else low, (context.now, _LAST)
        resources, key = location.listed(entry.type), self._key(context.now)
        if key is not KEY:
            resources = sorted((each for each in resources if each.key < high), key=key)
            high = _NEWEST
        if start and newest_first:
            high = min(start, high)
        elif start:
            low = max(start, low)
        # Right of `low` and left of `high`: in either order, `start` itself was on the page before.
        between = range(bisect_right(resources, low, key=key), bisect_left(resources, high, key=key))
        for index in reversed(between) if newest_first else between:
            resource = resources[index]
            if resource.exists and (isinstance(entry.listed, Scope) or self._passes(resource, entry.listed, context)):
                yield resource

    def _passes(self, job: SimulatedJob, kind: Kind, context: RequestContext) -> bool:
        """Whether a job is in the list: shown at all, by the filter by status, and by the swept arguments."""
        if job.is_forgotten_at(context.now) or not self.view.shows(job, context.now):
            return False
        if not self.world.has(Quirk.WALKS, kind) and not self._has_status(job, kind, context):
            return False
        swept = {name: context.arguments[name] for name in kind.sweep if name in context.arguments}
        builder, seen = self.world.job_items(kind), self.view.seen(job, context.now)
        return all(builder.swept(job, name, seen) == value for name, value in swept.items())

    def _passes_late(self, resource: SimulatedJob | SimulatedScope, context: RequestContext) -> bool:
        """Whether something on a page passes a filter that is applied only after the page was cut."""
        return not isinstance(resource, SimulatedJob) or self._has_status(resource, resource.kind, context)

    def _has_status(self, job: SimulatedJob, kind: Kind, context: RequestContext) -> bool:
        """Whether a job passes the request's filter by status, which AWS ignores beside a named filter."""
        if kind.filters.named and kind.filters.named[0] in context.arguments:
            return True
        status = shapes.at(context.arguments, kind.filters.status or "")
        listed = job.status_at(self.view.seen(job, context.now))
        return status is None or listed in (status if isinstance(status, list) else [status])

    def _encoded(self, resource: SimulatedJob | SimulatedScope, now: float) -> Encoded:
        """Return an item as text, from the last response unless it changed since."""
        seen = self.view.seen(resource, now) if isinstance(resource, SimulatedJob) else now
        phase = resource.phase_at(seen) if isinstance(resource, SimulatedJob) else 0
        if resource.encoded is None or resource.encoded[0] != (phase, self.world.quirks):
            if isinstance(resource, SimulatedJob) and resource.kind.describe:
                builder = self.world.job_items(resource.kind)
                shape = shape_at(self.model.output_shape, f"{resource.kind.items}[0]")
                item = shapes.at(builder.item(resource, seen), resource.kind.id[0])
            elif isinstance(resource, SimulatedJob):
                shape, item = self.world.job_items(resource.kind).shape, self.view.item(resource, seen)
            else:
                scopes = self.world.scope_items(resource.type)
                shape, item = scopes.shape, scopes.item(resource)
            resource.encoded = (phase, self.world.quirks), self.writer.encode(shape, item)
        return resource.encoded[1]

    @cached_property
    def _required(self) -> list[str]:
        """The members that every response must have: some repeat an argument."""
        return list(self.model.output_shape.required_members)

    @cached_property
    def view(self) -> View:
        """How jobs look to lists."""
        return View(self.world)

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


def _created_after(arguments: Mapping[str, Any], filters: Filters) -> float | None:
    """Return the creation time after which a request asks for jobs; None if it asks for all."""
    if filters.named is None:
        value = shapes.at(arguments, filters.created_after or "")
        return None if value is None else _time(value)
    argument, name = filters.named
    values = (each["values"][0] for each in arguments.get(argument, ()) if each["name"] == name)
    return next((int(value) / 1000 for value in values), None)


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
