"""botocore's service models cut to the catalog: clients parse only what is read of a response, and need less memory.

The catalog's services keep only the operations that the catalog names; a client has no method for any other. Services
that the catalog does not know stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

import orjson
from botocore.loaders import JSONFileLoader, Loader
from botocore.model import ServiceModel

from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.kind import BARE


def catalog_loader(catalog: Catalog) -> Loader:
    """Return a loader of models for clients that call only the catalog's operations."""
    return Loader(file_loader=_Files(catalog))


class Read(NamedTuple):
    """A value that is read of an operation's response."""

    steps: tuple[str, ...]
    """The members on the way to it; lists are skipped."""
    is_time: bool = False
    """Whether it is read as a time, in any form; other values are read as they are."""

    @classmethod
    def of(cls, *paths: str, is_time: bool = False) -> Read:
        """Return the value at paths of the catalog, each within the one before."""
        return cls(tuple(".".join(paths).replace("[0]", "").split(".")), is_time)


Reads = dict[str, set[Read]]
"""What is read of each operation's response."""


class _Files(JSONFileLoader):  # type: ignore[misc] # botocore has no types
    """Reads botocore's files. Cuts here, below the loader's cache, so that whole models are not kept in memory."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def load_file(self, file_path: str) -> Any:
        """Return the content of a file; None if there is no such file."""
        content = super().load_file(file_path)
        service, _, file = PurePath(file_path).parts[-3:]
        if service in self._reads and file == "service-2.sdk-extras":
            # botocore would merge these members into shapes that were cut away, which makes invalid ones. The catalog's
            # operations do not need them: they are for presigned copies between regions.
            return None
        if content is None or file != "service-2" or service not in self._reads:
            return content
        return _Cut(content).model(self._reads[service])

    def _load_file(self, full_path: str, open_method: Callable[[str, str], Any]) -> Any:
        # botocore's own decoder takes three times as long, in which Python's lock keeps the event loop from running.
        try:
            with open_method(full_path, "rb") as file:
                return orjson.loads(file.read())
        except FileNotFoundError:
            return None

    @cached_property
    def _reads(self) -> Mapping[str, Reads]:
        """What is read of each service, by operation."""
        services: defaultdict[str, Reads] = defaultdict(lambda: defaultdict(set))
        for kind in self._catalog.kinds():
            services[kind.service][kind.described[0]].update(_of_kind(kind))
            if kind.describe:
                services[kind.service][kind.operation].add(Read.of(kind.items))
            for _, scope in kind.scopes:
                services[scope.service or kind.service][scope.operation].update(_of_scope(scope))
            if details := kind.details:
                services[kind.service][details.operation].update(
                    Read.of(path, is_time=_is_time(key)) for key, path in details.paths()
                )
        for (service, operation), read in LANDSCAPE.items():
            services[service][operation].update(map(Read.of, read))
        return services


LANDSCAPE = {
    ("organizations", "ListAccounts"): (
        "Accounts.Id",
        "Accounts.Arn",
        "Accounts.Name",
        "Accounts.State",
        "Accounts.Status",
    ),
    ("organizations", "ListAccountsForParent"): ("Accounts.Id",),
    ("organizations", "ListOrganizationalUnitsForParent"): ("OrganizationalUnits.Id",),
    ("ec2", "DescribeRegions"): ("Regions.RegionName",),
    ("resourcegroupstaggingapi", "GetResources"): (
        "ResourceTagMappingList.ResourceARN",
        "ResourceTagMappingList.Tags.Key",
        "ResourceTagMappingList.Tags.Value",
    ),
}
"""What is read to find accounts, regions and tags. Worth cutting: EC2's model is the largest of all."""


def _of_kind(kind: Kind) -> Iterator[Read]:
    _, items = kind.described
    yield from (Read.of(items, path, is_time=_is_time(key)) for key, path in kind.paths())
    for argument in kind.details.arguments.values() if kind.details else ():
        if isinstance(argument, str) and argument.startswith("$"):
            yield Read.of(items, argument[1:])


def _is_time(key: str) -> bool:
    return key.startswith("times.") and key != "times.duration"


def _of_scope(scope: Scope) -> Iterator[Read]:
    if scope.id == BARE:
        yield Read.of(scope.items)
    yield from (Read.of(scope.items, path) for _, path in scope.paths())


