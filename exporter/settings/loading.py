"""Reading the configuration from its places, and saying in one line what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from exporter.catalog import Catalog
from exporter.settings import checks, flags
from exporter.settings.accounts import Account, Organization, OrganizationAccounts
from exporter.settings.errors import ConfigurationError
from exporter.settings.model import ENVIRONMENT_PREFIX, Settings
from exporter.settings.yaml_file import read
from exporter.text.problems import in_words
from exporter.text.redaction import REDACTED
from exporter.text.spelling import did_you_mean


def load(
    catalog: Catalog,
    file: Path | None = None,
    given: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings; raises ConfigurationError, each problem naming the key, the value and what is allowed.

    `given`, the flags, win over the environment, that over the file, and the file over `defaults`, which take the
    place of the settings' own.
    """
    places = _Places(given or {}, read(file) if file else {}, file)
    if problems := list(places.unknown_variables()):
        raise ConfigurationError(problems)
    try:
        settings = _settings(places, defaults or {})
    except ValidationError as error:
        raise ConfigurationError([_explain(problem, places) for problem in error.errors()]) from None
    if wrong := list(checks.problems(settings, catalog)):
        raise ConfigurationError([f"{places.origin(path.split('.'))}: {text}" for path, text in wrong])
    return settings


def _settings(places: _Places, defaults: Mapping[str, Any]) -> Settings:
    class Loaded(Settings):
        """Settings from these places."""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """Return the places, the strongest first."""
            layers = (InitSettingsSource(settings_cls, dict(layer)) for layer in (places.content, defaults))
            return init_settings, _Environment(settings_cls), *layers

    loaded = Loaded(**places.flags)
    return Settings.model_construct(**{name: getattr(loaded, name) for name in Settings.model_fields})


class _Environment(EnvSettingsSource):
    """The environment. A value that is no JSON counts as text: the settings say what is wrong with it."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


@dataclass(frozen=True)
class _Places:
    """Where settings were written."""

    flags: Mapping[str, Any]
    content: Mapping[str, Any]
    file: Path | None

    def origin(self, path: Sequence[str]) -> str:
        """Return how the user named a setting: its flag, its variable, else its key in the file."""
        variables = {name.upper() for name in os.environ}
        ways = [(path[:number], "".join(f".{step}" for step in path[number:])) for number in range(len(path), 0, -1)]
        for inside, rest in ways:
            if tuple(inside) in flags.paths() and _has(self.flags, inside):
                return f"--{'.'.join(inside).replace('_', '-')}{rest}"
        for inside, rest in ways:
            if (variable := f"{ENVIRONMENT_PREFIX}{'__'.join(inside)}".upper()) in variables:
                return f"{variable}{rest}"
        return f"{self.file}: {'.'.join(path)}" if self.file else ".".join(path)

    @staticmethod
    def unknown_variables() -> Iterator[str]:
        """Yield what is wrong with variables that name no section, or a setting with too few or too many underscores.

        Kubernetes puts variables with our prefix into every pod beside a Service of our name; theirs have no "__".
        """
        settings = {"_".join(path): "__".join(path) for path in flags.paths()}
        for variable in sorted(os.environ):
            if not variable.upper().startswith(ENVIRONMENT_PREFIX):
                continue
            name = variable.upper().removeprefix(ENVIRONMENT_PREFIX).lower()
            section, nested, _ = name.partition("__")
            if (meant := settings.get(name.replace("__", "_"), name)) != name:
                yield f"{variable}: write {ENVIRONMENT_PREFIX}{meant.upper()}"
            elif nested and section not in Settings.model_fields:
                yield f"{variable}: unknown key{did_you_mean(section, Settings.model_fields)}"


def _has(values: Any, path: Sequence[str]) -> bool:
    for step in path:
        if not isinstance(values, Mapping) or step not in values:
            return False
        values = values[step]
    return True


def _explain(problem: Any, places: _Places) -> str:
    """Return one line that names where a wrong value was written, its key, the value and what is allowed."""
    path = [str(step) for step in problem["loc"] if step not in _UNWRITTEN]
    origin = places.origin(path)
    if problem["type"] == "extra_forbidden":
        return f"{origin}: unknown key{did_you_mean(path[-1], _keys_beside(path))}"
    if "external_id" in path:
        problem = {**problem, "input": REDACTED}
    # A list or a mapping has one form on one line.
    hint = "; write it as JSON" if problem["type"] in _STRUCTURED and not origin.startswith(f"{places.file}: ") else ""
    return f"{origin}: {in_words(problem)}{hint}"


_UNWRITTEN = {"[key]", "[list]", "[organization]"}
"""Steps of pydantic's own, which no user wrote."""

_STRUCTURED = {"dict_type", "mapping_type", "model_type", "model_attributes_type", "tuple_type"}


_TOP = 2
"""Steps to a key of `accounts` itself."""


def _keys_beside(path: Sequence[str]) -> Sequence[str]:
    """Return the keys that are allowed where the last step of `path` stands."""
    model: Any = Settings
    for step in path[:-1]:
        field = None if step.isdigit() else getattr(model, "model_fields", {}).get(step)
        annotation = field.annotation if field else None
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else Account
    if path[0] == "accounts" and not path[1].isdigit():
        model = OrganizationAccounts if len(path) == _TOP else Organization
    return tuple(model.model_fields)
