"""botocore's service models, as far as the catalog needs them: shapes, paging, and whether an entry fits them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import botocore.loaders
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape

from exporter.catalog.kind import ANY, BARE, Details, Kind, Refinement, Scope
from exporter.text.spelling import did_you_mean

LEFT_OUT = "left-out"
"""The file among botocore's data that lists the services whose models an image was built without."""

# AWS's names for the three parts of paging, for operations that botocore has no paginator for.
_INPUT_TOKENS = ("NextToken", "nextToken", "Marker", "startingToken", "PaginationToken")
_OUTPUT_TOKENS = ("NextToken", "nextToken", "NextMarker", "Marker", "PaginationToken")
_LIMITS = ("MaxResults", "maxResults", "MaxItems", "maxItems", "MaxRecords", "PageSize", "Limit", "limit")


class Paging(NamedTuple):
    """How a list operation pages; a name is empty if the operation has no such member."""

    input_token: str
    output_token: str
    limit: str
    page_size: int | None
    """The largest page that the operation's shape allows; None if it sets no maximum."""


class Models:
    """The models of all services, each loaded when it is first asked for."""

    def __init__(self, loader: botocore.loaders.Loader | None = None) -> None:
        self._loader = loader or botocore.loaders.Loader()
        self._services: dict[str, ServiceModel] = {}

    def service(self, name: str) -> ServiceModel:
        """Return a service's model; raises LookupError if botocore does not have the service."""
        if name not in self._services:
            try:
                data = self._loader.load_service_model(name, "service-2")
            except UnknownServiceError:
                raise LookupError(self._unknown(name)) from None
            self._services[name] = ServiceModel(data, service_name=name)
        return self._services[name]

    def operation(self, service: str, operation: str) -> OperationModel:
        """Return an operation's model; raises LookupError if the service has no such operation."""
        model = self.service(service)
        if operation not in model.operation_names:
            raise LookupError(
                f"{service} has no operation {operation!r}{did_you_mean(operation, model.operation_names)}"
            )
        return model.operation_model(operation)

    def paging(self, service: str, operation: str) -> Paging:
        """Return how an operation pages: from botocore's paginator, or from the usual names of its members."""
        model = self.operation(service, operation)
        config = self._paginators(service).get(operation)
        inputs, outputs = _members(model.input_shape), _members(model.output_shape)
        if config is None:
            input_token, output_token, limit = (
                next((name for name in names if name in members), "")
                for names, members in ((_INPUT_TOKENS, inputs), (_OUTPUT_TOKENS, outputs), (_LIMITS, inputs))
            )
        else:
            # Where botocore lists several tokens, the catalog's operations use the first.
            input_token, output_token = (_first(config[key]) for key in ("input_token", "output_token"))
            limit = config.get("limit_key", "")
        page_size = inputs[limit].metadata.get("max") if limit else None
        return Paging(input_token, output_token, limit, page_size)

    def _unknown(self, name: str) -> str:
        """Return why there is no model of a service: an image has only the models that its build kept."""
        try:
            left_out: list[str] = self._loader.load_data(LEFT_OUT)
        except DataNotFoundError:
            left_out = []
        if name in left_out:
            return f"this image has no model of {name!r}: build one that has it with --build-arg MODELS=all"
        known = [*self._loader.list_available_services("service-2"), *left_out]
        return f"botocore has no service {name!r}{did_you_mean(name, known)}"

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
    # Without pseudo regions such as `aws-global`, which stand for services that have no regions.
    return frozenset(region for partition in partitions for region in partition["regions"] if "global" not in region)


@cache
def partition(region: str) -> str:
    """Return the partition that a region is in, such as `aws-cn`; `aws` for a region that botocore does not know."""
    partitions = botocore.loaders.Loader().load_data("partitions")["partitions"]
    return next((each["id"] for each in partitions if re.match(each["regionRegex"], region)), "aws")


