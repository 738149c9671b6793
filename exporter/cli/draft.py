"""Drafts a catalog entry from what the names and shapes of botocore's model say about a list operation.

A draft is a guess that a person confirms: tests/cli/test_draft.py measures how often it agrees with the catalog.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import botocore
import yaml
from botocore.model import ListShape, OperationModel, Shape, StringShape, StructureShape

from exporter.catalog.models import Models, item_shape, shape_at
from exporter.jobs import ACTIVE, State

_TIMES = {
    "created": "creat(ed?|ion)|submi(t|tted|ssion)",
    "started": "start(ed)?|begin|initiation",
    "ended": "end(ed)?|complet(ed?|ion)|finish(ed)?|stop(ped)?|termination",
    "updated": "updated?|modifi(ed|cation)",
    "deadline": "deadline|timeout",
}
_RECORDS = {
    "total": "total",
    "processed": "processed",
    "succeeded": "success(ful)?|succeeded",
    "failed": "failed|error",
}
_FIELDS = {
    "id": "arn|id|identifier",
    "name": "name|display_name",
    "status": "((run|lifecycle)_)?(status|state)(_(status|state|code))*",
    "reason": r"(fail(ure|ed)|errors?|\w+_failure)(_(failure|error))?_(messages?|reasons?|cause|string)"
    "|((status|state)_)?(messages?|reasons?|cause)|error|failure",
    "code": "((failure|errors?)_)+(code|type)|status_status_code",
    **{key: f"(status_)?({words})" for key, words in _TIMES.items()},
    **{
        key: rf"({words})_(records?_)?count|(\w+_)?(({words})_number_of_\w+|number_of_\w+_({words}))"
        for key, words in _RECORDS.items()
    },
}
"""What remains of the name of a member without the noun and the filler, for each key of an entry."""

_TYPES = {
    **dict.fromkeys(_TIMES, ("timestamp", "long", "string")),
    **dict.fromkeys(_RECORDS, ("integer", "long")),
}
"""The types of members that are not text."""

_FILLER = {"job", "task", "run", "execution", "info", "detail", "details", "summary", "description", "properties"}
_FILLER |= {"result", "last", "at", "on", "date", "time", "timestamp", "timing", "timeline", "filter", "equals"}

_STATES = (
    (State.DELETING, "delet|purge"),
    (State.PARTIAL, "partial|incomplete|_with_|warning"),
    (State.STOPPING, "(cancell?|stopp|abort|terminat|roll|fail)ing|rollback_in_progress"),
    (State.STOPPING, "(cancel|stop|abort|terminate)_(request|pend|in_progress|submit|start)|pending_(cancel|stop)"),
    (State.FAILED, "fail|error|timed?_?out|interrupt|reject"),
    (State.STOPPED, "cancel|stopped|abort|terminat|kill|inactive"),
    (State.EXPIRED, "expire"),
    (State.PENDING, "pend|queue|submi|schedul|wait|request|accept|ready|runnable|^new$|^created$|hold|paused|suspend"),
    (State.PENDING, "initial|starting|validating|dispatch|not_started|^provisioning"),
    (State.RUNNING, "progress|started|ing$"),
    (State.SUCCEEDED, "succe|complet|finish|done|^active|trained|generated|processed"),
    (State.RUNNING, "ing_"),
)
"""The stems of words in a status and the states that they mean, in the order in which they are tried."""

_BEST = ("arn", "cause", "fail", "error", "")
"""Parts of names that make one of several members of the same meaning the better one, the best first."""

_SORTED_BY = ("creat", "submi", "start")
"""The times to sort by for the newest jobs first, in order of preference."""

_SORTING = r"(?i)[\w.]*(sort|order)[\w.]*"
_READING = ("List", "Get", "Describe", "Search")
_ACCOUNT = "$account_id"


def draft(models: Models, service: str, operation: str) -> str:
    """Return an entry for what an operation lists, as YAML for `kinds` in a configuration.

    Raises LookupError for an unknown service or operation, and for an operation that does not list jobs.
    """
    model = models.operation(service, operation)
    noun = _noun(operation)
    items = _items(model, noun)
    item = _Members.of(item_shape(model, items), noun)
    ids, status = _ids(item), item.find("status")
    if not ids or not status:
        raise LookupError(f"{service} {operation} lists no jobs: {items!r} have no {'status' if ids else 'id'}")
    arguments, sweep = _arguments(model)
    states, notes = _states(item.leaves[status])
    records = {key: item.all(key) for key in _RECORDS}
    entry = {
        "service": service,
        "title": " ".join([noun[0][0].upper() + noun[0][1:], *(w if w.isupper() else w.lower() for w in noun[1:])]),
        "operation": operation,
        "arguments": arguments,
        "sweep": sweep,
        "items": items,
        "id": ids[0] if len(ids) == 1 else ids,
        "name": item.find("name"),
        "status": status,
        "states": states,
        "times": _times(item),
        "reason": item.find("reason"),
        "code": item.find("code"),
        "details": _details(models, service, item, arguments),
        "filters": _filters(model, item, states),
        # With several candidates, a count may be that of something else.
        "records": {key: paths[0] for key, paths in records.items() if len(paths) == 1},
    }
    return "\n".join(_written("_".join(noun).lower(), entry, notes)) + "\n"


@dataclass(frozen=True)
class _Members:
    """The members of a structure at any depth, by path, to be found by what their names mean."""

    noun: tuple[str, ...]
    leaves: Mapping[str, Shape]

    @classmethod
    def of(cls, shape: Shape | None, noun: tuple[str, ...]) -> _Members:
        return cls(noun, dict(_leaves(shape)))

    def find(self, field: str) -> str | None:
        """Return the likeliest member for a key of an entry, None if there is none."""
        return next(iter(self.all(field)), None)

    def all(self, field: str) -> list[str]:
        """Return the members that fit a key of an entry, the likeliest first."""
        types = _TYPES.get(field, ("string",))
        found = [path for path, shape in self.leaves.items() if shape.type_name in types]
        if field not in {"reason", "code"}:
            found = [path for path in found if "[0]" not in path]
        return sorted((path for path in found if re.fullmatch(_FIELDS[field], self.rest(path))), key=self._distance)

    def rest(self, path: str) -> str:
        """Return the words of a path that are neither the noun nor filler."""
        words = [word.lower() for word in _words(path)]
        return "_".join(word for word in words if word not in {*map(str.lower, self.noun), *_FILLER} - {"id", "status"})

    def is_strange(self, path: str) -> bool:
        """Return whether a member is about something around the job, as the `ModelArn` of a model version is."""
        words, noun = {word.lower() for word in _words(path)}, [word.lower() for word in self.noun]
        return noun[-1] not in words and not words.isdisjoint(noun)

    def _distance(self, path: str) -> tuple[bool, int, bool, int]:
        rank = next(number for number, word in enumerate(_BEST) if word in path.lower())
        return self.is_strange(path), rank, not _enum(self.leaves[path]), path.count(".")


def _leaves(shape: Shape | None, prefix: str = "", depth: int = 3) -> Iterator[tuple[str, Shape]]:
    """Yield the members of a structure that are not structures themselves; of a list, its first element."""
    for name, member in shape.members.items() if isinstance(shape, StructureShape) and depth else ():
        is_list = isinstance(member, ListShape)
        path, inner = (f"{prefix}{name}[0]", member.member) if is_list else (f"{prefix}{name}", member)
        if isinstance(inner, StructureShape):
            yield from _leaves(inner, f"{path}.", depth - 1)
        else:
            yield path, inner


def _noun(operation: str) -> tuple[str, ...]:
    """Return what an operation lists, in the singular: Model, Import, Job for `ListModelImportJobs`."""
    *words, last = _words(re.sub("(History|Records)$", "", operation))[1:] or ["Jobs"]
    endings = (("yses", "ysis"), ("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("us", "us"), ("s", ""))
    return *words, next((last.removesuffix(many) + one for many, one in endings if last.endswith(many)), last)


def _items(model: OperationModel, noun: tuple[str, ...]) -> str:
    """Return the list of structures that looks most like jobs: with a status, and named like the noun."""
    lists = dict.fromkeys(path.partition("[0].")[0] for path, _ in _leaves(model.output_shape) if "[0]." in path)
    if not lists or not model.name.startswith(_READING):
        reason = "no structures in its response" if not lists else f"it is not a {', '.join(_READING)} operation"
        raise LookupError(f"{model.service_model.service_name} {model.name} lists nothing: {reason}")

    def likeness(path: str) -> tuple[bool, int]:
        has_status = _Members.of(item_shape(model, path), noun).find("status") is not None
        return has_status, sum(word.lower() in path.lower() for word in noun)

    return max(lists, key=likeness)


def _ids(item: _Members) -> list[str]:
    """Return what identifies a job: its own id, else the id of what is around it with its name and a time."""
    found, names = ([path for path in item.all(field) if "." not in path] for field in ("id", "name"))
    if found and not item.is_strange(found[0]):
        return found[:1]
    if names and not found:
        return names[:1]
    around = found or [path for path in item.leaves if re.fullmatch(r"\w+(Arn|Id|Identifier|Name)", path)][:1]
    times = [path for path, shape in item.leaves.items() if shape.type_name == "timestamp" and "." not in path]
    return [*around, *names[:1], *times[:1]]


def _times(item: _Members) -> dict[str, str]:
    """Return the members with the times; the earliest one there is counts as the creation."""
    times = {key: path for key in _TIMES if (path := item.find(key))}
    if "started" in times and "created" not in times:
        return {"created": times.pop("started"), **times}
    return times


def _states(status: Shape) -> tuple[dict[str, list[str]], list[str]]:
    """Return the statuses under the states that their words mean, and comments about the rest."""
    notes = []
    words = _enum(status)
    if not words:
        notes.append("?: the model names no statuses, these are from its documentation")
        # There, a status is in capitals, as are many other words: only those with a known meaning count.
        capitals = re.findall(r"\b[A-Z]{2,}(?:[_ ][A-Z_]+)*\b", status.documentation)
        words = [word for word in dict.fromkeys(capitals) if _meaning(word)]
    meaning = {word: _meaning(word) for word in words}
    states = {state.value: [word for word in words if meaning[word] is state] for state in State}
    if unknown := [word for word, state in meaning.items() if state is None]:
        notes.append(f"?: [{', '.join(unknown)}]")
    return {state: words for state, words in states.items() if words}, notes


def _meaning(status: str) -> State | None:
    plain = "_".join(_words(status)).lower()
    return next((state for state, stems in _STATES if re.search(stems, plain)), None)


def _arguments(model: OperationModel) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the arguments that are required or sort the newest jobs first, and those to list value by value."""
    arguments: dict[str, Any] = {}
    sweep = {}
    shape = model.input_shape
    for name in shape.required_members if shape else ():
        member = shape.members[name]
        if words := _enum(member):
            sweep[name] = words
        else:
            arguments[name] = [] if isinstance(member, ListShape) else f"${_scope(name, member)}"
    return {**arguments, **_newest_first(shape)}, sweep


