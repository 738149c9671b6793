"""Which operations the made-up AWS has: those that the catalog names, and no others."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property

from botocore.model import OperationModel, ServiceModel

from exporter.catalog import Catalog, Kind, Scope
from exporter.simulator import requests, responses
from exporter.simulator.aws_error import unknown_operation
from exporter.simulator.calls import Operation
from exporter.simulator.details import Description
from exporter.simulator.identity import Identity, OrganizationsApi
from exporter.simulator.lists import ListEntry, Listing
from exporter.simulator.requests import Request
from exporter.simulator.world import World


class SimulatedService:
    """One service of AWS: its protocol and its operations."""

    def __init__(self, model: ServiceModel, entries: list[ListEntry], world: World, page_size: int | None) -> None:
        self.name: str = model.service_name
        self.signing_name: str = model.signing_name
        self.writer = responses.writer(model)
        self.operations: dict[str, Operation] = {}
        jobs = {entry.listed.operation for entry in entries if isinstance(entry.listed, Kind)}
        for entry in entries:
            # A scope in a list of its own service's jobs is one of them.
            if isinstance(entry.listed, Kind) or entry.listed.service or entry.listed.operation not in jobs:
                self._list(model, entry, world, page_size)
            self._describe(model, entry.listed, world)
        if own := _OWN.get(self.name):
            self.operations.update(own(world).operations)
        self.reader = requests.reader(model, self.operations)

    def _list(self, model: ServiceModel, entry: ListEntry, world: World, page_size: int | None) -> None:
        name = entry.listed.operation
        paging = world.models.paging(self.name, name)
        new = Listing(world, model.operation_model(name), paging, self.writer, page_size)
        listing = self.operations.setdefault(name, new)
        if isinstance(listing, Listing) and entry.sort not in {known.sort for known in listing.entries}:
            listing.entries.append(entry)

    def _describe(self, model: ServiceModel, listed: Kind | Scope, world: World) -> None:
        if isinstance(listed, Kind) and listed.details:
            name = listed.details.operation
            description = self.operations.setdefault(name, Description(world, model.operation_model(name)))
            if isinstance(description, Description):
                description.kinds.append(listed)


class Services:
    """All services that the catalog mentions, each loaded when a request may be for it, STS and Organizations."""

    def __init__(self, catalog: Catalog, world: World, page_size: int | None) -> None:
        self._catalog = catalog
        self._world = world
        self._page_size = page_size
        self._loaded: dict[str, SimulatedService] = {}

    def find(self, signing_name: str, request: Request) -> tuple[SimulatedService, OperationModel]:
        """Return what a request asks for; raises AwsError (UnknownOperationException) if that is nothing."""
        for service in self._candidates(signing_name):
            if operation := service.reader.find(request):
                return service, operation
        raise unknown_operation()

    def signed(self, signing_name: str) -> SimulatedService | None:
        """Return the first service that signs so, whose protocol an error is told in."""
        return next(self._candidates(signing_name), None)

    def _candidates(self, signing_name: str) -> Iterator[SimulatedService]:
        """Yield the services that sign so; the nearest names first, so that few models are loaded in vain."""
        for name in self._nearest(signing_name):
            service = self._service(name)
            if service.signing_name == signing_name:
                yield service

    @cache  # noqa: B019 - lives as long as the simulator
    def _nearest(self, signing_name: str) -> list[str]:
        return sorted(self._entries, key=lambda name: -difflib.SequenceMatcher(None, name, signing_name).ratio())

    def _service(self, name: str) -> SimulatedService:
        if name not in self._loaded:
            model = self._world.models.service(name)
            self._loaded[name] = SimulatedService(model, self._entries[name], self._world, self._page_size)
        return self._loaded[name]

    @cached_property
    def _entries(self) -> Mapping[str, list[ListEntry]]:
        """What each service lists: the kinds of its own file, and the scopes of any file that it is named for."""
        found: defaultdict[str, list[ListEntry]] = defaultdict(list, {name: [] for name in _OWN})
        for kind in self._catalog.kinds():
            found[kind.service].append(ListEntry(kind.service, kind, kind.scopes))
            for number, (_, scope) in enumerate(kind.scopes):
                found[scope.service or kind.service].append(ListEntry(kind.service, scope, kind.scopes[:number]))
        return found


_OWN: Mapping[str, Callable[[World], Identity | OrganizationsApi]] = {
    "sts": Identity,
    "organizations": OrganizationsApi,
}
"""Services that list no jobs, and what they do."""