def shape_at(shape: Shape, path: str) -> Shape:
    """Return the shape at a path of the catalog; raises LookupError with the nearest name if there is none."""
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        members = _members(shape)
        if isinstance(shape, MapShape):
            shape = shape.value
        elif name not in members:
            raise LookupError(f"no {name!r} in {shape.name}{did_you_mean(name, members)}")
        else:
            shape = members[name]
        if bracket:
            if not isinstance(shape, ListShape):
                raise LookupError(f"{name!r} in {path!r} is not a list")
            shape = shape.member
    return shape


def wire_path(shape: Shape, path: str) -> str:
    """Return a path of the catalog with the names that AWS sends; raises LookupError if a shape lacks a step."""
    names = []
    for step in path.split("."):
        name, bracket, _ = step.partition("[")
        names.append(shape_at(shape, name).serialization.get("name", name) + (bracket and "[0]"))
        shape = shape_at(shape, step)
    return ".".join(names)


def item_shape(model: OperationModel, items: str) -> StructureShape:
    """Return the shape of an operation's listed items; raises LookupError if `items` is not a list of structures."""
    member = _listed(model, items)
    if not isinstance(member, StructureShape):
        raise LookupError(f"{items!r} is a list of {member.type_name}, not a list of structures")
    return member


@dataclass(frozen=True)
class Checker:
    """Checks entries of the catalog against botocore's models."""

    models: Models

    def problems(self, kind: Kind) -> list[str]:
        """Return the problems of an entry, one line each that starts with the key; empty if there are none."""
        return list(self._kind(kind))

    def _kind(self, kind: Kind) -> Iterator[str]:
        try:
            model = self.models.operation(kind.service, kind.operation)
        except LookupError as error:
            yield f"operation: {error.args[0]}"
            return
        if kind.describe and (problem := _describe_problem(model, kind.items)):
            yield f"items: {problem}"
            return
        key = "describe" if kind.describe else "items"
        operation, items = kind.described
        try:
            describing = self.models.operation(kind.service, operation)
            item = item_shape(describing, items)
        except LookupError as error:
            yield f"{key}: {error.args[0]}"
            return
        if kind.describe:
            ids = {kind.describe.ids: [""]}
            yield from _arguments(describing.name, describing.input_shape, ids, (), "describe.ids")
        yield from _item(item, kind)
        yield from _input(model, kind)
        yield from self._paging(kind.service, kind.operation)
        scopes = [name for name, _ in kind.scopes]
        for number, (name, scope) in enumerate(kind.scopes):
            yield from self._scope(scope, scope.service or kind.service, f"scopes.{name}", scopes[:number])
        if kind.details:
            yield from self._details(kind.details, kind, item, scopes)

    def _scope(self, scope: Scope, service: str, key: str, outer: list[str]) -> Iterator[str]:
        try:
            model = self.models.operation(service, scope.operation)
            item = _listed(model, scope.items) if scope.id == BARE else item_shape(model, scope.items)
        except LookupError as error:
            yield f"{key}: {error.args[0]}"
            return
        if scope.id == BARE and not isinstance(item, StringShape):
            yield f"{key}: {scope.items!r} is a list of {item.type_name}, so the id has a name, not `{BARE}`"
            return
        yield from _paths(item, ((f"{key}.{name}", path) for name, path in scope.paths()))
        for path, value in scope.where.items():
            if value != ANY and (shape := _found(item, path)):
                yield from _value(shape, value, [], f"{key}.where")
        yield from _arguments(model.name, model.input_shape, scope.arguments, [*outer, _ACCOUNT], f"{key}.arguments")
        if ended := scope.ended:
            arguments = {**scope.arguments, **ended.arguments}
            yield from _arguments(model.name, model.input_shape, arguments, [_ACCOUNT], f"{key}.ended.arguments")
            yield from _bound(model.input_shape or _EMPTY, ended.created_after, f"{key}.ended.created_after")
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
        known = [*scopes, *_members(item), _ACCOUNT]
        yield from _arguments(model.name, model.input_shape, details.arguments, known, "details.arguments")
        yield from _paths(_output(model), ((f"details.{key}", path) for key, path in details.paths()))
        yield from _types(_output(model), details.paths(), "details.")


