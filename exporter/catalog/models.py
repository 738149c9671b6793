"""botocore's service models, as far as the catalog needs them: shapes, paging, and whether an entry tells the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import botocore.loaders
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.model import ListShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from exporter.catalog.kind import Arguments, Details, Kind, Scope
from exporter.catalog.spelling import did_you_mean

# What AWS calls the three parts of paging, for the operations that botocore has no paginator for.
_INPUT_TOKENS = ("NextToken", "nextToken", "Marker", "startingToken")
_OUTPUT_TOKENS = ("NextToken", "nextToken", "NextMarker", "Marker")
_LIMITS = ("MaxResults", "maxResults", "MaxItems", "maxItems", "MaxRecords", "PageSize", "Limit", "limit")


class Paging(NamedTuple):
    """How a list operation is read page by page; an empty name where the operation has no such member."""

    input_token: str
    output_token: str
    limit: str
    page_size: int | None
    """The largest page that the operation's shape allows, None where it sets no maximum."""


class Models:
    """The models of all services, each loaded when it is first asked for."""

    def __init__(self, loader: botocore.loaders.Loader | None = None) -> None:
        self._loader = loader or botocore.loaders.Loader()
        self._services: dict[str, ServiceModel] = {}

    def service(self, name: str) -> ServiceModel:
        """Return a service's model; raises LookupError for a service that botocore does not know."""
        if name not in self._services:
            try:
                data = self._loader.load_service_model(name, "service-2")
            except UnknownServiceError:
                known = self._loader.list_available_services("service-2")
                raise LookupError(f"botocore has no service {name!r}{did_you_mean(name, known)}") from None
            self._services[name] = ServiceModel(data, service_name=name)
        return self._services[name]

    def operation(self, service: str, operation: str) -> OperationModel:
        """Return an operation's model; raises LookupError where the service has no such operation."""
        model = self.service(service)
        if operation not in model.operation_names:
            raise LookupError(
                f"{service} has no operation {operation!r}{did_you_mean(operation, model.operation_names)}"
            )
        return model.operation_model(operation)

    def paging(self, service: str, operation: str) -> Paging:
        """Return how an operation pages: from botocore's paginator, else from the usual names of its members."""
        model = self.operation(service, operation)
        config = self._paginators(service).get(operation)
        inputs, outputs = _members(model.input_shape), _members(model.output_shape)
        if config is None:
            input_token, output_token, limit = (
                next((name for name in names if name in members), "")
                for names, members in ((_INPUT_TOKENS, inputs), (_OUTPUT_TOKENS, outputs), (_LIMITS, inputs))
            )
        else:
            input_token, output_token = _only(config["input_token"]), _only(config["output_token"])
            limit = config.get("limit_key", "")
        page_size = inputs[limit].metadata.get("max") if limit else None
        return Paging(input_token, output_token, limit, page_size)

    def _paginators(self, service: str) -> Mapping[str, Any]:
        try:
            paginators: Mapping[str, Any] = self._loader.load_service_model(service, "paginators-1")["pagination"]
        except (UnknownServiceError, DataNotFoundError):
            return {}
        return paginators


@cache
def regions() -> frozenset[str]:
    """Return the name of every region of every partition that botocore knows."""
    partitions = botocore.loaders.Loader().load_data("partitions")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"] if "global" not in region)


def shape_at(shape: Shape, path: str) -> Shape:
    """Return the shape that a path of the catalog leads to; raises LookupError naming what is there instead."""
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        members = _members(shape)
        if name not in members:
            raise LookupError(f"no {name!r} in {shape.name}{did_you_mean(name, members)}")
        shape = members[name]
        if bracket:
            if not isinstance(shape, ListShape):
                raise LookupError(f"{name!r} in {path!r} is no list")
            shape = shape.member
    return shape


def item_shape(model: OperationModel, items: str) -> StructureShape:
    """Return the shape of what an operation lists; raises LookupError where `items` is no list of structures."""
    found = shape_at(model.output_shape or _EMPTY, items)
    if not isinstance(found, ListShape) or not isinstance(found.member, StructureShape):
        raise LookupError(f"{items!r} is a {found.type_name}, not a list of structures")
    return found.member