class _Cut:
    """Cuts the model of one service.

    Inputs and errors stay whole. Outputs get new shapes, because other operations may share the original ones.
    """

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self._whole = whole
        self._shapes: dict[str, Any] = {_DOCUMENT: {"type": "structure", "members": {}, "document": True}}
        self._is_json = ServiceModel(whole).resolved_protocol in ("json", "rest-json")

    def model(self, reads: Reads) -> dict[str, Any]:
        """Return the model with the operations that are read, and with those by which botocore discovers endpoints."""
        operations = {
            name: self._operation(operation, reads.get(name, set()))
            for name, operation in self._whole["operations"].items()
            if name in reads or operation.get("endpointoperation")
        }
        # Errors of other operations, too: botocore makes a client's exceptions from all of them, and the meter looks
        # codes up among them.
        for name, shape in self._whole["shapes"].items():
            if shape.get("exception"):
                self._keep(name)
        return {**_undocumented(self._whole, but=_WITH_TEXTS), "operations": operations, "shapes": self._shapes}

    def _operation(self, whole: Mapping[str, Any], reads: set[Read]) -> dict[str, Any]:
        operation: dict[str, Any] = _undocumented(whole)
        for reference in (operation.get("input"), *operation.get("errors", ())):
            if reference:
                self._keep(reference["shape"])
        if "output" in operation:
            operation["output"] = self._reference(whole["output"], {*reads, *self._tokens(whole["output"])})
        return operation

    def _keep(self, name: str) -> None:
        """Keep a shape and every shape that it refers to."""
        if name not in self._shapes:
            self._shapes[name] = _undocumented(self._whole["shapes"][name])
            for reference in _references(self._shapes[name]):
                self._keep(reference["shape"])

    def _tokens(self, output: Mapping[str, Any]) -> Iterator[Read]:
        """Yield the strings of a response, one of which is the token of the next page."""
        # All of them, because the model does not say which one it is: that is in another file (paginators-1), or
        # nowhere.
        for name, reference in self._whole["shapes"][output["shape"]].get("members", {}).items():
            if self._whole["shapes"][reference["shape"]]["type"] == "string":
                yield Read((name,))

    def _reference(self, reference: Mapping[str, Any], reads: set[Read]) -> dict[str, Any]:
        """Return a reference to the part of a shape that is read."""
        return {**_undocumented(reference), "shape": self._cut(reference["shape"], reads)}

    def _cut(self, name: str, reads: set[Read]) -> str:
        """Return the name of a new shape with the part of a shape that is read."""
        shape = self._whole["shapes"][name]
        if shape["type"] == "list" and self._is_json and all(self._is_plain(shape, read) for read in reads):
            return _DOCUMENT
        if shape["type"] not in ("list", "structure") or any(not read.steps for read in reads):
            self._keep(name)
            return name
        cut = f"{name}.{len(self._shapes)}"
        new: dict[str, Any] = {}
        self._shapes[cut] = new  # takes its number before the shapes inside take theirs
        new |= _undocumented(shape, but=("members",))
        if shape["type"] == "list":
            new["member"] = self._reference(shape["member"], reads)
            return cut
        inner = {member: {_within(read) for read in reads if read.steps[0] == member} for member in shape["members"]}
        new["members"] = {
            member: self._reference(reference, inner[member])
            for member, reference in shape["members"].items()
            # botocore's REST parsers look the payload up by its name, whether it is read or not.
            if inner[member] or member == shape.get("payload")
        }
        return cut

    def _is_plain(self, shape: Mapping[str, Any], read: Read) -> bool:
        """Return whether JSON itself has a value under the model's name and in the form that botocore would return."""
        if shape["type"] == "list":
            return self._is_plain(self._referred(shape["member"]), read)
        if not read.steps:
            return shape["type"] in (_TIMES if read.is_time else _SCALARS)
        members = shape.get("members", {})
        if shape["type"] != "structure" or read.steps[0] not in members:
            # Nothing is read here: an argument of `details` may be the id of a scope.
            return True
        member = self._referred(members[read.steps[0]])
        return member.get("locationName", read.steps[0]) == read.steps[0] and self._is_plain(member, _within(read))

    def _referred(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._whole["shapes"][reference["shape"]], **reference}


_DOCUMENT = ".document"
"""A shape that botocore returns as JSON has it. None of AWS's own shapes has a dot in its name."""

_SCALARS = {"string", "boolean", "integer", "long", "float", "double"}
_TIMES = {*_SCALARS, "timestamp"}

_WITH_TEXTS = ("operations", "shapes", "clientContextParams")
"""Parts of a model that are cut separately, or whose documentation botocore requires."""


def _within(read: Read) -> Read:
    return read._replace(steps=read.steps[1:])


def _references(shape: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return a shape's references to others."""
    return [*shape.get("members", {}).values(), *(shape[key] for key in ("member", "key", "value") if key in shape)]


def _undocumented(value: Any, but: Iterable[str] = ()) -> Any:
    """Return a part of a model without its documentation; the keys in `but` stay as they are."""
    if isinstance(value, list):
        return [_undocumented(element) for element in value]
    if not isinstance(value, dict):
        return value
    # A member may also be called `documentation`, but its value is a reference, not a string.
    return {
        key: inner if key in but else _undocumented(inner)
        for key, inner in value.items()
        if key != "documentation" or not isinstance(inner, str)
    }