def _describe_problem(model: OperationModel, items: str) -> str:
    """Return why an operation does not list the bare ids of jobs; empty if it does."""
    try:
        member = _listed(model, items)
    except LookupError as error:
        return str(error.args[0])
    return "" if isinstance(member, StringShape) else f"{items!r} is a list of {member.type_name}, not of ids"


def _output(model: OperationModel) -> Shape:
    return model.output_shape or _EMPTY


def _listed(model: OperationModel, items: str) -> Shape:
    """Return the shape of one element of a list; raises LookupError if `items` is not a list."""
    found = shape_at(_output(model), items)
    if not isinstance(found, ListShape):
        raise LookupError(f"{items!r} is a {found.type_name}, not a list of structures")
    return found.member


def _item(item: Shape, kind: Kind) -> Iterator[str]:
    """Check what an entry reads from an item: each path exists, has a suitable type, and every status is mapped."""
    yield from _paths(item, kind.paths())
    declared, mapped = _words(_found(item, kind.status)), set(kind.state_of)
    # Where the model has no enumeration of the status, there is nothing to compare with.
    if declared and (missing := sorted(declared - mapped)):
        yield f"states: not mapped: {', '.join(missing)}"
    if declared and (invented := sorted(mapped - declared)):
        yield f"states: {invented[0]!r} is not a status of {kind.operation}{did_you_mean(invented[0], declared)}"
    yield from _types(item, kind.paths())
    for number, rule in enumerate(kind.refine):
        yield from _refinement(rule, _found(item, rule.when), f"refine.{number}")
    for number, wait in enumerate(kind.waits):
        yield from _known(wait.is_, wait.when, _words(_found(item, wait.when)), f"waits.{number}")


def _refinement(rule: Refinement, shape: Shape | None, key: str) -> Iterator[str]:
    """Check the words of a refinement: only a text has any, of the model's enumeration if there is one."""
    expected = rule.is_ or rule.is_not
    if shape and expected and shape.type_name != "string":
        yield f"{key}: {rule.when!r} is a {shape.type_name}, not a string"
    elif words := _words(shape):
        yield from _known(expected, rule.when, words, key)
        if not expected:
            yield f"{key}: {rule.when!r} is always one of {', '.join(sorted(words))}: say `is` or `is_not`"


def _known(expected: Iterable[str], path: str, words: Collection[str], key: str) -> Iterator[str]:
    """Check that words are of the model's enumeration, if there is one."""
    for word in expected if words else ():
        if word not in words:
            yield f"{key}: {word!r} is not a value of {path!r}{did_you_mean(word, words)}"


def _types(shape: Shape, paths: Iterable[tuple[str, str]], group: str = "") -> Iterator[str]:
    """Check that what an entry reads has a suitable type."""
    for key, path in paths:
        first, last = key.partition(".")[0], key.rpartition(".")[2]
        found, allowed = _found(shape, path), _TYPES.get(f"{first}.{last}", _TYPES.get(first))
        if found and allowed and found.type_name not in allowed:
            yield f"{group}{key}: {path!r} is a {found.type_name}, not one of: {', '.join(allowed)}"


def _input(model: OperationModel, kind: Kind) -> Iterator[str]:
    """Check what an entry sends: arguments, sweep, and filters of a suitable type."""
    shape, known = model.input_shape or _EMPTY, [*(name for name, _ in kind.scopes), _ACCOUNT]
    yield from _arguments(model.name, shape, kind.arguments, known, "arguments", elsewhere=kind.sweep)
    for name, values in kind.sweep.items():
        for value in values:
            yield from _arguments(model.name, shape, {name: value}, (), "sweep", elsewhere=_members(shape))
    filters = kind.filters
    yield from _paths(shape, [("filters.status", filters.status)] if filters.status else ())
    if filters.named:
        argument, _ = filters.named
        # Nothing in a model tells the names that a filter may have.
        yield from _paths(shape, [("filters.created_after", f"{argument}[0].{key}") for key in ("name", "values[0]")])
    elif filters.created_after:
        yield from _bound(shape, filters.created_after, "filters.created_after")
    words = _words(_found(shape, filters.status or ""))
    # The poller asks for each active status, and for no other.
    active = {status for status, state in kind.state_of.items() if state.is_active}
    if words and (refused := sorted(active - words)):
        yield f"filters.status: does not take {', '.join(refused)}"


