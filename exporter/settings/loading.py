"""Reads the configuration from all of its places, and says in one line what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from exporter.catalog import Catalog
from exporter.settings import checks, flags
from exporter.settings.accounts import Account, OrganizationAccounts
from exporter.settings.errors import ConfigurationError
from exporter.settings.model import ENVIRONMENT_PREFIX, Settings
from exporter.settings.yaml_file import read
from exporter.text.problems import in_words, tag
from exporter.text.redaction import REDACTED
from exporter.text.spelling import did_you_mean


def load(
    catalog: Catalog,
    file: Path | None = None,
    given: Mapping[flags.KeyPath, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings; raises ConfigurationError, each problem naming the key, the value and what is allowed.

    The flags (`given`) win over the environment, the environment over the file, and the file over `defaults`, which
    replace those of the settings.
    """
    places = _Places(given or {}, read(file) if file else {}, file)
    # pydantic-settings ignores variables of sections that it does not know, so a misspelled one would have no effect.
    if problems := list(_unknown_variables()):
        raise ConfigurationError(problems)
    try:
        settings = _merged(places, defaults or {})
    except ValidationError as error:
        raise ConfigurationError([_explained(problem, places) for problem in error.errors()]) from None
    if wrong := list(checks.problems(settings, catalog)):
        raise ConfigurationError([f"{places.origin(path.split('.'))}: {text}" for path, text in wrong])
    return settings


@dataclass(frozen=True)
class _Places:
    """Where settings were written."""

    flags: Mapping[flags.KeyPath, Any]
    content: Mapping[str, Any]
    file: Path | None

    def origin(self, path: Sequence[str]) -> str:
        """Return a setting as the user wrote it: its flag, else its environment variable, else its key in the file."""
        # pydantic-settings takes variables in lower case, too.
        variables = {name.upper() for name in os.environ}
        key = ".".join(path)
        # A flag or a variable may be the setting itself or, as JSON, anything around it: try the longest path first.
        ways = [(tuple(path[:number]), key[len(".".join(path[:number])) :]) for number in range(len(path), 0, -1)]
        for outer, rest in ways:
            if outer in self.flags:
                return f"{flags.flag(outer)}{rest}"
        for outer, rest in ways:
            if (variable := f"{ENVIRONMENT_PREFIX}{'__'.join(outer)}".upper()) in variables:
                return f"{variable}{rest}"
        return f"{self.file}: {key}" if self.file else key


def _unknown_variables() -> Iterator[str]:
    """Yield what is wrong with variables that name an unknown section, or a setting with the wrong underscores.

    All others with our prefix are ignored: next to a Service of our name, Kubernetes sets variables such as
    AWS_JOB_EXPORTER_SERVICE_HOST in every pod. None of those contains "__".
    """
    written = {"_".join(path): "__".join(path) for path in flags.paths()}
    for variable in sorted(os.environ):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.upper().removeprefix(ENVIRONMENT_PREFIX).lower()
        section, nested, _ = name.partition("__")
        if (meant := written.get(name.replace("__", "_"), name)) != name:
            yield f"{variable}: write {ENVIRONMENT_PREFIX}{meant.upper()}"
        elif nested and section not in Settings.model_fields:
            yield f"{variable}: unknown key{did_you_mean(section, Settings.model_fields)}"


def _merged(places: _Places, defaults: Mapping[str, Any]) -> Settings:
    class Loaded(Settings):
        """Settings from these places."""

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            """Return the places, the strongest first."""
            layers = (InitSettingsSource(settings_cls, dict(layer)) for layer in (places.content, defaults))
            return init_settings, _Environment(settings_cls), *layers

    given: dict[str, Any] = {}
    for (*sections, name), value in places.flags.items():
        reduce(lambda outer, section: outer.setdefault(section, {}), sections, given)[name] = value
    loaded = Loaded(**given)
    # Settings that are equal must be of the same class.
    return Settings.model_construct(**{name: getattr(loaded, name) for name in Settings.model_fields})


class _Environment(EnvSettingsSource):
    """The environment. pydantic-settings raises an error without a location for JSON that is not valid."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002 - pydantic-settings' signature
        return flags.json_or_text(value)


_TAGS = {tag(Account), tag(OrganizationAccounts)}
_STRUCTURED = {"dict_type", "mapping_type", "model_type", "model_attributes_type", "tuple_type"}


def _explained(problem: Any, places: _Places) -> str:
    """Return one line with the place of a wrong value, its key, the value and what is allowed."""
    path = [str(step) for step in problem["loc"] if step not in _TAGS]
    origin = places.origin(path)
    if "external_id" in path:
        problem = {**problem, "input": REDACTED}
    is_flag_or_variable = not origin.startswith(f"{places.file}: ")
    hint = "; write it as JSON" if problem["type"] in _STRUCTURED and is_flag_or_variable else ""
    return f"{origin}: {in_words(problem, Settings)}{hint}"
