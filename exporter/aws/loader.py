"""botocore's service models cut to the catalog: clients parse no more of an answer than is read, and need less memory.

Of the catalog's services there is nothing but the catalog's operations: a client has no method for another one, and
`exporter.catalog.models.Models` says so by its name. Services that the catalog does not know stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

from botocore.loaders import JSONFileLoader, Loader
from botocore.model import ServiceModel

from exporter.catalog import Catalog, Kind, Scope
from exporter.catalog.kind import BARE


def catalog_loader(catalog: Catalog) -> Loader:
    """Return a loader of models for clients that call the catalog's operations."""
    return Loader(file_loader=_Files(catalog))


class Read(NamedTuple):
    """A value that is read of an operation's answer."""

    steps: tuple[str, ...]
    """The members that lead to it; lists are passed through."""
    is_time: bool = False
    """Whether it is read as a time, in whatever form; anything else is taken as it stands."""

    @classmethod
    def of(cls, *paths: str, is_time: bool = False) -> Read:
        """Return what paths of the catalog, one within the other, lead to."""
        return cls(tuple(".".join(paths).replace("[0]", "").split(".")), is_time)


Reads = dict[str, set[Read]]
"""What is read of each operation's answer."""


class _Files(JSONFileLoader):  # type: ignore[misc] # botocore has no types
    """Reads botocore's files; what the loader above it keeps is cut already."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def load_file(self, file_path: str) -> Any:
        """Return what a file says, None where there is no such file."""
        content = super().load_file(file_path)
        service, _, file = PurePath(file_path).parts[-3:]
        if service in self._reads and file == "service-2.sdk-extras":
            # botocore would merge members into shapes that are cut away, and what is left is no shape. The catalog's
            # operations need none of them: they presign copies between regions.
            return None
        if content is None or file != "service-2" or service not in self._reads:
            return content
        return _Cut(content).model(self._reads[service])

    @cached_property
    def _reads(self) -> Mapping[str, Reads]:
        """What the catalog reads of each service."""
        services: defaultdict[str, Reads] = defaultdict(lambda: defaultdict(set))
        for kind in self._catalog.kinds():
            services[kind.service][kind.operation].update(_of_kind(kind))
            for _, scope in kind.scopes:
                services[scope.service or kind.service][scope.operation].update(_of_scope(scope))
            if details := kind.details:
                paths = filter(None, (details.reason, details.code))
                services[kind.service][details.operation].update(map(Read.of, paths))
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
}
"""What is read to find accounts and regions. EC2's model is the largest of all."""


def _of_kind(kind: Kind) -> Iterator[Read]:
    yield from (Read.of(kind.items, path, is_time=key.startswith("times.")) for key, path in kind.paths())
    for argument in kind.details.arguments.values() if kind.details else ():
        if isinstance(argument, str) and argument.startswith("$"):
            yield Read.of(kind.items, argument[1:])


def _of_scope(scope: Scope) -> Iterator[Read]:
    if scope.id == BARE:
        yield Read.of(scope.items)
    yield from (Read.of(scope.items, path) for _, path in scope.paths())


