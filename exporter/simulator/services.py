"""The operations of the simulated AWS: those that the catalog names, and a few that are passed in."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property

from botocore.model import OperationModel, ServiceModel

from exporter.catalog import Kind
from exporter.simulator.aws_error import AwsError
from exporter.simulator.describing import DescribeOperation
from exporter.simulator.details import DetailsOperation
from exporter.simulator.lists import CatalogEntry, ListOperation
from exporter.simulator.operations import Operation
from exporter.simulator.requests import Request, RequestReader
from exporter.simulator.responses import ResponseWriter
from exporter.simulator.world import World


class SimulatedService:
    """One service of AWS: its protocol and its operations."""

    def __init__(
        self,
        model: ServiceModel,
        entries: list[CatalogEntry],
        given: Mapping[str, Operation],
        world: World,
        page_size: int | None,
    ) -> None:
        self.name: str = model.service_name
        self.signing_name: str = model.signing_name
        self.writer = ResponseWriter(model)
        self.operations: dict[str, Operation] = dict(given)
        lists: defaultdict[str, list[CatalogEntry]] = defaultdict(list)
        details: defaultdict[str, list[Kind]] = defaultdict(list)
        job_lists = {entry.listed.operation for entry in entries if isinstance(entry.listed, Kind)}
        for entry in entries:
            name, listed = entry.listed.operation, entry.listed
            # A scope in a list of its own service's jobs is one of those jobs.
            is_job = not isinstance(listed, Kind) and not listed.service and name in job_lists
            # Kinds share scopes, so the same one comes up once for each of them.
            if not is_job and entry.type not in {other.type for other in lists[name]}:
                lists[name].append(entry)
            if isinstance(listed, Kind) and listed.details:
                details[listed.details.operation].append(listed)
            if isinstance(listed, Kind) and listed.describe:
                described = DescribeOperation(world, listed, self.writer)
                self.operations[listed.describe.operation] = described
        for name, kinds in details.items():
            self.operations[name] = DetailsOperation(world, model.operation_model(name), kinds)
        for name, listed_entries in lists.items():
            operation = model.operation_model(name)
            self.operations[name] = ListOperation(world, operation, self.writer, page_size, listed_entries)
        self.reader = RequestReader(model, self.operations)


class Services:
    """Every service that the catalog or `given` names, each loaded when a request may be for it.

    `given` has operations that the catalog does not name, by service.
    """

    def __init__(self, world: World, given: Mapping[str, Mapping[str, Operation]], page_size: int | None) -> None:
        self._world = world
        self._given = given
        self._page_size = page_size
        self._loaded: dict[str, SimulatedService] = {}
        self._by_resemblance: dict[str, list[str]] = {}

    def find(self, signing_name: str, request: Request) -> tuple[SimulatedService, OperationModel]:
        """Return what a request is for; raises AwsError (UnknownOperationException) if that is nothing."""
        for service in self.signed(signing_name):
            if operation := service.reader.find(request):
                return service, operation
        raise AwsError("UnknownOperationException", "The requested operation is not recognized by the service.", 404)

    def signed(self, signing_name: str) -> Iterator[SimulatedService]:
        """Yield the services that requests with this signing name may be for."""
        for name in self._nearest(signing_name):
            if name not in self._loaded:
                model, given = self._world.models.service(name), self._given.get(name, {})
                self._loaded[name] = SimulatedService(model, self._entries[name], given, self._world, self._page_size)
            if self._loaded[name].signing_name == signing_name:
                yield self._loaded[name]

    def _nearest(self, signing_name: str) -> list[str]:
        """Return all services, those first whose names resemble a signing name most."""
        # Only a model has the signing name, and models are slow to load. Most signing names resemble the service's.
        if signing_name not in self._by_resemblance:
            resembles = difflib.SequenceMatcher(b=signing_name)

            def resemblance(name: str) -> float:
                resembles.set_seq1(name)
                return resembles.ratio()

            self._by_resemblance[signing_name] = sorted(self._entries, key=resemblance, reverse=True)
        return self._by_resemblance[signing_name]

    @cached_property
    def _entries(self) -> Mapping[str, list[CatalogEntry]]:
        """What each service lists: the kinds of its own file, and the scopes of any file that names it."""
        found: defaultdict[str, list[CatalogEntry]] = defaultdict(list, {name: [] for name in self._given})
        for kind in self._world.catalog.kinds():
            found[kind.service].append(CatalogEntry(kind.service, kind, kind.scopes))
            for number, (_, scope) in enumerate(kind.scopes):
                found[scope.service or kind.service].append(CatalogEntry(kind.service, scope, kind.scopes[:number]))
        return found
