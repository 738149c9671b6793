"""How jobs and scopes look in AWS's answers: the catalog says what is where, botocore's shape what else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from zlib import crc32

from botocore.model import Shape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.catalog.kind import BARE
from exporter.catalog.models import Models, shape_at
from exporter.simulator import shapes
from exporter.simulator.residents import Residence, SimulatedJob, SimulatedScope
from exporter.simulator.responses import iso
from exporter.simulator.shapes import Owner


class ListedForm:
    """What the items of any list have in common."""

    def __init__(self, models: Models, service: str, listed: Kind | Scope) -> None:
        self._models = models
        self._service = service
        self._listed = listed

    @cached_property
    def shape(self) -> Shape:
        """The shape of an item: a structure, or a text where the operation lists bare ids."""
        output = self._models.operation(self._service, self._listed.operation).output_shape
        return shape_at(output, f"{self._listed.items}[0]")

    @property
    def _members(self) -> Mapping[str, Shape]:
        return self.shape.members if isinstance(self.shape, StructureShape) else {}

    @cached_property
    def _prefix(self) -> str:
        name: str = self._models.service(self._service).signing_name
        return name

    def owner(self, resident: SimulatedJob | SimulatedScope) -> Owner:
        """Return whose values are made up."""
        return Owner(resident.token, resident.account, resident.region, self._prefix, resident.created)

    def _given(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return the item's members that have the name of an argument: they say what the argument says."""
        arguments = {name: value for name, value in self._listed.arguments.items() if name in self._members}
        found = {name: ids.get(value[1:]) if _is_reference(value) else value for name, value in arguments.items()}
        return {name: value for name, value in found.items() if value is not None}


class ScopeForm(ListedForm):
    """How a sort of scope is listed."""

    def __init__(self, models: Models, service: str, scope: Scope) -> None:
        super().__init__(models, scope.service or service, scope)
        self.sort = sort_of(service, scope)
        self._scope = scope

    def name(self, scope: SimulatedScope, identifier: str | None, name: str) -> None:
        """Give a new scope an id and a name where it was given none; they may be one and the same member."""
        usual = name or f"{scope.scope_name.replace('_', '-')}-{scope.token[:6]}"
        if identifier is None:
            identifier = usual if self._scope.id in (self._scope.name, BARE) else self._identifier(scope)
        scope.named(identifier, identifier if self._scope.id == self._scope.name else usual)

    def item(self, scope: SimulatedScope, now: float) -> Any:  # noqa: ARG002 - a scope does not change
        """Return a scope as the operation's output has it: its members, or its bare id."""
        if self._scope.id == BARE:
            return scope.id
        item = self._given(scope.ids)
        shapes.put(item, self._scope.id, scope.id)
        if self._scope.name:
            shapes.put(item, self._scope.name, scope.name)
        _overridden(item, scope.fields)
        return shapes.complete(self.shape, item, self.owner(scope))

    def where(self, *, passed_over: bool) -> dict[str, str]:
        """Return the fields by which the catalog takes a scope, or one of others by which it does not."""
        if not passed_over:
            return dict(self._scope.where)
        return {path: _another(shape_at(self.shape, path), value) for path, value in self._scope.where.items()}

    def value(self, scope: SimulatedScope, member: str) -> Any:
        """Return one member of a scope's item, None where its shape has no such member."""
        if member not in self._members:
            return None
        return self.item(scope, 0).get(member) or shapes.example(self._members[member], member, self.owner(scope))

    def _identifier(self, scope: SimulatedScope) -> str:
        member = _member(self._scope.id)
        if member.lower() == "arn":
            member = f"{scope.scope_name.replace('_', '-')}-arn"
        return shapes.text(shape_at(self.shape, self._scope.id), member, self.owner(scope))


