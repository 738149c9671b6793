"""The items of AWS's lists: the catalog says which member means what, botocore's shape which others are required."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from zlib import crc32

from botocore.model import Shape, StringShape, StructureShape

from exporter.catalog import Kind, Scope
from exporter.catalog.kind import ANY, BARE, Refinement, Wait
from exporter.catalog.models import Models, shape_at
from exporter.simulator import shapes
from exporter.simulator.resources import Location, SimulatedJob, SimulatedScope
from exporter.simulator.responses import iso
from exporter.simulator.shapes import Seed, is_reference, last_name


class ItemBuilder:
    """Builds the items of one list."""

    def __init__(self, models: Models, service: str, listed: Kind | Scope) -> None:
        self._models = models
        self._service = service
        self._arguments = listed.arguments
        self._operation, self._items = (
            listed.described if isinstance(listed, Kind) else (listed.operation, listed.items)
        )

    @cached_property
    def shape(self) -> Shape:
        """The shape of an item: a structure, or a string where the operation lists bare ids."""
        output = self._models.operation(self._service, self._operation).output_shape
        return shape_at(output, f"{self._items}[0]")

    @cached_property
    def members(self) -> Mapping[str, Shape]:
        """The members of an item, none for a bare id."""
        return self.shape.members if isinstance(self.shape, StructureShape) else {}

    def seed(self, location: Location, created: float, token: str) -> Seed:
        """Return what the values of one item are derived from."""
        service = self._models.service(self._service).signing_name
        return Seed(token, location.account, location.region, service, created)

    def _echoed(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return the members that have the name of an argument: AWS repeats the argument's value there."""
        named = {name: value for name, value in self._arguments.items() if name in self.members}
        found = {name: ids.get(value[1:]) if is_reference(value) else value for name, value in named.items()}
        return {name: value for name, value in found.items() if value is not None}


class ScopeItemBuilder(ItemBuilder):
    """Builds the items of a list of scopes."""

    def __init__(self, models: Models, service: str, scope: Scope) -> None:
        super().__init__(models, scope.service or service, scope)
        self.type = scope_type(service, scope)
        self._scope = scope

    def item(self, scope: SimulatedScope) -> Any:
        """Return a scope as the operation lists it: its members, or its bare id."""
        if self._scope.id == BARE:
            return scope.id
        item = self._echoed(scope.ids)
        shapes.put(item, self._scope.id, scope.id)
        if self._scope.name:
            shapes.put(item, self._scope.name, scope.name)
        _set_fields(item, scope.fields)
        return shapes.complete(self.shape, item, self.seed(scope, scope.created, scope.token))

    def id_and_name(self, seed: Seed, scope_name: str, identifier: str | None, name: str) -> tuple[str, str]:
        """Return the id and the name of a new scope, made up where they are not given; one member may be both."""
        kebab = scope_name.replace("_", "-")
        name = name or f"{kebab}-{seed.token[:6]}"
        if identifier is None and self._scope.id in (self._scope.name, BARE):
            identifier = name
        elif identifier is None:
            member = last_name(self._scope.id)
            member = f"{kebab}-arn" if member.lower() == "arn" else member
            identifier = shapes.text(shape_at(self.shape, self._scope.id), member, seed)
        return identifier, identifier if self._scope.id == self._scope.name else name

    def filter_fields(self, *, passed_over: bool) -> dict[str, Any]:
        """Return the fields that the catalog's `where` asks for, or others: none where any value will do."""
        fields: dict[str, Any] = {}
        for path, value in self._scope.where.items():
            shape = shape_at(self.shape, path)
            if value == ANY and not passed_over:
                fields[path] = "any" if isinstance(shape, StringShape) else max(1, shape.metadata.get("min", 1))
            elif value != ANY:
                others = (word for word in getattr(shape, "enum", ()) if word != value)
                fields[path] = next(others, f"not-{value}") if passed_over else value
        return fields

    def value(self, scope: SimulatedScope, member: str) -> Any:
        """Return one member of a scope's item, None where its shape has no such member."""
        if member not in self.members:
            return None
        seed = self.seed(scope, scope.created, scope.token)
        return self.item(scope).get(member) or shapes.example(self.members[member], member, seed)


