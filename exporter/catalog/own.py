"""Kinds of the user's own: entries in the configuration, held to botocore's models like the built-in ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from exporter.catalog import Catalog, Service
from exporter.catalog.kind import Kind
from exporter.catalog.models import Checker, Models
from exporter.text.problems import in_words
from exporter.text.spelling import did_you_mean

Entries = Mapping[str, Mapping[str, Any]]
"""Entries by key; each also names its `service`, and may bring the `scopes` that it needs."""


def extended(catalog: Catalog, entries: Entries) -> Catalog:
    """Return a catalog with kinds of the user's own, which replace built-in ones of the same key.

    Raises ValueError, whose arguments are the problems, one line each.
    """
    if not entries:
        return catalog
    if misshapen := [problem for key, entry in entries.items() for problem in _misshapen(f"kinds.{key}", entry)]:
        raise ValueError(*misshapen)
    models = Models()
    by_service, problems = _by_service(entries, models)
    services: dict[str, Service] = {}
    for name, own in by_service.items():
        try:
            services[name] = Service.model_validate(_merged(catalog, models, name, own))
        except ValidationError as error:
            problems += [_explained(dict(problem)) for problem in error.errors()]
    checker = Checker(models)
    for name, service in services.items():
        for key in by_service[name]:
            problems += [f"kinds.{key}.{problem}" for problem in checker.problems(service.kinds[key])]
    if problems:
        raise ValueError(*problems)
    return catalog.with_services(services)


def _misshapen(path: str, entry: Any) -> Iterator[str]:
    """Yield what cannot even be merged into a service's file: entry, scopes and each of these are keys and values."""
    if not isinstance(entry, Mapping):
        yield f"{path}: {_no_mapping(entry)}"
    elif not isinstance(scopes := entry.get("scopes") or {}, Mapping):
        yield f"{path}.scopes: {_no_mapping(scopes)}"
    else:
        wrong = {name: scope for name, scope in scopes.items() if not isinstance(scope, Mapping)}
        yield from (f"{path}.scopes.{name}: {_no_mapping(scope)}" for name, scope in wrong.items())


def _no_mapping(value: Any) -> str:
    return in_words({"type": "mapping_type", "msg": "", "input": value})


def _by_service(entries: Entries, models: Models) -> tuple[dict[str, dict[str, Mapping[str, Any]]], list[str]]:
    """Return the entries by their service, and what is wrong with those that name none."""
    found: defaultdict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    problems = []
    for key, entry in entries.items():
        service = entry.get("service")
        try:
            models.service(str(service))
        except LookupError as error:
            problems.append(f"kinds.{key}.service: {error.args[0] if service else 'is missing'}")
        else:
            found[str(service)][key] = entry
    return found, problems


def _merged(catalog: Catalog, models: Models, service: str, own: Entries) -> dict[str, Any]:
    """Return the content of a service's file, the user's kinds and scopes in it."""
    content = catalog.content(service)
    scopes = {name: scope for entry in own.values() for name, scope in (entry.get("scopes") or {}).items()}
    kinds = {
        key: {name: value for name, value in entry.items() if name not in ("service", "scopes")}
        for key, entry in own.items()
    }
    return {
        "service": service,
        "iam_prefix": models.service(service).signing_name,
        **content,
        "scopes": {**content.get("scopes", {}), **scopes},
        "kinds": {**content.get("kinds", {}), **kinds},
    }


def _explained(problem: Mapping[str, Any]) -> str:
    """Return one line that names the entry, the key, the wrong value and the nearest right ones."""
    path = [str(step) for step in problem["loc"] if step != "[key]"]
    if problem["type"] == "extra_forbidden":
        return f"{'.'.join(path)}: unknown key{did_you_mean(path[-1], Kind.model_fields)}"
    return f"{'.'.join(path) or 'kinds'}: {in_words(problem)}"
