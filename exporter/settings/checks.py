"""Checks that need the catalog: services, kinds, scopes and dimensions that do not exist."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any

from pydantic import ValidationError

from exporter.catalog import Catalog, Service
from exporter.catalog.kind import plural
from exporter.catalog.own import extended
from exporter.settings import readership
from exporter.settings.model import ServiceSettings, Settings
from exporter.settings.queues import SHARD
from exporter.settings.sections import FEWEST_CALLS, FamilyChoice, Patterns
from exporter.text.problems import in_words, shown
from exporter.text.spelling import did_you_mean

Problem = tuple[str, str]
"""The path of a key (`services.bedrok`) and what is wrong with it."""


def problems(settings: Settings, built_in: Catalog) -> Iterator[Problem]:
    """Yield what is not known (in the catalog, of families, of shards), and what would be read twice."""
    try:
        catalog = extended(built_in, settings.kinds)
    except ValueError as error:
        yield from (problem.partition(": ")[::2] for problem in error.args)
        return
    yield from _read_twice(settings)
    yield from _queues(settings)
    yield from _families(settings.metrics.families)
    shard = settings.shard
    if shard.index is not None and shard.index >= shard.count:
        yield "shard.index", f"{shard.index} is not one of {shard.count} shards: 0 to {shard.count - 1}"
    calls, least = settings.aws.calls_per_hour, FEWEST_CALLS * shard.count
    if calls is not None and calls < least:
        yield "aws.calls_per_hour", f"{calls} is too few for {shard.count} shards: at least {least}"
    services = list(_services(settings, catalog))
    yield from services
    if not services:
        yield from _groups(settings, catalog)


def _services(settings: Settings, catalog: Catalog) -> Iterator[Problem]:
    for name, service in settings.services.items():
        if name in catalog:
            for key, text in _service(catalog[name], service or ServiceSettings()):
                yield f"services.{name}.{key}", text
        else:
            yield f"services.{name}", f"the catalog has no such service{did_you_mean(name, catalog.names)}"


def _read_twice(settings: Settings) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    for number, account in enumerate(settings.named_accounts):
        for region in account.regions or ("",):
            first = seen.setdefault((account.account_id, region), number)
            if first != number:
                where = f"{account.account_id or 'the default credentials'} in {region or 'the default region'}"
                yield f"accounts.{number}", f"reads {where}, as accounts.{first} already does"


def _queues(settings: Settings) -> Iterator[Problem]:
    urls = [queue.sqs_queue_url for queue in settings.events]
    for number, url in enumerate(urls):
        if (first := urls.index(url)) != number:
            yield f"events.{number}.sqs_queue_url", f"the same queue as events.{first}"
        if settings.shard.count > 1 and SHARD not in url:
            text = f"{settings.shard.count} shards would take each other's events: write {SHARD} into the URL"
            yield f"events.{number}.sqs_queue_url", text


def _groups(settings: Settings, catalog: Catalog) -> Iterator[Problem]:
    read = {each.service.service: {kind.key for kind in each.kinds} for each in settings.selections(catalog)}
    names = [group.name for group in settings.groups]
    for number, group in enumerate(settings.groups):
        place, match = f"groups.{number}", group.match
        if group.name is not None and (first := names.index(group.name)) != number:
            yield f"{place}.name", f"{group.name!r} is the name of groups.{first} already"
        for service in match.services or ():
            if service not in read:
                yield f"{place}.match.services", f"{service!r} is not read{did_you_mean(service, read)}"
        tags = {key: None for service in match.services or read for key in _tags_read(settings, service)}
        for key in match.tags or {}:
            if key not in tags:
                yield f"{place}.match.tags", f"no service that is meant reads the tag {key!r}{_readable(key, tags)}"
        kinds = {kind for service in match.services or read for kind in read.get(service, ())}
        for kind in match.kinds or () if kinds else ():
            if kind not in kinds:
                yield f"{place}.match.kinds", f"no kind {kind!r} of these services is read{did_you_mean(kind, kinds)}"


def _tags_read(settings: Settings, service: str) -> tuple[str, ...]:
    own = settings.services.get(service)
    return own.tags if own else ()


def _readable(key: str, tags: Collection[str]) -> str:
    """Return which tags a group can match."""
    if not tags:
        return ": services.SERVICE.tags has the keys to read, and is not set"
    return f": services.SERVICE.tags has {', '.join(tags)}{did_you_mean(key, tags)}"


def _families(choice: FamilyChoice) -> Iterator[Problem]:
    given = [(key, pattern) for key in ("include", "exclude") for pattern in getattr(choice, key)]
    for key, pattern in given:
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in readership.families()):
            is_own = pattern.startswith(("process_", "python_"))
            hint = _PROCESS if is_own else did_you_mean(pattern, readership.families())
            yield f"metrics.families.{key}", f"no metric family is called {pattern!r}{hint}"


_PROCESS = "; web.disable_exporter_metrics leaves out `process_*` and `python_*`"


def _service(service: Service, settings: ServiceSettings) -> Iterator[Problem]:
    for kind in settings.kinds or ():
        if kind not in service.kinds:
            yield "kinds", f"{service.service} has no kind {kind!r}{did_you_mean(kind, service.kinds)}"
    known = {name for kind in service.kinds.values() for name in kind.dimensions}
    for name in settings.dimensions:
        if name not in known:
            yield "dimensions", f"{service.service} has no dimension {name!r}{did_you_mean(name, known)}"
    kinds = [service.kinds[kind] for kind in settings.kinds or service.kinds if kind in service.kinds]
    if settings.tags and kinds and not any(kind.has_tags for kind in kinds):
        tagged = [kind.key for kind in service.kinds.values() if kind.has_tags]
        which = f"only of {', '.join(tagged)}" if tagged else "of none of the service's kinds"
        yield "tags", f"nobody can read the tags of {', '.join(kind.key for kind in kinds)}: {which}"
    for key, value in settings.extra.items():
        yield from _scope(service, key, value)


def _scope(service: Service, key: str, value: Any) -> Iterator[Problem]:
    """Yield what is wrong with a key that names a scope; its value is a list of ids, or patterns on discovered ones."""
    scopes = {plural(name): name for name in service.scopes}
    if key not in scopes:
        known = {*ServiceSettings.model_fields, *scopes}
        yield key, f"unknown key{did_you_mean(key, known)}"
    elif isinstance(value, dict):
        try:
            Patterns.model_validate(value)
        except ValidationError as error:
            for problem in error.errors():
                yield ".".join(map(str, (key, *problem["loc"]))), in_words(dict(problem), Patterns)
    elif scopes[key] not in service.outer_scopes:
        yield key, "discovered within another scope, so it takes patterns: {include: [...], exclude: [...]}"
    elif not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        yield key, f"{shown(value)} is not a list of ids; remove the key to discover them all"