class JobItemBuilder(ItemBuilder):
    """Builds the items of a list of jobs; `scope` builds those of the innermost scope that the jobs are in."""

    def __init__(self, models: Models, kind: Kind, scope: ScopeItemBuilder | None) -> None:
        super().__init__(models, kind.service, kind)
        self._kind = kind
        self._scope = scope

    def item(self, job: SimulatedJob, now: float) -> dict[str, Any]:
        """Return a job as the operation lists it at a time in seconds."""
        seed, facts = self.seed(job.scope, job.created, job.token), job.facts(job.phase_at(now))
        item = self._echoed(job.scope.ids)
        item |= {name: self.swept(job, name, now) for name in self._kind.sweep if name in self.members}
        taken = set(item)
        for key, path, shape in self._paths:
            value = self.value(job, seed, key, path, shape, facts.get(key))
            if value is not None and path not in taken:
                shapes.put(item, path, value)
                # Where several times share a member, the first one is there; a refinement that applies stays.
                taken |= {path} if key.startswith("times.") or facts.get(key) is True else set()
        shapes.complete(self.shape, item, seed)
        _set_fields(item, job.fields)
        return item

    def swept(self, job: SimulatedJob, argument: str, now: float) -> str:
        """Return the value of a swept argument under which a job is listed: its status, or one that never changes."""
        values = self._kind.sweep[argument]
        return job.status_at(now) if set(values) <= self._kind.state_of.keys() else _one_of(values, job.token)

    @cached_property
    def expendable(self) -> list[str]:
        """The members that the model requires, and without which it is still known which job in which status it is."""
        kind, details = self._kind, self._kind.details
        asked = shapes.references(details.arguments, {}) if details else {}
        needed = {
            path.partition(".")[0] for path in (*kind.id, kind.status, *asked, *(rule.when for rule in kind.refine))
        }
        return [name for name in getattr(self.shape, "required_members", ()) if name not in needed]

    @cached_property
    def _paths(self) -> list[tuple[str, str, Shape]]:
        """The members that have a meaning, as (key, path, shape).

        A later one replaces an earlier one at the same path. So ids come first, because a name or a time that is also
        an id must be that name or time; and refinements and usage come before counts, which they are often about.
        """
        kind, details = self._kind, self._kind.details
        asked = shapes.references(details.arguments, {}) if details else {}
        ids = [(f"id.{name}", name) for name in asked if name in self.members and name not in dict(kind.scopes)]
        paths = sorted(kind.paths(), key=lambda path: not path[0].startswith(("refine.", "used.")))
        return [(key, path, shape_at(self.shape, path)) for key, path in [*ids, *paths]]

    def value(self, job: SimulatedJob, seed: Seed, key: str, path: str, shape: Shape, fact: Any) -> Any:
        """Return the value of one member that the catalog reads under a key, None if the item lacks it."""
        group, member = key.partition(".")[0], last_name(path)
        if group == "id":
            fact = self._id(job, seed, path, shape)
        elif key == "times.duration":
            fact = round((fact or 0) * (1000 if member.endswith("Millis") else 1)) or None
        elif group == "times" and fact is not None and shape.type_name in _TIMES:
            return round(fact * 1000) if shape.type_name == "long" else iso(fact)
        elif group == "refine":
            fact = _refining(self._kind.refine[int(key.split(".")[1])], shape, holds=bool(fact))
        elif group in {"dimensions", "used"} and fact is None:
            # One of three values: grouping jobs by a value that each has alone would show nothing.
            fact = self._meaningless(path, shape, seed)
            fact = fact or shapes.example(shape, member, replace(seed, token=_one_of("012", seed.token)))
        elif group in ("reason", "code") and not fact and shape.metadata.get("min"):
            return None
        if fact is None and key == "times.duration" and path in self.shape.required_members:
            return 0
        if fact is None or (fact == "" and path not in self.shape.required_members):
            return None
        if shape.type_name in ("integer", "long"):
            # Some services write codes as numbers.
            return int(fact) if str(fact).isdigit() else crc32(str(fact).encode()) % 10_000
        convert = {"string": str, "boolean": bool}.get(shape.type_name)
        return convert(fact) if convert else fact

    def _meaningless(self, path: str, shape: Shape, seed: Seed) -> str | None:
        """Return a word that no rule of the kind knows; None where none looks at the path."""
        rules: tuple[Refinement | Wait, ...] = (*self._kind.refine, *self._kind.waits)
        known = [word for rule in rules if rule.when == path for word in rule.is_]
        others = [word for word in getattr(shape, "enum", ()) if not word.startswith(tuple(known))]
        return _one_of(others, seed.token) if known and others else None

    def _id(self, job: SimulatedJob, seed: Seed, path: str, shape: Shape) -> Any:
        """Return a part of the job's id: of several parts, all but the last may be about the scope."""
        member = last_name(path)
        if path in self._kind.id[:-1] and self._scope and isinstance(job.scope, SimulatedScope):
            value = self._scope.value(job.scope, member)
            if value is not None:
                return value
        if shape.type_name in ("integer", "long"):
            return int(seed.digest(member)[:7], 16)
        if shape.type_name != "string":
            return None
        is_generic = member.lower() in ("arn", "jobarn")
        return shapes.text(shape, f"{self._kind.key.replace('_', '-')}-arn" if is_generic else member, seed)


def scope_type(service: str, scope: Scope) -> str:
    """Return what is the same for the scopes of one list: two services may have their jobs in the same scopes."""
    return repr((scope.service or service, scope.operation, scope.id, dict(scope.arguments)))


def _refining(rule: Refinement, shape: Shape, *, holds: bool) -> Any:
    """Return a value for which a refinement holds or does not; None for one that is left out."""
    if not holds:
        return None
    if not isinstance(shape, StringShape):
        return 1
    others = [word for word in shape.enum if word not in rule.is_not]
    return [*rule.is_, *others, f"not {' or '.join(rule.is_not)}"][0]


def _one_of(values: Sequence[str], token: str) -> str:
    return values[int(token[:4], 16) % len(values)]


def _set_fields(item: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for path, value in fields.items():
        if value is None:
            item.pop(path, None)
        else:
            shapes.put(item, path, value)


_TIMES = ("long", "string")
"""Types of members that hold a time though they are no timestamps: milliseconds, and ISO 8601."""
