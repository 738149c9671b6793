"""Kinds of the user's own: entries in the configuration, checked against botocore's models like the built-in ones."""

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
"""Entries by key; each also names its `service`, and may define the `scopes` that it needs."""


def extended(catalog: Catalog, entries: Entries) -> Catalog:
    """Return a catalog with the user's own kinds, which replace built-in ones of the same key.

    Raises ValueError whose arguments are the problems, one line each.
    """
    if not entries:
        return catalog
    if misshapen := [problem for key, entry in entries.items() for problem in _misshapen(f"kinds.{key}", entry)]:
        raise ValueError(*misshapen)
    models = Models()
    by_service: defaultdict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    problems: list[str] = []
    for key, entry in entries.items():
        service = entry.get("service")
        try:
            models.service(str(service))
        except LookupError as error:
            problems.append(f"kinds.{key}.service: {error.args[0] if service else 'is missing'}")
        else:
            by_service[str(service)][key] = entry
    services: dict[str, Service] = {}
    checker = Checker(models)
    for name, own in by_service.items():
        try:
            services[name] = Service.model_validate(_merged(catalog, models, name, own))
        except ValidationError as error:
            problems += [_explained(dict(problem)) for problem in error.errors()]
            continue
        for key in own:
            problems += [f"kinds.{key}.{problem}" for problem in checker.problems(services[name].kinds[key])]
    if problems:
        raise ValueError(*problems)
    return catalog.with_services(services)


def _misshapen(path: str, entry: Any) -> Iterator[str]:
    """Yield what cannot even be merged into a service's file: the entry, its scopes and each scope must be mappings."""
    values = {path: entry}
    if isinstance(entry, Mapping):
        scopes = entry.get("scopes") or {}
        values[f"{path}.scopes"] = scopes
        if isinstance(scopes, Mapping):
            values |= {f"{path}.scopes.{name}": scope for name, scope in scopes.items()}
    for where, value in values.items():
        if not isinstance(value, Mapping):
            yield f"{where}: {in_words({'type': 'mapping_type', 'msg': '', 'input': value})}"


def _merged(catalog: Catalog, models: Models, service: str, own: Entries) -> dict[str, Any]:
    """Return the content of a service's file with the user's kinds and scopes in it."""
    content = catalog.content(service)
    scopes = {name: scope for entry in own.values() for name, scope in (entry.get("scopes") or {}).items()}
    kinds = {
        key: {name: value for name, value in entry.items() if name not in ("service", "scopes")}
        for key, entry in own.items()
    }
    return {
        "service": service,
        # Most services have one name for signing and for IAM; the built-in files know the others.
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