@dataclass(frozen=True)
class Checker:
    """Holds entries of the catalog to botocore's models."""

    models: Models

    def problems(self, kind: Kind) -> list[str]:
        """Return what is wrong with an entry, each as one line that begins with the key; an empty list if nothing."""
        return list(self._kind(kind))

    def _kind(self, kind: Kind) -> Iterator[str]:
        try:
            model = self.models.operation(kind.service, kind.operation)
        except LookupError as error:
            yield f"operation: {error.args[0]}"
            return
        try:
            item = item_shape(model, kind.items)
        except LookupError as error:
            yield f"items: {error.args[0]}"
            return
        yield from _paths(item, kind.paths())
        yield from _statuses(item, kind)
        scopes = [name for name, _ in kind.scopes]
        yield from _arguments(model, kind.arguments, scopes, "arguments")
        yield from self._paging(kind.service, kind.operation)
        filters = kind.filters.model_dump(exclude_none=True).items()
        yield from _paths(model.input_shape or _EMPTY, ((f"filters.{key}", path) for key, path in filters))
        for number, (name, scope) in enumerate(kind.scopes):
            yield from self._scope(scope, scope.service or kind.service, f"scopes.{name}", scopes[:number])
        if kind.details:
            yield from self._details(kind.details, kind, item, scopes)

    def _scope(self, scope: Scope, service: str, key: str, outer: list[str]) -> Iterator[str]:
        try:
            model = self.models.operation(service, scope.operation)
            item = item_shape(model, scope.items)
        except LookupError as error:
            yield f"{key}: {error.args[0]}"
            return
        paths = {"id": scope.id, "name": scope.name}
        yield from _paths(item, ((f"{key}.{name}", path) for name, path in paths.items() if path))
        yield from _arguments(model, scope.arguments, outer, f"{key}.arguments")
        yield from self._paging(service, scope.operation)

    def _paging(self, service: str, operation: str) -> Iterator[str]:
        paging = self.models.paging(service, operation)
        if bool(paging.input_token) != bool(paging.output_token):
            yield f"operation: {operation} has half a page token: {paging}"

    def _details(self, details: Details, kind: Kind, item: Shape, scopes: list[str]) -> Iterator[str]:
        try:
            model = self.models.operation(kind.service, details.operation)
        except LookupError as error:
            yield f"details.operation: {error.args[0]}"
            return
        known = [*scopes, *_members(item)]
        yield from _arguments(model, details.arguments, known, "details.arguments")
        paths = {"reason": details.reason, "code": details.code}
        output = model.output_shape or _EMPTY
        yield from _paths(output, ((f"details.{key}", path) for key, path in paths.items() if path))


def _statuses(item: Shape, kind: Kind) -> Iterator[str]:
    """Hold the mapping of statuses to the enumeration of the model, where the model has one."""
    shape = _found(item, kind.status)
    declared = set(shape.enum) if isinstance(shape, StringShape) else set()
    mapped = set(kind.state_of)
    if declared and (missing := sorted(declared - mapped)):
        yield f"states: not mapped: {', '.join(missing)}"
    if declared and (invented := sorted(mapped - declared)):
        yield f"states: {invented[0]!r} is no status of {kind.operation}{did_you_mean(invented[0], declared)}"


def _paths(shape: Shape, paths: Iterable[tuple[str, str]]) -> Iterator[str]:
    for key, path in paths:
        try:
            shape_at(shape, path)
        except LookupError as error:
            yield f"{key}: {error.args[0]}"


def _arguments(model: OperationModel, arguments: Arguments, known: Iterable[str], key: str) -> Iterator[str]:
    """Hold arguments to an operation's input: each exists, each required one is given, each reference is known."""
    inputs, known = _members(model.input_shape), list(known)
    for name, value in arguments.items():
        if name not in inputs:
            yield f"{key}.{name}: {model.name} takes no {name!r}{did_you_mean(name, inputs)}"
        elif isinstance(value, str) and value.startswith("$") and value[1:] not in known:
            yield f"{key}.{name}: nothing is called {value!r}{did_you_mean(value[1:], known)}"
        elif (enum := getattr(inputs[name], "enum", None)) and not str(value).startswith("$") and value not in enum:
            yield f"{key}.{name}: {value!r} is not allowed{did_you_mean(str(value), enum)}"
    required = model.input_shape.required_members if isinstance(model.input_shape, StructureShape) else []
    for name in required:
        if name not in arguments:
            yield f"{key}: {model.name} also requires {name!r}"


def _found(shape: Shape, path: str) -> Shape | None:
    try:
        return shape_at(shape, path)
    except LookupError:
        return None


def _members(shape: Shape | None) -> Mapping[str, Shape]:
    return shape.members if isinstance(shape, StructureShape) else {}


def _only(token: str | list[str]) -> str:
    """Take the token of a paginator; a few of botocore's paginators list several, none that the catalog uses."""
    return token if isinstance(token, str) else token[0]


_EMPTY = StructureShape("Nothing", {"type": "structure", "members": {}})
