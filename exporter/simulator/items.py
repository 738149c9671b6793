"""How jobs and scopes look in AWS's answers: the catalog says what is where, botocore's shape what else there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from botocore.model import Shape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.catalog.models import Models, item_shape, shape_at
from exporter.simulator import shapes
from exporter.simulator.residents import Place, SimulatedJob, SimulatedScope
from exporter.simulator.responses import iso
from exporter.simulator.shapes import Owner


class ListedForm:
    """What the items of any list have in common."""

    def __init__(self, models: Models, service: str, listed: Kind | Scope) -> None:
        self._models = models
        self._service = service
        self._listed = listed

    @cached_property
    def shape(self) -> StructureShape:
        """The shape of an item."""
        return item_shape(self._models.operation(self._service, self._listed.operation), self._listed.items)

    @cached_property
    def _prefix(self) -> str:
        name: str = self._models.service(self._service).signing_name
        return name

    def owner(self, resident: SimulatedJob | SimulatedScope) -> Owner:
        """Return whose values are made up."""
        return Owner(resident.token, resident.account, resident.region, self._prefix, resident.created)

    def _given(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return the item's members that have the name of an argument: they say what the argument says."""
        arguments = {name: value for name, value in self._listed.arguments.items() if name in self.shape.members}
        found = {name: ids.get(value[1:]) if _is_reference(value) else value for name, value in arguments.items()}
        return {name: value for name, value in found.items() if value is not None}


class ScopeForm(ListedForm):
    """How a sort of scope is listed."""

    def __init__(self, models: Models, service: str, scope: Scope) -> None:
        super().__init__(models, service, scope)
        self._scope = scope

    def name(self, scope: SimulatedScope, identifier: str | None, name: str) -> None:
        """Give a new scope an id and a name where it was given none; they may be one and the same member."""
        usual = name or f"{scope.scope_name.replace('_', '-')}-{scope.token[:6]}"
        if identifier is None:
            identifier = usual if self._scope.id == self._scope.name else self._identifier(scope)
        scope.named(identifier, identifier if self._scope.id == self._scope.name else usual)

    def item(self, scope: SimulatedScope, now: float) -> dict[str, Any]:  # noqa: ARG002 - a scope does not change
        """Return the members of a scope as the operation's output has them."""
        item = self._given(scope.ids)
        shapes.put(item, self._scope.id, scope.id)
        if self._scope.name:
            shapes.put(item, self._scope.name, scope.name)
        shapes.complete(self.shape, item, self.owner(scope))
        return item

    def value(self, scope: SimulatedScope, member: str) -> Any:
        """Return one member of a scope's item, None where its shape has no such member."""
        if member not in self.shape.members:
            return None
        return self.item(scope, 0).get(member) or shapes.example(self.shape.members[member], member, self.owner(scope))

    def identity(self, job: Any) -> tuple[Any, ...]:
        """Return the scope's id."""
        return (job.id,)

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
        item = self._given(job.scope.ids)
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

    def value(self, job: SimulatedJob, member: str) -> Any:
        """Return one member of a job's item, None where it has no such member."""
        return self.item(job, job.created).get(member)

    @cached_property
    def _paths(self) -> list[tuple[str, str, Shape]]:
        """What stands where, ids first.

        A later one takes the place of an earlier, so that an id that is also a name or a time is that; but where
        several times share a place, it is the first of them.
        """
        details = self._kind.details
        asked = [name for name, _ in references(details.arguments, {})] if details else []
        asked = [name for name in asked if name in self.shape.members and name not in dict(self._kind.scopes)]
        paths = [*((f"id.{name}", name) for name in asked), *self._kind.paths()]
        return [(key, path, shape_at(self.shape, path)) for key, path in paths]

    def _fact(self, job: SimulatedJob, key: str, path: str, shape: Shape, fact: Any, owner: Owner) -> Any:
        """Return what a path shall lead to, None where that is nothing."""
        if key.startswith("id."):
            return self._id(job, path, shape, owner)
        if key.startswith("dimensions.") and fact is None:
            return _dimension(shape, path, owner)
        return None if fact == "" and path not in self.shape.required_members else fact

    def _id(self, job: SimulatedJob, path: str, shape: Shape, owner: Owner) -> Any:
        """Return a part of the job's id: of several parts, all but the last may tell of the scope instead."""
        member = _member(path)
        if path != self._kind.id[-1] and (told := _told_by(job.scope, member)) is not None:
            return told
        if shape.type_name != "string":
            return int(owner.digest(member)[:7], 16) if shape.type_name in ("integer", "long") else None
        plain = member.lower() in ("arn", "jobarn")
        return shapes.text(shape, f"{self._kind.key.replace('_', '-')}-arn" if plain else member, owner)


def _told_by(scope: Place, member: str) -> Any:
    """Return what the item of a scope says under the name of a job's member."""
    return scope.form.value(scope, member) if isinstance(scope, SimulatedScope) else None


def _dimension(shape: Shape, path: str, owner: Owner) -> Any:
    """Return one of a few values: a dimension that tells jobs apart would be none."""
    few = replace(owner, token=str(int(owner.token[:4], 16) % 3))
    return shapes.example(shape, _member(path), few)


def _as(shape: Shape, value: Any, key: str) -> Any:
    """Return a time or a count as the shape's type writes it: a `long` is in milliseconds."""
    if key.startswith("times.") and shape.type_name == "long":
        return round(value * 1000)
    if key.startswith("times.") and shape.type_name == "string":
        return iso(value)
    return str(value) if shape.type_name == "string" else value


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