def _bound(shape: Shape, path: str, key: str) -> Iterator[str]:
    """Check an argument that takes a time."""
    yield from _paths(shape, [(key, path)])
    found = _found(shape, path)
    if found and found.type_name != "timestamp":
        yield f"{key}: {path!r} is a {found.type_name}, not a timestamp"


def _paths(shape: Shape, paths: Iterable[tuple[str, str]]) -> Iterator[str]:
    for key, path in paths:
        try:
            shape_at(shape, path)
        except LookupError as error:
            yield f"{key}: {error.args[0]}"


def _arguments(
    title: str,
    shape: Shape | None,
    values: Mapping[str, Any],
    known: Collection[str],
    key: str,
    elsewhere: Collection[str] = (),
) -> Iterator[str]:
    """Check the members of an input or a structure: each exists, and each required one is given, here or elsewhere."""
    members = _members(shape)
    for name, value in values.items():
        if name in members:
            yield from _value(members[name], value, known, f"{key}.{name}")
        else:
            yield f"{key}.{name}: {title} takes no {name!r}{did_you_mean(name, members)}"
    for name in shape.required_members if isinstance(shape, StructureShape) else []:
        if name not in values and name not in elsewhere:
            yield f"{key}: {title} also requires {name!r}"


def _value(shape: Shape, value: Any, known: Collection[str], key: str) -> Iterator[str]:
    """Check one value: its type, every element of a structure or list, and words against the enumeration.

    Only a whole argument is a reference; nested values are literal.
    """
    fits = isinstance(value, _PYTHON.get(shape.type_name, object))
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in known:
            yield f"{key}: nothing is called {value!r}{did_you_mean(value[1:], known)}"
    elif not fits:
        yield f"{key}: {value!r} is not of type {shape.type_name}"
    elif isinstance(shape, StructureShape):
        yield from _arguments(shape.name, shape, value, (), key)
    elif isinstance(shape, ListShape):
        for number, element in enumerate(value):
            yield from _value(shape.member, element, (), f"{key}[{number}]")
    elif (words := _words(shape)) and value not in words:
        yield f"{key}: {value!r} is not allowed{did_you_mean(str(value), words)}"


def _words(shape: Shape | None) -> set[str]:
    """Return the enumeration of a string, or of the strings in a list; empty if the model has none."""
    text = shape.member if isinstance(shape, ListShape) else shape
    return set(text.enum) if isinstance(text, StringShape) else set()


def _found(shape: Shape, path: str) -> Shape | None:
    try:
        return shape_at(shape, path)
    except LookupError:
        return None


def _members(shape: Shape | None) -> Mapping[str, Shape]:
    return shape.members if isinstance(shape, StructureShape) else {}


def _first(token: str | list[str]) -> str:
    return token if isinstance(token, str) else token[0]


_ACCOUNT = "account_id"
"""What every argument may refer to."""

_NUMBERS = ("integer", "long", "float", "double")
_TYPES: Mapping[str, tuple[str, ...]] = {
    "times": ("timestamp", "long", "string"),
    "times.duration": _NUMBERS,
    "dimensions": ("string", "boolean", *_NUMBERS),
    "records": _NUMBERS,
    "refine": ("boolean", "string", *_NUMBERS),
    "waits": ("string",),
    "waits.unless": ("boolean", "string", *_NUMBERS),
    "used": _NUMBERS,
    "used.type": ("string",),
}
"""The types that each group of an entry's keys, or one key, may read."""

_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "structure": Mapping,
    "list": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
}
"""The Python type that YAML gives for an argument of each type."""

_EMPTY = StructureShape("Nothing", {"type": "structure", "members": {}})
"""Stands in for the input or output that an operation does not have."""