def _scope(name: str, shape: Shape) -> str:
    """Return a name for the scope whose id an argument takes: `knowledge_base` for `knowledgeBaseId`."""
    for words in (_words(name), _words(shape.name)):
        plain = [word.lower() for word in words]
        if plain[-2:] == ["account", "id"]:
            return _ACCOUNT[1:]
        if kept := [word for word in plain if word not in {"id", "identifier", "arn", "name", "string"}]:
            return "_".join(kept)
    return "scope"


def _newest_first(shape: Shape | None) -> dict[str, Any]:
    """Return the arguments that sort by creation, empty if the operation cannot."""
    sorting = {path: _enum(leaf) for path, leaf in _leaves(shape) if re.fullmatch(_SORTING, path)}
    order = [(path, word) for path, words in sorting.items() for word in words if word.lower().startswith("desc")]
    others = {path: words for path, words in sorting.items() if path not in dict(order)}
    choices = [(path, word) for path, words in others.items() for word in words]
    times = [choice for stem in _SORTED_BY for choice in choices if stem in choice[1].lower()]
    arguments: dict[str, Any] = {}
    for path, word in [*times[:1], *order] if times or not others else ():
        outer, _, name = path.rpartition(".")
        (arguments.setdefault(outer, {}) if outer else arguments)[name] = word
    return arguments


