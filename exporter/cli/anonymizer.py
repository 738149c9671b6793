"""Responses of AWS without anything that tells whose they are.

Safe by construction: a text is kept only where the model enumerates it, or where the catalog reads a status, a code or
a time and the text looks like one, or has the words for it itself. Whatever else there is, known or not, is replaced.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from exporter.catalog import Kind
from exporter.jobs import Reason
from exporter.reasons import Classifier
from exporter.simulator import shapes
from exporter.simulator.world import ACCOUNT, REGION

_Path = tuple[str, ...]
"""The members on the way to a value; lists are skipped."""


class _Role(Enum):
    """What the catalog reads somewhere."""

    WORD = auto()
    TIME = auto()
    MESSAGE = auto()


class Anonymizer:
    """Replaces what names, identifies or describes something; equal values get equal replacements."""

    def __init__(self, kind: Kind, account_id: str = "") -> None:
        """Read the responses to the listing of a kind; the account is the simulated one afterward."""
        self._service = kind.service
        self._roles = _roles(kind)
        rules = [(rule.when, rule.is_, rule.is_not) for rule in kind.refine]
        rules += [(rule.when, rule.is_, ()) for rule in kind.waits]
        self._rules = [(_path(kind.described[1], path), begin, whole) for path, begin, whole in rules]
        self._classifier = Classifier.built_in(())
        # Where a request names its own account, the one of the replay has to be named.
        self._replacements = {account_id: ACCOUNT} if account_id else {}

    def response(self, operation: OperationModel, response: Any) -> Any:
        """Return the decoded body of a response: the same members, numbers, times to the second and known words."""
        roles = self._roles.get(operation.name, {})
        return self._value(operation.output_shape, response, (), roles)

    def arguments(self, operation: OperationModel, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request."""
        members = operation.input_shape.members
        return {name: self._value(members[name], value, (name,), {}) for name, value in arguments.items()}

    def _value(self, shape: Shape, value: Any, path: _Path, roles: Mapping[_Path, _Role]) -> Any:
        if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
            members = {inner.serialization.get("name", name): (name, inner) for name, inner in shape.members.items()}
            return {
                _name(wire): self._value(members[wire][1], inner, (*path, members[wire][0]), roles)
                if wire in members
                else _foreign(inner)
                for wire, inner in value.items()
            }
        if isinstance(shape, ListShape) and isinstance(value, list):
            return [self._value(shape.member, inner, path, roles) for inner in value]
        if isinstance(shape, MapShape) and isinstance(value, dict):
            return {
                self._replaced(shape.key, key, path): self._value(shape.value, inner, path, {})
                for key, inner in value.items()
            }
        role = _Role.TIME if shape.type_name == "timestamp" else roles.get(path)
        if isinstance(value, str):
            return self._text(shape, value, path, role)
        is_number = isinstance(value, int | float) and shape.type_name in _NUMBERS
        return _number(value, role) if is_number or value is None else _foreign(value)

    def _text(self, shape: Shape, value: str, path: _Path, role: _Role | None) -> str:
        if word := self._known(path, value):
            return word
        if not value or value in getattr(shape, "enum", ()) or (role is _Role.WORD and _WORD.fullmatch(value)):
            return value
        if role is _Role.TIME and (time := _TIME.fullmatch(value)):
            return time["second"] + re.sub(r"\d", "0", time["fraction"] or "") + time["zone"]
        if role is _Role.MESSAGE:
            return SENTENCES[self._classifier.classify(value, service=self._service).reason]
        return self._replaced(shape, value, path)

    def _known(self, path: _Path, value: str) -> str:
        """Return the catalog's own word for a text that decides about a state, empty if it has none."""
        rules = [(begin, whole) for where, begin, whole in self._rules if where == path]
        words = [word for begin, _ in rules for word in begin if value.startswith(word)]
        return next(iter([*words, *(value for _, whole in rules if value in whole)]), "")

    def _replaced(self, shape: Shape, value: str, path: _Path) -> str:
        """Return what stands for a text: plausible for the member that it was first seen in."""
        if value not in self._replacements:
            seed = shapes.Seed(f"recorded-{len(self._replacements)}", ACCOUNT, REGION, self._service, 0.0)
            if getattr(shape, "enum", ()):
                self._replacements[value] = f"word-{seed.digest('')[:8]}"
            else:
                self._replacements[value] = shapes.text(shape, path[-1] if path else "text", seed)
        return self._replacements[value]


def _roles(kind: Kind) -> Mapping[str, Mapping[_Path, _Role]]:
    """Return what the catalog reads of each operation's response, apart from what names and counts."""
    operation, items = kind.described
    found = {operation: {_path(items, path): role for key, path in kind.paths() if (role := _role(key))}}
    if kind.details:
        told = {_path(path): role for key, path in kind.details.paths() if (role := _role(key))}
        found[kind.details.operation] = found.get(kind.details.operation, {}) | told
    return found


def _role(key: str) -> _Role | None:
    """Return what stands at the path that has a key of the catalog."""
    if key.startswith("times."):
        return None if key == "times.duration" else _Role.TIME
    if key.startswith("waits.") and key.endswith(".text"):
        return _Role.MESSAGE
    return {"status": _Role.WORD, "code": _Role.WORD, "reason": _Role.MESSAGE}.get(key)


def _path(*paths: str) -> _Path:
    return tuple(".".join(paths).replace("[0]", "").split("."))


def _name(name: str) -> str:
    """Return the name of a member: an identifier as it is, for nothing else is one."""
    return name if _MEMBER.fullmatch(name) else "member"


def _foreign(value: Any) -> Any:
    """Return what stands for a value of which the model says nothing: another one of its type."""
    return {str: "text", bool: False, int: 0, float: 0.0, list: [], dict: {}}.get(type(value))


def _number(value: Any, role: _Role | None) -> Any:
    """Return a number as it is, and a time to the second."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0.0
    if role is not _Role.TIME or value is None or isinstance(value, bool):
        return value
    unit = 1000 if value > _MILLISECONDS else 1
    return type(value)(value // unit * unit)


SENTENCES: Mapping[Reason, str] = {
    Reason.ACCESS_DENIED: "Access denied",
    Reason.NOT_FOUND: "The file does not exist",
    Reason.INVALID_INPUT: "The input is invalid",
    Reason.RECORDS_FAILED: "All 2 records failed",
    Reason.QUOTA_EXCEEDED: "A quota was exceeded",
    Reason.THROTTLED: "Too many requests",
    Reason.CAPACITY: "Insufficient capacity",
    Reason.TIMEOUT: "The job timed out",
    Reason.OUT_OF_MEMORY: "Out of memory",
    Reason.RESOURCE_EXHAUSTED: "No space left on device",
    Reason.CODE_ERROR: "Command failed with exit code 3",
    Reason.NETWORK: "Connection refused",
    Reason.DEPENDENCY: "One or multiple steps failed in this execution",
    Reason.CANCELLED: "The job was cancelled by the user",
    Reason.INTERNAL_ERROR: "Internal server error",
    Reason.UNSPECIFIED: "Unknown error",
    Reason.OTHER: "Text",
}
"""What stands for a message: it tells the reason, which is one of a closed list, and nothing else."""

_NUMBERS = {"integer", "long", "float", "double", "timestamp", "boolean"}

_MEMBER = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_WORD = re.compile(r"(?!.*\d{5})[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A status or a code: no sentence, no ARN, and no number of an account."""
_TIME = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,9})?(?P<zone>Z|[+-]\d\d:?\d\d|)", re.ASCII
)

_MILLISECONDS = 1e11
"""Separates seconds from milliseconds, as where items are read."""