class _Cut:
    """Cuts the model of one service.

    Inputs and errors stay whole. Outputs become shapes of their own, because others may share those that they had.
    """

    def __init__(self, whole: Mapping[str, Any]) -> None:
        self._whole = whole
        self._shapes: dict[str, Any] = {_DOCUMENT: {"type": "structure", "members": {}, "document": True}}
        self._is_json = ServiceModel(whole).resolved_protocol in ("json", "rest-json")

    def model(self, reads: Reads) -> dict[str, Any]:
        """Return the model with the operations of which something is read, and with those that discover endpoints."""
        operations = {
            name: self._operation(operation, reads.get(name, set()))
            for name, operation in self._whole["operations"].items()
            if name in reads or operation.get("endpointoperation")
        }
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
        """Keep a shape and all that it leads to."""
        if name not in self._shapes:
            self._shapes[name] = _undocumented(self._whole["shapes"][name])
            for reference in _references(self._shapes[name]):
                self._keep(reference["shape"])

    def _tokens(self, output: Mapping[str, Any]) -> Iterator[Read]:
        """Yield the plain texts of an answer, among which is the token of the next page."""
        for name, reference in self._whole["shapes"][output["shape"]].get("members", {}).items():
            if self._whole["shapes"][reference["shape"]]["type"] == "string":
                yield Read((name,))

    def _reference(self, reference: Mapping[str, Any], reads: set[Read]) -> dict[str, Any]:
        """Return a reference to a shape that has no more of the referred one than is read."""
        return {**_undocumented(reference), "shape": self._cut(reference["shape"], reads)}

    def _cut(self, name: str, reads: set[Read]) -> str:
        """Return the name of a shape that has no more of the named one than is read."""
        shape = self._whole["shapes"][name]
        if shape["type"] == "list" and self._is_json and all(self._is_plain(shape, read) for read in reads):
            return _DOCUMENT
        if shape["type"] not in ("list", "structure") or any(not read.steps for read in reads):
            self._keep(name)
            return name
        cut = f"{name}.{len(self._shapes)}"
        self._shapes[cut] = {}  # takes the number before what is inside
        self._shapes[cut] |= self._list(shape, reads) if shape["type"] == "list" else self._structure(shape, reads)
        return cut

    def _list(self, shape: Mapping[str, Any], reads: set[Read]) -> dict[str, Any]:
        return {**_undocumented(shape), "member": self._reference(shape["member"], reads)}

    def _structure(self, shape: Mapping[str, Any], reads: set[Read]) -> dict[str, Any]:
        inner = {name: {_within(read) for read in reads if read.steps[0] == name} for name in shape["members"]}
        members = {
            name: self._reference(reference, inner[name])
            for name, reference in shape["members"].items()
            if inner[name] or name == shape.get("payload")
        }
        return {**_undocumented(shape, but=("members",)), "members": members}

    def _is_plain(self, shape: Mapping[str, Any], read: Read) -> bool:
        """Whether JSON itself has a value under the model's name and in the form that botocore would give it."""
        if shape["type"] == "list":
            return self._is_plain(self._referred(shape["member"]), read)
        if not read.steps:
            return shape["type"] in (_TIMES if read.is_time else _SCALARS)
        members = shape.get("members", {})
        if shape["type"] != "structure" or read.steps[0] not in members:
            # There is nothing to read: an argument of details may be the id of a scope.
            return True
        member = self._referred(members[read.steps[0]])
        return member.get("locationName", read.steps[0]) == read.steps[0] and self._is_plain(member, _within(read))

    def _referred(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._whole["shapes"][reference["shape"]], **reference}


_DOCUMENT = ".document"
"""A shape that botocore hands on as JSON has it. No shape of AWS has a dot in its name."""

_SCALARS = {"string", "boolean", "integer", "long", "float", "double"}
_TIMES = {*_SCALARS, "timestamp"}

_WITH_TEXTS = ("operations", "shapes", "clientContextParams")
"""Parts of a model that are cut otherwise, or whose documentation botocore insists on."""


def _within(read: Read) -> Read:
    return read._replace(steps=read.steps[1:])


def _references(shape: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return the references to other shapes."""
    return [*shape.get("members", {}).values(), *(shape[key] for key in ("member", "key", "value") if key in shape)]


def _undocumented(value: Any, but: Iterable[str] = ()) -> Any:
    """Return a part of a model as plain values, without descriptions; keys of `but` are taken as they are."""
    if isinstance(value, list):
        return [_undocumented(element) for element in value]
    if not isinstance(value, dict):
        return value
    # A member may be called `documentation`, too: that is a reference, no text.
    return {
        key: inner if key in but else _undocumented(inner)
        for key, inner in value.items()
        if key != "documentation" or not isinstance(inner, str)
    }