def _details(models: Models, service: str, item: _Members, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the operation that says why one job failed, None if there is none or its arguments are unknown."""

    def reference(name: str) -> str | None:
        """Return what to pass as an argument: the member of that name, a scope, else the id or the name of the job."""
        if same := next((path for path in item.leaves if path.lower() == name.lower()), None):
            return f"${same}"
        if name in arguments:
            return str(arguments[name])
        path = item.find("name") if name.lower().endswith("name") else _ids(item)[0]
        return f"${path}" if path and re.search("(name|id|identifier|arn)$", name.lower()) else None

    noun = "".join(item.noun)
    known = models.service(service).operation_names
    for operation in (name for name in (f"Get{noun}", f"Describe{noun}") if name in known):
        model = models.operation(service, operation)
        described = _Members.of(model.output_shape, item.noun)
        given = {name: reference(name) for name in (model.input_shape.required_members if model.input_shape else ())}
        if described.find("reason") and given and all(given.values()):
            reading = {key: path for key in ("reason", "code") if (path := described.find(key))}
            return {"operation": operation, "arguments": given, **reading}
    return None


def _filters(model: OperationModel, item: _Members, states: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the parameters that restrict the list to jobs created after a time, and to a status."""
    given = _Members.of(model.input_shape, item.noun)
    created = _TIMES["created"] if item.find("created") else f"{_TIMES['created']}|{_TIMES['started']}"
    live = {status for state in ACTIVE for status in states.get(state, ())}
    filters: dict[str, str] = {}
    for path, shape in given.leaves.items():
        outer, _, name = path.removesuffix("[0]").rpartition(".")
        if "[" in outer or (outer and not set(shape_at(model.input_shape, outer).required_members) <= {name}):
            # It cannot be sent without others of its structure.
            continue
        words, rest = set(_enum(shape)), given.rest(path).removeprefix("by_")
        if shape.type_name == "timestamp" and re.fullmatch(f"({created})_after|after_({created})", rest):
            filters.setdefault("created_after", path)
        if re.fullmatch("stat(us|uses|e|es)", rest) and (not words or live <= words):
            filters.setdefault("status", path.removesuffix("[0]"))
    return filters


def _written(key: str, entry: Mapping[str, Any], notes: list[str]) -> Iterator[str]:
    """Yield the lines of an entry, with a comment wherever a person has to decide."""
    yield f"# A draft from the model of botocore {botocore.__version__}: confirm what AWS means by each status."
    scopes = [word for word in map(str, entry["arguments"].values()) if word.startswith("$") and word != _ACCOUNT]
    before = {"arguments": [f"  # confirm: a scope is to be written for {word}." for word in scopes]}
    if isinstance(entry["id"], list):
        before["id"] = ["  # confirm: nothing identifies a job alone."]
    # The notes are about statuses, and `times` comes after `states`, even if it is empty.
    before["times"] = [f"    # {note}" for note in notes]
    kept = {name: value for name, value in entry.items() if value or name in {"states", "times"}}
    name = ""
    for line in yaml.safe_dump({key: kept}, default_flow_style=None, sort_keys=False, width=math.inf).splitlines():
        if found := re.match(r"  (\w+):", line):
            name = found[1]
            yield from before.get(name, ())
        yield f"{line}  # confirm" if name == "states" and not found else line


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*", name)


def _enum(shape: Shape) -> list[str]:
    return list(shape.enum) if isinstance(shape, StringShape) else []
