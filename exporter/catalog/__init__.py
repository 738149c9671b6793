"""Every kind of job that the exporter knows: one YAML file per AWS service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, model_validator

from exporter.catalog.kind import EVERY_CALL, Action, Entry, Events, Kind, Quota, Retention, Scope, Word

BUILT_IN = Path(__file__).parent / "services"

__all__ = [
    "BUILT_IN",
    "EVERY_CALL",
    "Catalog",
    "Events",
    "FastLoader",
    "Kind",
    "Quota",
    "Retention",
    "Scope",
    "Service",
]


class Service(Entry):
    """One file of the catalog: a service, the scopes that it lists jobs in, and its kinds of job."""

    service: str
    iam_prefix: str
    end_of_life: date | None = None
    closed: date | None = None
    """See `Kind.closed`."""
    opt_in: bool = False
    """Costly, noisy or in one region only: polled only if a configuration names the service."""
    permissions: Mapping[str, tuple[Action, ...]] = Field(default_factory=dict)
    """See `Kind.permissions`."""
    quotas: Mapping[str, Quota] = Field(default_factory=dict)
    """By operation, those that AWS documents; whichever service's kinds call it."""
    scopes: Mapping[Word, Scope] = Field(default_factory=dict)
    kinds: Mapping[Word, Kind]

    @model_validator(mode="before")
    @classmethod
    def _complete_kinds(cls, data: Any) -> Any:
        """Give each kind what its file says once for all of them."""
        scopes = data.get("scopes", {})
        common = {key: data[key] for key in ("service", "end_of_life", "closed", "permissions") if key in data}
        kinds = {
            key: {**common, **entry, "key": key, "scopes": tuple(_chain(scopes, entry.get("scope"), key))}
            for key, entry in data.get("kinds", {}).items()
        }
        return {**data, "kinds": kinds}

    @model_validator(mode="after")
    def _distinguish_names(self) -> Self:
        """Both name a source: one that finds scopes, and one that lists jobs."""
        if both := [key for key, kind in self.kinds.items() if not kind.scopes and key in self.outer_scopes]:
            raise ValueError(f"kinds.{both[0]}: scopes.{both[0]} has the same name")
        return self

    @cached_property
    def outer_scopes(self) -> Mapping[str, Scope]:
        """The scopes that a configuration can name: those that are in no other."""
        return {name: scope for name, scope in self.scopes.items() if scope.within is None}


class Catalog:
    """All services, each read from its file when it is first asked for."""

    def __init__(self, folder: Path = BUILT_IN) -> None:
        self._files = {file.stem: file for file in folder.glob("*.yaml")}
        self._services: dict[str, Service] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The botocore name of each service, sorted."""
        return tuple(sorted(self._files.keys() | self._services.keys()))

    def __contains__(self, name: object) -> bool:
        return name in self._files or name in self._services

    def __getitem__(self, name: str) -> Service:
        if name not in self._services:
            self._services[name] = Service.model_validate(self.content(name))
        return self._services[name]

    def content(self, name: str) -> dict[str, Any]:
        """Return the content of a service's file as it stands there; empty if there is no file."""
        if name not in self._files:
            return {}
        content: dict[str, Any] = yaml.load(self._files[name].read_text(), FastLoader)  # noqa: S506 - a safe loader
        return content

    def kinds(self) -> Iterator[Kind]:
        """Yield every kind of every service."""
        for name in self.names:
            yield from self[name].kinds.values()

    def with_services(self, services: Mapping[str, Service]) -> Catalog:
        """Return a catalog in which these services replace those of the same name."""
        catalog = Catalog()
        catalog._files = self._files
        catalog._services = {**self._services, **services}
        return catalog


FastLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's loader is ten times faster; PyYAML lacks it if it was built without libyaml."""


def _chain(scopes: Mapping[str, Any], innermost: Any, kind: str) -> list[tuple[str, Any]]:
    """Return the scopes around and including `innermost`, the outermost first.

    The chain stops at a name that is not a string; validation of the model then reports it in its place.
    """
    chain: list[tuple[str, Any]] = []
    name = innermost
    while isinstance(name, str):
        if name not in scopes:
            raise ValueError(f"kinds.{kind}: no scope {name!r} among {', '.join(sorted(map(str, scopes))) or 'none'}")
        if name in dict(chain):
            raise ValueError(f"kinds.{kind}: scope {name!r} contains itself")
        chain.insert(0, (name, scopes[name]))
        name = scopes[name].get("within")
    return chain