class JobForm(ListedForm):
    """How a kind of job is listed."""

    def __init__(self, models: Models, kind: Kind) -> None:
        super().__init__(models, kind.service, kind)
        self._kind = kind

    def item(self, job: SimulatedJob, now: float) -> dict[str, Any]:
        """Return the members of a job as the operation's output has them, at a time in seconds."""
        owner, facts = self.owner(job), job.facts(job.phase_at(now))
        item = {**self._given(job.scope.ids), **self._swept(job, now)}
        taken = set(item)
        for key, path, shape in self._paths:
            value = self._fact(job, key, path, shape, facts.get(key), owner)
            if value is not None and path not in taken:
                shapes.put(item, path, _as(shape, value, key))
                taken |= {path} if key.startswith("times.") else set()
        shapes.complete(self.shape, item, owner)
        return _overridden(item, job.fields)

    def identity(self, job: SimulatedJob) -> tuple[Any, ...]:
        """Return what tells a job from others, in the order of the catalog; a time in seconds."""
        item = self.item(job, job.created)
        return tuple(shapes.at(item, path) for path in self._kind.id)

    def swept(self, job: SimulatedJob, argument: str, now: float) -> str:
        """Return the value of a swept argument under which a job is listed: its status, or what it is for ever."""
        values = self._kind.sweep[argument]
        return job.status_at(now) if set(values) <= self._kind.state_of.keys() else _one_of(values, job.token)

    @cached_property
    def _paths(self) -> list[tuple[str, str, Shape]]:
        """What stands where, ids first.

        A later one takes the place of an earlier, so that an id that is also a name or a time is that; but where
        several times share a place, it is the first of them.
        """
        details = self._kind.details
        asked = [name for name, _ in references(details.arguments, {})] if details else []
        asked = [name for name in asked if name in self._members and name not in dict(self._kind.scopes)]
        paths = [*((f"id.{name}", name) for name in asked), *sorted(self._kind.paths(), key=_has_precedence)]
        return [(key, path, shape_at(self.shape, path)) for key, path in paths]

    def _swept(self, job: SimulatedJob, now: float) -> dict[str, str]:
        """Return the item's members that have the name of a swept argument."""
        return {name: self.swept(job, name, now) for name in self._kind.sweep if name in self._members}

    def _fact(self, job: SimulatedJob, key: str, path: str, shape: Shape, fact: Any, owner: Owner) -> Any:
        """Return what a path shall lead to, None where that is nothing."""
        if key.startswith("id."):
            return self._id(job, path, shape, owner)
        if key.startswith("refine."):
            return fact or 0
        if key.startswith("dimensions.") and fact is None:
            return _dimension(shape, path, owner)
        if key in ("reason", "code") and not fact and shape.metadata.get("min"):
            return None
        return None if fact == "" and path not in self._required else fact

    @cached_property
    def _required(self) -> list[str]:
        return self.shape.required_members if isinstance(self.shape, StructureShape) else []

    def _id(self, job: SimulatedJob, path: str, shape: Shape, owner: Owner) -> Any:
        """Return a part of the job's id: of several parts, all but the last may tell of the scope instead."""
        member = _member(path)
        if path in self._kind.id[:-1] and (told := _told_by(job.scope, member)) is not None:
            return told
        if shape.type_name != "string":
            return int(owner.digest(member)[:7], 16) if shape.type_name in ("integer", "long") else None
        plain = member.lower() in ("arn", "jobarn")
        return shapes.text(shape, f"{self._kind.key.replace('_', '-')}-arn" if plain else member, owner)


def sort_of(service: str, scope: Scope) -> str:
    """Return what tells a sort of scope from others: two services may list their jobs in the same scopes."""
    listed = (scope.service or service, scope.operation, scope.id, dict(scope.arguments))
    return repr(listed)


def _told_by(scope: Residence, member: str) -> Any:
    """Return what the item of a scope says under the name of a job's member."""
    return scope.form.value(scope, member) if isinstance(scope, SimulatedScope) else None


def _has_precedence(path: tuple[str, str]) -> bool:
    """Whether a path tells more of what stands in its place than a refinement."""
    return not path[0].startswith("refine.")


def _dimension(shape: Shape, path: str, owner: Owner) -> Any:
    """Return one of a few values: a dimension that tells jobs apart would be none."""
    few = replace(owner, token=_one_of("012", owner.token))
    return shapes.example(shape, _member(path), few)


def _one_of(values: Sequence[str], token: str) -> str:
    return values[int(token[:4], 16) % len(values)]


def _another(shape: Shape, value: str) -> str:
    """Return a text that a field might hold instead."""
    return next((word for word in getattr(shape, "enum", ()) if word != value), f"not-{value}")


def _as(shape: Shape, value: Any, key: str) -> Any:
    """Return a fact as the shape's type writes it: a time that is a `long` is in milliseconds."""
    if key.startswith("times.") and shape.type_name == "long":
        return round(value * 1000)
    if key.startswith("times.") and shape.type_name == "string":
        return iso(value)
    write = _AS.get(shape.type_name)
    return write(value) if write else value


def _number(value: str | int) -> int:
    """Return a count as it is, and for a code in words some number."""
    return int(value) if str(value).isdigit() else crc32(str(value).encode()) % 10_000


_AS: Mapping[str, Callable[[Any], Any]] = {"string": str, "boolean": bool, "integer": _number, "long": _number}


def _overridden(item: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    for path, value in fields.items():
        if value is None:
            item.pop(path, None)
        else:
            shapes.put(item, path, value)
    return item


def references(template: Any, actual: Any) -> Iterator[tuple[str, Any]]:
    """Yield each `$name` of the catalog's arguments with what a request has in its place."""
    if isinstance(template, Mapping):
        for name, inner in template.items():
            yield from references(inner, actual.get(name) if isinstance(actual, Mapping) else None)
    elif isinstance(template, list | tuple):
        for number, inner in enumerate(template):
            inside = isinstance(actual, list) and number < len(actual)
            yield from references(inner, actual[number] if inside else None)
    elif _is_reference(template):
        yield template[1:], actual


def constants(template: Any, actual: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each plain value of the catalog's arguments with what a request has in its place."""
    if isinstance(template, Mapping):
        for name, inner in template.items():
            yield from constants(inner, actual.get(name) if isinstance(actual, Mapping) else None)
    elif not _is_reference(template):
        yield template, actual


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("$")


def _member(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]
