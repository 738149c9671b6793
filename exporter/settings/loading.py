"""Reading the configuration, and saying in one line what is wrong with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import CliSettingsSource, SettingsError

from exporter.catalog import Catalog, Service
from exporter.catalog.kind import plural
from exporter.catalog.own import extended
from exporter.catalog.problems import in_words
from exporter.catalog.spelling import did_you_mean
from exporter.settings.model import ENVIRONMENT_PREFIX, Account, Patterns, ServiceSettings, Settings


class ConfigurationError(Exception):
    """What is wrong with a configuration: `problems`, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load(
    catalog: Catalog,
    file: Path | None = None,
    flags: CliSettingsSource[Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the settings; raises ConfigurationError, each problem naming the key, the value and what is allowed.

    `defaults` takes the place of the settings' own defaults, as far as it goes.
    """
    content = _read(file) if file else {}
    if "config" in content:
        raise ConfigurationError([f"{file}: config: belongs to the command line (--config.file), not into the file"])
    try:
        settings = Settings(_cli_settings_source=flags, **_merged(defaults or {}, content))
    except ValidationError as error:
        raise ConfigurationError([_explain(problem, file, content) for problem in error.errors()]) from None
    except SettingsError as error:
        raise ConfigurationError([f"{error}: not the JSON that it needs"]) from None
    except TypeError:
        raise ConfigurationError([f"{file}: keys must be words"]) from None
    try:
        problems = list(_unknown(settings, extended(catalog, settings.kinds)))
    except ValueError as error:
        problems = list(error.args)
    if problems:
        raise ConfigurationError([f"{file}: {problem}" if file else problem for problem in problems])
    return settings


def _merged(defaults: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return two configurations as one, section by section; `content` wins."""
    both = {key for key in defaults.keys() & content.keys() if isinstance(content[key], dict)}
    return {**defaults, **content, **{key: {**defaults[key], **content[key]} for key in both}}


def _unknown(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """Yield what the catalog does not know, and what would be read twice."""
    yield from _read_twice(settings)
    for name, service in settings.services.items():
        if name not in catalog:
            yield f"services.{name}: the catalog has no such service{did_you_mean(name, catalog.names)}"
        else:
            yield from _service_problems(catalog[name], service or ServiceSettings())


def _read_twice(settings: Settings) -> Iterator[str]:
    seen: dict[tuple[str, str], int] = {}
    for number, account in enumerate(settings.accounts):
        for region in account.regions or ("",):
            first = seen.setdefault((account.account_id, region), number)
            if first != number:
                where = f"account {account.account_id or 'of the default credentials'}"
                yield f"accounts.{number}: reads the {where} in {region or 'the default region'} like accounts.{first}"


def _service_problems(service: Service, settings: ServiceSettings) -> Iterator[str]:
    key = f"services.{service.service}"
    for kind in settings.kinds or ():
        if kind not in service.kinds:
            yield f"{key}.kinds: {service.service} has no kind {kind!r}{did_you_mean(kind, service.kinds)}"
    known = {name for kind in service.kinds.values() for name in kind.dimensions}
    for dimension in settings.dimensions:
        if dimension not in known:
            yield f"{key}.dimensions: {service.service} has no dimension {dimension!r}{did_you_mean(dimension, known)}"
    for name, value in settings.extra.items():
        yield from (f"{key}.{name}{problem}" for problem in _scope_problems(service, name, value))


def _scope_problems(service: Service, key: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with a key that names containers: a list of ids, or patterns for those that are found."""
    scopes = {plural(name): name for name in service.scopes}
    if key not in scopes:
        yield f": unknown key{did_you_mean(key, {*ServiceSettings.model_fields, *scopes})}"
    elif isinstance(value, dict):
        try:
            Patterns.model_validate(value)
        except ValidationError as error:
            yield from (_pattern_problem(problem) for problem in error.errors())
    elif scopes[key] not in service.outer_scopes:
        yield ": found within other containers, so it takes patterns: {include: [...], exclude: [...]}"
    elif not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        yield f": {json.dumps(value)} is not a list of ids; leave the key out to find them all"


def _pattern_problem(problem: Any) -> str:
    path = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f".{path}: unknown key{did_you_mean(path, Patterns.model_fields)}"
    return f".{path}: {in_words(problem)}"


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent loss."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for number, key in enumerate(keys) if key in keys[:number]]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read(file: Path) -> dict[str, Any]:
    """Return the content of a configuration file; an empty file is an empty configuration."""
    try:
        content = yaml.load(file.read_text(), _StrictLoader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"{file}: not UTF-8 text"]) from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError([f"{file}{line}: not valid YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{file}: not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(content or {}, dict):
        raise ConfigurationError([f"{file}: the top level must be keys and values"])
    return content or {}


def _explain(problem: Any, file: Path | None, content: Mapping[str, Any]) -> str:
    """Return one line that names where a wrong value was written, its key, the value and what is allowed."""
    path = [str(step) for step in problem["loc"]]
    origin = _origin(path, file, content)
    if problem["type"] == "extra_forbidden":
        return f"{origin}: unknown key{did_you_mean(path[-1], _keys_beside(path))}"
    return f"{origin}: {in_words(problem)}"


def _origin(path: Sequence[str], file: Path | None, content: Mapping[str, Any]) -> str:
    """Return how the user named a setting: its key in the file, its variable, else its flag."""
    names = [step for step in path if not step.isdigit()]
    if (variable := f"{ENVIRONMENT_PREFIX}{'__'.join(names)}".upper()) in {name.upper() for name in os.environ}:
        return variable
    inside: Any = content
    for name in names:
        if not isinstance(inside, Mapping) or name not in inside:
            break
        inside = inside[name]
    else:
        return f"{file}: {'.'.join(path)}"
    if inside is not content:
        return f"{file}: {'.'.join(path)}"
    return f"--{'.'.join(names).replace('_', '-')}"


def _keys_beside(path: Sequence[str]) -> Sequence[str]:
    """Return the keys that are allowed where the last step of `path` stands."""
    model: Any = Settings
    for step in path[:-1]:
        model = Account if step.isdigit() else model.model_fields[step].annotation
        if not isinstance(model, type) or not issubclass(model, BaseModel):
            model = Account
    return tuple(model.model_fields)
